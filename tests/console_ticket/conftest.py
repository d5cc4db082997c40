"""The real program, staff in front of its pages, and mail that comes in by its own door."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from channels.testing import SimulatedRelay
from desk.accounts import Accounts, NewUser
from desk.change import Actor
from gateway import assemble
from gateway.program import Program
from gateway.settings import Settings
from storage import audit, integrity
from storage.audit import Filter
from tests.stage import HandClock, doors, running
from tickets.message import Accepted
from tickets.role import Role

PASSWORD = "корова под дождём"
IRINA = "irina@sibtrans.example"

MAIL = """From: Ирина Петрова <{sender}>
To: support@otklik.example
Subject: {subject}
Message-ID: <{id}@sibtrans.example>
Date: Wed, 18 Nov 2026 11:59:00 +0300
MIME-Version: 1.0
Content-Type: {kind}; charset=utf-8
{fields}
{text}
"""


@dataclass
class Page:
    """What came back, without following redirects."""

    status: int
    headers: Any
    body: bytes

    @property
    def html(self) -> str:
        """As it came."""
        return self.body.decode()

    @property
    def text(self) -> str:
        """Its words, entities undone and our non-breaking spaces made plain ones."""
        return unescape(re.sub(r"<[^>]+>", " ", self.html)).replace("\u00a0", " ")

    @property
    def words(self) -> str:
        """The same with white space folded."""
        return " ".join(self.text.split())

    @property
    def leads_to(self) -> str:
        """Where it redirects."""
        return str(self.headers.get("Location", ""))

    def field(self, name: str) -> str:
        """The value of a hidden field."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.html)
        assert found, f"no field {name} in {self.words[:500]}"
        return unescape(found.group(1))


@dataclass
class Browser:
    """Somebody of the staff in front of a browser, logged in; it follows nothing by itself."""

    base: str
    session: aiohttp.ClientSession
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str, **given: Any) -> Page:
        """Open a page."""
        return await self.ask("GET", path, **given)

    async def ask(self, method: str, path: str, **given: Any) -> Page:
        """One request with the cookies of the jar."""
        headers = {**given.pop("headers", {})}
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
            return Page(response.status, response.headers, await response.read())

    async def post(self, path: str, at: str = "", **form: str) -> Page:
        """Send a form with the token of the page it stands on, and with its nonce and `seen` where it has them."""
        page = await self.get(at or path.rpartition("/")[0] or "/")
        hidden = {n: page.field(n) for n in ("csrf", "nonce", "seen") if f'name="{n}"' in page.html}
        return await self.ask("POST", path, data=hidden | form)

    async def send(self, path: str, page: Page, files: list[tuple[str, bytes, str]] | None = None, **form: str) -> Page:
        """Send the composer as a browser does, files and all; `page` is the one it stands on."""
        # as browsers do: names in plain UTF-8
        data = aiohttp.FormData(default_to_multipart=True, quote_fields=False)
        for name in ("csrf", "nonce", "seen"):
            if name not in form:
                data.add_field(name, page.field(name))
        for name, value in form.items():
            data.add_field(name, value)
        for name, octets, kind in files or []:
            data.add_field("files", octets, filename=name, content_type=kind)
        return await self.ask("POST", path, data=data)

    async def answer(self, number: str, text: str, **form: str) -> Page:
        """Answer a ticket's author."""
        page = await self.get(f"/tickets/{number}?mode=reply")
        return await self.send(f"/tickets/{number}/messages", page, mode="reply", text=text, **form)


