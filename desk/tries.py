"""How often somebody may try: counted by login, by address and by person, kept in the database for all nodes.

A try is counted as failed *before* the password is looked at, and taken back when it was right; so many tries at once
are no way around. A login nobody has is counted like any other: the answer tells nothing.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from desk.staff_rules import StaffRules
from storage import accounts
from storage.database import Connection


class TooManyTries(Exception):
    """No further try before `until`."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"too many tries; the next one may be made at {until.isoformat()}")
        self.until = until


@dataclass(frozen=True, slots=True)
class Count:
    """What is counted under a key, and how many failures are free of waiting."""

    key: str
    free: int


def wait_after(failures: int, free: int, rules: StaffRules) -> timedelta:
    """How long the next try has to wait.

    >>> [wait_after(n, 5, StaffRules()).total_seconds() for n in (4, 5, 6, 7, 10, 100)]
    [0.0, 30.0, 60.0, 120.0, 900.0, 900.0]
    """
    if failures < free:
        return timedelta(0)
    return min(rules.first_wait * (1 << min(failures - free, 20)), rules.longest_wait)


def of_login(login_key: str, rules: StaffRules) -> Count:
    """By login; people type passwords there, so its digest is kept."""
    return Count(f"login:{hashlib.sha256(login_key.encode('utf-8', 'surrogatepass')).hexdigest()}", rules.tries)


def of_address(address: str, rules: StaffRules) -> Count:
    """By address; a network of IPv6 (/64) counts as one, for one customer has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return Count("address:unknown", rules.address_tries)
    if parsed.version == 6:
        mapped = parsed.ipv4_mapped
        parsed = mapped or ipaddress.ip_network((parsed, 64), strict=False).network_address
    return Count(f"address:{parsed}", rules.address_tries)


def of_code(user_id: UUID, rules: StaffRules) -> Count:
    """Codes of a second factor, by person: a new session does not start the count anew."""
    return Count(f"code:{user_id.hex}", rules.tries)


def of_owner(user_id: UUID, rules: StaffRules) -> Count:
    """Passwords asked for again of somebody who is logged in."""
    return Count(f"owner:{user_id.hex}", rules.tries)


def begin(connection: Connection, counts: list[Count], now: datetime, rules: StaffRules) -> int:
    """Count a try under every key, and return how many are left under the first one.

    Raises:
        TooManyTries: it has to wait; nothing was counted.
    """
    rows = {count.key: accounts.throttle(connection, count.key) for count in sorted(counts, key=lambda c: c.key)}
    blocked = [row["blocked_until"] for row in rows.values() if row["blocked_until"] and row["blocked_until"] > now]
    if blocked:
        raise TooManyTries(max(blocked))
    for count in counts:
        row = rows[count.key]
        if now - row["last_at"] > rules.forget_after:
            row["failures"] = 0
        row["failures"] += 1
        row["last_at"] = now
        wait = wait_after(row["failures"], count.free, rules)
        row["blocked_until"] = now + wait if wait else None
        accounts.save_throttle(connection, row)
    return max(0, counts[0].free - int(rows[counts[0].key]["failures"]))


def succeeded(connection: Connection, counts: list[Count]) -> None:
    """Take a try back that was right: the first key is forgotten, the others lose one failure."""
    for count in sorted(counts, key=lambda c: c.key):
        if count is counts[0]:
            accounts.clear_throttle(connection, count.key)
        else:
            row = accounts.throttle(connection, count.key)
            row["failures"] = max(0, row["failures"] - 1)
            if row["failures"] < count.free:
                row["blocked_until"] = None
            accounts.save_throttle(connection, row)
