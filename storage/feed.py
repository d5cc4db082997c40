"""What happened lately, for those who watch: events of tickets and attempts of deliveries after a given moment."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, select

from storage.cells import Row
from storage.tables import events, quarantine, tickets
from storage.tables_outbox import attempts, deliveries, notifications


def events_after(connection: Connection, last: UUID, most: int = 200) -> list[Row]:
    """Events with the number and subject of their tickets, oldest first."""
    query = (
        select(events, tickets.c.number, tickets.c.subject, tickets.c.decision)
        .join(tickets, tickets.c.id == events.c.ticket_id)
        .where(events.c.id > last)
        .order_by(events.c.id)
        .limit(most)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def deliveries_after(connection: Connection, last: UUID, most: int = 500) -> list[Row]:
    """Deliveries with what they tell and their attempts so far, oldest first."""
    query = (
        select(
            deliveries.c.id,
            deliveries.c.address,
            deliveries.c.state,
            deliveries.c.reason,
            deliveries.c.due_at,
            deliveries.c.subject,
            notifications.c.event,
            notifications.c.role,
            notifications.c.name,
            tickets.c.number,
        )
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .join(tickets, tickets.c.id == deliveries.c.ticket_id)
        .where(deliveries.c.id > last)
        .order_by(deliveries.c.id)
        .limit(most)
    )
    found = [dict(row) for row in connection.execute(query).mappings()]
    tries = connection.execute(
        select(attempts).where(attempts.c.delivery_id.in_([row["id"] for row in found])).order_by(attempts.c.number)
    ).mappings()
    by_delivery: dict[UUID, list[Row]] = {}
    for attempt in tries:
        by_delivery.setdefault(attempt["delivery_id"], []).append(dict(attempt))
    return [{**row, "attempts": by_delivery.get(row["id"], [])} for row in found]


def quarantined_after(connection: Connection, last: UUID, most: int = 100) -> list[Row]:
    """Quarantine entries, oldest first."""
    query = select(quarantine).where(quarantine.c.id > last).order_by(quarantine.c.id).limit(most)
    return [dict(row) for row in connection.execute(query).mappings()]
