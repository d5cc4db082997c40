"""Everything one ticket's page shows, in a fixed number of small questions, however long the ticket's life was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from storage import canned, conversation, mail_reports, merging, participants
from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables import addresses, attachments, events, messages, people, receipts, tickets
from storage.tables_console import readings
from storage.tables_outbox import attempts, deliveries, notifications

FOLDED = 12
"""A conversation of more messages than this is folded in the middle."""
FIRST, LAST = 2, 8
"""What is shown of a folded one."""
MOST_NOTIFICATIONS = 40
MOST_EVENTS = 200
MOST_MESSAGES = 400

_WAYS = (
    *(deliveries.c.id, deliveries.c.notification_id, deliveries.c.step, deliveries.c.channel, deliveries.c.provider),
    *(deliveries.c.address, deliveries.c.language, deliveries.c.state, deliveries.c.reason, deliveries.c.due_at),
    *(deliveries.c.expires_at, deliveries.c.tries, deliveries.c.subject, deliveries.c.updated_at),
    deliveries.c.text.is_not(None).label("has_text"),
)
_TRIES = (
    *(attempts.c.delivery_id, attempts.c.number, attempts.c.provider, attempts.c.started_at, attempts.c.ended_at),
    *(attempts.c.outcome, attempts.c.code, attempts.c.detail, attempts.c.provider_id, attempts.c.cost),
)


def read(connection: Connection, ticket: Row, user_id: UUID, *, whole: bool) -> dict[str, Any]:
    """The rows of a page; with `whole` the conversation is not folded. `hidden` is how many messages are left out."""

    def rows(query: Any) -> list[Row]:
        return [dict(row) for row in connection.execute(query).mappings()]

    key = ticket["id"]
    merged = merging.merged_into(connection, key)
    into = None
    if ticket["merged_into_id"] is not None:
        into = rows(select(tickets.c.number, tickets.c.subject).where(tickets.c.id == ticket["merged_into_id"]))
    own = [key, *(row["id"] for row in merged)]
    order = [row[0] for row in connection.execute(_order(own))]
    shown, hidden = _folded(order, whole=whole)
    said = rows(select(messages).where(messages.c.id.in_(shown)).order_by(messages.c.id))
    told = rows(
        select(notifications, events.c.message_id)
        .join(events, events.c.id == notifications.c.event_id)
        .where(notifications.c.ticket_id.in_(own))
        .order_by(notifications.c.id.desc())
        .limit(MOST_NOTIFICATIONS + 1)
    )
    ways = rows(
        select(*_WAYS)
        .where(deliveries.c.notification_id.in_([n["id"] for n in told]))
        .order_by(deliveries.c.notification_id, deliveries.c.step, deliveries.c.id)
    )
    mailboxes = rows(select(addresses).where(addresses.c.person_id == ticket["contact_id"]))
    return {
        "ticket": ticket,
        "merged": merged,
        "into": into[0] if into else None,
        "contact": rows(select(people).where(people.c.id == ticket["contact_id"]))[0],
        "addresses": mailboxes,
        "returned": mail_reports.returned(connection, [_folded_address(row) for row in mailboxes]),
        "messages": said,
        "hidden": hidden,
        "hidden_after": shown[FIRST - 1] if hidden else None,
        "receipts": rows(
            select(
                receipts.c.id, receipts.c.message_id, receipts.c.account, receipts.c.received_at, receipts.c.envelope
            )
            .where(receipts.c.message_id.in_([m["id"] for m in said if m["direction"] == "in"]))
            .order_by(receipts.c.id)
        ),
        "attachments": rows(select(attachments).where(attachments.c.message_id.in_(shown)).order_by(attachments.c.id)),
        "notifications": told[:MOST_NOTIFICATIONS],
        "more_notifications": len(told) > MOST_NOTIFICATIONS,
        "deliveries": ways,
        "attempts": rows(
            select(*_TRIES)
            .where(attempts.c.delivery_id.in_([d["id"] for d in ways]))
            .order_by(attempts.c.delivery_id, attempts.c.number)
        ),
        "events": rows(select(events).where(events.c.ticket_id == key).order_by(events.c.id.desc()).limit(MOST_EVENTS)),
        "links": merging.links_of(connection, key),
        "participants": participants.of(connection, [key]),
        "written_to": participants.written_to(connection, [key]),
        "drafts": conversation.drafts_of(connection, key, user_id),
        "draft_files": conversation.draft_files_of(connection, key, user_id),
        "read_at": connection.execute(
            select(readings.c.at).where(readings.c.user_id == user_id, readings.c.ticket_id == key)
        ).scalar(),
        "canned": canned.titles(connection, user_id),
    }


def _folded_address(row: Row) -> str:
    return str(row["key"]).partition(":")[2]


def _order(own: Sequence[UUID]) -> Any:
    query = select(messages.c.id).where(messages.c.ticket_id.in_(own))
    return query.order_by(messages.c.id.desc()).limit(MOST_MESSAGES)


def _folded(newest_first: list[UUID], *, whole: bool) -> tuple[list[UUID], int]:
    order = newest_first[::-1]
    if whole or len(order) <= FOLDED:
        return order, 0
    return [*order[:FIRST], *order[-LAST:]], len(order) - FIRST - LAST


def mark_read(connection: Connection, ticket_id: UUID, user_id: UUID, now: datetime) -> None:
    """Somebody has the ticket before their eyes: what was said up to now is read."""
    row = {"user_id": user_id, "ticket_id": ticket_id, "at": now}
    insert_rows(
        connection, readings, [row], on_conflict="ON CONFLICT (user_id, ticket_id) DO UPDATE SET at = excluded.at"
    )
