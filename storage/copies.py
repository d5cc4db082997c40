"""Copies of a database, made while the program is running, and bringing one back.

SQLite: a copy is a database file itself, made by SQLite's backup interface in one read transaction; writers go on
meanwhile (`storage.copies_sqlite`). PostgreSQL: a ZIP file with one member a table, read in one transaction; no client
programs are needed (`storage.copies_postgresql`).

A copy is written beside its final name, synced and renamed: under that name there is never half a copy. It can be
brought back by this program and newer ones, to the kind of database it was made from.
"""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from storage import schema
from storage.errors import StorageError, StorageUnavailable, is_away, reason

_MAGIC = {b"SQLite format 3\0": "sqlite", b"PK\x03\x04": "postgresql"}
_OF_THE_FILE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


class CopyRefused(StorageError):
    """The copy cannot be made or brought back like this; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What a copy holds: the kind of database, its schema and its rows by table."""

    kind: str
    revision: str
    rows: dict[str, int]


async def backup(url: str, target: Path) -> Copy:
    """Write a copy of the database to a file, taking the place of an older one of that name.

    It holds what was committed at one moment between call and return, and is readable by its owner alone.

    Raises:
        CopyRefused: there is nothing to copy or it cannot be written there.
        StorageUnavailable: the database cannot be reached.
    """
    return await asyncio.to_thread(_backup, url, target)


async def restore(url: str, source: Path, *, force: bool = False) -> Copy:
    """Put a copy in the place of what the database holds, all of it or nothing, and take its schema to the newest.

    `force` allows the database to hold rows already; they are lost.

    Raises:
        CopyRefused: the file is no sound copy of this kind of database, or the database is in use or not empty.
        SchemaError: the database belongs to a newer program or to another one.
        StorageUnavailable: the database cannot be reached.
    """
    return await asyncio.to_thread(_restore, url, source, force)


def refuse_unknown(revision: str, source: Path) -> None:
    """Refuse a copy whose schema this program does not know.

    Raises:
        CopyRefused: so it is.
    """
    if revision not in schema.REVISIONS:
        raise CopyRefused(
            f"{source} is at schema {revision or 'none'}, which this program does not know (it knows {schema.HEAD}): "
            "bring it back with the version of Otklik that made it"
        )


def _backup(url: str, target: Path) -> Copy:
    from storage import copies_postgresql, copies_sqlite

    kind = _kind(url)
    if target.is_dir():
        raise CopyRefused(f"{target} is a folder: name a file in it")
    if not target.absolute().parent.is_dir():
        raise CopyRefused(f"there is no folder {target.parent}")
    if kind == "sqlite" and _same(target, schema.sqlite_path(url)):
        raise CopyRefused(f"{target} is the database itself: name another file")
    try:
        with _beside(target) as partial:
            if kind == "sqlite":
                return copies_sqlite.write(schema.sqlite_path(url), partial)
            return asyncio.run(copies_postgresql.write(url, partial))
    except StorageError:
        raise
    except Exception as error:
        _tell(error)
        raise


def _restore(url: str, source: Path, force: bool) -> Copy:
    from storage import copies_postgresql, copies_sqlite

    kind = _kind(url)
    made_from = _made_from(source)
    if made_from != kind:
        raise CopyRefused(
            f"{source} is a copy of a {_NAMES[made_from]} database and cannot be brought back to {_NAMES[kind]}"
        )
    if kind == "sqlite" and _same(source, schema.sqlite_path(url)):
        raise CopyRefused(f"{source} is the database itself: name a copy")
    try:
        with schema.migrating:
            if kind == "sqlite":
                return copies_sqlite.bring_back(url, source, force=force)
            return asyncio.run(copies_postgresql.bring_back(url, source, force=force))
    except StorageError:
        raise
    except Exception as error:
        _tell(error)
        raise


def _made_from(source: Path) -> str:
    try:
        with source.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise CopyRefused(f"{source}: {error.strerror}") from error
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return kind
    raise CopyRefused(f"{source} is not a copy of a database")


def _tell(error: Exception) -> None:
    """Raise what an error means, where it means something to a person."""
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _OF_THE_FILE):
        raise CopyRefused(f"the copy cannot be written or read: {error.strerror}") from error
    if is_away(error):
        raise StorageUnavailable(reason(error)) from error


def _kind(url: str) -> str:
    return "postgresql" if url.startswith("postgresql") else "sqlite"


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A new private file in the target's folder that takes the target's place when all went well."""
    handle, name = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.", suffix=".partial")
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        _sync(partial)
        partial.replace(target)
        _sync(target.absolute().parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
