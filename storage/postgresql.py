"""PostgreSQL: a pool for reads and single units, one flusher for each group."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage.database import GROUP_SIZE, READ, Counts, Database, Fault, Group, Handler, Locks, no_locks
from storage.errors import StorageUnavailable, is_away, is_broken, is_outdated, is_retryable, reason

log = structlog.get_logger(__name__)

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")

RETRIES = 5
"""How often a unit is run again after a serialisation failure or deadlock."""


def asyncpg_url(url: str) -> str:
    """The URL with the driver Otklik uses, whatever `postgresql://` flavour was written."""
    return make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


class PostgresDatabase(Database):
    """A shared database; any number of nodes."""

    dialect = "postgresql"

    def __init__(self, url: str, *, pool: int, lock_timeout: float, fault: Fault) -> None:
        self.fault = fault
        self.counts = Counts()
        self.most_connections = 2 * pool
        self._groups: list[_PostgresGroup[Any, Any]] = []
        self.engine: AsyncEngine = create_async_engine(
            asyncpg_url(url),
            hide_parameters=True,
            pool_size=pool,
            max_overflow=self.most_connections - pool,
            pool_timeout=15,
            pool_recycle=1800,
            connect_args={
                "timeout": 10,
                "command_timeout": 120,
                "server_settings": {
                    "lock_timeout": str(int(lock_timeout * 1000)),
                    "idle_in_transaction_session_timeout": "60000",
                    "timezone": "UTC",
                    "application_name": "otklik",
                },
            },
        )
        self._snapshots = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._under_way = 0
        self._idle = asyncio.Event()
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, pool: int, lock_timeout: float, fault: Fault) -> PostgresDatabase:
        """Prepare the pool; connections are made when they are needed."""
        return cls(url, pool=pool, lock_timeout=lock_timeout, fault=fault)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """See `Database.read`."""
        with self._working():
            try:
                async with self._snapshots.connect() as connection:
                    answer = await connection.run_sync(query)
                self.counts.up = True
                return answer
            except Exception as error:
                if is_away(error):
                    self.counts.failed(READ)
                    raise StorageUnavailable(reason(error)) from error
                raise

    async def write(self, unit: Callable[[Connection], T], *, name: str = "write") -> T:
        """See `Database.write`."""
        with self._working():
            for attempt in range(RETRIES + 1):
                try:
                    async with self.engine.connect() as connection:
                        try:
                            return await self.run(connection, unit, name)
                        except Exception as error:
                            if is_outdated(error):
                                await connection.invalidate()
                            raise
                except Exception as error:
                    if (is_retryable(error) or is_outdated(error)) and attempt < RETRIES:
                        continue
                    if is_away(error):
                        self.counts.failed(name)
                        log.error("storage_unavailable", unit=name, error=reason(error))
                        raise StorageUnavailable(reason(error)) from error
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def run(self, connection: AsyncConnection, unit: Callable[[Connection], T], name: str) -> T:
        """One transaction on a given connection."""
        begun = time.perf_counter()
        async with connection.begin():
            answer = await connection.run_sync(unit)
            self.fault(f"{name}.before_commit")
        self.committed(name, begun)
        return answer

    def committed(self, name: str, begun: float) -> None:
        """A transaction that began at `begun`, by the performance counter, is on disk."""
        self.counts.committed(name, time.perf_counter() - begun)
        try:
            self.fault(f"{name}.after_commit")
        except Exception as error:
            # what is already on disk must not be run again: the caller cannot know, so it tries again and is recognised
            raise StorageUnavailable(reason(error)) from error

    def group(self, handler: Handler[U, R], *, name: str, locks: Locks[U] = no_locks) -> Group[U, R]:
        """See `Database.group`."""
        group = _PostgresGroup(_Kind(self, handler, name, locks))
        self._groups.append(group)
        return group

    async def close(self) -> None:
        """See `Database.close`."""
        self._closed = True
        for group in self._groups:
            await group.close()
        while self._under_way:
            self._idle.clear()
            await self._idle.wait()
        await self.engine.dispose()

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Something `close` has to wait for."""
        if self._closed:
            raise StorageUnavailable("the database is closed")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()


FLUSHERS = 3
"""Groups of one kind under way at once: while one waits for the server, the next is looked up and decided. They meet
in the database as those of two nodes do, and are kept apart by the same locks."""


_BY_KEY = """
SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
       set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false)
"""
"""A group finds everything by keys, a few at a time. Left to itself the server plans the same statements anew each
time, which takes longer than to obey them, or keeps a plan made while the tables were small."""


@dataclass(frozen=True, slots=True)
class _Kind(Generic[U, R]):
    """What all groups of one kind have in common."""

    database: PostgresDatabase
    handler: Handler[U, R]
    name: str
    locks: Locks[U]


class _PostgresGroup(Group[U, R]):
    def __init__(self, kind: _Kind[U, R]) -> None:
        self._waiting: deque[tuple[U, asyncio.Future[R]]] = deque()
        self._flushers = [_Flusher(kind, self._waiting) for _ in range(FLUSHERS)]
        self._closed = False

    async def submit(self, unit: U) -> R:
        if self._closed:
            raise StorageUnavailable("the database is closed")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((unit, future))
        for flusher in self._flushers:
            if flusher.start():
                break
        return await future

    async def close(self) -> None:
        self._closed = True
        for flusher in self._flushers:
            await flusher.close()


class _Flusher(Generic[U, R]):
    """Commits what waits, group after group, on a connection of its own.

    It begins and ends its transactions itself: the beginning and the locks are one message to the server, and under
    load each message takes the server's time and two turns of the event loop.
    """

    def __init__(self, kind: _Kind[U, R], waiting: deque[tuple[U, asyncio.Future[R]]]) -> None:
        self._kind = kind
        self._waiting = waiting
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
        while self._waiting:
            run = [self._waiting.popleft() for _ in range(min(GROUP_SIZE, len(self._waiting)))]
            units = [unit for unit, _ in run]
            answers, error = await self._once(units)
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


def _resolve(run: list[tuple[U, asyncio.Future[R]]], answers: list[R]) -> None:
    for (_, future), answer in zip(run, answers, strict=True):
        if not future.done():
            future.set_result(answer)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
