"""The real program with a small organisation, tickets put as a test needs them, and staff in front of the pages."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from sqlalchemy import select, update

from desk import sessions
from desk.accounts import Accounts, NewUser
from desk.change import Actor
from desk.search_index import SearchDuty, SearchIndex
from gateway import assemble
from gateway.program import Program
from gateway.settings import Settings
from storage import organisation as organisations
from storage import tickets as ticket_rows
from storage.tables import events, tickets
from tests.stage import HandClock, doors, running
from tickets.address import Address, AddressKind
from tickets.message import InboundMessage, Refs
from tickets.number import find_numbers
from tickets.role import Role
from web.console.cookies import SESSION

NOW = datetime(2026, 11, 20, 7, 5, tzinfo=UTC)
"""Friday, 14:05 in Novosibirsk."""


ORGANISATION = """
[[centre]]
code = "nsk"
name = "Новосибирск"
zone = "Asia/Novosibirsk"
addresses = ["help@otklik.example"]
default = true

[[centre]]
code = "brd"
name = "Бердск"
zone = "Asia/Novosibirsk"

[[agreement]]
code = "default"
name = "Общие условия"
respond = { critical = "30 min", high = "1 h", normal = "4 h", low = "8 h" }
resolve = { critical = "4 h", high = "8 h", normal = "16 h", low = "40 h" }

[[group]]
code = "l1"
name = "1-я линия"
centre = "nsk"

[[group]]
code = "l2"
name = "2-я линия"
centre = "nsk"

[[staff]]
login = "maria"
name = "Мария Соколова"
email = "maria@otklik.example"
group = "l1"
lead = true

[[staff]]
login = "denis"
name = "Денис Котов"
email = "denis@otklik.example"
group = "l2"
lead = true

[[customer]]
code = "romashka"
name = "ООО «Ромашка»"
centre = "nsk"
domains = ["romashka.example"]

[[customer]]
code = "gastro"
name = "АО «Сибирский гастроном»"
centre = "nsk"
domains = ["gastro.example"]
"""


@dataclass
class Page:
    """What came back, without following redirects."""

    status: int
    headers: Any
    body: str

    @property
    def text(self) -> str:
        """The page as text, our non-breaking spaces as plain ones."""
        return unescape(self.body).replace("\u00a0", " ")

    @property
    def words(self) -> str:
        """What a reader sees of it, markup left out."""
        bare = re.sub(r"<(script|style|template)\b.*?</\1>", " ", self.body, flags=re.S)
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).replace("\u00a0", " ").split())

    @property
    def numbers(self) -> list[str]:
        """The tickets of the list, in order."""
        return re.findall(r'<tr id="t-([^"]+)"', self.body)

    @property
    def groups(self) -> list[str]:
        """The headings of the list with their counts."""
        heads = re.findall(r'<tr class="group-row">(.*?)</tr>', self.body, flags=re.S)
        return [Page(0, {}, head).words for head in heads]

    def row(self, number: str) -> Page:
        """One row of the list."""
        found = re.search(rf'<tr id="t-{number}".*?</tr>', self.body, flags=re.S)
        assert found, f"no row of {number}"
        return Page(self.status, self.headers, found.group())

    def views(self) -> dict[str, str]:
        """The views at the side with their counts."""
        side = re.search(r'<aside class="aside".*?</aside>', self.body, flags=re.S)
        assert side, "no views"
        links = re.findall(r"<a [^>]*>(.*?)</a>", side.group(), flags=re.S)
        parts = [re.findall(r"<span[^>]*>(.*?)</span>", link) for link in links]
        return {unescape(each[0]): (each[1] if len(each) > 1 else "") for each in parts}

    @property
    def leads_to(self) -> str:
        """Where it redirects."""
        return str(self.headers.get("Location", ""))

    def field(self, name: str) -> str:
        """The value of a hidden field."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.body)
        assert found, f"no field {name} in {self.words[:500]}"
        return unescape(found.group(1))


@dataclass
class Browser:
    """A browser with a cookie jar; it goes where it is told, and follows nothing by itself."""

    base: str
    session: aiohttp.ClientSession
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""
    user_id: UUID | None = None

    async def get(self, path: str, **given: Any) -> Page:
        """Open a page."""
        return await self.ask("GET", path, **given)

    async def post(self, path: str, *fields: tuple[str, str], **form: str) -> Page:
        """Send a form of this session."""
        sent = [("csrf", self.csrf), *fields, *form.items()]
        return await self.ask("POST", path, data=aiohttp.FormData([(n, v) for n, v in sent]))

    async def ask(self, method: str, path: str, **given: Any) -> Page:
        """One request with the cookies of the jar."""
        headers = dict(given.pop("headers", {}))
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
            return Page(response.status, response.headers, await response.text())


