"""Mailboxes that get a copy of what the author of a ticket is answered."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection, delete, select, text

from storage.bulk import insert_rows
from storage.cells import Row
from storage.lookup import Lookup
from storage.tables import addresses, messages, people
from storage.tables_conversation import participants

_OF = Lookup(
    select(
        participants,
        addresses.c.person_id,
        addresses.c.dead_at,
        addresses.c.opted_out_at,
        people.c.name.label("known_name"),
    )
    .join_from(participants, addresses, addresses.c.key == participants.c.key, isouter=True)
    .join(people, people.c.id == addresses.c.person_id, isouter=True)
    .order_by(participants.c.ticket_id, participants.c.at, participants.c.key),
    participants.c.ticket_id,
)


_WRITTEN_TO = Lookup(
    select(messages.c.ticket_id, messages.c.recipients)
    .where(text("messages.direction = 'in' AND messages.kind = 'human' AND messages.public"))
    .order_by(messages.c.id),
    messages.c.ticket_id,
)


def of(connection: Connection, ticket_ids: Iterable[UUID]) -> list[Row]:
    """The participants of tickets, in the order they joined, with what is known of their addresses (None where nothing
    is: `person_id`, `dead_at`, `opted_out_at`, `known_name`)."""
    return _OF.rows(connection, ticket_ids)


def written_to(connection: Connection, ticket_ids: Iterable[UUID]) -> list[Row]:
    """Whom the author of tickets wrote to, as `recipients` of each of their messages."""
    return _WRITTEN_TO.rows(connection, ticket_ids)


def add(connection: Connection, row: Row) -> None:
    """Let a mailbox take part; once is enough."""
    insert_rows(connection, participants, [row], on_conflict="ON CONFLICT DO NOTHING")


def remove(connection: Connection, ticket_id: UUID, key: str) -> bool:
    """Let a mailbox no longer take part; whether it did."""
    found = connection.execute(
        delete(participants).where(participants.c.ticket_id == ticket_id, participants.c.key == key)
    )
    return bool(found.rowcount)
