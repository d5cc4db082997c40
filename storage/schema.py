"""The schema: which revision a database is at, and taking it to the newest one.

Steps are alembic revisions under `storage/migrations`; there is no way back but to restore a copy. An upgrade is one
transaction, whatever number of steps it takes, and nodes that begin one at the same moment take turns: the second
finds nothing left to do.

Alembic keeps its state in globals of the process and takes long to import. Therefore upgrades of one process run one
after the other, each in a thread with an event loop of its own, and looking up the revision does without alembic.
"""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from storage.all_tables import metadata
from storage.errors import StorageError, StorageUnavailable, is_away, reason
from storage.sqlite import sqlite_engine

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010")
"""Every revision this program knows, oldest first."""

HEAD = REVISIONS[-1]
"""The revision this program works with."""

PATIENCE = 120.0
"""Seconds an upgrade waits for another one."""

DDL_LOCK_TIMEOUT = "15s"
"""How long PostgreSQL waits for a table in use; all who come later wait behind it meanwhile."""

ADVISORY_LOCK = int.from_bytes(b"otklik", "big")
"""Key of the PostgreSQL advisory lock that upgrades and restores take turns by."""

migrating = threading.Lock()
"""Held while anything in this process runs `migrate`."""


class SchemaError(StorageError):
    """The schema is not one this program can work with or change; the message says what to do."""


async def current(url: str) -> str:
    """The revision a database is at; empty where there is none yet.

    Raises:
        StorageUnavailable: it cannot be reached.
    """
    if url.startswith("postgresql"):
        engine = postgres_engine(url)
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(revision_of)
        except Exception as error:
            _tell(error)
            raise
        finally:
            await engine.dispose()
    return await asyncio.to_thread(_sqlite_current, url)


async def check(url: str) -> str:
    """One line saying what to do about the schema; empty where it is up to date.

    Raises:
        StorageUnavailable: the database cannot be reached.
    """
    found = await current(url)
    if found == HEAD:
        return ""
    if not found:
        return "the database has no tables yet: run `otklik db upgrade`"
    if found not in REVISIONS:
        return _too_new(found)
    return f"the database is at schema {found}, this program needs {HEAD}: run `otklik db upgrade`"


async def upgrade(url: str, revision: str = "head") -> list[str]:
    """Take the schema to a revision, creating the database file on SQLite, and return the revisions applied.

    Raises:
        SchemaError: it is beyond that revision or unknown, or tables are in the way.
        StorageUnavailable: the database cannot be reached or is in use for too long; nothing was changed.
    """
    goal = HEAD if revision == "head" else revision
    if goal not in REVISIONS:
        raise SchemaError(f"there is no schema {goal!r}; known: {', '.join(REVISIONS)}")
    work = _upgrade_postgres if url.startswith("postgresql") else _upgrade_sqlite
    try:
        return await asyncio.to_thread(work, url, goal)
    except Exception as error:
        _tell(error)
        raise


def migrate(connection: Connection, goal: str) -> list[str]:
    """Run the missing steps inside the transaction of a connection and return the revisions applied.

    Raises:
        SchemaError: the schema is beyond `goal` or unknown, or tables are in the way.
    """
    before = own_revision(connection)
    done = REVISIONS.index(before) + 1 if before else 0
    wanted = REVISIONS.index(goal) + 1
    if wanted < done:
        raise SchemaError(f"the database is at schema {before}; a way back to {goal} is not offered: restore a copy")
    if wanted == done:
        return []
    from alembic import command
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    command.upgrade(config, goal)
    return list(REVISIONS[done:wanted])


def revision_of(connection: Connection) -> str:
    """The revision of a connected database; empty where there is none."""
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or ""


def own_revision(connection: Connection) -> str:
    """As `revision_of`, for somebody who is about to change the tables.

    Raises:
        SchemaError: the revision is unknown, or there is none and another program's tables are in the way.
    """
    found = revision_of(connection)
    if found and found not in REVISIONS:
        raise SchemaError(_too_new(found))
    taken = [] if found else sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))
    if taken:
        names = ", ".join(taken[:3])
        raise SchemaError(f"the database already has tables that are not Otklik's own ({names}): give it an empty one")
    return found


def postgres_engine(url: str) -> AsyncEngine:
    """An engine for one connection that is let go of at once."""
    # a server on SQLite never needs it: six megabytes
    from sqlalchemy.ext.asyncio import create_async_engine

    from storage.postgresql import asyncpg_url

    settings = {"timezone": "UTC", "application_name": "otklik db"}
    return create_async_engine(
        asyncpg_url(url), poolclass=NullPool, connect_args={"timeout": 10, "server_settings": settings}
    )


def sqlite_path(url: str) -> Path:
    """The file a SQLite URL names.

    Raises:
        ValueError: it names none, or another kind of database.
    """
    parts = make_url(url)
    if parts.get_backend_name() != "sqlite" or not parts.database or parts.database == ":memory:":
        raise ValueError("the database URL must begin with sqlite:/// and name a file")
    return Path(parts.database)


def _sqlite_current(url: str) -> str:
    path = sqlite_path(url)
    if not path.exists():
        return ""
    engine = sqlite_engine(url, busy_timeout=5, writer=False)
    try:
        with engine.connect() as connection:
            return revision_of(connection)
    except Exception as error:
        _tell(error)
        raise


def _upgrade_sqlite(url: str, goal: str) -> list[str]:
    path = sqlite_path(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        # what customers write is nobody else's to read; SQLite gives its other files the mode of this one
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    with migrating, sqlite_engine(url, busy_timeout=PATIENCE, writer=True).begin() as connection:
        return migrate(connection, goal)


def _upgrade_postgres(url: str, goal: str) -> list[str]:
    async def work() -> list[str]:
        engine = postgres_engine(url)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(take_turns)
                return await connection.run_sync(migrate, goal)
        finally:
            await engine.dispose()

    with migrating:
        return asyncio.run(work())


def take_turns(connection: Connection) -> None:
    """On PostgreSQL, wait until no other upgrade or restore is under way, and be the only one until the commit."""
    connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE:.0f}s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    connection.execute(text(f"SET LOCAL lock_timeout = '{DDL_LOCK_TIMEOUT}'"))


def _too_new(revision: str) -> str:
    return (
        f"the database is at schema {revision}, which this program does not know (it knows {HEAD}): "
        "run the newer version of Otklik it belongs to, or restore a copy"
    )


def _tell(error: Exception) -> None:
    if is_away(error) and not isinstance(error, StorageError):
        raise StorageUnavailable(reason(error)) from error
