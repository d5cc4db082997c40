"""The real program behind its HTTP door, a clock one can set, and browsers that know links and forms and no scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode
from sqlalchemy import select

from channels.testing import SimulatedRelay
from desk.change import Actor, Changes
from desk.intake import Given
from desk.merge import merge
from desk.portal_links import portal_link
from gateway.program import Program
from gateway.settings import Duty, Settings
from storage import tickets
from storage.database import Connection
from storage.metadata import metadata
from tests.eventually import eventually
from tests.stage import HandClock, doors, running
from tickets.address import Address, AddressKind
from tickets.message import InboundMessage
from tickets.status import Status

NOW = datetime(2026, 11, 20, 5, 40, tzinfo=UTC)
"""Friday, 12:40 in Novosibirsk."""

IRINA = "irina@sibtrans.example"
STAFF = "p.lebedev"


@dataclass
class Page:
    """An answer as a browser shows it."""

    status: int
    headers: Any
    html: str
    address: str

    @property
    def tree(self) -> LexborHTMLParser:
        """The document."""
        return LexborHTMLParser(self.html)

    @property
    def text(self) -> str:
        """What can be read, with ordinary spaces."""
        body = self.tree.body
        return " ".join(body.text(separator=" ").replace("\u00a0", " ").split()) if body else ""

    def one(self, selector: str) -> str:
        """The words of the only element of its kind."""
        found = self.tree.css(selector)
        assert len(found) == 1, (selector, len(found))
        return " ".join(found[0].text(separator=" ").replace("\u00a0", " ").split())

    def form(self, action: str) -> LexborNode | None:
        """The form whose address ends so."""
        wanted = [f for f in self.tree.css("form") if (f.attributes["action"] or "").partition("#")[0].endswith(action)]
        return wanted[0] if wanted else None

    def hidden(self, action: str) -> dict[str, str]:
        """The hidden fields of a form."""
        form = self.form(action)
        assert form is not None, f"no form {action} on {self.text}"
        return {i.attributes["name"] or "": i.attributes["value"] or "" for i in form.css("input[type=hidden]")}


class Browser:
    """Somebody with cookies and no scripts."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session

    async def get(self, address: str, **headers: str) -> Page:
        """Follow a link."""
        return await self._ask("GET", address, headers=headers)

    async def post(self, address: str, data: Any = None, *, headers: dict[str, str] | None = None) -> Page:
        """Send whatever is given, to wherever."""
        return await self._ask("POST", address, data=data, headers=headers or {})

    async def press(self, page: Page, action: str, fields: dict[str, str] | None = None, files: Any = ()) -> Page:
        """Fill in a form of a page and send it."""
        form = page.form(action)
        hidden = page.hidden(action)
        assert form is not None
        target = (form.attributes["action"] or "").partition("#")[0]
        if form.attributes.get("enctype") != "multipart/form-data":
            return await self.post(target, hidden | (fields or {}))
        return await self.post(target, self.multipart(hidden | (fields or {}), files))

    @staticmethod
    def multipart(fields: dict[str, str], files: Any = ()) -> aiohttp.FormData:
        """A form with files as a browser sends it."""
        data = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
        for name, value in fields.items():
            data.add_field(name, value)
        for name, content in files:
            data.add_field("files", content, filename=name, content_type="application/octet-stream")
        return data

    async def _ask(self, method: str, address: str, **given: Any) -> Page:
        url = address if address.startswith("http:") else self.base + address
        given["headers"] = {"Accept-Language": "ru"} | given.get("headers", {})
        async with self.session.request(method, url, **given) as answer:
            return Page(answer.status, answer.headers, await answer.text(), str(answer.url))


