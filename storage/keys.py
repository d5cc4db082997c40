"""Secrets the installation makes for itself."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import Connection, select

from storage.bulk import insert_rows
from storage.tables import keys


def find_or_make(connection: Connection, name: str, now: datetime) -> tuple[str, bytes]:
    """The id and the 32 octets of a key, made at the first call."""
    row = {"name": name, "id": "k1", "secret": secrets.token_bytes(32), "created_at": now}
    insert_rows(connection, keys, [row], on_conflict="ON CONFLICT DO NOTHING")
    found = connection.execute(select(keys.c.id, keys.c.secret).where(keys.c.name == name)).one()
    return found.id, bytes(found.secret)
