"""What this installation is, as far as use cases must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from outbound.plan import Policy
from router.decide import Router


@dataclass(frozen=True, slots=True)
class Site:
    """A database with its own number prefix, and the rules it works by.

    `follow_up_after` is how long a finished ticket can still be reopened by its author; later mail on it becomes a new,
    linked ticket. `near_percent` and `near` say when a deadline is close: that share of the term left, or that much
    working time, whichever is less. `acknowledgements` is how many one address gets within an hour.
    """

    prefix: str = "OTK"
    name: str = "Otklik"
    zone: str = "Europe/Moscow"
    language: str = "ru"
    public_url: str = ""
    router: Router = field(default_factory=lambda: Router((), {}))
    policy: Policy = field(default_factory=Policy)
    follow_up_after: timedelta = timedelta(days=14)
    near_percent: int = 25
    near: timedelta = timedelta(hours=2)
    signature: Mapping[str, str] = field(default_factory=dict)
    acknowledgements: int = 20

    def year(self, at: datetime) -> int:
        """The year a ticket number made now carries, in the site's zone."""
        return at.astimezone(ZoneInfo(self.zone)).year
