"""Sessions of staff. The secret itself is only in the browser's cookie; a digest of it is stored."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, update

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables import centres, members, teams
from storage.tables_accounts import sessions, users

_FOUND = (
    select(
        sessions.c.id,
        sessions.c.stage,
        sessions.c.method,
        sessions.c.created_at,
        sessions.c.seen_at,
        sessions.c.expires_at,
        sessions.c.revoked_at,
        sessions.c.user_id,
        users.c.login,
        users.c.name,
        users.c.role,
        users.c.language,
        users.c.theme,
        users.c.shortcuts,
        users.c.totp,
        users.c.disabled_at,
        members.c.id.label("member_id"),
        members.c.name.label("member_name"),
        members.c.email.label("member_email"),
        members.c.team.label("member_team"),
        members.c.line.label("member_line"),
        members.c.language.label("member_language"),
        members.c.lead.label("member_lead"),
        members.c.away.label("member_away"),
        centres.c.zone.label("centre_zone"),
    )
    .join(users, users.c.id == sessions.c.user_id)
    .outerjoin(members, members.c.login == users.c.login)
    .outerjoin(teams, teams.c.code == members.c.team)
    .outerjoin(centres, centres.c.code == teams.c.centre)
)


def digest(secret: str) -> bytes:
    """What is stored of a secret: it has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def add(connection: Connection, row: Row) -> None:
    """Store a new session."""
    insert_rows(connection, sessions, [row])


def find(connection: Connection, secret_digest: bytes) -> dict[str, Any] | None:
    """A session with its user, and the member of staff with the same login; revoked and expired ones too."""
    found = connection.execute(_FOUND.where(sessions.c.digest == secret_digest)).mappings().first()
    return dict(found) if found is not None else None


def by_id(connection: Connection, session_id: UUID) -> dict[str, Any] | None:
    """As `find`, by the key."""
    found = connection.execute(_FOUND.where(sessions.c.id == session_id)).mappings().first()
    return dict(found) if found is not None else None


def touch(connection: Connection, session_id: UUID, user_id: UUID, now: datetime, address: str) -> None:
    """Note that a session was used just now."""
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at=now, address=address))
    connection.execute(update(users).where(users.c.id == user_id).values(last_seen_at=now))


def living(connection: Connection, user_id: UUID, now: datetime, idle_since: datetime) -> list[dict[str, Any]]:
    """Sessions of a user that may still be used, the last used first."""
    query = (
        select(sessions)
        .where(
            sessions.c.user_id == user_id,
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > now,
            sessions.c.seen_at > idle_since,
            sessions.c.stage == "full",
        )
        .order_by(sessions.c.seen_at.desc(), sessions.c.id.desc())
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def revoke(connection: Connection, user_id: UUID, session_id: UUID, now: datetime) -> bool:
    """End one session of a user; returns whether it lived."""
    done = connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return done.rowcount == 1


def revoke_all(connection: Connection, user_id: UUID, now: datetime, *, but: UUID | None = None) -> int:
    """End every session of a user, except perhaps one; returns how many lived."""
    query = update(sessions).where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
    if but is not None:
        query = query.where(sessions.c.id != but)
    return connection.execute(query.values(revoked_at=now)).rowcount
