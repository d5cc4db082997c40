"""How often one address is acknowledged: a forged sender must not be flooded, nor two desks thank each other for ever.

RFC 3834, section 2, asks every automatic responder for such a limit. The count is kept in memory: it guards against
floods, it is no ledger, and a restart may begin anew.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)

REMEMBERED = 50_000
"""Addresses whose count is kept; the one asked for longest ago is forgotten first."""


class Allowance:
    """One acknowledgement within an hour for an address that nobody has proved to be theirs.

    The same cause may ask again: a unit that is rolled back and tried anew is still the same one.
    """

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[datetime, str]] = OrderedDict()

    def used(self, key: str, cause: str, now: datetime) -> bool:
        """Use an address's allowance for a cause; whether another one has used it."""
        since, by = self._last.get(key, (now, cause))
        if by != cause and now - since < HOUR:
            return True
        self._last[key] = (since if by == cause else now, cause)
        self._last.move_to_end(key)
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)
        return False


class Cap:
    """Counts within windows of an hour that begin with an address's first acknowledgement."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._counts: OrderedDict[str, tuple[datetime, int]] = OrderedDict()

    def reached(self, key: str, now: datetime) -> bool:
        """Count one more for an address; whether it has had enough for now."""
        since, count = self._counts.pop(key, (now, 0))
        if now - since >= HOUR:
            since, count = now, 0
        self._counts[key] = (since, count + 1)
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)
        return count >= self.most
