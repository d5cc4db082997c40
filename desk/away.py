"""What came while somebody was away, told once they are back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from desk.visitor import Visitor
from storage import news, queue
from storage.database import Connection
from storage.queue import MOST_COUNTED, Wanted

LONG = timedelta(minutes=30)
"""Shorter absences are not told of."""

FRESH = timedelta(minutes=15)
"""How long after the login it is told."""


@dataclass(frozen=True, slots=True)
class Away:
    """Since when, and how many: new tickets, tickets of theirs that were answered, tickets given to them, late ones of
    theirs."""

    since: datetime
    new: int
    answered: int
    given: int
    late: int


def what_came(connection: Connection, visitor: Visitor, now: datetime) -> Away | None:
    """What there is to tell; None where the visitor was here a moment ago, or has been back for long."""
    began = news.began(connection, visitor.session_id)
    if began is None or now - began > FRESH:
        return None
    since = news.last_here(connection, visitor.user_id, began)
    if since is None or began - since < LONG:
        return None
    new = queue.came_since(connection, Wanted(), now, since, MOST_COUNTED + 1)
    if visitor.member is None:
        return Away(since, new, 0, 0, 0)
    own = UUID(visitor.member.id)
    late = queue.counts(connection, [Wanted(assignees=(own,), late=True)], now)[0]
    answered = news.answered_since(connection, own, since)
    return Away(since, new, answered, news.given_since(connection, own, since), late)
