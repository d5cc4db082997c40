"""API tokens: only digests of them are stored."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select, update

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables import tokens
from storage.tables_api import token_limits
from tickets.boundary import EVERYWHERE, Boundary
from tickets.key import new_key

PREFIX = "otk_"
"""What every token begins with, so that a leaked one is recognised by scanners."""


def digest(token: str) -> bytes:
    """What is stored of a token: it has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def create(
    connection: Connection,
    name: str,
    scopes: list[str],
    now: datetime,
    expires_at: datetime | None = None,
    *,
    within: Boundary = EVERYWHERE,
    per_minute: int | None = None,
) -> str:
    """Make a token and return it; it is never shown again.

    `within` restricts it to tickets of a customer or centre; `per_minute` is its own limit of requests (0: none, None:
    what the settings say).

    Raises:
        ValueError: the name is taken.
    """
    if connection.execute(select(tokens.c.id).where(tokens.c.name == name)).first() is not None:
        raise ValueError(f"there is a token called {name!r} already")
    token = PREFIX + secrets.token_urlsafe(32)
    row: Row = {
        "id": new_key(),
        "name": name,
        "digest": digest(token),
        "scopes": scopes,
        "created_at": now,
        "expires_at": expires_at,
        "revoked_at": None,
    }
    insert_rows(connection, tokens, [row])
    if within or per_minute is not None:
        limits = {"customer": within.customer, "centre": within.centre, "per_minute": per_minute}
        insert_rows(connection, token_limits, [{"token_id": row["id"], **limits}])
    return token


def _known() -> Select[Any]:
    return select(
        tokens,
        func.coalesce(token_limits.c.customer, "").label("customer"),
        func.coalesce(token_limits.c.centre, "").label("centre"),
        token_limits.c.per_minute,
    ).join(token_limits, token_limits.c.token_id == tokens.c.id, isouter=True)


def find(connection: Connection, token_digest: bytes) -> Row | None:
    """The row of a token with its limits (`customer`, `centre`, `per_minute`), revoked and expired ones too."""
    row = connection.execute(_known().where(tokens.c.digest == token_digest)).mappings().one_or_none()
    return dict(row) if row is not None else None


def listing(connection: Connection) -> list[Row]:
    """All tokens by name, with their limits."""
    return [dict(r) for r in connection.execute(_known().order_by(tokens.c.name)).mappings()]


def revoke(connection: Connection, name: str, now: datetime) -> bool:
    """Make a token useless; returns whether there was a living one."""
    found = connection.execute(
        update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    return found.rowcount == 1
