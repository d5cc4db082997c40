"""The real program, and browsers that walk through its staff pages."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import aiohttp
import pytest
from argon2 import PasswordHasher

from desk import passwords
from desk.accounts import Accounts, NewUser
from desk.change import Actor
from gateway import assemble
from gateway.program import Program
from gateway.settings import Settings
from storage import audit
from storage.audit import Filter
from tests.stage import HandClock, doors, running
from tickets.role import Role

PASSWORD = "корова под дождём"
CLI = Actor("cli:root")


@dataclass
class Page:
    """What came back, without following redirects."""

    status: int
    headers: Any
    body: bytes

    @property
    def text(self) -> str:
        """The page as text, our non-breaking spaces as plain ones."""
        return unescape(self.body.decode()).replace("\u00a0", " ")

    @property
    def leads_to(self) -> str:
        """Where it redirects."""
        return str(self.headers.get("Location", ""))

    def field(self, name: str) -> str:
        """The value of a hidden field."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.body.decode())
        assert found, f"no field {name} in {self.text[:500]}"
        return unescape(found.group(1))


@dataclass
class Browser:
    """A browser with a cookie jar; it goes where it is told, and follows nothing by itself."""

    base: str
    session: aiohttp.ClientSession
    cookies: dict[str, str] = field(default_factory=dict)
    agent: str = "Firefox"

    async def get(self, path: str, **given: Any) -> Page:
        """Open a page."""
        return await self.ask("GET", path, **given)

    async def post(self, path: str, form: dict[str, str] | None = None, **given: Any) -> Page:
        """Send a form as it is."""
        return await self.ask("POST", path, data=form or {}, **given)

    async def ask(self, method: str, path: str, *, read: bool = True, **given: Any) -> Page:
        """One request with the cookies of the jar; a stream without an end is left after its head with `read=False`."""
        headers = {"User-Agent": self.agent, **given.pop("headers", {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with self.session.request(
            method, self.base + path, headers=headers, allow_redirects=False, **given
        ) as response:
            for name, morsel in response.cookies.items():
                if morsel.value and morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
            return Page(response.status, response.headers, await response.read() if read else b"")

    async def send(self, at: str, to: str, **form: str) -> Page:
        """Open a page, fill the form on it, and send it with its token."""
        page = await self.get(at)
        assert page.status == 200, (page.status, page.leads_to)
        hidden = {name: page.field(name) for name in ("csrf", "next") if f'name="{name}"' in page.body.decode()}
        return await self.post(to, {**hidden, **form})

    async def log_in(self, login: str, password: str = PASSWORD, where: str = "") -> Page:
        """Send the login form."""
        return await self.send(f"/login{where}", "/login", login=login, password=password)


@dataclass
class Console:
    """A running program and what tests do around it."""

    program: Program
    clock: HandClock
    accounts: Accounts
    browser: Callable[[], Browser]
    base: str

    async def user(self, login: str, role: str = "agent", password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        """Make a login."""
        return await self.accounts.create(NewUser(login, Role(role), password=password, **more), CLI)

    async def logged(self, **wanted: Any) -> list[dict[str, Any]]:
        """Entries of the audit log, newest first."""
        return await self.program.opened.read(lambda c: audit.listing(c, Filter(**wanted)))


@pytest.fixture(autouse=True)
def cheap_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed as always, only cheaper: these tests check hundreds of them."""
    if "real_cost" not in request.fixturenames:
        monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def real_cost() -> None:
    """For a test that wants what a password really costs."""


@pytest.fixture
def given() -> dict[str, str]:
    """Settings a test adds, as environment variables; parametrised by tests that need some."""
    return {}


@pytest.fixture
def settings(laid_out_url: str, given: dict[str, str]) -> Settings:
    """Doors on free ports, no relay to send by."""
    return doors(laid_out_url, **given)


@pytest.fixture
async def console(settings: Settings) -> AsyncIterator[Console]:
    """A running program."""
    clock, jar = HandClock(), aiohttp.DummyCookieJar()
    async with running(settings, clock=clock) as program, aiohttp.ClientSession(cookie_jar=jar) as session:
        accounts = Accounts(program.opened, clock, assemble.staff_rules(settings))
        base = program.addresses.http
        assert base is not None

        def browser() -> Browser:
            return Browser(base, session)

        yield Console(program, clock, accounts, browser, base)
