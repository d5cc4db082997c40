"""What live pages look at besides the event log: deliveries of watched tickets, trouble, counts, and what came while
somebody was away."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, exists, func, select, text

from storage.quarantine import SPAM
from storage.tables import events, messages, quarantine, tickets
from storage.tables_accounts import sessions
from storage.tables_outbox import deliveries, notifications

_TROUBLE = text("deliveries.state IN ('failed', 'expired', 'unknown')")
_OPEN = text("tickets.status IN ('new', 'in_progress', 'waiting')")


def delivery_marks(connection: Connection, ticket_ids: Iterable[UUID]) -> dict[UUID, tuple[Any, ...]]:
    """Something for each of some tickets that changes whenever one of its deliveries does."""
    query = (
        select(
            notifications.c.ticket_id,
            func.count(),
            func.max(deliveries.c.updated_at),
            func.sum(deliveries.c.tries),
            func.sum(deliveries.c.fence),
        )
        .join(deliveries, deliveries.c.notification_id == notifications.c.id)
        .where(notifications.c.ticket_id.in_(list(ticket_ids)))
        .group_by(notifications.c.ticket_id)
    )
    return {row[0]: tuple(row[1:]) for row in connection.execute(query)}


def trouble(connection: Connection) -> tuple[int, datetime | None]:
    """How many deliveries need a person, and when the last of them changed."""
    query = select(func.count(), func.max(deliveries.c.updated_at)).where(_TROUBLE)
    row = connection.execute(query).one()
    return int(row[0]), row[1]


def counts(connection: Connection) -> dict[str, int]:
    """The numbers beside the sections of staff pages: open tickets not snoozed, deliveries in trouble, what is held.

    Held spam has a page, and so a number, of its own.
    """
    waiting = select(func.count()).select_from(tickets).where(_OPEN, tickets.c.snoozed_until.is_(None))
    reasons = (
        select(quarantine.c.reason, func.count()).where(quarantine.c.state == "held").group_by(quarantine.c.reason)
    )
    held = {reason: int(count) for reason, count in connection.execute(reasons)}
    spam = held.pop(SPAM, 0)
    return {
        "queue": int(connection.execute(waiting).scalar_one()),
        "deliveries": trouble(connection)[0],
        "quarantine": sum(held.values()),
        "spam": spam,
    }


def versions(connection: Connection, ticket_ids: Iterable[UUID]) -> dict[UUID, tuple[str, int]]:
    """Number and version of some tickets."""
    query = select(tickets.c.id, tickets.c.number, tickets.c.version).where(tickets.c.id.in_(list(ticket_ids)))
    return {row[0]: (row[1], row[2]) for row in connection.execute(query)}


# ---- away ---------------------------------------------------------------------------------------------------------


def began(connection: Connection, session_id: UUID) -> datetime | None:
    """When a session began."""
    return connection.execute(select(sessions.c.created_at).where(sessions.c.id == session_id)).scalar()


def last_here(connection: Connection, user_id: UUID, before: datetime) -> datetime | None:
    """When a user was seen last in a session that began before a moment."""
    query = select(func.max(sessions.c.seen_at)).where(sessions.c.user_id == user_id, sessions.c.created_at < before)
    return connection.execute(query).scalar()


def answered_since(connection: Connection, member_id: UUID, since: datetime) -> int:
    """How many open tickets of a member of staff that were there before a moment got an answer from outside since."""
    answer = exists().where(messages.c.ticket_id == tickets.c.id, messages.c.direction == "in", messages.c.at > since)
    query = select(func.count()).where(_OPEN, tickets.c.assignee_id == member_id, tickets.c.created_at <= since, answer)
    return int(connection.execute(query).scalar_one())


def given_since(connection: Connection, member_id: UUID, since: datetime) -> int:
    """How many open tickets were given to a member of staff since a moment, and are theirs still."""
    given = exists().where(events.c.ticket_id == tickets.c.id, events.c.what == "assigned", events.c.at > since)
    query = select(func.count()).where(_OPEN, tickets.c.assignee_id == member_id, given)
    return int(connection.execute(query).scalar_one())
