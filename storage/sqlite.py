"""SQLite: one writing connection and one who uses it, readers beside it (WAL, `synchronous=FULL`).

A writing task takes jobs in turn. What a group decides and inserts is done on the event loop and only its commit, which
waits for the disk, in a thread: the driver gives the interpreter lock away at every statement, and a thread that writes
while the loop is busy has to win it back each time, which costs more than the statements do (measured in `bench/`).
Units of their own, which may be long, are done in the thread as a whole.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import RootTransaction, make_url
from sqlalchemy.pool import NullPool

from storage.checkpoint import Checkpoints
from storage.database import READ, Counts, Database, Fault, Group, Handler, Locks, no_locks
from storage.errors import StorageUnavailable, is_away, is_busy, reason

log = structlog.get_logger(__name__)

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")

_Job = tuple["_SqliteGroup[Any, Any] | None", Any, "asyncio.Future[Any]"]

MOST_TOGETHER = 64
"""The most units in one commit: while they are decided the event loop does nothing else."""

FEW_TOGETHER = 16
"""The most while the disk is quick: the rows of more push each other out of the processor's cache, which costs more
than another commit (measured in `bench/`)."""

SLOW_COMMIT = 0.004
"""Seconds from which on a commit is better shared by many."""

_BUSY_PAUSE = 0.005
"""Seconds between two tries for the write lock while the command line holds it."""


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
        _keep_wal(cursor, busy_timeout)
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
        # what SQLAlchemy makes around a statement costs ten times what this one does
        driver: Any = connection.connection.driver_connection
        driver.execute("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def _keep_wal(cursor: Any, busy_timeout: float) -> None:
    """Put the file in WAL mode, which it keeps.

    The first switch needs the file alone, and SQLite refuses it at once, without its busy time-out, while another
    process makes the same switch (https://www.sqlite.org/wal.html, "Activating And Configuring WAL Mode").
    """
    until = time.monotonic() + busy_timeout
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_BUSY_PAUSE)
        else:
            return


class _SqliteGroup(Group[U, R]):
    def __init__(self, database: SqliteDatabase, handler: Handler[U, R], name: str) -> None:
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
        self.counts = Counts()
        self._engine = sqlite_engine(url, busy_timeout=busy_timeout, writer=True)
        self._read_engine = sqlite_engine(url, busy_timeout=busy_timeout, writer=False)
        self._busy_timeout = busy_timeout
        self._jobs: deque[_Job] = deque()
        self._loop = asyncio.get_running_loop()
        self._local = threading.local()
        self._reading: list[Connection] = []
        self._readers = ThreadPoolExecutor(max_workers=max(1, min(readers, 4)), thread_name_prefix="sqlite-read")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-write")
        self._connection: Connection | None = None
        self._writing: asyncio.Task[None] | None = None
        self._checkpoints = Checkpoints(self._read_engine.connect)
        self._commit_took = 0.0
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, busy_timeout: float, readers: int, fault: Fault) -> SqliteDatabase:
        """Open the file, creating it where it is missing."""
        return cls(url, busy_timeout=busy_timeout, readers=readers, fault=fault)

    def put(self, job: _Job) -> None:
        """Hand in a job.

        Raises:
            StorageUnavailable: the database is closed.
        """
        if self._closed:
            raise StorageUnavailable("the database is closed")
        self._jobs.append(job)
        if self._writing is None or self._writing.done():
            self._writing = self._loop.create_task(self._write_jobs())

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
                answer = query(connection)
            self.counts.up = True
            return answer
        except Exception as error:
            if is_away(error):
                self.counts.failed(READ)
                self._local.connection = None
                if connection is not None:
                    self._reading.remove(connection)
                    _close(connection)
                raise StorageUnavailable(reason(error)) from error
            raise

    async def write(self, unit: Callable[[Connection], T], *, name: str = "write") -> T:
        """See `Database.write`."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.put((None, (unit, name), future))
        return await future

    def group(self, handler: Handler[U, R], *, name: str, locks: Locks[U] = no_locks) -> Group[U, R]:
        """See `Database.group`; one group is under way at a time, whatever it locks."""
        return _SqliteGroup(self, handler, name)

    async def close(self) -> None:
        """See `Database.close`."""
        if self._closed:
            return
        self._closed = True
        if self._writing is not None:
            await self._writing
        await self._drop()
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._thread.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self._checkpoints.close()
        for connection in self._reading:
            connection.close()
        self._engine.dispose()
        self._read_engine.dispose()

    # ---- writing --------------------------------------------------------------------------------------------------

    async def _write_jobs(self) -> None:
        while self._jobs:
            group, unit, future = self._jobs.popleft()
            if group is None:
                work, name = unit
                _settle(future, *await self._once(work, name, in_thread=True))
            else:
                await self._write_group(group, [(unit, future), *self._company(group)])

    def _company(self, group: _SqliteGroup[Any, Any]) -> list[tuple[Any, asyncio.Future[Any]]]:
        """The other units of a group that are waiting; jobs of another kind keep their places."""
        taken: list[tuple[Any, asyncio.Future[Any]]] = []
        left: list[_Job] = []
        most = MOST_TOGETHER if self._commit_took >= SLOW_COMMIT else FEW_TOGETHER
        while self._jobs and len(taken) < most - 1:
            job = self._jobs.popleft()
            if job[0] is group:
                taken.append((job[1], job[2]))
            else:
                left.append(job)
        self._jobs.extendleft(reversed(left))
        return taken

    async def _write_group(self, group: _SqliteGroup[Any, Any], run: list[tuple[Any, asyncio.Future[Any]]]) -> None:
        units = [unit for unit, _ in run]
        answers, error = await self._once(lambda c: group.handler(c, units), group.name, in_thread=False)
        if error is None:
            self.counts.groups.add((group.name,), len(run))
            for (_, future), answer in zip(run, answers, strict=True):
                _settle(future, answer, None)
        elif isinstance(error, StorageUnavailable) or len(run) == 1:
            for _, future in run:
                _settle(future, None, error)
        else:
            log.warning("group_replayed_singly", group=group.name, units=len(run), error=type(error).__name__)
            for unit, future in run:
                await self._write_group(group, [(unit, future)])

    async def _once(
        self, unit: Callable[[Connection], Any], name: str, *, in_thread: bool
    ) -> tuple[Any, BaseException | None]:
        """One transaction: the answer, or what kept it from the disk."""
        transaction: RootTransaction | None = None
        begun = time.perf_counter()
        try:
            if self._connection is None:
                self._connection = await self._run(self._connect)
            connection = self._connection
            transaction = await self._begin(connection)
            if in_thread:
                answer = await self._run(lambda: self._commit(transaction, unit(connection), name))
            else:
                decided = unit(connection)
                answer = await self._run(lambda: self._commit(transaction, decided, name))
            self.counts.committed(name, time.perf_counter() - begun)
            return answer, None
        except Exception as error:
            if is_away(error):
                self.counts.failed(name)
                log.error("storage_unavailable", unit=name, error=reason(error))
                await self._drop()
                return None, StorageUnavailable(reason(error))
            if transaction is not None and transaction.is_active:
                await self._run(transaction.rollback)
            return None, error

    def _connect(self) -> Connection:
        connection = self._engine.connect()
        # the loop must not stand still while the command line writes; `_begin` has the patience instead
        connection.connection.cursor().execute("PRAGMA busy_timeout=0")
        return connection

    async def _begin(self, connection: Connection) -> RootTransaction:
        patience = self._loop.time() + self._busy_timeout
        while True:
            try:
                return connection.begin()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or self._loop.time() > patience:
                    raise
            await asyncio.sleep(_BUSY_PAUSE)

    def _commit(self, transaction: RootTransaction, answer: T, name: str) -> T:
        self.fault(f"{name}.before_commit")
        begun = time.perf_counter()
        transaction.commit()
        self._commit_took = time.perf_counter() - begun
        self._checkpoints.committed()
        try:
            self.fault(f"{name}.after_commit")
        except Exception as error:
            # what is already on disk must not be run again: the caller cannot know, so it tries again and is recognised
            raise StorageUnavailable(str(error)) from error
        return answer

    async def _run(self, step: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._thread, step)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._run(lambda: _close(connection))


def _close(connection: Connection) -> None:
    try:
        connection.close()
    except Exception as error:
        log.warning("connection_lost", error=reason(error))


def _settle(future: asyncio.Future[Any], answer: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(answer)
    else:
        future.set_exception(error)
