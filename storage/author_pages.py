"""Links to the pages of tickets, ratings, one-time links and the sessions authors get by them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables import addresses, people, tickets
from storage.tables_portal import author_sessions, entrances, link_revocations, ratings

# ---- links --------------------------------------------------------------------------------------------------------


def page(connection: Connection, ticket_id: UUID, person_id: UUID) -> Row | None:
    """The ticket a link of this person leads to, with `links_until`: links given out up to then are revoked.

    None where there is no such ticket, or where its contact is somebody else by now.
    """
    query = (
        select(tickets, link_revocations.c.at.label("links_until"))
        .outerjoin(
            link_revocations,
            and_(link_revocations.c.ticket_id == tickets.c.id, link_revocations.c.person_id == person_id),
        )
        .where(tickets.c.id == ticket_id, tickets.c.contact_id == person_id)
    )
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None else None


def revoke_links(connection: Connection, ticket_id: UUID, person_id: UUID, now: datetime) -> None:
    """Make every link of a person to a ticket useless that was given out so far."""
    row = {"ticket_id": ticket_id, "person_id": person_id, "at": now}
    conflict = "ON CONFLICT (ticket_id, person_id) DO UPDATE SET at = excluded.at"
    insert_rows(connection, link_revocations, [row], on_conflict=conflict)


# ---- ratings ------------------------------------------------------------------------------------------------------


def rate(connection: Connection, row: Row) -> None:
    """Keep a rating, in place of an earlier one."""
    conflict = (
        "ON CONFLICT (ticket_id) DO UPDATE SET "
        "person_id = excluded.person_id, score = excluded.score, comment = excluded.comment, at = excluded.at"
    )
    insert_rows(connection, ratings, [row], on_conflict=conflict)


def rating(connection: Connection, ticket_id: UUID) -> Row | None:
    """What the author thought of the work on a ticket."""
    row = connection.execute(select(ratings).where(ratings.c.ticket_id == ticket_id)).mappings().one_or_none()
    return dict(row) if row is not None else None


# ---- "my tickets" -------------------------------------------------------------------------------------------------


def person_at(connection: Connection, address_key: str) -> Row | None:
    """The person behind an address (`kind`, `value`, `verified`, `dead_at`, `opted_out_at`, `name`, `language`) with
    the newest ticket of theirs; None where nobody has it, or nobody with a ticket.
    """
    newest = (
        select(tickets.c.id).where(tickets.c.contact_id == addresses.c.person_id).order_by(tickets.c.id.desc()).limit(1)
    ).scalar_subquery()
    query = (
        select(addresses, people.c.name, people.c.language, people.c.customer, newest.label("ticket_id"))
        .join(people, people.c.id == addresses.c.person_id)
        .where(addresses.c.key == address_key)
    )
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None and row["ticket_id"] is not None else None


def links_since(connection: Connection, address_key: str, since: datetime) -> int:
    """How many one-time links an address was sent since a moment."""
    query = select(func.count()).where(entrances.c.address_key == address_key, entrances.c.created_at >= since)
    return int(connection.execute(query).scalar_one())


def add_entrance(connection: Connection, row: Row, *, forget_before: datetime) -> None:
    """A new one-time link; those that ended before a moment are forgotten on the way."""
    connection.execute(delete(entrances).where(entrances.c.expires_at < forget_before))
    insert_rows(connection, entrances, [row])


def entrance(connection: Connection, digest: bytes, now: datetime) -> Row | None:
    """A one-time link that is still good."""
    query = select(entrances).where(
        entrances.c.digest == digest, entrances.c.used_at.is_(None), entrances.c.expires_at > now
    )
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None else None


def use_entrance(connection: Connection, digest: bytes, now: datetime) -> Row | None:
    """Use a one-time link up and verify the address it was sent to; None where it is not good (any more)."""
    used = connection.execute(
        update(entrances)
        .where(entrances.c.digest == digest, entrances.c.used_at.is_(None), entrances.c.expires_at > now)
        .values(used_at=now)
        .returning(entrances.c.person_id, entrances.c.address_key)
    ).one_or_none()
    if used is None:
        return None
    connection.execute(
        update(addresses)
        .where(addresses.c.key == used.address_key, addresses.c.person_id == used.person_id)
        .values(verified=True, dead_at=None)
    )
    return {"person_id": used.person_id, "address_key": used.address_key}


def begin_session(connection: Connection, row: Row, *, forget_before: datetime) -> None:
    """A session of an author; those that ended before a moment are forgotten on the way."""
    connection.execute(delete(author_sessions).where(author_sessions.c.expires_at < forget_before))
    insert_rows(connection, author_sessions, [row])


def session(connection: Connection, digest: bytes, now: datetime) -> Row | None:
    """A living session with its address, as long as that is verified and still the person's."""
    query = (
        select(author_sessions, addresses.c.value, people.c.name, people.c.language)
        .join(
            addresses,
            and_(
                addresses.c.key == author_sessions.c.address_key, addresses.c.person_id == author_sessions.c.person_id
            ),
        )
        .join(people, people.c.id == author_sessions.c.person_id)
        .where(author_sessions.c.digest == digest, author_sessions.c.revoked_at.is_(None))
        .where(author_sessions.c.expires_at > now, addresses.c.verified.is_(True))
    )
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None else None


def end_session(connection: Connection, digest: bytes, now: datetime) -> None:
    """Sign out."""
    connection.execute(
        update(author_sessions)
        .where(author_sessions.c.digest == digest, author_sessions.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def end_sessions(connection: Connection, person_id: UUID, now: datetime) -> int:
    """Sign a person out everywhere; returns of how many sessions."""
    ended = connection.execute(
        update(author_sessions)
        .where(author_sessions.c.person_id == person_id, author_sessions.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return ended.rowcount


def tickets_of(
    connection: Connection, person_id: UUID, *, spellings: tuple[str, ...], number: str, before: UUID | None, most: int
) -> list[Row]:
    """Tickets of a person, newest first; `spellings` of words in the subject or its `number`, where any are given."""
    query = select(tickets).where(tickets.c.contact_id == person_id)
    if spellings:
        words: list[Any] = [tickets.c.subject.contains(word, autoescape=True) for word in spellings]
        query = query.where(or_(tickets.c.number == number, *words))
    if before is not None:
        query = query.where(tickets.c.id < before)
    return [dict(row) for row in connection.execute(query.order_by(tickets.c.id.desc()).limit(most)).mappings()]
