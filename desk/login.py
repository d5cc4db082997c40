"""Logging in: a password, then a code where a second factor is set up; or a foreign identity that is tied to a login.

An unknown login, a wrong password and a login that was switched off are one answer and one amount of work: the same
transactions, and one password checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from desk import audit, passwords, second_factor, sessions, tries
from desk.change import Actor
from desk.staff_rules import StaffRules
from desk.vault import Vault
from storage import accounts
from storage import sessions as stored
from storage.cells import Row
from storage.database import Connection, Database
from tickets.clock import Clock

NOBODY = Actor("nobody")


class NotLoggedIn(Exception):
    """It did not match; `left` tries are free of waiting."""

    def __init__(self, left: int) -> None:
        super().__init__(f"it did not match; {left} tries left")
        self.left = left


class NotAwaited(Exception):
    """No code is awaited with this session: it took too long, or there never was a password."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Where somebody tries from: the client's address, its `User-Agent`, and the secret its cookie held before."""

    address: str = ""
    agent: str = ""
    previous: str = ""


@dataclass(frozen=True, slots=True)
class Begun:
    """A session has begun: `secret` is for the cookie; `stage` is `full`, or `password` while a code is awaited."""

    secret: str
    stage: str


def key_of(login: str) -> str:
    """A login as it is looked for."""
    return login.strip().casefold().encode("utf-8", "replace").decode().replace("\x00", "\ufffd")[:160]


class Login:
    """The ways in."""

    def __init__(self, database: Database, clock: Clock, rules: StaffRules, vault: Vault) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._vault = vault

    async def password(self, login: str, password: str, caller: Caller) -> Begun:
        """Begin a session for a login and its password.

        Raises:
            TooManyTries: not before the time it names.
            NotLoggedIn: they do not match, or nobody may log in so.
        """
        now, key = self._clock.now(), key_of(login)
        counts = [tries.of_login(key, self._rules), tries.of_address(caller.address, self._rules)]

        def ask(connection: Connection) -> tuple[int, Row | None]:
            left = tries.begin(connection, counts, now, self._rules)
            return left, accounts.by_key(connection, key)

        left, user = await self._database.write(ask, name="login")
        right = await passwords.matches(password, user["password"] if user else "")
        if user is None or not right or user["disabled_at"] is not None:
            await self._failed("login.failed", user, caller)
            raise NotLoggedIn(left)
        renewed = await passwords.hashed(password) if passwords.is_old(user["password"]) else ""

        def unit(connection: Connection) -> Begun:
            tries.succeeded(connection, counts)
            if renewed:
                accounts.change(connection, user["id"], password=renewed)
            stage = sessions.PASSWORD if user["totp"] else sessions.FULL
            return self._begin(connection, user, stage, caller, {"by": "password"})

        return await self._database.write(unit, name="login")

    async def code(self, code: str, caller: Caller) -> Begun:
        """Finish the login of the session in `caller.previous` with a code of the second factor or a recovery code.

        Raises:
            NotAwaited: no code is awaited with that session.
            TooManyTries: not before the time it names.
            NotLoggedIn: the code is wrong or was used before.
        """
        now = self._clock.now()
        digest = stored.digest(caller.previous)

        def ask(connection: Connection) -> tuple[int, Row]:
            user = self._awaited(connection, digest, now)
            return tries.begin(connection, [tries.of_code(user["id"], self._rules)], now, self._rules), user

        left, user = await self._database.write(ask, name="login")

        def unit(connection: Connection) -> Begun | None:
            found = self._awaited(connection, digest, now)
            by = second_factor.accept(connection, self._vault, found, code, now)
            if not by:
                return None
            tries.succeeded(connection, [tries.of_code(found["id"], self._rules)])
            return self._begin(connection, found, sessions.FULL, caller, {"by": by})

        begun = await self._database.write(unit, name="login")
        if begun is None:
            await self._failed("login.code_failed", user, caller)
            raise NotLoggedIn(left)
        return begun

    async def identity(self, subject: str, caller: Caller) -> Begun:
        """Begin a session for a foreign identity that was proven elsewhere; its second factor is that place's matter.

        Raises:
            NotLoggedIn: nobody is tied to it, or whoever is may not log in.
        """

        def unit(connection: Connection) -> Begun | None:
            user = accounts.by_subject(connection, subject)
            if user is None or user["disabled_at"] is not None:
                return None
            return self._begin(connection, user, sessions.FULL, caller, {"by": "oidc"})

        begun = await self._database.write(unit, name="login")
        if begun is None:
            await self._failed("login.failed", None, caller)
            raise NotLoggedIn(0)
        return begun

    async def logout(self, caller: Caller) -> None:
        """End the session of `caller.previous`, whatever stage it is at."""
        now, digest = self._clock.now(), stored.digest(caller.previous)

        def unit(connection: Connection) -> None:
            row = stored.find(connection, digest)
            if row is not None and stored.revoke(connection, row["user_id"], row["id"], now):
                audit.note(connection, _actor(row), "login.ended", row["login"], {}, now, address=caller.address)

        await self._database.write(unit, name="login")

    def _awaited(self, connection: Connection, digest: bytes, now: datetime) -> Row:
        row = stored.find(connection, digest)
        if row is None or row["stage"] != sessions.PASSWORD or row["revoked_at"] or row["expires_at"] <= now:
            raise NotAwaited
        user = accounts.by_id(connection, row["user_id"], lock=True)
        if user is None or user["disabled_at"] is not None or not user["totp"]:
            raise NotAwaited
        return user

    def _begin(self, connection: Connection, user: Row, stage: str, caller: Caller, detail: dict[str, Any]) -> Begun:
        now = self._clock.now()
        before = stored.find(connection, stored.digest(caller.previous)) if caller.previous else None
        if before is not None:
            stored.revoke(connection, before["user_id"], before["id"], now)
        secret = sessions.new_secret()
        sessions.begin(
            connection,
            user["id"],
            stage,
            now,
            self._rules,
            secret=secret,
            address=caller.address,
            agent=caller.agent,
            method="oidc" if detail["by"] == "oidc" else "password",
        )
        if stage == sessions.FULL:
            accounts.change(connection, user["id"], last_seen_at=now)
            audit.note(connection, _actor(user), "login.began", user["login"], detail, now, address=caller.address)
        accounts.forget(connection, now - self._rules.forget_after)
        return Begun(secret, stage)

    async def _failed(self, action: str, user: Row | None, caller: Caller) -> None:
        now = self._clock.now()
        # a login nobody has is not written down: people type passwords there
        whose = user["login"] if user else ""
        await self._database.write(
            lambda c: audit.note(c, NOBODY, action, whose, {}, now, address=caller.address), name="login"
        )


def _actor(user: Row) -> Actor:
    return Actor(f"staff:{user['login']}", user["name"])
