"""Logins of staff, their recovery codes, and the tries that failed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, select, update

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables_accounts import recovery_codes, sessions, throttles, users
from storage.types import EPOCH


def add(connection: Connection, row: Row) -> None:
    """Store a new user."""
    insert_rows(connection, users, [row])


def by_key(connection: Connection, login_key: str) -> Row | None:
    """The user with this login, looked for as `login_key`."""
    return _one(connection, users.c.login_key == login_key)


def by_id(connection: Connection, user_id: UUID, *, lock: bool = False) -> Row | None:
    """The user with this key; `lock` keeps others from changing the row until the end of the transaction."""
    return _one(connection, users.c.id == user_id, lock=lock)


def by_subject(connection: Connection, subject: str) -> Row | None:
    """The user who is tied to an identity of OpenID Connect."""
    return _one(connection, users.c.subject == subject)


def _one(connection: Connection, condition: Any, *, lock: bool = False) -> Row | None:
    query = select(users).where(condition)
    if lock:
        query = query.with_for_update()
    found = connection.execute(query).mappings().one_or_none()
    return dict(found) if found is not None else None


def listing(connection: Connection) -> list[Row]:
    """Every user by login, with the number of recovery codes that are left."""
    left = (
        select(recovery_codes.c.user_id, func.count().label("codes"))
        .where(recovery_codes.c.used_at.is_(None))
        .group_by(recovery_codes.c.user_id)
        .subquery()
    )
    query = (
        select(users, func.coalesce(left.c.codes, 0).label("codes"))
        .outerjoin(left, left.c.user_id == users.c.id)
        .order_by(users.c.login_key)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def count_enabled(connection: Connection, role: str) -> int:
    """How many users of a role may log in; on PostgreSQL their rows are locked, so that two changes take turns."""
    query = select(users.c.id).where(users.c.role == role, users.c.disabled_at.is_(None)).order_by(users.c.id)
    return len(connection.execute(query.with_for_update()).all())


def change(connection: Connection, user_id: UUID, **values: Any) -> None:
    """Set columns of a user."""
    connection.execute(update(users).where(users.c.id == user_id).values(**values))


def take_step(connection: Connection, user_id: UUID, step: int) -> bool:
    """Use up a time step of the second factor; returns False where it, or a later one, was used before."""
    done = connection.execute(
        update(users)
        .where(users.c.id == user_id, (users.c.totp_step.is_(None)) | (users.c.totp_step < step))
        .values(totp_step=step)
    )
    return done.rowcount == 1


# ---- recovery codes -----------------------------------------------------------------------------------------------


def replace_codes(connection: Connection, user_id: UUID, digests: Sequence[bytes]) -> None:
    """Give a user these recovery codes and no others."""
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    rows: list[Row] = [{"user_id": user_id, "digest": digest, "used_at": None} for digest in digests]
    insert_rows(connection, recovery_codes, rows)


def use_code(connection: Connection, user_id: UUID, digest: bytes, now: datetime) -> bool:
    """Use up a recovery code; returns False where there is none such, or it was used."""
    done = connection.execute(
        update(recovery_codes)
        .where(
            recovery_codes.c.user_id == user_id,
            recovery_codes.c.digest == digest,
            recovery_codes.c.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return done.rowcount == 1


def codes_left(connection: Connection, user_id: UUID) -> int:
    """How many recovery codes may still be used."""
    query = select(func.count()).where(recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None))
    return int(connection.execute(query).scalar_one())


# ---- tries --------------------------------------------------------------------------------------------------------


def throttle(connection: Connection, key: str) -> Row:
    """The tries counted under a key, locked; a row is made where there was none."""
    empty: Row = {"key": key, "failures": 0, "last_at": EPOCH, "blocked_until": None}
    insert_rows(connection, throttles, [empty], on_conflict="ON CONFLICT DO NOTHING")
    query = select(throttles).where(throttles.c.key == key).with_for_update()
    return dict(connection.execute(query).mappings().one())


def save_throttle(connection: Connection, row: Row) -> None:
    """Write back what `throttle` gave."""
    values = {name: row[name] for name in ("failures", "last_at", "blocked_until")}
    connection.execute(update(throttles).where(throttles.c.key == row["key"]).values(**values))


def clear_throttle(connection: Connection, key: str) -> None:
    """Forget the tries counted under a key."""
    connection.execute(delete(throttles).where(throttles.c.key == key))


def forget(connection: Connection, before: datetime) -> None:
    """Delete sessions that ended, and tries that were made, before a moment."""
    connection.execute(delete(throttles).where(throttles.c.last_at < before))
    connection.execute(delete(sessions).where((sessions.c.expires_at < before) | (sessions.c.revoked_at < before)))
