"""Copies of a SQLite database: a database file each.

The backup interface copies page by page inside one read transaction, so writers go on and the copy is of one moment.
Bringing one back writes the pages into the existing file under SQLite's own locks and rollback journal: a crash in
between leaves what was there before, and a process that opens the file meanwhile waits.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from storage.copies import Copy, CopyRefused, refuse_unknown
from storage.errors import StorageUnavailable
from storage.schema import HEAD, migrate, sqlite_path
from storage.sqlite import sqlite_engine

PATIENCE = 30.0
"""Seconds to wait for a writer."""

MOMENT = 1.0
"""Seconds to wait for somebody who may be about to let go of the database."""

_NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE})


def write(path: Path, target: Path) -> Copy:
    """Copy the database at `path` into the empty file `target`.

    Raises:
        CopyRefused: there is nothing to copy, or no room.
        StorageUnavailable: it cannot be read.
    """
    if not path.exists():
        raise CopyRefused(f"there is no database at {path}")
    with closing(_opened(path, "rw", PATIENCE)) as database, closing(sqlite3.connect(target)) as copy:
        try:
            if not _revision(database):
                raise CopyRefused("the database has no tables yet: there is nothing to copy")
            # the file is nobody's yet: it needs neither a journal nor syncs before the last one
            copy.execute("PRAGMA journal_mode=OFF")
            copy.execute("PRAGMA synchronous=OFF")
            database.backup(copy)
            # out of WAL, so that the copy is one file and opens on a medium that cannot be written
            copy.execute("PRAGMA locking_mode=EXCLUSIVE")
            copy.execute("PRAGMA journal_mode=DELETE").fetchall()
            return _described(copy)
        except sqlite3.Error as error:
            if error.sqlite_errorcode in _NO_ROOM:
                raise CopyRefused(f"the copy cannot be written: {error} ({target.parent})") from error
            raise StorageUnavailable(str(error)) from error


def bring_back(url: str, source: Path, *, force: bool) -> Copy:
    """Put the copy in the place of the database and take its schema to the newest.

    Raises:
        CopyRefused: the copy is damaged, or the database is, or is in use, or holds rows.
        StorageUnavailable: the database cannot be written.
    """
    path = sqlite_path(url)
    with closing(_opened(source, "ro", MOMENT)) as copy:
        found = _sound(copy, source)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        with closing(_opened(path, "rw", MOMENT)) as database:
            _take(database, path)
            if not force and (rows := _rows(database)):
                raise CopyRefused(
                    f"the database is not empty ({sum(rows.values())} rows): --force replaces what it holds"
                )
            try:
                copy.backup(database)
            except sqlite3.Error as error:
                raise StorageUnavailable(str(error)) from error
    with sqlite_engine(url, busy_timeout=PATIENCE, writer=True).begin() as connection:
        migrate(connection, HEAD)
    return found


def _opened(path: Path, mode: str, patience: float) -> sqlite3.Connection:
    try:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=patience)
    except sqlite3.Error as error:
        raise StorageUnavailable(f"{path}: {error}") from error


def _sound(copy: sqlite3.Connection, source: Path) -> Copy:
    try:
        if copy.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise CopyRefused(f"{source} is damaged")
        refuse_unknown(_revision(copy), source)
        return _described(copy)
    except sqlite3.Error as error:
        raise CopyRefused(f"{source} cannot be read: {error}") from error


def _take(database: sqlite3.Connection, path: Path) -> None:
    """Lock the database against everybody until it is closed.

    SQLite leaves WAL only for somebody who is alone with the file; the exclusive lock taken then is kept.
    """
    database.isolation_level = None
    try:
        database.execute("PRAGMA locking_mode=EXCLUSIVE")
        database.execute("PRAGMA journal_mode=DELETE").fetchall()
        database.execute("BEGIN EXCLUSIVE")
        database.execute("COMMIT")
    except sqlite3.Error as error:
        if (error.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise CopyRefused("the database is in use: stop `otklik serve` and every other command first") from error
        if (error.sqlite_errorcode & 0xFF) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise CopyRefused(f"{path} is damaged: move it away, then bring the copy back") from error
        raise StorageUnavailable(str(error)) from error


def _described(connection: sqlite3.Connection) -> Copy:
    return Copy("sqlite", _revision(connection), _rows(connection))


def _tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in found if not name.startswith("sqlite_")]


def _revision(connection: sqlite3.Connection) -> str:
    if "alembic_version" not in _tables(connection):
        return ""
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def _rows(connection: sqlite3.Connection) -> dict[str, int]:
    """Rows of each table that holds any, not counting the schema's revision and what an index is made of."""
    indexes = connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'").fetchall()
    counts = {
        name: connection.execute('SELECT count(*) FROM "' + name.replace('"', '""') + '"').fetchone()[0]  # noqa: S608
        for name in _tables(connection)
        if name != "alembic_version" and not any(name.startswith(index) for (index,) in indexes)
    }
    return {name: count for name, count in counts.items() if count}
