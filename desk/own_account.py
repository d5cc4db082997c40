"""One's own login: name and looks, password, second factor. Every change is an entry of the audit log."""

from __future__ import annotations

from desk import audit, passwords, second_factor, tries
from desk.accounts import LANGUAGES, THEMES, Accounts, NoSuchUser, NotChanged, one_line
from desk.staff_rules import StaffRules
from desk.vault import Vault
from desk.visitor import Visitor
from storage import accounts, sessions
from storage.cells import Row
from storage.database import Connection, Database
from tickets.clock import Clock


class OwnAccount:
    """What its owner does to a login."""

    def __init__(self, database: Database, clock: Clock, rules: StaffRules, vault: Vault) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._vault = vault
        self._accounts = Accounts(database, clock, rules)

    async def of(self, visitor: Visitor) -> Row:
        """One's own row, with `codes`, the number of recovery codes that are left."""

        def query(connection: Connection) -> Row:
            row = accounts.by_id(connection, visitor.user_id)
            if row is None:
                raise NoSuchUser(visitor.login)
            return row | {"codes": accounts.codes_left(connection, visitor.user_id)}

        return await self._database.read(query)

    async def set_taste(self, visitor: Visitor, *, name: str, language: str, theme: str, shortcuts: bool) -> None:
        """Change one's name, and how pages look and behave.

        Raises:
            NotChanged: the name is empty or too long.
        """
        name = one_line(name)
        if not 1 <= len(name) <= 200:
            raise NotChanged("name", "the name needs 1 to 200 characters")
        if language not in LANGUAGES or theme not in THEMES:
            raise NotChanged("taste", "there is no such language or theme")
        now = self._clock.now()

        def unit(connection: Connection) -> None:
            values = {"name": name, "language": language, "theme": theme, "shortcuts": shortcuts}
            accounts.change(connection, visitor.user_id, **values)
            audit.note(connection, visitor, "user.changed", visitor.login, values, now)

        await self._database.write(unit, name="account")

    async def change_password(self, visitor: Visitor, old: str, new: str) -> None:
        """Change one's own password, knowing the old one; all other sessions end.

        Raises:
            NotChanged: the old one is wrong.
            TooManyTries: not before the time it names.
            WeakPassword: the new one will not do.
        """
        if not await self.knows_password(visitor, old):
            raise NotChanged("password", "the old password is wrong")
        await self._accounts.set_password(visitor.login, new, visitor)

    async def knows_password(self, visitor: Visitor, password: str) -> bool:
        """Whether this is the visitor's own password; always true where there is none. Tries are counted.

        Raises:
            TooManyTries: not before the time it names.
        """
        now = self._clock.now()
        count = tries.of_owner(visitor.user_id, self._rules)

        def ask(connection: Connection) -> str:
            tries.begin(connection, [count], now, self._rules)
            user = accounts.by_id(connection, visitor.user_id)
            return str(user["password"]) if user else ""

        stored = await self._database.write(ask, name="account")
        if stored and not await passwords.matches(password, stored):
            return False
        await self._database.write(lambda c: tries.succeeded(c, [count]), name="account")
        return True

    async def enrol(self, visitor: Visitor, secret: str, code: str) -> list[str]:
        """Switch one's second factor on, proven by its first code; returns the recovery codes, which are shown once.

        All other sessions end: they never gave a code.

        Raises:
            NotChanged: the code is not of this secret.
        """
        now = self._clock.now()
        step = second_factor.step_of(secret, code, now)
        if step is None:
            raise NotChanged("code", "the code does not match; is the clock of the telephone right?")
        codes = second_factor.new_recovery_codes()
        digests = [second_factor.recovery_digest(each) for each in codes]
        sealed = second_factor.sealed(self._vault, visitor.user_id, secret)

        def unit(connection: Connection) -> None:
            accounts.change(connection, visitor.user_id, totp=sealed, totp_step=step)
            accounts.replace_codes(connection, visitor.user_id, digests)
            sessions.revoke_all(connection, visitor.user_id, now, but=visitor.session_id)
            audit.note(connection, visitor, "user.second_factor_on", visitor.login, {}, now)

        await self._database.write(unit, name="account")
        return codes

    async def drop_second_factor(self, visitor: Visitor) -> bool:
        """Switch one's second factor off; returns whether it was on."""
        return await self._accounts.drop_second_factor(visitor.login, visitor)

    async def new_recovery_codes(self, visitor: Visitor) -> list[str]:
        """Other recovery codes in place of the ones there are.

        Raises:
            NotChanged: there is no second factor.
        """
        if not visitor.second_factor:
            raise NotChanged("no_factor", "there is no second factor to recover")
        codes = second_factor.new_recovery_codes()
        digests = [second_factor.recovery_digest(each) for each in codes]
        now = self._clock.now()

        def unit(connection: Connection) -> None:
            accounts.replace_codes(connection, visitor.user_id, digests)
            audit.note(connection, visitor, "user.recovery_codes_made", visitor.login, {}, now)

        await self._database.write(unit, name="account")
        return codes
