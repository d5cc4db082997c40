"""What the page of deliveries shows: rows with their last try, counts, and how each provider fares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, and_, func, select, text, update

from storage import ledger
from storage.bulk import insert_rows
from storage.cells import Row
from storage.ledger import Filter
from storage.tables import addresses, tickets
from storage.tables_outbox import attempts, deliveries, notifications

TABS: dict[str, str] = {
    "trouble": "deliveries.state IN ('failed', 'expired', 'unknown')",
    "queued": "deliveries.id IN (SELECT d.id FROM deliveries AS d WHERE d.state = 'queued'"
    " UNION ALL SELECT d.id FROM deliveries AS d WHERE d.state = 'sending')",
    "suppressed": "deliveries.state = 'suppressed'",
    "all": "1 = 1",
}
"""The lists of the page, by what state a delivery is in; spelt as the partial indexes spell it, the queue in two parts,
because no index holds both."""

BUCKETS = 12
"""Parts an hour is drawn in."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries a list shows; `since` leaves out what was made before."""

    tab: str
    filter: Filter
    since: datetime | None = None


def listing(connection: Connection, wanted: Wanted) -> list[Row]:
    """Deliveries, newest first, each with `code` and `outcome` of its last try (None where there was none); one more
    than the limit where there is another page."""
    last = and_(attempts.c.delivery_id == deliveries.c.id, attempts.c.number == deliveries.c.tries)
    query = (
        select(
            *(deliveries.c.id, deliveries.c.notification_id, deliveries.c.ticket_id, deliveries.c.channel),
            *(deliveries.c.provider, deliveries.c.address, deliveries.c.state, deliveries.c.reason),
            *(deliveries.c.created_at, deliveries.c.updated_at, deliveries.c.due_at, deliveries.c.tries),
            *(notifications.c.event, notifications.c.role, notifications.c.name, tickets.c.number, tickets.c.subject),
            attempts.c.code,
            attempts.c.outcome,
        )
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .join(tickets, tickets.c.id == deliveries.c.ticket_id)
        .outerjoin(attempts, last)
        .where(text(TABS[wanted.tab]), *ledger.conditions(wanted.filter))
        .order_by(deliveries.c.id.desc())
        .limit(wanted.filter.limit + 1)
    )
    if wanted.filter.before is not None:
        query = query.where(deliveries.c.id < wanted.filter.before)
    if wanted.since is not None:
        query = query.where(deliveries.c.id >= ledger.first_key(wanted.since))
    return [dict(row) for row in connection.execute(query).mappings()]


def totals(connection: Connection, since: datetime) -> dict[str, int]:
    """How many deliveries made since a moment are in each state, and how many are in trouble or queue in all."""
    grouped = (
        select(deliveries.c.state, func.count())
        .where(deliveries.c.id >= ledger.first_key(since))
        .group_by(deliveries.c.state)
    )
    found = {f"today_{row[0]}": int(row[1]) for row in connection.execute(grouped)}
    for tab, parts in _PARTS.items():
        query = select(func.count()).select_from(deliveries)
        found[tab] = sum(int(connection.execute(query.where(text(part))).scalar_one()) for part in parts)
    return found


# each part is spelt as its partial index is
_PARTS = {
    "trouble": ("deliveries.state IN ('failed', 'expired', 'unknown')",),
    "queued": ("deliveries.state = 'queued'", "deliveries.state = 'sending'"),
}


def hour(connection: Connection, now: datetime, lifetime: timedelta) -> dict[str, tuple[list[int], list[int]]]:
    """By provider, tries that were accepted and that failed in each twelfth of the last hour, oldest first."""
    start = now - timedelta(hours=1)
    query = (
        select(attempts.c.provider, attempts.c.outcome, attempts.c.ended_at)
        .where(
            attempts.c.delivery_id >= ledger.first_key(now - lifetime - timedelta(hours=1)),
            attempts.c.ended_at >= start,
        )
        .limit(20_000)
    )
    found: dict[str, tuple[list[int], list[int]]] = {}
    for provider, outcome, ended in connection.execute(query):
        good, bad = found.setdefault(provider, ([0] * BUCKETS, [0] * BUCKETS))
        at = min(int((ended - start) / timedelta(hours=1) * BUCKETS), BUCKETS - 1)
        (good if outcome == "accepted" else bad)[max(at, 0)] += 1
    return found


def some(connection: Connection, ids: Sequence[UUID]) -> list[Row]:
    """These deliveries in the order of their keys, locked until the commit."""
    query = (
        select(deliveries, notifications.c.event, notifications.c.role, notifications.c.name, notifications.c.person_id)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(deliveries.c.id.in_(ids))
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def hurry(connection: Connection, delivery_id: UUID, now: datetime) -> bool:
    """Let a delivery that waits for its next try be tried now; whether it does wait."""
    found = connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, text("deliveries.state = 'queued'"), deliveries.c.tries > 0)
        .values(due_at=now, updated_at=now)
    )
    return bool(found.rowcount)


def readdress(connection: Connection, delivery_id: UUID, address: str) -> None:
    """A delivery goes to another address."""
    connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(address=address))


def owner_of(connection: Connection, key: str) -> UUID | None:
    """Whose address this is."""
    found: UUID | None = connection.execute(select(addresses.c.person_id).where(addresses.c.key == key)).scalar()
    return found


def give_address(connection: Connection, person_id: UUID, key: str, value: str) -> None:
    """A mailbox becomes one of a person's, unproven."""
    row = {"key": key, "person_id": person_id, "kind": "email", "value": value, "verified": False}
    insert_rows(connection, addresses, [row | {"dead_at": None, "opted_out_at": None}])
