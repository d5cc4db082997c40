"""How much of everything there is, for monitoring: a few counts, each over an index."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, select, text

from storage import mailboxes
from storage.quarantine import SPAM
from storage.tables import quarantine, tickets
from storage.tables_outbox import deliveries

_WAITING = ("queued", "sending")
_OVER = text("state IN ('failed', 'expired', 'unknown')")


@dataclass(frozen=True, slots=True)
class Census:
    """`tickets` by status; `deliveries` and the age in seconds of the `oldest` overdue one by provider and state;
    `unfetchable` mails by mailbox."""

    tickets: dict[str, int] = field(default_factory=dict)
    deliveries: dict[tuple[str, str], int] = field(default_factory=dict)
    oldest: dict[tuple[str, str], float] = field(default_factory=dict)
    held: int = 0
    unfetchable: dict[str, int] = field(default_factory=dict)


def take(connection: Connection, *, now: datetime) -> Census:
    """Count."""
    held = connection.execute(
        select(func.count()).select_from(quarantine).where(quarantine.c.state == "held", quarantine.c.reason != SPAM)
    )
    found = Census(held=held.scalar_one(), unfetchable=mailboxes.unfetchable(connection))
    for status, count in connection.execute(select(tickets.c.status, func.count()).group_by(tickets.c.status)):
        found.tickets[status] = count
    for state in _WAITING:
        # the state as a literal: only so the partial indexes serve
        waiting = (
            select(deliveries.c.provider, func.count(), func.min(deliveries.c.due_at))
            .where(text(f"state = '{state}'"))
            .group_by(deliveries.c.provider)
        )
        for provider, count, oldest in connection.execute(waiting):
            found.deliveries[provider, state] = count
            found.oldest[provider, state] = max(0.0, (now - oldest).total_seconds())
    over = (
        select(deliveries.c.provider, deliveries.c.state, func.count())
        .where(_OVER)
        .group_by(deliveries.c.provider, deliveries.c.state)
    )
    for provider, state, count in connection.execute(over):
        found.deliveries[provider, state] = count
    return found
