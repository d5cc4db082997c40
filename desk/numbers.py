"""Serial numbers of tickets: taken in the ticket's own transaction, or ahead of it while many tickets come.

A number taken inside a transaction keeps the counter's row locked until the commit, so that on PostgreSQL two groups
cannot write at the same time. While groups of several tickets come one after another, the next numbers are therefore
reserved ahead, in a transaction of their own, and handed out from memory. A crash may then leave a gap; an orderly stop
gives back what was not used, and a desk that is not in a hurry never takes ahead at all.
"""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from storage import counters
from storage.database import Connection, Database
from storage.errors import StorageUnavailable

log = structlog.get_logger(__name__)

AHEAD = 4
"""For how many groups of the present size numbers are kept ready."""

MOST = 500
"""The most numbers reserved at once: the largest gap a crash can leave."""


class Numbers:
    """Hands out serial numbers of named counters, each once. One per database and program."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ahead = database.dialect == "postgresql"
        self._stock: dict[str, list[int]] = {}
        self._filling: dict[str, asyncio.Task[None]] = {}

    def take(self, connection: Connection, name: str, count: int) -> tuple[list[int], list[int]]:
        """Numbers for `count` tickets that are written in this transaction, in rising order.

        The second list are those of them that are out of stock: to be given back if the transaction fails. The others
        the database takes back by itself.
        """
        stock = self._stock.get(name, [])
        lent, self._stock[name] = stock[:count], stock[count:]
        missing = count - len(lent)
        given = lent
        if missing:
            first = counters.reserve(connection, name, missing)
            given = [*lent, *range(first, first + missing)]
        if self._ahead and count > 1 and len(self._stock[name]) < AHEAD * count and name not in self._filling:
            # after our own: it waits for this transaction, and its numbers come behind
            task = asyncio.get_running_loop().create_task(self._fill(name, min(2 * AHEAD * count, MOST)))
            self._filling[name] = task
        return given, lent

    def give_back(self, lent: dict[str, list[int]]) -> None:
        """Numbers out of stock whose transaction failed."""
        for name, serials in lent.items():
            self._stock[name] = sorted([*serials, *self._stock.get(name, ())])

    async def filled(self) -> None:
        """Return when what is being reserved is in stock."""
        await asyncio.gather(*self._filling.values())

    async def close(self) -> None:
        """Give back what was reserved and not used, where nobody took a number after it."""
        await self.filled()
        for name, stock in self._stock.items():
            tail = _run_at_the_end(stock)
            if tail:
                try:
                    await self._database.write(partial(_return, name=name, tail=tail), name="numbers")
                except StorageUnavailable:
                    log.warning("numbers_not_given_back", counter=name, numbers=len(tail))
        self._stock.clear()

    async def _fill(self, name: str, count: int) -> None:
        try:
            first = await self._database.write(lambda c: counters.reserve(c, name, count), name="numbers")
        except StorageUnavailable:
            return
        finally:
            del self._filling[name]
        self._stock[name] = sorted([*self._stock.get(name, ()), *range(first, first + count)])


def _return(connection: Connection, *, name: str, tail: list[int]) -> bool:
    return counters.give_back(connection, name, tail[-1], len(tail))


def _run_at_the_end(stock: list[int]) -> list[int]:
    """The unbroken run that ends with the last number.

    >>> _run_at_the_end([3, 7, 8, 9])
    [7, 8, 9]
    """
    start = len(stock)
    while start and (start == len(stock) or stock[start - 1] == stock[start] - 1):
        start -= 1
    return stock[start:]