@dataclass
class Console:
    """A running program and what tests do around it."""

    program: Program
    clock: HandClock
    accounts: Accounts
    session: aiohttp.ClientSession
    base: str
    relay: SimulatedRelay

    async def browser(self, login: str = "a.lebedeva", role: str = "agent", **more: Any) -> Browser:
        """Somebody logged in; a login that is new is made."""
        if login not in [user["login"] for user in await self.accounts.listing()]:
            await self.accounts.create(NewUser(login, Role(role), password=PASSWORD, **more), Actor("cli:root"))
        browser = Browser(self.base, self.session)
        page = await browser.get("/login")
        hidden = {n: page.field(n) for n in ("csrf", "next") if f'name="{n}"' in page.html}
        answer = await browser.ask("POST", "/login", data={**hidden, "login": login, "password": PASSWORD})
        assert answer.status == 303, answer.words
        return browser

    async def mail(
        self,
        text: str = "Не печатает принтер",
        *,
        subject: str = "Принтер",
        sender: str = IRINA,
        fields: str = "",
        kind: str = "text/plain",
        raw: bytes = b"",
        rcpt_to: tuple[str, ...] = ("support@otklik.example",),
    ) -> Accepted:
        """A mail comes in."""
        octets = raw or MAIL.format(
            text=text, subject=subject, sender=sender, fields=fields, kind=kind, id=uuid4().hex
        ).encode("utf-8", "surrogateescape")
        message = self.program.read_mail(
            octets,
            channel="email",
            account="smtp",
            external_id=uuid4().hex,
            received_at=self.clock.now(),
            mail_from=sender,
            rcpt_to=rcpt_to,
        )
        message.extra = {**message.extra, "envelope": {"mail_from": sender, "rcpt_to": list(rcpt_to)}}
        intake = self.program.intake
        assert intake is not None
        return await intake.accept(message, octets)

    async def ticket(self, number: str) -> dict[str, Any]:
        """Everything about a ticket."""
        return await self.program.read.ticket(number, "ru")

    async def told(self, number: str) -> list[tuple[str, str, str]]:
        """Event, role and state of each notification."""
        return [(n["event"], n["to"]["role"], n["state"]) for n in (await self.ticket(number))["notifications"]]

    async def logged(self, **wanted: Any) -> list[dict[str, Any]]:
        """Entries of the audit log, newest first."""
        return await self.program.opened.read(lambda c: audit.listing(c, Filter(**wanted)))

    async def whole(self) -> list[str]:
        """What is wrong with the database."""
        return await self.program.opened.read(integrity.problems)

    def reply_address(self, ticket_id: str) -> str:
        """Where an answer to a mail of ours goes."""
        return f"support+{self.program.tokens.sign(UUID(ticket_id))}@otklik.example"

    def digest(self, octets: bytes) -> str:
        """As the ticket names the content of a file."""
        return hashlib.sha256(octets).hexdigest()


@pytest.fixture
def duties() -> list[str]:
    """What the program does; parametrised by tests that need more."""
    return ["http"]


@pytest.fixture
async def relay() -> AsyncIterator[SimulatedRelay]:
    """A mail relay that answers as it is told."""
    simulated = SimulatedRelay()
    await simulated.start()
    try:
        yield simulated
    finally:
        await simulated.stop()


@pytest.fixture
def settings(laid_out_url: str, relay: SimulatedRelay) -> Settings:
    """Doors on free ports and one relay."""
    return doors(
        laid_out_url,
        OTKLIK_MAIL__SENDER="support@otklik.example",
        OTKLIK_RELAY__LOCAL__PORT=str(relay.port),
        OTKLIK_OUTBOX__POLL="20ms",
        OTKLIK_CONSOLE__FILES="100 kB",
    )


@pytest.fixture
async def console(settings: Settings, duties: list[Any], relay: SimulatedRelay) -> AsyncIterator[Console]:
    """A running program with the sample organisation."""
    clock, jar = HandClock(), aiohttp.DummyCookieJar()
    async with running(settings, only=duties, clock=clock) as program, aiohttp.ClientSession(cookie_jar=jar) as session:
        accounts = Accounts(program.opened, clock, assemble.staff_rules(settings))
        base = program.addresses.http
        assert base is not None
        yield Console(program, clock, accounts, session, base, relay)
