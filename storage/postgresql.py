"""PostgreSQL: a pool for reads and single units; groups have flushers of their own (`storage.flusher`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage.database import READ, Counts, Database, Fault, Group, Handler, Locks, no_locks
from storage.errors import StorageUnavailable, is_away, is_outdated, is_retryable, reason
from storage.flusher import RETRIES, Kind, PostgresGroup

log = structlog.get_logger(__name__)

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")


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
        self._groups: list[PostgresGroup[Any, Any]] = []
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
        group = PostgresGroup(Kind(self, handler, name, locks))
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
