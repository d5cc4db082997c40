"""What a text about a ticket may speak of, read for a batch of deliveries at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, exists, select, text

from storage import conversation
from storage.cells import Row
from storage.lookup import Lookup, by
from storage.tables import addresses, events, messages, people, tickets
from storage.tables_outbox import notifications

_NOTIFICATIONS = Lookup(
    select(
        notifications.c.id,
        notifications.c.ticket_id,
        notifications.c.event_id,
        notifications.c.event,
        notifications.c.role,
        notifications.c.person_id,
        notifications.c.name,
    ),
    notifications.c.id,
)
_TICKETS = Lookup(
    select(
        tickets.c.id,
        tickets.c.number,
        tickets.c.subject,
        tickets.c.status,
        tickets.c.type,
        tickets.c.priority,
        tickets.c.customer,
        tickets.c.centre,
        tickets.c.team,
        tickets.c.assignee_id,
        tickets.c.respond_by,
        tickets.c.resolve_by,
        tickets.c.created_at,
        tickets.c.alarm,
        tickets.c.alarm_at,
        tickets.c.decision,
        tickets.c.channel,
        tickets.c.version,
        people.c.name.label("contact_name"),
        exists().where(addresses.c.person_id == tickets.c.contact_id, addresses.c.verified).label("contact_verified"),
    ).join(people, people.c.id == tickets.c.contact_id),
    tickets.c.id,
)
_EVENTS = Lookup(
    select(events.c.id, events.c.at, events.c.by, events.c.old, events.c.new, events.c.message_id, events.c.reasons),
    events.c.id,
)
_MESSAGES = Lookup(
    select(
        messages.c.id,
        messages.c.text,
        messages.c.reply_text,
        messages.c.sender_name,
        messages.c.direction,
        messages.c.detail,
    ),
    messages.c.id,
)


def read(connection: Connection, notification_ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """By notification: `notification`, `ticket`, `event`, `said` (the event's message, if any), `first` (the author's
    first message), `thread` (RFC 5322 ids of the author's messages, oldest first) and `files` (those of what was said,
    where it was said by us)."""
    noted = by(_NOTIFICATIONS.rows(connection, notification_ids), "id")
    found_tickets = by(_TICKETS.rows(connection, {n["ticket_id"] for n in noted.values()}), "id")
    found_events = by(_EVENTS.rows(connection, {n["event_id"] for n in noted.values()}), "id")
    inbound: dict[UUID, list[Row]] = {}
    for row in _INBOUND.rows(connection, found_tickets):
        inbound.setdefault(row["ticket_id"], []).append(row)
    first = {ticket: min(rows, key=lambda r: r["id"]) for ticket, rows in inbound.items()}
    wanted = {e["message_id"] for e in found_events.values() if e["message_id"]} | {r["id"] for r in first.values()}
    said = by(_MESSAGES.rows(connection, wanted), "id")
    ours = [key for key, row in said.items() if row["direction"] == "out"]
    files: dict[UUID, list[Row]] = {}
    for row in conversation.sent_files(connection, ours) if ours else ():
        files.setdefault(row["message_id"], []).append(row)
    return {
        key: {
            "notification": note,
            "ticket": found_tickets[note["ticket_id"]],
            "event": found_events[note["event_id"]],
            "said": said.get(found_events[note["event_id"]]["message_id"]),
            "first": said.get(first[note["ticket_id"]]["id"]) if note["ticket_id"] in first else None,
            "files": files.get(found_events[note["event_id"]]["message_id"], []),
            "thread": [
                r["message_id"]
                for r in sorted(inbound.get(note["ticket_id"], []), key=lambda r: r["id"])
                if r["message_id"]
            ],
        }
        for key, note in noted.items()
        if note["ticket_id"] in found_tickets and note["event_id"] in found_events
    }


_INBOUND = Lookup(
    select(messages.c.id, messages.c.ticket_id, messages.c.message_id).where(text("messages.direction = 'in'")),
    messages.c.ticket_id,
)


def about(connection: Connection, ticket_id: UUID) -> dict[str, Any]:
    """What a text about a ticket may speak of before anything has happened: `ticket`, `first` and `thread`, as in
    `read`."""
    (ticket,) = _TICKETS.rows(connection, [ticket_id])
    inbound = sorted(_INBOUND.rows(connection, [ticket_id]), key=lambda row: row["id"])
    first = _MESSAGES.rows(connection, [inbound[0]["id"]]) if inbound else []
    return {
        "ticket": ticket,
        "first": first[0] if first else None,
        "thread": [row["message_id"] for row in inbound if row["message_id"]],
    }
