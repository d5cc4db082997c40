"""Logins of staff: making and changing them. Every change is one transaction and one entry of the audit log."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from desk import audit, passwords
from desk.change import Actor
from desk.login import key_of
from desk.staff_rules import StaffRules
from desk.visitor import Visitor
from storage import accounts, organisation, sessions
from storage.cells import Row
from storage.database import Connection, Database
from tickets.clock import Clock
from tickets.key import new_key
from tickets.role import Role

T = TypeVar("T")

LANGUAGES = ("ru", "en")
THEMES = ("system", "light", "dark")

_LOGIN = re.compile(r"[^\W_][\w.@+-]{0,79}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,255}")


class NoSuchUser(LookupError):
    """Nobody has this login."""

    def __init__(self, login: str) -> None:
        super().__init__(f"there is no user {login!r}; `otklik user list` shows them")


class NotChanged(ValueError):
    """The change makes no sense; the text says why, `code` names it for pages.

    `taken`, `login`, `name`, `email`, `last_administrator`, `self`, `password`, `no_factor`, `code`.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class NewUser:
    """A login to be made. `password` may be empty where people log in by OpenID Connect alone."""

    login: str
    role: Role
    name: str = ""
    email: str = ""
    language: str = ""
    password: str = ""
    subject: str | None = None


class Accounts:
    """Changes to logins. Times are those of the clock handed in."""

    def __init__(self, database: Database, clock: Clock, rules: StaffRules) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules

    async def create(self, new: NewUser, by: Visitor | Actor) -> Row:
        """Make a login; name, address and language are those of the member of staff where they are not given.

        Raises:
            NotChanged: the login is taken or no login, or the address is none.
            WeakPassword: the password will not do.
        """
        login, name, email = checked(new)
        if new.password:
            passwords.check(new.password, login)
        password = await passwords.hashed(new.password) if new.password else ""
        now = self._clock.now()

        def unit(connection: Connection) -> Row:
            if accounts.by_key(connection, key_of(login)) is not None:
                raise NotChanged("taken", f"there is a user {login!r} already")
            row = new_row(connection, new, login, name, email, password, now)
            accounts.add(connection, row)
            audit.note(connection, by, "user.created", row["login"], {"role": row["role"]}, now)
            return row

        return await self._database.write(unit, name="account")

    async def listing(self) -> list[Row]:
        """Every user by login."""
        return await self._database.read(accounts.listing)

    async def find(self, login: str) -> Row:
        """One user.

        Raises:
            NoSuchUser: nobody has this login.
        """
        return await self._database.read(lambda connection: _found(connection, login))

    async def sessions_of(self, login: str) -> list[Row]:
        """Living sessions of one user, the last used first.

        Raises:
            NoSuchUser: nobody has this login.
        """
        now = self._clock.now()

        def query(connection: Connection) -> list[Row]:
            user = _found(connection, login)
            return sessions.living(connection, user["id"], now, now - self._rules.idle)

        return await self._database.read(query)

    async def set_role(self, login: str, role: Role, by: Visitor | Actor) -> None:
        """Give somebody another role; it holds from the next request on.

        Raises:
            NoSuchUser: nobody has this login.
            NotChanged: nobody could keep the installation any more.
        """

        def unit(connection: Connection, user: Row, now: datetime) -> None:
            if user["role"] == role.value:
                return
            keep_an_administrator(connection, user, disabled=user["disabled_at"] is not None)
            accounts.change(connection, user["id"], role=role.value)
            detail = {"old": user["role"], "new": role.value}
            audit.note(connection, by, "user.role_changed", user["login"], detail, now)

        await self._change(login, unit)

    async def disable(self, login: str, by: Visitor | Actor) -> None:
        """Let somebody not log in any more, and end that person's sessions.

        Raises:
            NoSuchUser: nobody has this login.
            NotChanged: it is oneself, or nobody could keep the installation any more.
        """

        def unit(connection: Connection, user: Row, now: datetime) -> None:
            if isinstance(by, Visitor) and by.user_id == user["id"]:
                raise NotChanged("self", "nobody can switch off their own login")
            if user["disabled_at"] is not None:
                return
            keep_an_administrator(connection, user, disabled=False)
            accounts.change(connection, user["id"], disabled_at=now)
            sessions.revoke_all(connection, user["id"], now)
            audit.note(connection, by, "user.disabled", user["login"], {}, now)

        await self._change(login, unit)

    async def enable(self, login: str, by: Visitor | Actor) -> None:
        """Let somebody log in again.

        Raises:
            NoSuchUser: nobody has this login.
        """

        def unit(connection: Connection, user: Row, now: datetime) -> None:
            if user["disabled_at"] is not None:
                accounts.change(connection, user["id"], disabled_at=None)
                audit.note(connection, by, "user.enabled", user["login"], {}, now)

        await self._change(login, unit)

    async def set_password(self, login: str, password: str, by: Visitor | Actor) -> None:
        """Give somebody a password and end that person's sessions.

        Raises:
            NoSuchUser: nobody has this login.
            WeakPassword: it will not do.
        """
        user = await self.find(login)
        passwords.check(password, user["login"])
        hashed = await passwords.hashed(password)

        def unit(connection: Connection, user: Row, now: datetime) -> None:
            accounts.change(connection, user["id"], password=hashed, password_changed_at=now)
            but = by.session_id if isinstance(by, Visitor) and by.user_id == user["id"] else None
            sessions.revoke_all(connection, user["id"], now, but=but)
            audit.note(connection, by, "user.password_set", user["login"], {}, now)

        await self._change(login, unit)

    async def revoke_sessions(self, login: str, by: Visitor | Actor) -> int:
        """End every session of somebody; returns how many lived.

        Raises:
            NoSuchUser: nobody has this login.
        """

        def unit(connection: Connection, user: Row, now: datetime) -> int:
            count = sessions.revoke_all(connection, user["id"], now)
            audit.note(connection, by, "user.sessions_revoked", user["login"], {"count": count}, now)
            return count

        return await self._change(login, unit)

    async def drop_second_factor(self, login: str, by: Visitor | Actor) -> bool:
        """Switch the second factor of somebody off; returns whether it was on.

        Raises:
            NoSuchUser: nobody has this login.
        """

        def unit(connection: Connection, user: Row, now: datetime) -> bool:
            if not user["totp"]:
                return False
            accounts.change(connection, user["id"], totp="", totp_step=None)
            accounts.replace_codes(connection, user["id"], [])
            audit.note(connection, by, "user.second_factor_off", user["login"], {}, now)
            return True

        return await self._change(login, unit)

    async def _change(self, login: str, unit: Callable[[Connection, Row, datetime], T]) -> T:
        now = self._clock.now()

        def work(connection: Connection) -> T:
            return unit(connection, _found(connection, login, lock=True), now)

        return await self._database.write(work, name="account")


