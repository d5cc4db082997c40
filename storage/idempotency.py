"""Changes that were asked for under an Idempotency-Key, and how they were answered."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, select, tuple_, update

from storage.cells import Row
from storage.tables_api import idempotency_keys as kept
from storage.upsert import insert_into


def _is(token_id: UUID, key: str) -> ColumnElement[bool]:
    return and_(kept.c.token_id == token_id, kept.c.key == key)


def find(connection: Connection, token_id: UUID, key: str, now: datetime) -> Row | None:
    """What was asked under a key that has not expired."""
    row = connection.execute(select(kept).where(_is(token_id, key), kept.c.expires_at > now)).mappings().one_or_none()
    return dict(row) if row is not None else None


def claim(connection: Connection, row: Row, now: datetime) -> Row | None:
    """Take a key: None where it was free, else the row of the request that has it.

    On PostgreSQL a second transaction with the same key waits here for the end of the first one.
    """
    own = _is(row["token_id"], row["key"])
    connection.execute(delete(kept).where(own, kept.c.expires_at <= now))
    if connection.execute(insert_into(connection, kept).values(**row).on_conflict_do_nothing()).rowcount:
        return None
    return dict(connection.execute(select(kept).where(own)).mappings().one())


def answer(connection: Connection, token_id: UUID, key: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Keep how a change was answered."""
    connection.execute(update(kept).where(_is(token_id, key)).values(status=status, headers=headers, body=body))


def forget(connection: Connection, now: datetime, most: int = 500) -> None:
    """Remove keys whose time is over."""
    over = select(kept.c.token_id, kept.c.key).where(kept.c.expires_at <= now).limit(most)
    connection.execute(delete(kept).where(tuple_(kept.c.token_id, kept.c.key).in_(over)))
