"""Tickets that are one with another, messages that move between tickets, and links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, select, update

from storage.cells import Row
from storage.tables import addresses, events, links, messages, tickets


def merged_into(connection: Connection, ticket_id: UUID) -> list[Row]:
    """Tickets that were merged into this one, oldest first: `id`, `number`, `subject`, `contact_id`, `status`."""
    query = (
        select(tickets.c.id, tickets.c.number, tickets.c.subject, tickets.c.contact_id, tickets.c.status)
        .where(tickets.c.merged_into_id == ticket_id)
        .order_by(tickets.c.id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def put_into(connection: Connection, ticket_id: UUID, into: UUID | None) -> None:
    """Say which ticket a ticket lives on as; None makes it one of its own again."""
    connection.execute(update(tickets).where(tickets.c.id == ticket_id).values(merged_into_id=into))


def hand_on(connection: Connection, old: UUID, new: UUID) -> None:
    """What was merged into one ticket is merged into another now."""
    connection.execute(update(tickets).where(tickets.c.merged_into_id == old).values(merged_into_id=new))


def last_entry(connection: Connection, ticket_id: UUID, what: str) -> Row | None:
    """The newest entry of a kind in a ticket's history."""
    query = select(events).where(events.c.ticket_id == ticket_id, events.c.what == what)
    row = connection.execute(query.order_by(events.c.id.desc()).limit(1)).mappings().one_or_none()
    return dict(row) if row is not None else None


def messages_of(connection: Connection, ticket_id: UUID, ids: Sequence[UUID]) -> list[Row]:
    """Those of these messages that are a ticket's, oldest first, locked."""
    query = (
        select(messages)
        .where(messages.c.ticket_id == ticket_id, messages.c.id.in_(ids))
        .order_by(messages.c.id)
        .with_for_update()
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def count_messages(connection: Connection, ticket_id: UUID) -> int:
    """How many messages a ticket has."""
    query = select(func.count()).select_from(messages).where(messages.c.ticket_id == ticket_id)
    return int(connection.execute(query).scalar_one())


def move_messages(connection: Connection, ids: Sequence[UUID], ticket_id: UUID) -> None:
    """Messages go on as another ticket's."""
    connection.execute(update(messages).where(messages.c.id.in_(ids)).values(ticket_id=ticket_id))


def person_of(connection: Connection, key: str) -> UUID | None:
    """Whose address this is."""
    found: UUID | None = connection.execute(select(addresses.c.person_id).where(addresses.c.key == key)).scalar()
    return found


def links_of(connection: Connection, ticket_id: UUID) -> list[dict[str, Any]]:
    """Links of a ticket in both directions: `id`, `kind`, `reason`, `at`, `number`, `subject`, `status`, `outward`."""
    found: list[dict[str, Any]] = []
    for own, other, outward in (
        (links.c.ticket_id, links.c.other_id, True),
        (links.c.other_id, links.c.ticket_id, False),
    ):
        query = (
            select(
                links.c.id,
                links.c.kind,
                links.c.reason,
                links.c.at,
                tickets.c.number,
                tickets.c.subject,
                tickets.c.status,
            )
            .join(tickets, tickets.c.id == other)
            .where(own == ticket_id)
            .order_by(links.c.id)
            .limit(50)
        )
        found += [dict(row) | {"outward": outward} for row in connection.execute(query).mappings()]
    return found


def linked(connection: Connection, ticket_id: UUID, other_id: UUID, kind: str) -> bool:
    """Whether there is such a link."""
    query = select(links.c.id).where(links.c.ticket_id == ticket_id, links.c.other_id == other_id, links.c.kind == kind)
    return connection.execute(query.limit(1)).first() is not None


def unlink(connection: Connection, ticket_id: UUID, link_id: UUID) -> Row | None:
    """Remove a link of a ticket, whichever way it points; returns it."""
    own = (links.c.id == link_id) & ((links.c.ticket_id == ticket_id) | (links.c.other_id == ticket_id))
    row = connection.execute(select(links).where(own)).mappings().one_or_none()
    if row is None:
        return None
    connection.execute(delete(links).where(links.c.id == link_id))
    return dict(row)
