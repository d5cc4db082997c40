"""Finding people by what a caller says of themselves, with the tickets they have open."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, or_, select, text

from storage.cells import Row
from storage.tables import addresses, people, tickets

MOST = 10
_OPEN = text("tickets.status IN ('new', 'in_progress', 'waiting')")


def by_address(connection: Connection, keys: list[str]) -> list[Row]:
    """The people of addresses, by `kind:folded value`."""
    query = (
        select(people.c.id, people.c.name, people.c.customer, people.c.language)
        .join(addresses, addresses.c.person_id == people.c.id)
        .where(addresses.c.key.in_(keys))
        .distinct()
        .limit(MOST)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def by_name(connection: Connection, name: str) -> list[Row]:
    """People whose name holds this, the newest first."""
    # SQLite folds ASCII alone
    spellings = dict.fromkeys((name, name.lower(), name.capitalize(), name.title()))
    query = (
        select(people.c.id, people.c.name, people.c.customer, people.c.language)
        .where(or_(*(people.c.name.contains(each, autoescape=True) for each in spellings)))
        .order_by(people.c.id.desc())
        .limit(MOST)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def addresses_of(connection: Connection, ids: list[UUID]) -> list[Row]:
    """Addresses of people."""
    query = select(addresses).where(addresses.c.person_id.in_(ids)).order_by(addresses.c.key)
    return [dict(row) for row in connection.execute(query).mappings()]


def open_tickets(connection: Connection, ids: list[UUID]) -> list[Row]:
    """Open tickets of people, the newest first."""
    query = (
        select(
            tickets.c.contact_id,
            tickets.c.number,
            tickets.c.subject,
            tickets.c.status,
            tickets.c.created_at,
        )
        .where(tickets.c.contact_id.in_(ids), _OPEN)
        .order_by(tickets.c.id.desc())
        .limit(30)
    )
    return [dict(row) for row in connection.execute(query).mappings()]
