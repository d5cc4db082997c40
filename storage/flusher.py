"""Groups on PostgreSQL: what waits is committed by flushers, each on a connection of its own."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.database import GROUP_SIZE, Group, Handler, Locks
from storage.errors import StorageUnavailable, is_away, is_broken, is_outdated, is_retryable, reason
from storage.pace import Pace

if TYPE_CHECKING:
    from storage.postgresql import PostgresDatabase

log = structlog.get_logger(__name__)

U = TypeVar("U")
R = TypeVar("R")

RETRIES = 5
"""How often a unit is run again after a serialisation failure or deadlock."""

FLUSHERS = 2
"""Groups of one kind under way at once: while one waits for the server, the next is looked up and decided. They meet
in the database as those of two nodes do, and are kept apart by the same locks."""

PATIENCE = 0.02
"""Seconds a few units are put off while others are under way; then they go with the first group that is free."""


_BY_KEY = """
SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
       set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)
"""
"""A group finds everything by keys, a few at a time. Left to itself the server plans the same statements anew each
time, which takes longer than to obey them, or keeps a plan made while the tables were small."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[U, R]):
    """What all groups of one kind have in common."""

    database: PostgresDatabase
    handler: Handler[U, R]
    name: str
    locks: Locks[U]


_Waiting = tuple[U, "asyncio.Future[R]"]
"""A unit and who waits for its answer."""


class PostgresGroup(Group[U, R]):
    def __init__(self, kind: Kind[U, R]) -> None:
        self._waiting: deque[_Waiting[U, R]] = deque()
        self._flushers = [_Flusher(kind, self) for _ in range(FLUSHERS)]
        self._pace = Pace(FLUSHERS)
        self._timer: asyncio.TimerHandle | None = None
        self._overdue = False
        self._closed = False

    async def submit(self, unit: U) -> R:
        if self._closed:
            raise StorageUnavailable("the database is closed")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((unit, future))
        self._look()
        return await future

    def take(self) -> list[_Waiting[U, R]]:
        """What a flusher is to see to next; nothing where what waits is better left for the end of another group."""
        if not self._ready():
            return []
        waiting = len(self._waiting)
        size = min(GROUP_SIZE, waiting if self._closed else self._pace.share(waiting))
        run = [self._waiting.popleft() for _ in range(size)]
        self._pace.under_way += size
        self._overdue = False
        self._look()
        return run

    def ended(self, units: int) -> None:
        """A group of so many units is over."""
        self._pace.under_way -= units

    async def close(self) -> None:
        self._closed = True
        self._look()
        for flusher in self._flushers:
            await flusher.close()
        if self._timer is not None:
            self._timer.cancel()

    def _ready(self) -> bool:
        waiting = len(self._waiting)
        return waiting > 0 and (self._closed or self._overdue or self._pace.worthwhile(waiting))

    def _look(self) -> None:
        """See that what waits is taken: by a flusher that has nothing to do or, where it is little, in a while."""
        if self._ready():
            for flusher in self._flushers:
                if flusher.start():
                    break
        elif self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._patience_ended)

    def _patience_ended(self) -> None:
        self._timer = None
        self._overdue = bool(self._waiting)
        self._look()