@dataclass
class Desk:
    """A running program and what tests do around it."""

    program: Program
    clock: HandClock
    accounts: Accounts
    base: str
    session: aiohttp.ClientSession
    members: dict[str, UUID]

    async def staff(self, login: str, role: str = "agent", **more: Any) -> Browser:
        """Somebody of the staff with a session; the login page has tests of its own."""
        user = await self.accounts.create(NewUser(login, Role(role), name=login.title(), **more), Actor("cli:root"))
        return await self.session_of(user["id"])

    async def session_of(self, user_id: UUID) -> Browser:
        """A further browser of somebody."""
        secret, rules = sessions.new_secret(), assemble.staff_rules(self.program.settings)
        now = self.clock.now()
        await self.program.opened.write(
            lambda c: sessions.begin(c, user_id, sessions.FULL, now, rules, secret=secret) and None
        )
        return Browser(self.base, self.session, {SESSION: secret}, sessions.csrf_token(secret), user_id)

    def stranger(self) -> Browser:
        """Somebody who is not logged in."""
        return Browser(self.base, self.session)

    async def mail(self, subject: str = "Касса не печатает", text: str = "Добрый день", **given: Any) -> str:
        """A mail comes in; returns the number of its ticket."""
        sender = given.pop("sender", "irina@romashka.example")
        message = InboundMessage(
            **{
                "channel": "email",
                "account": "smtp",
                "external_id": uuid4().hex,
                "sender": Address(AddressKind.EMAIL, sender, given.pop("name", "Ирина Петрова")),
                "recipients": (Address(AddressKind.EMAIL, "help@otklik.example"),),
                "subject": subject,
                "text": text,
                "received_at": self.clock.now(),
                "message_id": f"{uuid4().hex}@romashka.example",
                "digest": hashlib.sha256(uuid4().bytes).digest(),
                "refs": Refs(numbers=find_numbers(subject)),
                **given,
            }
        )
        assert self.program.intake is not None
        return (await self.program.intake.accept(message, text.encode())).number

    async def ticket(self, subject: str = "Касса", *, assignee: str | None = None, **values: Any) -> str:
        """A ticket whose row has these values."""
        number = await self.mail(subject, values.pop("text", "Добрый день"), **values.pop("mail", {}))
        if assignee is not None:
            values["assignee_id"] = self.members[assignee] if assignee else None
        if values:
            change = update(tickets).where(tickets.c.number == number).values(**values)
            await self.program.opened.write(lambda c: c.execute(change) and None)
        return number

    async def row(self, number: str) -> dict[str, Any]:
        """A ticket's row."""
        found = await self.program.opened.read(lambda c: ticket_rows.find(c, number))
        assert found is not None
        return found

    async def happened(self, number: str) -> list[tuple[str, str | None, str | None]]:
        """The history of a ticket: what, old, new."""
        ticket = await self.row(number)
        query = select(events).where(events.c.ticket_id == ticket["id"]).order_by(events.c.id)
        rows = await self.program.opened.read(lambda c: [dict(row) for row in c.execute(query).mappings()])
        return [(row["what"], row["old"], row["new"]) for row in rows]

    async def index(self) -> SearchDuty:
        """Let the search index catch up."""
        duty = SearchDuty(SearchIndex(self.program.opened, self.clock), self.program.opened, self.clock, "test")
        await duty.catch_up()
        return duty

    async def version(self, number: str) -> str:
        """A ticket as a ticked row sends it."""
        return f"{number}:{(await self.row(number))['version']}"


@pytest.fixture
def settings(laid_out_url: str) -> Settings:
    """Doors on free ports, no relay to send by."""
    return doors(laid_out_url, OTKLIK_SITE__PREFIX="NSK", OTKLIK_SITE__ZONE="Asia/Novosibirsk")


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    """A running program."""
    clock, jar = HandClock(NOW), aiohttp.DummyCookieJar()
    beginning = running(settings, ORGANISATION, clock=clock)
    async with beginning as program, aiohttp.ClientSession(cookie_jar=jar) as session:
        accounts = Accounts(program.opened, clock, assemble.staff_rules(settings))
        assert program.addresses.http is not None
        organisation = await program.opened.read(organisations.load)
        members = {member.login: UUID(member.id) for member in organisation.members.values()}
        yield Desk(program, clock, accounts, program.addresses.http, session, members)


@pytest.fixture
def at() -> Callable[..., datetime]:
    """`at(15, 25)`: that time of the day in Novosibirsk; `days` later."""

    def moment(hour: int, minute: int = 0, days: int = 0) -> datetime:
        return datetime(2026, 11, 20, hour, minute, tzinfo=UTC) + timedelta(days=days, hours=-7)

    return moment
