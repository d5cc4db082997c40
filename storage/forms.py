"""Web forms: files that wait for their form, and what a form that was sent became."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, delete, func, select

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables import messages, people, receipts, tickets
from storage.tables_outbox import deliveries, notifications
from storage.tables_portal import form_files


def park(connection: Connection, row: Row) -> None:
    """Keep a file until its form is sent."""
    insert_rows(connection, form_files, [row])


def parked(connection: Connection, nonce: str, ids: Iterable[UUID], now: datetime) -> list[Row]:
    """Files of one form without their bytes, in the order they came."""
    shown = [column for column in form_files.c if column.name not in ("bytes", "nonce")]
    found = connection.execute(
        select(*shown)
        .where(form_files.c.nonce == nonce, form_files.c.id.in_(list(ids)), form_files.c.expires_at > now)
        .order_by(form_files.c.id)
    )
    return [dict(row) for row in found.mappings()]


def parked_bytes(connection: Connection, nonce: str, ids: Iterable[UUID]) -> dict[UUID, bytes]:
    """The bytes of files of one form."""
    found = connection.execute(
        select(form_files.c.id, form_files.c.bytes).where(form_files.c.nonce == nonce, form_files.c.id.in_(list(ids)))
    )
    return {row.id: bytes(row.bytes) for row in found}


def weight(connection: Connection, nonce: str, now: datetime) -> tuple[int, int, int]:
    """How many files one form has parked, how many octets they have, and how many all parked files have."""
    own = connection.execute(
        select(func.count(), func.coalesce(func.sum(form_files.c.size), 0)).where(
            form_files.c.nonce == nonce, form_files.c.expires_at > now
        )
    ).one()
    every = connection.execute(select(func.coalesce(func.sum(form_files.c.size), 0))).scalar_one()
    return int(own[0]), int(own[1]), int(every)


def drop(connection: Connection, nonce: str, file_id: UUID) -> None:
    """Forget a file of a form."""
    connection.execute(delete(form_files).where(form_files.c.nonce == nonce, form_files.c.id == file_id))


def move(connection: Connection, old: str, new: str) -> None:
    """Give the files of one opened form to another."""
    connection.execute(form_files.update().where(form_files.c.nonce == old).values(nonce=new))


def forget(connection: Connection, nonce: str) -> None:
    """The form was sent: its files are in its raw input now."""
    connection.execute(delete(form_files).where(form_files.c.nonce == nonce))


def sweep(connection: Connection, now: datetime) -> int:
    """Remove files whose hour is over; returns how many there were."""
    return connection.execute(delete(form_files).where(form_files.c.expires_at <= now)).rowcount


def receipt(connection: Connection, account: str, external_id: str) -> Row | None:
    """What a form that was sent became: its ticket, who it is from, and what is told to its author of it."""
    found = (
        connection.execute(
            select(
                receipts.c.received_at,
                messages.c.id.label("message_id"),
                messages.c.language,
                messages.c.sender_kind,
                messages.c.sender_value,
                tickets.c.id.label("ticket_id"),
                tickets.c.number,
                tickets.c.status,
                tickets.c.centre,
                tickets.c.respond_by,
                tickets.c.resolve_by,
                tickets.c.contact_id,
                people.c.name,
            )
            .join(messages, messages.c.id == receipts.c.message_id)
            .join(tickets, tickets.c.id == messages.c.ticket_id)
            .join(people, people.c.id == tickets.c.contact_id)
            .where(receipts.c.channel == "web", receipts.c.account == account, receipts.c.external_id == external_id)
        )
        .mappings()
        .first()
    )
    if found is None:
        return None
    told = connection.execute(
        select(deliveries.c.state, deliveries.c.reason)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(
            notifications.c.ticket_id == found["ticket_id"],
            notifications.c.event == "received",
            notifications.c.role == "author",
        )
        .limit(1)
    ).first()
    return {**found, "told": told.state if told else "", "why_not": told.reason if told else ""}
