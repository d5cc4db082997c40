"""Texts kept ready for answers."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, Connection, delete, or_, select, update

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables_conversation import canned_answers


def _seen_by(user_id: UUID) -> ColumnElement[bool]:
    return or_(canned_answers.c.owner_id.is_(None), canned_answers.c.owner_id == user_id)


def titles(connection: Connection, user_id: UUID) -> list[Row]:
    """What somebody can choose from: everybody's and their own, by title."""
    query = (
        select(canned_answers.c.id, canned_answers.c.title, canned_answers.c.language, canned_answers.c.owner_id)
        .where(_seen_by(user_id))
        .order_by(canned_answers.c.title, canned_answers.c.id)
        .limit(200)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def all_of(connection: Connection, user_id: UUID) -> list[Row]:
    """The same with their texts."""
    query = select(canned_answers).where(_seen_by(user_id)).order_by(canned_answers.c.title, canned_answers.c.id)
    return [dict(row) for row in connection.execute(query.limit(500)).mappings()]


def one(connection: Connection, answer_id: UUID, user_id: UUID) -> Row | None:
    """One of them."""
    query = select(canned_answers).where(canned_answers.c.id == answer_id, _seen_by(user_id))
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None else None


def add(connection: Connection, row: Row) -> None:
    """A new one."""
    insert_rows(connection, canned_answers, [row])


def change(connection: Connection, answer_id: UUID, values: Row) -> None:
    """Give one other words."""
    connection.execute(update(canned_answers).where(canned_answers.c.id == answer_id).values(values))


def remove(connection: Connection, answer_id: UUID) -> None:
    """Forget one; what was answered with it stays as it was sent."""
    connection.execute(delete(canned_answers).where(canned_answers.c.id == answer_id))
