"""What can go wrong below, sorted by what the caller should do.

```
StorageError
 └── StorageUnavailable   away, full or overloaded: nothing was kept, try again later
```
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import exc


class StorageError(Exception):
    """Anything the database could not do."""


class StorageUnavailable(StorageError):
    """The database is away, its disk is full or it took too long; nothing was kept."""


_AWAY_CLASSES = frozenset({"08", "28", "3D", "53", "57", "58", "XX"})
"""SQLSTATE classes: connection exception, login refused, no such database, insufficient resources, operator
intervention, system error, internal error (PostgreSQL manual, appendix A)."""

_RETRY_STATES = frozenset({"40001", "40P01"})
"""Serialisation failure and deadlock: the same transaction may succeed at once."""

_RACE_STATES = frozenset({"23505"})
"""Unique violation: two nodes met the same key in the same moment; the second attempt finds what the other wrote."""

_AWAY_STATES = frozenset({"25006", "55P03"})
"""Read-only transaction (the server became a standby, or its disk is nearly full) and lock time-out."""

_DRIVER_AWAY = frozenset({"InterfaceError", "InternalClientError"})
"""What asyncpg raises without an SQLSTATE when its connection is gone, or was going while it was used."""

_DRIVER_OUTDATED = frozenset({"InvalidCachedStatementError", "OutdatedSchemaCacheError"})
"""What asyncpg raises when what it remembers of the schema is no longer true."""

_OUTDATED_STATES = frozenset({"0A000", "42804"})
"""`cached plan must not change result type`, and `wrong number of columns` of a row type."""

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
    return " ".join(str(said).split()) or type(said).__name__


def is_retryable(error: BaseException) -> bool:
    """Whether the same transaction may simply be run again now."""
    return sqlstate(error) in _RETRY_STATES | _RACE_STATES


def is_outdated(error: BaseException) -> bool:
    """Whether PostgreSQL refused only because the schema was changed since the connection learned of it.

    A statement keeps the row types it was prepared with; another connection prepares it anew.
    """
    seen: BaseException | None = error
    while seen is not None:
        if type(seen).__name__ in _DRIVER_OUTDATED:
            return True
        seen = getattr(seen, "orig", None) or seen.__cause__
    return sqlstate(error) in _OUTDATED_STATES


def is_busy(error: BaseException) -> bool:
    """Whether SQLite refused only because somebody else is writing."""
    original = getattr(error, "orig", None) or error
    code = getattr(original, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) == sqlite3.SQLITE_BUSY


def is_broken(error: BaseException) -> bool:
    """Whether what PostgreSQL's driver raised means that this connection ended, rather than that the server is away."""
    return type(error).__name__ in _DRIVER_AWAY or sqlstate(error)[:2] == "08" or sqlstate(error) == "57P01"


def is_away(error: BaseException) -> bool:
    """Whether the database itself is the trouble, rather than what was asked of it."""
    if isinstance(error, OSError | TimeoutError | StorageUnavailable | exc.TimeoutError):
        return True
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return True
    original = (error.orig or error) if isinstance(error, exc.DBAPIError) else error
    if isinstance(original, sqlite3.ProgrammingError):
        # no code of SQLite's own: the driver does not even ask it
        return "closed database" in str(original)
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", None)
        return code is not None and (code & 0xFF) in _SQLITE_AWAY
    if type(original).__name__ in _DRIVER_AWAY:
        # under the same name the driver refuses a value it cannot encode, which is a mistake of ours
        return type(original.__cause__).__name__ != "DataError"
    state = sqlstate(error)
    return bool(state) and (state[:2] in _AWAY_CLASSES or state in _AWAY_STATES or state in _RETRY_STATES)
