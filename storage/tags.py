"""Tags of tickets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, delete, func, select

from storage.bulk import insert_rows
from storage.tables_console import ticket_tags


def of(connection: Connection, ticket_id: UUID) -> list[str]:
    """The tags of a ticket, in order."""
    query = select(ticket_tags.c.tag).where(ticket_tags.c.ticket_id == ticket_id).order_by(ticket_tags.c.tag)
    return list(connection.execute(query).scalars())


def of_all(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """The tags of each of some tickets, in order."""
    query = (
        select(ticket_tags.c.ticket_id, ticket_tags.c.tag)
        .where(ticket_tags.c.ticket_id.in_(list(ids)))
        .order_by(ticket_tags.c.tag)
    )
    found: dict[UUID, list[str]] = {}
    for ticket_id, tag in connection.execute(query):
        found.setdefault(ticket_id, []).append(tag)
    return found


def add(connection: Connection, ticket_id: UUID, tag: str, now: datetime) -> None:
    """Put a tag on a ticket; one that is there stays."""
    row = {"ticket_id": ticket_id, "tag": tag, "at": now}
    insert_rows(connection, ticket_tags, [row], on_conflict="ON CONFLICT DO NOTHING")


def remove(connection: Connection, ticket_id: UUID, tag: str) -> bool:
    """Take a tag off; whether it was there."""
    found = connection.execute(
        delete(ticket_tags).where(ticket_tags.c.ticket_id == ticket_id, ticket_tags.c.tag == tag)
    )
    return bool(found.rowcount)


def used(connection: Connection, most: int = 50) -> list[str]:
    """The tags used most, in order of the alphabet."""
    query = select(ticket_tags.c.tag).group_by(ticket_tags.c.tag).order_by(func.count().desc()).limit(most)
    return sorted(connection.execute(query).scalars())
