"""What no message could be made of, kept with its raw bytes until it is replayed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, func, select, update

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables import attachments, blobs, quarantine, tickets
from storage.tables_conversation import message_files

HELD = "held"
REPLAYED = "replayed"
DISCARDED = "discarded"

SPAM = "spam"
"""The reason of what is held as spam: it has a page of its own."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are meant; empty fields do not filter. `without` is a reason that is left out, `before` the id a
    page starts below."""

    state: str = ""
    channel: str = ""
    reason: str = ""
    without: str = ""
    before: UUID | None = None
    limit: int = 50


def _entries() -> Select[Any]:
    return (
        select(quarantine, blobs.c.size, tickets.c.number)
        .outerjoin(blobs, blobs.c.sha256 == quarantine.c.raw_sha256)
        .outerjoin(tickets, tickets.c.id == quarantine.c.ticket_id)
    )


def listing(connection: Connection, wanted: Filter) -> list[Row]:
    """Entries, newest first, each with the `size` of its bytes (None once they were removed) and the `number` of the
    ticket it became; one more than `limit` where there is another page."""
    query = _entries().order_by(quarantine.c.id.desc()).limit(wanted.limit + 1)
    if wanted.state:
        query = query.where(quarantine.c.state == wanted.state)
    if wanted.channel:
        query = query.where(quarantine.c.channel == wanted.channel)
    if wanted.reason:
        query = query.where(quarantine.c.reason == wanted.reason)
    if wanted.without:
        query = query.where(quarantine.c.reason != wanted.without)
    if wanted.before is not None:
        query = query.where(quarantine.c.id < wanted.before)
    return [dict(row) for row in connection.execute(query).mappings()]


def one(connection: Connection, entry_id: UUID, *, lock: bool = False) -> Row | None:
    """An entry by its key, as in a listing."""
    if lock:
        # by itself: what a locking statement waited for, it sees in the locked row alone and not in those joined to it
        connection.execute(select(quarantine.c.id).where(quarantine.c.id == entry_id).with_for_update())
    row = connection.execute(_entries().where(quarantine.c.id == entry_id)).mappings().one_or_none()
    return dict(row) if row is not None else None


def raw(connection: Connection, entry_id: UUID) -> bytes | None:
    """The bytes of an entry as they came; None where there is no entry or retention has removed them."""
    query = (
        select(blobs.c.bytes)
        .join(quarantine, quarantine.c.raw_sha256 == blobs.c.sha256)
        .where(quarantine.c.id == entry_id)
    )
    found = connection.execute(query).scalar()
    return None if found is None else bytes(found)


def became(connection: Connection, entry_id: UUID, ticket_id: UUID) -> None:
    """The entry was taken in and belongs to a ticket now."""
    connection.execute(
        update(quarantine)
        .where(quarantine.c.id == entry_id)
        .values(state=REPLAYED, ticket_id=ticket_id, replays=quarantine.c.replays + 1)
    )


def discarded(connection: Connection, entry_id: UUID, *, detail: str) -> bool:
    """A person said that a held entry is nothing; its bytes stay. Whether it was held."""
    found = connection.execute(
        update(quarantine)
        .where(quarantine.c.id == entry_id, quarantine.c.state == HELD)
        .values(state=DISCARDED, detail=detail)
    )
    return bool(found.rowcount)


def again(connection: Connection, entry_id: UUID) -> bool:
    """A discarded entry is held again; whether it was discarded."""
    found = connection.execute(
        update(quarantine).where(quarantine.c.id == entry_id, quarantine.c.state == DISCARDED).values(state=HELD)
    )
    return bool(found.rowcount)


def counts(connection: Connection) -> dict[str, int]:
    """How many entries but spam are in each state."""
    query = select(quarantine.c.state, func.count()).where(quarantine.c.reason != SPAM).group_by(quarantine.c.state)
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def reasons(connection: Connection, state: str) -> list[str]:
    """Why entries but spam in a state are there, each reason once."""
    held = select(quarantine.c.reason).where(quarantine.c.state == state, quarantine.c.reason != SPAM)
    query = held.distinct().order_by(quarantine.c.reason)
    return list(connection.execute(query).scalars())


def spam_held(connection: Connection) -> int:
    """How much is held as spam."""
    query = select(func.count()).where(quarantine.c.state == HELD, quarantine.c.reason == SPAM)
    return int(connection.execute(query).scalar_one())


def put_aside(connection: Connection, reason: str, before: datetime, most: int = 1000) -> int:
    """Discard held entries with this reason that came before a moment; returns how many."""
    old = (
        select(quarantine.c.id)
        .where(quarantine.c.state == HELD, quarantine.c.reason == reason, quarantine.c.received_at < before)
        .limit(most)
    )
    found = connection.execute(update(quarantine).where(quarantine.c.id.in_(old)).values(state=DISCARDED))
    return int(found.rowcount)


def failed(connection: Connection, entry_id: UUID, *, reason: str, detail: str) -> None:
    """A replay of a held entry came to nothing, for this reason."""
    connection.execute(
        update(quarantine)
        .where(quarantine.c.id == entry_id, quarantine.c.state == HELD)
        .values(replays=quarantine.c.replays + 1, reason=reason[:40], detail=detail)
    )


def attach(connection: Connection, attachment: Row, held: Row) -> None:
    """A file of a message with bytes of its own."""
    insert_rows(connection, attachments, [attachment])
    insert_rows(connection, message_files, [held])
