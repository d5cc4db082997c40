"""What this installation is, as far as use cases must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from desk.cap import Caps
from outbound.plan import Policy
from outbound.portal_token import PageTokens
from router.decide import Router


@dataclass(frozen=True, slots=True)
class Site:
    """A database with its own number prefix, and the rules it works by.

    `follow_up_after` is how long a finished ticket can still be reopened by its author; later mail on it becomes a new,
    linked ticket. `near_percent` and `near` say when a deadline is close: that share of the term left, or that much
    working time, whichever is less. `caps` say how often we thank. `close_after` is the number of working days after
    which a solved ticket closes by itself, 0 for never. `staff_forwards` files what staff forward under who wrote it,
    `spam_lifetime` is how long spam is held for somebody to look at.
    `mailboxes` are our own by the settings, folded; those of centres stand in the organisation.
    `pages` makes and checks the links to authors' pages; it is there while the program runs.
    """

    prefix: str = "OTK"
    name: str = "Otklik"
    zone: str = "Europe/Moscow"
    language: str = "ru"
    public_url: str = ""
    mailboxes: frozenset[str] = frozenset()
    router: Router = field(default_factory=lambda: Router((), {}))
    policy: Policy = field(default_factory=Policy)
    follow_up_after: timedelta = timedelta(days=14)
    near_percent: int = 25
    near: timedelta = timedelta(hours=2)
    signature: Mapping[str, str] = field(default_factory=dict)
    caps: Caps = field(default_factory=Caps)
    close_after: int = 5
    staff_forwards: bool = True
    spam_lifetime: timedelta = timedelta(days=30)
    pages: PageTokens | None = None

    def become(self, other: Site) -> None:
        """Take over everything of another: whoever holds this one goes by new settings from now on.

        Nothing is frozen against this one call, made on the event loop between two use cases.
        """
        for each in fields(self):
            object.__setattr__(self, each.name, getattr(other, each.name))

    def year(self, at: datetime) -> int:
        """The year a ticket number made now carries, in the site's zone."""
        return at.astimezone(ZoneInfo(self.zone)).year
