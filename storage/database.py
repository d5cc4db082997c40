"""A database as the rest of Otklik sees it: `read`, `write`, and groups of units that share one commit.

Use cases are plain functions over a synchronous SQLAlchemy Core connection; nothing in them waits. On SQLite they run
in one writer thread (`storage.sqlite`), on PostgreSQL through `AsyncConnection.run_sync` (`storage.postgresql`).

A **group** answers many callers with one sync. What waits when a commit ends makes the next group, or on PostgreSQL,
where two are under way at once, its share of it does (`storage.pace`); a lone caller never waits for company. The
handler gets all units of the group at once. If anything in it fails, everything is rolled back and the units are handed
in again one by one, so that one bad unit harms only itself. If the database itself is the trouble, all get
`StorageUnavailable` at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from tickets.measure import UNITS, Count, Histograms

T = TypeVar("T")
U = TypeVar("U")
R = TypeVar("R")

READ = "read"
"""The name of every query in counts."""

GROUP_SIZE = 256
"""The most units in one commit: beyond it the sync is already shared well and waiting grows."""

Handler = Callable[[Connection, list[U]], list[R]]
"""What answers the units of a group, in order, on a connection inside a transaction."""

Locks = Callable[[list[U]], Iterable[int]]
"""What a group must have for itself, as numbers of 64 bits with a sign."""

Fault = Callable[[str], None]
"""A named point at which a test may kill, raise or hang."""


def no_fault(name: str) -> None:
    """The fault hook of a program that is not being tested."""


def no_locks(units: list[Any]) -> Iterable[int]:
    """Of a kind of group that any number of may be under way."""
    return ()


class Counts:
    """What a database did since it was opened, by the name of the unit.

    `up` is how its last use went, `writable` how the last transaction did.
    """

    __slots__ = ("commits", "groups", "unavailable", "up", "writable")

    def __init__(self) -> None:
        self.commits = Histograms()
        self.groups = Histograms(UNITS)
        self.unavailable: Count = Count()
        self.up = True
        self.writable = True

    def committed(self, name: str, seconds: float) -> None:
        """A unit is on disk."""
        self.up = self.writable = True
        self.commits.add((name,), seconds)

    def failed(self, name: str) -> None:
        """The database was away."""
        self.up = False
        if name != READ:
            self.writable = False
        self.unavailable[(name,)] += 1


class Group(ABC, Generic[U, R]):
    """Units of one kind that are committed together."""

    @abstractmethod
    async def submit(self, unit: U) -> R:
        """Return the unit's answer once its group is on disk.

        Raises:
            StorageUnavailable: nothing was kept.
            Exception: whatever the handler raised for this unit alone.
        """


class Database(ABC):
    """One database, opened by `open_database`."""

    dialect: str
    fault: Fault
    counts: Counts

    @abstractmethod
    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query on a connection of its own; it sees one consistent snapshot and may not write."""

    @abstractmethod
    async def write(self, unit: Callable[[Connection], T], *, name: str = "write") -> T:
        """Run a unit in one transaction and return after its commit is on disk.

        On PostgreSQL the unit is run again after a serialisation failure or deadlock, so it must not keep state.
        `name` is the prefix of its fault points.

        Raises:
            StorageUnavailable: nothing was kept.
        """

    @abstractmethod
    def group(self, handler: Handler[U, R], *, name: str, locks: Locks[U] = no_locks) -> Group[U, R]:
        """A new kind of group: of two with a lock in common the second begins after the first one's commit, on
        whatever node they are.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what was handed in and let go of every connection."""


async def open_database(url: str, *, pool: int = 5, lock_timeout: float = 5.0, fault: Fault = no_fault) -> Database:
    """Open `sqlite:///path` or `postgresql://…`; the schema must be there (see `storage.schema`).

    Raises:
        StorageUnavailable: it cannot be reached.
        ValueError: the URL names another database.
    """
    if url.startswith("sqlite"):
        from storage.sqlite import SqliteDatabase

        return await SqliteDatabase.open(url, busy_timeout=lock_timeout, readers=pool, fault=fault)
    if url.startswith("postgresql"):
        from storage.postgresql import PostgresDatabase

        return await PostgresDatabase.open(url, pool=pool, lock_timeout=lock_timeout, fault=fault)
    raise ValueError("the database URL must begin with sqlite:/// or postgresql://")


__all__ = ["GROUP_SIZE", "Connection", "Counts", "Database", "Fault", "Group", "no_fault", "open_database"]
