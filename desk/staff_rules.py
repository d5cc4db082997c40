"""What the installation demands of staff who log in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tickets.role import Role

SESSION_WRITTEN = timedelta(minutes=1)
"""How often it is written down that a session was used."""


@dataclass(frozen=True, slots=True)
class StaffRules:
    """How long sessions live, who needs a second factor, how many tries there are.

    A session ends after `lifetime` at the latest, and after `idle` without a request. `awaiting` is how long the page
    for the code of the second factor waits. After `tries` failures for one login, or `address_tries` from one address,
    every further try has to wait: `first_wait`, doubled each time up to `longest_wait`. Failures are forgotten after
    `forget_after` without another.
    """

    lifetime: timedelta = timedelta(hours=12)
    idle: timedelta = timedelta(hours=2)
    awaiting: timedelta = timedelta(minutes=5)
    totp_roles: frozenset[Role] = frozenset()
    tries: int = 5
    address_tries: int = 20
    first_wait: timedelta = timedelta(seconds=30)
    longest_wait: timedelta = timedelta(minutes=15)
    forget_after: timedelta = timedelta(hours=24)
    zone: str = "Europe/Moscow"
    issuer: str = "Otklik"
    """What an authenticator calls the installation."""
