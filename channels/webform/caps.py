"""How often one client, one sender and one form may be heard within an hour.

The counts are kept in memory: they guard against floods, they are no ledger, and a restart may begin anew.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)

REMEMBERED = 50_000
"""Names whose count is kept; the one asked for longest ago is forgotten first."""


@dataclass(frozen=True, slots=True)
class Full:
    """A cap that is reached, and when there is room again."""

    name: str
    until: datetime


class Counts:
    """Counts by name within windows of an hour that begin with a name's first use."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._counts: OrderedDict[str, tuple[datetime, int]] = OrderedDict()
        self._remembered = remembered

    def full(self, names: dict[str, int], now: datetime, amount: int = 1) -> Full | None:
        """The first of the names whose count would go over its limit by `amount` more; nothing is counted."""
        for name, most in names.items():
            since, count = self._counts.get(name, (now, 0))
            if now - since < HOUR and count + amount > most:
                return Full(name.partition(":")[0], since + HOUR)
        return None

    def count(self, names: dict[str, int], now: datetime, amount: int = 1) -> None:
        """Count a use of all the names."""
        for name in names:
            since, count = self._counts.pop(name, (now, 0))
            if now - since >= HOUR:
                since, count = now, 0
            self._counts[name] = (since, count + amount)
        while len(self._counts) > self._remembered:
            self._counts.popitem(last=False)


def client_of(address: str) -> str:
    """Whom an IP address stands for: itself, or the /64 an IPv6 host can take any address of.

    >>> client_of("203.0.113.7"), client_of("2001:db8:1:2:3::4"), client_of("::ffff:203.0.113.7"), client_of("?")
    ('203.0.113.7', '2001:db8:1:2::/64', '203.0.113.7', '?')
    """
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(known, ipaddress.IPv6Address):
        if known.ipv4_mapped is not None:
            return str(known.ipv4_mapped)
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(known)
