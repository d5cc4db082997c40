"""Sessions: begun at login, found again by the secret in the cookie, ended by their owner, by time or by a password.

Every stage of a login begins a session with a new secret, so a secret somebody planted before is worth nothing after.
A session is looked up at every request; one that was revoked is dead at once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from desk import audit, typed
from desk.staff_rules import SESSION_WRITTEN, StaffRules
from desk.visitor import Visitor
from storage import sessions
from storage.database import Connection, Database
from storage.errors import StorageUnavailable
from tickets.clock import Clock
from tickets.key import new_key
from tickets.organisation import Member
from tickets.role import Role

Row = dict[str, Any]

PASSWORD = "password"
FULL = "full"

_LONGEST_SECRET = 100


def csrf_token(secret: str) -> str:
    """The token the forms of a session carry: made from its secret, of which it tells nothing.

    >>> csrf_token("s")
    'BADu0c9KmVPZbAzamW__PD3y9zcdTp3PYv3anWN0ftw'
    """
    mac = hmac.digest(secret.encode("utf-8", "surrogatepass"), b"otklik csrf", hashlib.sha256)
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def begin(
    connection: Connection,
    user_id: UUID,
    stage: str,
    now: datetime,
    rules: StaffRules,
    *,
    secret: str,
    address: str = "",
    agent: str = "",
    method: str = "password",
) -> UUID:
    """Store a new session for a secret of the caller's and return its key."""
    row: Row = {
        "id": new_key(),
        "digest": sessions.digest(secret),
        "user_id": user_id,
        "stage": stage,
        "method": method,
        "created_at": now,
        "seen_at": now,
        "expires_at": now + (rules.lifetime if stage == FULL else rules.awaiting),
        "revoked_at": None,
        "address": address[:64],
        "agent": typed.lines(agent)[:255],
    }
    sessions.add(connection, row)
    return row["id"]  # type: ignore[no-any-return]


def new_secret() -> str:
    """256 random bits for a cookie."""
    return secrets.token_urlsafe(32)


class Sessions:
    """Finds sessions and ends them."""

    def __init__(self, database: Database, clock: Clock, rules: StaffRules) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules

    async def visitor(self, secret: str, address: str = "") -> Visitor | None:
        """Whoever is logged in with this secret; None for a session that is unknown, unfinished or over."""
        row = await self._find(secret, FULL)
        if row is None:
            return None
        now = self._clock.now()
        if now - row["seen_at"] >= SESSION_WRITTEN:
            # a database that cannot be written to is no reason to throw people out
            with suppress(StorageUnavailable):
                await self._database.write(
                    lambda c: sessions.touch(c, row["id"], row["user_id"], now, address[:64]), name="session"
                )
        return self._visitor(row, secret, address)

    async def awaited(self, secret: str) -> Row | None:
        """The session of somebody whose password was right and whose code is awaited: its user's row as found."""
        return await self._find(secret, PASSWORD)

    async def alive(self, session_id: UUID) -> bool:
        """Whether a session may still be used."""
        row = await self._database.read(lambda c: sessions.by_id(c, session_id))
        return row is not None and self._lives(row) and row["stage"] == FULL

    async def listing(self, user_id: UUID) -> list[Row]:
        """Living sessions of a user, the last used first."""
        now = self._clock.now()
        return await self._database.read(lambda c: sessions.living(c, user_id, now, now - self._rules.idle))

    async def revoke(self, by: Visitor, session_id: UUID) -> bool:
        """End one of one's own sessions; returns whether it lived."""
        now = self._clock.now()

        def unit(connection: Connection) -> bool:
            done = sessions.revoke(connection, by.user_id, session_id, now)
            if done:
                audit.note(connection, by, "session.revoked", by.login, {"session": session_id.hex}, now)
            return done

        return await self._database.write(unit, name="session")

    async def revoke_others(self, by: Visitor) -> int:
        """End all of one's own sessions but this one; returns how many lived."""
        now = self._clock.now()

        def unit(connection: Connection) -> int:
            count = sessions.revoke_all(connection, by.user_id, now, but=by.session_id)
            audit.note(connection, by, "session.revoked_others", by.login, {"count": count}, now)
            return count

        return await self._database.write(unit, name="session")

    async def _find(self, secret: str, stage: str) -> Row | None:
        if not secret or len(secret) > _LONGEST_SECRET:
            return None
        digest = sessions.digest(secret)
        row = await self._database.read(lambda c: sessions.find(c, digest))
        return row if row is not None and row["stage"] == stage and self._lives(row) else None

    def _lives(self, row: Row) -> bool:
        now = self._clock.now()
        return (
            row["revoked_at"] is None
            and row["disabled_at"] is None
            and row["expires_at"] > now
            and row["seen_at"] + self._rules.idle > now
        )

    def _visitor(self, row: Row, secret: str, address: str) -> Visitor:
        role = Role(row["role"])
        member = None
        if row["member_id"] is not None:
            member = Member(
                id=row["member_id"].hex,
                login=row["login"],
                name=row["member_name"],
                email=row["member_email"],
                group=row["member_team"],
                line=row["member_line"],
                language=row["member_language"],
                lead=row["member_lead"],
                away=row["member_away"],
            )
        return Visitor(
            user_id=row["user_id"],
            login=row["login"],
            name=row["name"] or (member.name if member else row["login"]),
            role=role,
            member=member,
            language=row["language"],
            theme=row["theme"],
            shortcuts=bool(row["shortcuts"]),
            zone=row["centre_zone"] or self._rules.zone,
            session_id=row["id"],
            address=address,
            csrf=csrf_token(secret),
            second_factor=bool(row["totp"]),
            must_enrol=role in self._rules.totp_roles and not row["totp"] and row["method"] == "password",
        )
