"""Whom we do not listen to, and whom we listen to whatever a filter says."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from storage.cells import Row
from storage.tables_mail import sender_rules
from storage.upsert import insert_into

BLOCK = "block"
ALLOW = "allow"


def all_of(connection: Connection) -> list[Row]:
    """Every rule, newest first."""
    query = select(sender_rules).order_by(sender_rules.c.at.desc(), sender_rules.c.key)
    return [dict(row) for row in connection.execute(query).mappings()]


def put(connection: Connection, key: str, verdict: str, *, by: str, note: str, now: datetime) -> None:
    """Make a rule, in place of any there was."""
    statement = insert_into(connection, sender_rules).values(key=key, verdict=verdict, at=now, by=by, note=note, hits=0)
    newer = {name: statement.excluded[name] for name in ("verdict", "at", "by", "note", "hits")}
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=newer))


def remove(connection: Connection, key: str) -> bool:
    """Take a rule back; whether there was one."""
    return bool(connection.execute(delete(sender_rules).where(sender_rules.c.key == key)).rowcount)


def hit(connection: Connection, keys: Iterable[str]) -> None:
    """Count mails that rules decided on."""
    for key in sorted(keys):
        connection.execute(update(sender_rules).where(sender_rules.c.key == key).values(hits=sender_rules.c.hits + 1))
