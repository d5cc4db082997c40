"""Reading the event log as it grows: what is new, and what was committed late behind one's back.

Keys of events are UUIDv7 made before their commit, so one with a smaller key may become visible after one with a
greater key; who follows the log looks back a little.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, func, select

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables import events, tickets
from storage.tables_console import log_readers

_SHOWN = (events.c.id, events.c.ticket_id, events.c.what, events.c.by, events.c.old, events.c.new, events.c.message_id)


def key_at(at: datetime) -> UUID:
    """The smallest UUIDv7 of a moment: every key made later is greater."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def moment_of(key: UUID) -> float:
    """When a UUIDv7 was made, in seconds since 1970."""
    return (key.int >> 80) / 1000


def latest(connection: Connection) -> UUID:
    """The key of the newest event; zero where there is none."""
    found: UUID | None = connection.execute(select(events.c.id).order_by(events.c.id.desc()).limit(1)).scalar()
    return found or UUID(int=0)


def after(connection: Connection, last: UUID, most: int) -> list[Row]:
    """Events with a greater key, smallest first, with `number` and `version` of their tickets."""
    return _rows(connection, _events().where(events.c.id > last).order_by(events.c.id).limit(most))


def waiting(connection: Connection, last: UUID, most: int) -> int:
    """How many events have a greater key; no more than `most` are counted."""
    some = select(events.c.id).where(events.c.id > last).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def late(connection: Connection, low: UUID, last: UUID, known: Collection[UUID]) -> list[Row]:
    """Events between two keys, the second included, that are not among those known."""
    window = (events.c.id > low, events.c.id <= last)
    count = connection.execute(select(func.count()).select_from(events).where(*window)).scalar_one()
    if count <= len(known):
        return []
    missed = [key for key in connection.execute(select(events.c.id).where(*window)).scalars() if key not in known]
    return _rows(connection, _events().where(events.c.id.in_(missed)).order_by(events.c.id)) if missed else []


def _events() -> Select[Any]:
    return select(*_SHOWN, tickets.c.number, tickets.c.version).join(tickets, tickets.c.id == events.c.ticket_id)


def _rows(connection: Connection, query: Select[Any]) -> list[Row]:
    return [dict(row) for row in connection.execute(query).mappings()]


# ---- how far somebody has read ------------------------------------------------------------------------------------


def place(connection: Connection, reader: str) -> UUID | None:
    """Where a reader stopped; None if it never began."""
    return connection.execute(select(log_readers.c.event_id).where(log_readers.c.name == reader)).scalar()


def keep_place(connection: Connection, reader: str, key: UUID, now: datetime) -> None:
    """Write down where a reader stops."""
    row = {"name": reader, "event_id": key, "updated_at": now}
    change = "ON CONFLICT (name) DO UPDATE SET event_id = excluded.event_id, updated_at = excluded.updated_at"
    insert_rows(connection, log_readers, [row], on_conflict=change)
