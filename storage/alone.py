"""Being the only one: one server for a SQLite file, one worker of a name on PostgreSQL.

At its start a worker takes back what its own name had claimed in its former life. A second process of that name, or a
second server on the same file, would have the deliveries it is just sending taken for those of the dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sqlalchemy import func, select, text
from sqlalchemy.engine import make_url

from storage.errors import StorageUnavailable, is_away, reason, sqlstate

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

PATIENCE = 5.0
"""Seconds PostgreSQL may need to notice that the process that held a name is dead."""

WATCH = 5.0
"""Seconds between two looks whether the name is still ours."""

LOCK_TIMEOUT = "55P03"
"""SQLSTATE of a lock that could not be had in time."""


class NameTaken(StorageUnavailable):
    """Another living process bears the name."""


class Alone:
    """Holds a lock for as long as the process lives; a killed process lets go of it too.

    On SQLite it is a lock file beside the database, whatever the `name`; on PostgreSQL a lock on the name, held by a
    connection of its own.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._file: IO[str] | None = None
        self._connection: AsyncConnection | None = None

    async def take(self) -> None:
        """Take the lock.

        Raises:
            StorageUnavailable: another process has it.
        """
        if self._url.startswith("sqlite"):
            self._take_file()
        else:
            await self._take_name()

    def _take_file(self) -> None:
        database = make_url(self._url).database
        if not database or sys.platform == "win32":
            return
        import fcntl

        # open for as long as the lock is held
        opened = Path(f"{database}-lock").open("a+", encoding="utf-8")  # noqa: SIM115
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            opened.seek(0)
            holder = opened.read().strip()
            opened.close()
            raise StorageUnavailable(
                f"another server{f' (process {holder})' if holder else ''} works on {database}"
            ) from None
        opened.truncate(0)
        opened.write(str(os.getpid()))
        opened.flush()
        self._file = opened

    async def _take_name(self) -> None:
        from storage.schema import postgres_engine

        engine = postgres_engine(self._url)
        key = func.hashtextextended(f"otklik worker {self._name}", 0)
        connection: AsyncConnection | None = None
        try:
            connection = await engine.connect()
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(f"SET lock_timeout = '{PATIENCE}s'"))
            await connection.execute(select(func.pg_advisory_lock(key)))
        except Exception as error:
            if connection is not None:
                with contextlib.suppress(Exception):
                    await connection.close()
            await engine.dispose()
            if sqlstate(error) == LOCK_TIMEOUT:
                raise NameTaken(
                    f"another process is the worker {self._name!r}; give each one its own name in [serve] node"
                ) from None
            if is_away(error):
                raise StorageUnavailable(reason(error)) from error
            raise
        self._connection = connection

    async def keep(self) -> None:
        """Make sure of a name again and again: its lock is gone with its connection.

        Never returns where nothing can get lost.

        Raises:
            StorageUnavailable: another process has taken the name meanwhile.
        """
        if self._url.startswith("sqlite"):
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(WATCH)
            try:
                if self._connection is not None:
                    await self._connection.execute(select(1))
                    continue
            except Exception as error:
                if not is_away(error):
                    raise
                await self.let_go()
            try:
                await self._take_name()
            except NameTaken:
                raise
            except StorageUnavailable:
                # the database is away: nobody else can take the name either
                continue

    async def let_go(self) -> None:
        """Give the lock up."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._connection is not None:
            connection, self._connection = self._connection, None
            # the lock is gone with the connection, however that comes to its end
            with contextlib.suppress(Exception):
                await connection.close()
            await connection.engine.dispose()
