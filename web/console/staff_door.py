"""What staff pages are built from, put together once: the gate, and the pages about logins themselves."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from desk.accounts import Accounts
from desk.audit import AuditLog
from desk.identity import Identities
from desk.login import Login
from desk.own_account import OwnAccount
from desk.sessions import Sessions
from desk.staff_rules import StaffRules
from desk.vault import Vault
from storage.database import Database
from tickets.clock import Clock
from web.console.account import AccountPages
from web.console.audit_log import AuditPages
from web.console.cookies import Cookies
from web.console.enrolment import EnrolmentPages
from web.console.gate import Gate
from web.console.login import LoginPages
from web.console.oidc import SignOn
from web.console.sign_on import Claims, SignOnPages
from web.console.users import UserPages
from web.look.page import Look


@dataclass(frozen=True, slots=True)
class StaffDoor:
    """Everything between a browser and a staff page."""

    look: Look
    gate: Gate
    accounts: Accounts
    own: OwnAccount
    login: Login
    identities: Identities
    sessions: Sessions
    log: AuditLog
    vault: Vault
    cookies: Cookies
    rules: StaffRules
    clock: Clock
    sign_on: tuple[SignOn, Claims] | None = None

    def routes(self) -> list[web.RouteDef]:
        """The pages about logins."""
        signing_on = None
        if self.sign_on is not None:
            options, claims = self.sign_on
            signing_on = SignOnPages(options, claims, self.login, self.identities, self.vault, self.cookies, self.clock)
        option = self.sign_on[0] if self.sign_on else None
        return [
            *LoginPages(self.look, self.gate, self.login, self.sessions, self.cookies, self.clock, option).routes(),
            *(signing_on.routes() if signing_on else ()),
            *AccountPages(self.look, self.gate, self.own, self.sessions).routes(),
            *EnrolmentPages(self.look, self.gate, self.own, self.vault, self.cookies, self.rules, self.clock).routes(),
            *UserPages(self.look, self.gate, self.accounts, self.sessions).routes(),
            *AuditPages(self.look, self.gate, self.log).routes(),
        ]


def staff_door(
    database: Database,
    clock: Clock,
    rules: StaffRules,
    vault: Vault,
    look: Look,
    sign_on: tuple[SignOn, Claims] | None = None,
) -> StaffDoor:
    """Put it together; `sign_on` is the organisation's identity provider, if there is one."""
    sessions = Sessions(database, clock, rules)
    log = AuditLog(database, clock)
    cookies = Cookies(secure=look.secure)
    return StaffDoor(
        look=look,
        gate=Gate(sessions, cookies, log),
        accounts=Accounts(database, clock, rules),
        own=OwnAccount(database, clock, rules, vault),
        login=Login(database, clock, rules, vault),
        identities=Identities(database, clock),
        sessions=sessions,
        log=log,
        vault=vault,
        cookies=cookies,
        rules=rules,
        clock=clock,
        sign_on=sign_on,
    )
