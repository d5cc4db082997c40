"""Foreign identities: whom the organisation's identity provider vouches for, and which login that is.

An identity is its issuer and subject, never a name: names are given to others. At its first visit it is tied to the
login of the same name, if that login was made for it: one without a password and without another identity. A login with
a password is never taken over by a name alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from desk import audit
from desk.accounts import NewUser, NotChanged, checked, keep_an_administrator, new_row
from desk.change import Actor
from desk.login import key_of
from storage import accounts
from storage.cells import Row
from storage.database import Connection, Database
from tickets.clock import Clock
from tickets.role import Role

PROVIDER = Actor("oidc")


class NotAdmitted(Exception):
    """The provider vouches for somebody who has no business here; the text says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody the provider vouches for; `role` is what its groups give, None where they give none."""

    subject: str
    login: str
    name: str = ""
    email: str = ""
    role: Role | None = None


class Identities:
    """Ties identities to logins."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def admit(self, identity: Identity, *, by_role: bool, create: bool) -> None:
        """See to it that the identity has a login, and the role its groups give.

        `by_role`: groups decide, and whoever is in none of them stays out. `create`: somebody new gets a login.

        Raises:
            NotAdmitted: there is no login for it, or no role.
        """
        if by_role and identity.role is None:
            raise NotAdmitted("none of the groups gives a role")
        await self._database.write(lambda c: self._admit(c, identity, create=create), name="login")

    def _admit(self, connection: Connection, identity: Identity, *, create: bool) -> None:
        now = self._clock.now()
        user = accounts.by_subject(connection, identity.subject)
        if user is None:
            user = accounts.by_key(connection, key_of(identity.login)) if identity.login else None
            if user is None:
                self._create(connection, identity, allowed=create)
                return
            if user["password"] or user["subject"] is not None:
                raise NotAdmitted("the login of this name is somebody else's")
            accounts.change(connection, user["id"], subject=identity.subject)
            audit.note(connection, PROVIDER, "user.tied", user["login"], {}, now)
        if identity.role is not None and user["role"] != identity.role:
            self._role(connection, user, identity.role)

    def _create(self, connection: Connection, identity: Identity, *, allowed: bool) -> None:
        if not allowed or identity.role is None:
            raise NotAdmitted("there is no login for it")
        new = NewUser(identity.login, identity.role, identity.name[:200], "", subject=identity.subject)
        try:
            login, name, _ = checked(new)
        except NotChanged as error:
            raise NotAdmitted(str(error)) from None
        now = self._clock.now()
        row = new_row(connection, new, login, name, identity.email[:320], "", now)
        accounts.add(connection, row)
        audit.note(connection, PROVIDER, "user.created", row["login"], {"role": row["role"]}, now)

    def _role(self, connection: Connection, user: Row, role: Role) -> None:
        try:
            keep_an_administrator(connection, user, disabled=user["disabled_at"] is not None)
        except NotChanged:
            return
        accounts.change(connection, user["id"], role=role.value)
        detail = {"old": user["role"], "new": role.value}
        audit.note(connection, PROVIDER, "user.role_changed", user["login"], detail, self._clock.now())
