"""Acknowledgements to addresses nobody has proved, counted by mail domain and hour."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, delete

from storage.tables_mail import acknowledged_hours as hours
from storage.upsert import insert_into


def add(connection: Connection, hour: datetime, node: str, counted: Mapping[str, int]) -> None:
    """Add to the counts of an hour, in rows that only this node writes."""
    statement = insert_into(connection, hours)
    rows = [{"scope": scope, "hour": hour, "node": node, "count": count} for scope, count in sorted(counted.items())]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["scope", "hour", "node"], set_={"count": hours.c.count + statement.excluded.count}
        ),
        rows,
    )


def forget(connection: Connection, before: datetime) -> None:
    """Remove hours nobody asks about any more."""
    connection.execute(delete(hours).where(hours.c.hour < before))
