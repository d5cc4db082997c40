"""What can go wrong below, sorted by what the caller should do.

```
StorageError
 ├── StorageUnavailable   away, full or overloaded: nothing was kept, try again later
 └── Conflict             somebody else changed it meanwhile: read again
```
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import exc


class StorageError(Exception):
    """Anything the database could not do."""


class StorageUnavailable(StorageError):
    """The database is away, its disk is full or it took too long; nothing was kept."""


class Conflict(StorageError):
    """Somebody else changed the same row meanwhile."""


_AWAY_CLASSES = frozenset({"08", "28", "3D", "53", "57", "58", "XX"})
"""SQLSTATE classes: connection exception, login refused, no such database, insufficient resources, operator
intervention, system error, internal error (PostgreSQL manual, appendix A)."""

_RETRY_STATES = frozenset({"40001", "40P01"})
"""Serialisation failure and deadlock: the same transaction may succeed at once."""

_AWAY_STATES = frozenset({"25006", "55P03"})
"""Read-only transaction (the server became a standby, or its disk is nearly full) and lock time-out."""

_SQLITE_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
    }
)


def sqlstate(error: BaseException) -> str:
    """The SQLSTATE somewhere along the chain of causes; empty where there is none."""
    seen: BaseException | None = error
    while seen is not None:
        state = getattr(seen, "sqlstate", None) or getattr(seen, "pgcode", None)
        if isinstance(state, str):
            return state
        seen = getattr(seen, "orig", None) or seen.__cause__
    return ""


def reason(error: BaseException) -> str:
    """What the database said, on one line: without the statement and the values that belonged to it."""
    said = getattr(error, "orig", None) or error
    words = " ".join(str(said).split())
    if isinstance(error, exc.DBAPIError):
        # asyncpg's errors come wrapped as "<class '…'>: words"
        words = words.partition(">: ")[2] or words
    return words or type(said).__name__


def is_retryable(error: BaseException) -> bool:
    """Whether the same transaction may simply be run again now."""
    return sqlstate(error) in _RETRY_STATES


def is_away(error: BaseException) -> bool:
    """Whether the database itself is the trouble, rather than what was asked of it."""
    if isinstance(error, OSError | TimeoutError | StorageUnavailable | exc.TimeoutError):
        return True
    if isinstance(error, exc.DBAPIError) and (error.connection_invalidated or isinstance(error, exc.InterfaceError)):
        return True
    original = error.orig if isinstance(error, exc.DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", None)
        return code is not None and (code & 0xFF) in _SQLITE_AWAY
    state = sqlstate(error)
    return bool(state) and (state[:2] in _AWAY_CLASSES or state in _AWAY_STATES or state in _RETRY_STATES)
