"""Saved views of the queue, and what was done to many tickets at once."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, or_, select, update

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables_console import bulk_actions, saved_views


def of(connection: Connection, user_id: UUID) -> list[Row]:
    """The views a user sees: their own, then those others share, each in its order."""
    query = (
        select(saved_views)
        .where(or_(saved_views.c.owner_id == user_id, saved_views.c.shared))
        .order_by(saved_views.c.shared, saved_views.c.position, saved_views.c.id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def one(connection: Connection, view_id: UUID) -> Row | None:
    """A view by its key."""
    row = connection.execute(select(saved_views).where(saved_views.c.id == view_id)).mappings().one_or_none()
    return dict(row) if row is not None else None


def add(connection: Connection, row: Row) -> None:
    """Keep a view, behind those its owner has."""
    count = select(func.count()).select_from(saved_views).where(saved_views.c.owner_id == row["owner_id"])
    position = connection.execute(count).scalar_one()
    insert_rows(connection, saved_views, [{**row, "position": position}])


def change(connection: Connection, view_id: UUID, **values: Any) -> None:
    """Give a view other values."""
    connection.execute(update(saved_views).where(saved_views.c.id == view_id).values(**values))


def drop(connection: Connection, view_id: UUID) -> None:
    """Forget a view."""
    connection.execute(delete(saved_views).where(saved_views.c.id == view_id))


# ---- many tickets at once -----------------------------------------------------------------------------------------


def keep_action(connection: Connection, row: Row) -> None:
    """Keep what was done."""
    insert_rows(connection, bulk_actions, [row])


def action(connection: Connection, action_id: UUID, user_id: UUID) -> Row | None:
    """What a user did."""
    query = select(bulk_actions).where(bulk_actions.c.id == action_id, bulk_actions.c.user_id == user_id)
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None else None


def take_back(connection: Connection, action_id: UUID, user_id: UUID) -> bool:
    """Mark an action as undone; whether it was not before."""
    found = connection.execute(
        update(bulk_actions)
        .where(bulk_actions.c.id == action_id, bulk_actions.c.user_id == user_id, ~bulk_actions.c.undone)
        .values(undone=True)
    )
    return bool(found.rowcount)


def forget_actions(connection: Connection, before: datetime) -> None:
    """Forget what was done long ago."""
    connection.execute(delete(bulk_actions).where(bulk_actions.c.at < before))