class _Flusher(Generic[U, R]):
    """Commits what waits, group after group, on a connection of its own.

    It begins and ends its transactions itself: the beginning and the locks are one message to the server, and under
    load each message takes the server's time and two turns of the event loop.
    """

    def __init__(self, kind: Kind[U, R], group: PostgresGroup[U, R]) -> None:
        self._kind = kind
        self._group = group
        self._task: asyncio.Task[None] | None = None
        self._begun = True
        self._connection: AsyncConnection | None = None
        self._driver: Any = None

    def start(self) -> bool:
        """Begin to work; whether what waits now will be seen to by this one."""
        if self._task is None or self._task.done():
            self._begun = False
            self._task = asyncio.get_running_loop().create_task(self._flush())
            return True
        return not self._begun

    async def close(self) -> None:
        """Finish what waits."""
        if self._task is not None:
            await self._task
        await self._drop()

    async def _flush(self) -> None:
        self._begun = True
        while run := self._group.take():
            try:
                await self._answer(run)
            finally:
                self._group.ended(len(run))

    async def _answer(self, run: list[_Waiting[U, R]]) -> None:
        answers, error = await self._once([unit for unit, _ in run])
        if error is None:
            self._kind.database.counts.groups.add((self._kind.name,), len(run))
            _resolve(run, answers)
        elif isinstance(error, StorageUnavailable) or len(run) == 1:
            for _, future in run:
                _fail(future, error)
        else:
            log.warning("group_replayed_singly", group=self._kind.name, units=len(run), error=type(error).__name__)
            for unit, future in run:
                answers, error = await self._once([unit])
                if error is None:
                    _resolve([(unit, future)], answers)
                else:
                    _fail(future, error)

    async def _once(self, units: list[U]) -> tuple[list[R], BaseException | None]:
        for attempt in range(RETRIES + 1):
            try:
                return await self._run(units), None
            except Exception as error:
                if is_outdated(error):
                    await self._drop()
                if (is_retryable(error) or is_outdated(error)) and attempt < RETRIES:
                    continue
                if not is_away(error):
                    return [], error
                await self._drop()
                self._kind.database.counts.failed(self._kind.name)
                log.error("storage_unavailable", unit=self._kind.name, error=reason(error))
                return [], StorageUnavailable(reason(error))
        raise AssertionError("unreachable: the last attempt returns")

    async def _run(self, units: list[U]) -> list[R]:
        """One transaction.

        Raises:
            Exception: whatever the handler, the driver or the server raised; nothing was kept unless the connection
                broke in the commit.
        """
        begun = time.perf_counter()
        if self._connection is not None and self._driver.is_closed():
            # while nothing was to be done: nobody is to be sent away for that
            await self._drop()
        connection = self._connection or await self._open()
        execute = self._driver.execute
        try:
            await execute(_beginning(self._kind.locks(units)))
            answers = await connection.run_sync(self._kind.handler, units)
            if connection.in_transaction():
                # what SQLAlchemy takes for one: the driver was told to leave the server's to us
                await connection.commit()
            self._kind.database.fault(f"{self._kind.name}.before_commit")
            if await execute("COMMIT") != "COMMIT":
                raise StorageUnavailable("a statement had failed before the commit")
        except BaseException:
            await self._roll_back()
            raise
        self._kind.database.committed(self._kind.name, begun)
        return answers

    async def _roll_back(self) -> None:
        try:
            if self._connection is not None:
                await self._connection.rollback()
                await self._driver.execute("ROLLBACK")
        except Exception:
            await self._drop()

    async def _open(self) -> AsyncConnection:
        left = self._kind.database.most_connections
        while True:
            connection = await self._kind.database.engine.connect()
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            self._connection = connection
            self._driver = (await connection.get_raw_connection()).driver_connection
            try:
                await self._driver.execute(_BY_KEY)
                return connection
            except BaseException as error:
                # asked before it is dropped, which closes it
                dead = self._driver.is_closed() or is_broken(error)
                await self._drop()
                left -= 1
                if left < 0 or not dead or not isinstance(error, Exception):
                    raise
                # died in the pool, perhaps long ago; once the dead are out of it, connecting tells how things are
                log.info("connection_replaced", error=reason(error))

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                # not back to the pool: it plans its statements in a way of its own
                await connection.invalidate()
                await connection.close()
            except Exception as error:
                log.warning("connection_lost", error=reason(error))


def _beginning(locks: Iterable[int]) -> str:
    """The statements a group begins with: locks are had before it looks at anything, and all in one order."""
    keys = ",".join(f"{key:d}" for key in sorted(set(locks)))
    lock = f"; SELECT pg_advisory_xact_lock(k) FROM unnest('{{{keys}}}'::bigint[]) AS k" if keys else ""  # noqa: S608
    return f"BEGIN ISOLATION LEVEL READ COMMITTED{lock}"


def _resolve(run: list[_Waiting[U, R]], answers: list[R]) -> None:
    for (_, future), answer in zip(run, answers, strict=True):
        if not future.done():
            future.set_result(answer)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
