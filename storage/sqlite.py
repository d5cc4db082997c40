"""SQLite: one writer thread with its own connection, readers beside it (WAL, `synchronous=FULL`)."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from storage.database import GROUP_SIZE, Database, Fault, Group
from storage.errors import StorageUnavailable, is_away, reason

log = structlog.get_logger(__name__)

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")

_Reply = tuple["asyncio.Future[Any]", Any, BaseException | None]


def sqlite_engine(url: str, *, busy_timeout: float, writer: bool) -> Engine:
    """An engine whose connections sync every commit; a writer's transactions take the write lock at once.

    BEGIN IMMEDIATE spares a transaction that read first and writes later from failing half-way with SQLITE_BUSY.
    """
    engine = create_engine(
        make_url(url).set(drivername="sqlite+pysqlite"),
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": busy_timeout, "cached_statements": 512},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA cache_size=-32000")
        # a longer log is copied into the file less often, and pages written by many commits only once
        cursor.execute("PRAGMA wal_autocheckpoint=8000")
        cursor.execute("PRAGMA temp_store=MEMORY")
        if not writer:
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


class _SqliteGroup(Group[U, R]):
    def __init__(self, database: SqliteDatabase, handler: Callable[[Connection, list[U]], list[R]], name: str) -> None:
        self.database = database
        self.handler = handler
        self.name = name

    async def submit(self, unit: U) -> R:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.database.put((self, unit, future))
        return await future


class SqliteDatabase(Database):
    """The embedded database: one process and the command line beside it."""

    dialect = "sqlite"

    def __init__(self, url: str, *, busy_timeout: float, readers: int, fault: Fault) -> None:
        self.fault = fault
        self._engine = sqlite_engine(url, busy_timeout=busy_timeout, writer=True)
        self._read_engine = sqlite_engine(url, busy_timeout=busy_timeout, writer=False)
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._local = threading.local()
        self._reading: list[Connection] = []
        self._readers = ThreadPoolExecutor(max_workers=max(1, min(readers, 4)), thread_name_prefix="sqlite-read")
        self._thread = threading.Thread(target=self._work, name="sqlite-write", daemon=True)
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, busy_timeout: float, readers: int, fault: Fault) -> SqliteDatabase:
        """Open the file, creating it where it is missing."""
        database = cls(url, busy_timeout=busy_timeout, readers=readers, fault=fault)
        database._thread.start()
        return database

    def put(self, job: Any) -> None:
        """Hand a job to the writer thread.

        Raises:
            StorageUnavailable: the database is closed.
        """
        if self._closed:
            raise StorageUnavailable("the database is closed")
        self._jobs.put(job)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """See `Database.read`."""
        if self._closed:
            raise StorageUnavailable("the database is closed")
        return await self._loop.run_in_executor(self._readers, self._read, query)

    def _read(self, query: Callable[[Connection], T]) -> T:
        connection: Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = self._read_engine.connect()
                self._reading.append(connection)
            with connection.begin():
                return query(connection)
        except Exception as error:
            if is_away(error):
                self._local.connection = None
                if connection is not None:
                    self._reading.remove(connection)
                    _drop(connection)
                raise StorageUnavailable(reason(error)) from error
            raise

    async def write(self, unit: Callable[[Connection], T], *, name: str = "write") -> T:
        """See `Database.write`."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.put((None, (unit, name), future))
        return await future

    def group(self, handler: Callable[[Connection, list[U]], list[R]], *, name: str) -> Group[U, R]:
        """See `Database.group`."""
        return _SqliteGroup(self, handler, name)

    async def close(self) -> None:
        """See `Database.close`."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        self._readers.shutdown(wait=True)
        for connection in self._reading:
            connection.close()
        self._engine.dispose()
        self._read_engine.dispose()

    # ---- the writer thread ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        connection: Connection | None = None
        stopping = False
        while not stopping:
            jobs = [self._jobs.get()]
            while True:
                try:
                    jobs.append(self._jobs.get_nowait())
                except queue.Empty:
                    break
            stopping = None in jobs
            for run in _runs([job for job in jobs if job is not None]):
                try:
                    if connection is None:
                        connection = self._engine.connect()
                    replies = self._run(connection, run)
                except Exception as error:
                    away = StorageUnavailable(reason(error)) if is_away(error) else error
                    replies = [(future, None, away) for _, _, future in run]
                if any(isinstance(error, StorageUnavailable) for _, _, error in replies):
                    _drop(connection)
                    connection = None
                self._answer(replies)
        _drop(connection)

    def _run(self, connection: Connection, run: list[Any]) -> list[_Reply]:
        group: _SqliteGroup[Any, Any] | None = run[0][0]
        if group is None:
            unit, name = run[0][1]
            return [(run[0][2], *self._once(connection, unit, name))]
        units = [unit for _, unit, _ in run]
        answers, error = self._once(connection, lambda c: group.handler(c, units), group.name)
        if error is None:
            return [(future, answer, None) for (_, _, future), answer in zip(run, answers, strict=True)]
        if isinstance(error, StorageUnavailable) or len(run) == 1:
            return [(future, None, error) for _, _, future in run]
        log.warning("group_replayed_singly", group=group.name, units=len(run), error=type(error).__name__)
        replies: list[_Reply] = []
        for _, unit, future in run:
            one, error = self._once(connection, partial(_alone, group, unit), group.name)
            replies.append((future, one[0] if error is None else None, error))
        return replies

    def _once(
        self, connection: Connection, unit: Callable[[Connection], Any], name: str
    ) -> tuple[Any, BaseException | None]:
        committed = False
        try:
            with connection.begin():
                answer = unit(connection)
                self.fault(f"{name}.before_commit")
            committed = True
            self.fault(f"{name}.after_commit")
        except Exception as error:
            # what is already on disk must not be run again: the caller cannot know, so it tries again and is recognised
            if committed or is_away(error):
                log.error("storage_unavailable", unit=name, error=reason(error))
                return None, StorageUnavailable(reason(error))
            return None, error
        return answer, None

    def _answer(self, replies: list[_Reply]) -> None:
        try:
            self._loop.call_soon_threadsafe(_resolve, replies)
        except RuntimeError:
            log.warning("answers_lost", reason="the event loop is closed", answers=len(replies))


def _runs(jobs: list[Any]) -> list[list[Any]]:
    """Jobs in order, neighbours of one group together, no run longer than a group may be."""
    runs: list[list[Any]] = []
    waiting: dict[Any, list[Any]] = {}
    for job in jobs:
        group = job[0]
        if group is None:
            runs.append([job])
            continue
        run = waiting.get(group)
        if run is None or len(run) >= GROUP_SIZE:
            run = waiting[group] = []
            runs.append(run)
        run.append(job)
    return runs


def _alone(group: _SqliteGroup[Any, Any], unit: Any, connection: Connection) -> list[Any]:
    return group.handler(connection, [unit])


def _drop(connection: Connection | None) -> None:
    if connection is not None:
        try:
            connection.close()
        except Exception as error:
            log.warning("connection_lost", error=reason(error))


def _resolve(replies: list[_Reply]) -> None:
    for future, answer, error in replies:
        if future.done():
            continue
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)