@dataclass
class Desk:
    """The program, its people, and what is in its tables."""

    program: Program
    clock: HandClock
    base: str

    async def ticket(self, sender: str = IRINA, subject: str = "Касса № 5 не печатает чек", **given: Any) -> Any:
        """A mail of somebody becomes a ticket; returns its row."""
        assert self.program.intake is not None
        message = InboundMessage(
            channel="email",
            account="main",
            external_id=str(len(given)) + subject + sender + self.clock.at.isoformat(),
            sender=Address(AddressKind.EMAIL, sender, given.pop("name", "Ирина Власова")),
            recipients=(Address(AddressKind.EMAIL, "nsk@otklik.example"),),
            subject=subject,
            text=given.pop("text", "Пробовали перезапустить, не помогло."),
            received_at=self.clock.now(),
            **given,
        )
        taken = await self.program.intake.take(message, b"raw " + message.external_id.encode(), Given())
        return await self.row(taken.accepted.number)

    async def row(self, number: str) -> dict[str, Any]:
        """A ticket as it stands."""
        found = await self.program.opened.read(lambda c: tickets.find(c, number))
        assert found is not None
        return found

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """Everything in a table, oldest first."""
        rows = metadata.tables[table]
        key = next(iter(rows.primary_key))
        query = select(rows).order_by(key)
        return await self.program.opened.read(lambda c: [dict(r) for r in c.execute(query).mappings()])

    async def history(self, number: str) -> list[tuple[str, str, str | None, str | None]]:
        """Who did what on a ticket: by, what, old, new."""
        ticket = await self.row(number)
        return [
            (e["by"], e["what"], e["old"], e["new"])
            for e in await self.rows("events")
            if e["ticket_id"] == ticket["id"]
        ]

    async def told(self, number: str) -> list[tuple[str, str, str, str]]:
        """Deliveries of a ticket: event, role, address, state or the reason of silence."""
        ticket = await self.row(number)
        notes = {n["id"]: n for n in await self.rows("notifications") if n["ticket_id"] == ticket["id"]}
        return [
            (notes[d["notification_id"]]["event"], notes[d["notification_id"]]["role"], d["address"],
             d["reason"] or d["state"])
            for d in await self.rows("deliveries")
            if d["notification_id"] in notes
        ]  # fmt: skip

    def link(self, ticket: dict[str, Any], person: UUID | None = None) -> str:
        """The address of a ticket's page, as mails carry it, without scheme and host."""
        link = portal_link(self.program.site, ticket["id"], person or ticket["contact_id"], self.clock.now())
        assert link.startswith("http://desk.test/t/")
        return link.removeprefix("http://desk.test")

    async def status(self, number: str, new: Status, comment: str = "") -> None:
        """A member of staff moves a ticket."""
        await self.program.change.status(number, new, STAFF, comment)

    async def comment(self, number: str, text: str, *, public: bool) -> None:
        """A member of staff writes."""
        await self.program.change.comment(number, text, STAFF, public=public)

    async def merge(self, number: str, into: str) -> None:
        """A member of staff lets a ticket go on as another."""
        now = self.clock.now()

        def unit(connection: Connection) -> None:
            merge(Changes(connection, self.program.site, now), number, into, Actor(f"staff:{STAFF}"))

        await self.program.opened.write(unit, name="change")

    async def clock_round(self) -> int:
        """What the clock duty does every few seconds."""
        from desk.clock import DeadlineClock

        return await DeadlineClock(self.program.opened, self.program.site, self.clock, "test").round()

    async def one_time_link(self) -> str:
        """The newest one-time link, as its mail carries it, without scheme and host."""
        found = await eventually(lambda: self.rows("entrances"))
        assert self.program.site.pages is not None
        return f"/my/enter/{self.program.site.pages.secret(found[-1]['id'])}"


def settings_on(url: str, **more: str) -> Settings:
    """Doors on free ports."""
    usual = {
        "OTKLIK_SITE__PUBLIC_URL": "http://desk.test",
        "OTKLIK_SITE__PREFIX": "NSK",
        "OTKLIK_SITE__NAME": "Сервисный центр «Гарант-Сервис»",
        "OTKLIK_SITE__ZONE": "Asia/Novosibirsk",
    }
    return doors(url, **usual | more)


@asynccontextmanager
async def at_work(settings: Settings, duties: Sequence[Duty]) -> AsyncIterator[Desk]:
    """A program with the sample organisation."""
    clock = HandClock(NOW)
    async with running(settings, only=duties, clock=clock) as program:
        assert program.addresses.http is not None
        yield Desk(program, clock, program.addresses.http)


@pytest.fixture
async def desk(laid_out_url: str) -> AsyncIterator[Desk]:
    """A running program that sends nothing."""
    async with at_work(settings_on(laid_out_url), ["http"]) as desk:
        yield desk


@pytest.fixture
async def relay() -> AsyncIterator[SimulatedRelay]:
    """A relay that takes everything."""
    relay = SimulatedRelay()
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


@pytest.fixture
async def sending_desk(laid_out_url: str, relay: SimulatedRelay) -> AsyncIterator[Desk]:
    """A running program that sends by the relay."""
    settings = settings_on(laid_out_url, OTKLIK_RELAY__LOCAL__PORT=str(relay.port), OTKLIK_OUTBOX__POLL="50 ms")
    async with at_work(settings, ["http", "worker"]) as desk:
        yield desk


@pytest.fixture
async def browser(desk: Desk) -> AsyncIterator[Browser]:
    """Irina's browser."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Browser(desk.base, session)


@pytest.fixture
async def another_browser(desk: Desk) -> AsyncIterator[Browser]:
    """Somebody else's."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Browser(desk.base, session)
