"""Duties only one node may do at a time: a row leased by the database's clock."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, delete, select, update

from storage.bulk import insert_rows
from storage.outbox import database_now
from storage.tables import duties


def hold(connection: Connection, name: str, owner: str, lease: timedelta) -> bool:
    """Take a duty, or keep it; returns whether it is ours until the lease ends."""
    now = database_now(connection)
    row = {"name": name, "owner": owner, "fence": 1, "until": now + lease}
    insert_rows(connection, duties, [row], on_conflict="ON CONFLICT DO NOTHING")
    found = connection.execute(
        select(duties.c.owner, duties.c.until, duties.c.fence).where(duties.c.name == name).with_for_update()
    ).one_or_none()
    if found is None:
        # who held it let go between the two statements
        return False
    if found.owner != owner and found.until > now:
        return False
    connection.execute(
        update(duties)
        .where(duties.c.name == name)
        .values(owner=owner, until=now + lease, fence=found.fence + (found.owner != owner))
    )
    return True


def let_go(connection: Connection, name: str, owner: str) -> None:
    """Give a duty up so that another node need not wait for the lease."""
    connection.execute(delete(duties).where(duties.c.name == name, duties.c.owner == owner))