def checked(new: NewUser) -> tuple[str, str, str]:
    """Login, name and address of a new user, trimmed.

    Raises:
        NotChanged: one of them will not do.
    """
    login, name, email = new.login.strip(), one_line(new.name), new.email.strip()
    if not _LOGIN.fullmatch(login):
        text = "a login has 1 to 80 letters, digits, dots, hyphens, plus signs and @, and begins with a letter or digit"
        raise NotChanged("login", text)
    if len(name) > 200:
        raise NotChanged("name", "the name may have 200 characters at most")
    if email and not _EMAIL.fullmatch(email):
        raise NotChanged("email", f"{email[:80]!r} is no mailbox")
    return login, name, email


def new_row(
    connection: Connection, new: NewUser, login: str, name: str, email: str, password: str, now: datetime
) -> Row:
    """The row of a new user, tied to the member of staff with the same login where there is one."""
    staff = organisation.load(connection).members.values()
    member = next((m for m in staff if key_of(m.login) == key_of(login)), None)
    return {
        "id": new_key(),
        "login": member.login if member else login,
        "login_key": key_of(login),
        "name": name or (member.name if member else login),
        "email": email or (member.email if member else ""),
        "role": new.role.value,
        "language": new.language or (member.language if member and member.language in LANGUAGES else "ru"),
        "theme": "system",
        "shortcuts": True,
        "password": password,
        "password_changed_at": now if password else None,
        "totp": "",
        "totp_step": None,
        "subject": new.subject,
        "created_at": now,
        "disabled_at": None,
        "last_seen_at": None,
    }


def one_line(text: str) -> str:
    """Words of a person on one line, without what no name holds."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _found(connection: Connection, login: str, *, lock: bool = False) -> Row:
    row = accounts.by_key(connection, key_of(login))
    if row is not None and lock:
        row = accounts.by_id(connection, row["id"], lock=True)
    if row is None:
        raise NoSuchUser(login)
    return row


def keep_an_administrator(connection: Connection, user: Row, *, disabled: bool) -> None:
    """Refuse to take the last administrator away; `disabled` says that this one could not log in anyway.

    Raises:
        NotChanged: this is the last one.
    """
    if user["role"] != Role.ADMINISTRATOR or disabled:
        return
    if accounts.count_enabled(connection, Role.ADMINISTRATOR) <= 1:
        raise NotChanged("last_administrator", "this is the last administrator who may log in: make another one first")
