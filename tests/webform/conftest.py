"""The real program behind its HTTP door, and a person who fills in its forms."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import pytest
from altcha import Challenge, Payload, solve_challenge

from gateway.program import Program
from gateway.settings import Settings
from tests.stage import HandClock, doors, running

RIGHT = {
    "hinder": "medium",
    "what": "Касса №5 не печатает чек",
    "name": "Ирина Петрова",
    "email": "i.petrova@romashka.example",
}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4


@dataclass
class Page:
    """An answer as a browser without scripts sees it."""

    status: int
    headers: Mapping[str, str]
    body: str
    url: str

    @property
    def location(self) -> str:
        """Where it leads."""
        return self.headers.get("Location", "")

    @property
    def title(self) -> str:
        """The title of the page."""
        return html.unescape(self.search(r"<title>(.*?)</title>"))

    @property
    def words(self) -> str:
        """What is read, without tags, spaces made plain."""
        text = re.sub(r"<(script|template).*?</\1>", "", self.body, flags=re.DOTALL)
        return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).replace("\u00a0", " ").split())

    def search(self, pattern: str) -> str:
        """The first group of a pattern in the source.

        Raises:
            AssertionError: it is not there.
        """
        found = re.search(pattern, self.body, re.DOTALL)
        assert found is not None, f"{pattern} is not in {self.body[:3000]}"
        return found[1]

    @property
    def nonce(self) -> str:
        """The nonce of the form on it."""
        return self.search(r'name="nonce" value="([^"]+)"')

    @property
    def consent(self) -> str:
        """The version of the consent on it."""
        return self.search(r'type="checkbox" id="field-consent" name="f-consent" value="([^"]+)"')

    def parked(self) -> list[str]:
        """The files that wait."""
        return re.findall(r'name="parked" value="([^"]+)"', self.body)


def body(
    pairs: Sequence[tuple[str, str]], files: Sequence[tuple[str, bytes]] = (), boundary: str = "----form"
) -> bytes:
    """A body as browsers write it; files belong to the field `files`."""
    out = b""
    for name, value in pairs:
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        out += value.encode("utf-8", "surrogatepass") + b"\r\n"
    for name, data in files:
        quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="f-files"; filename="{quoted}"\r\n'.encode()
        out += b"Content-Type: application/octet-stream\r\n\r\n" + data + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


@dataclass
class Person:
    """Opens forms and sends them."""

    program: Program
    clock: HandClock
    session: aiohttp.ClientSession
    base: str
    form: str = "support"
    headers: dict[str, str] = field(default_factory=dict)
    right = RIGHT
    png = PNG
    body = staticmethod(body)

    async def get(self, path: str, **headers: str) -> Page:
        """Open an address."""
        async with self.session.get(self.base + path, headers=self.headers | headers, allow_redirects=False) as answer:
            return Page(answer.status, answer.headers, await answer.text(), str(answer.url))

    async def open(self, query: str = "") -> Page:
        """Open the form."""
        page = await self.get(f"/form/{self.form}{query}")
        assert page.status == 200, page.body
        return page

    async def proof(self, nonce: str) -> str:
        """Do the work a browser does."""
        challenge = json.loads((await self.get(f"/form/{self.form}/challenge?nonce={nonce}")).body)
        challenge.pop("nonce")
        known = Challenge.from_dict(challenge)
        solution = solve_challenge(known)
        assert solution is not None
        return Payload(known, solution).to_base64()

    async def send(
        self,
        page: Page,
        answers: Mapping[str, str] | None = None,
        files: Sequence[tuple[str, bytes]] = (),
        *,
        proof: str | None = None,
        consent: bool = True,
        wait: float = 30,
        query: str = "",
        boundary: str = "----form",
        extra: Sequence[tuple[str, str]] = (),
    ) -> Page:
        """Send the form that is on a page, as a browser would; `proof` None does the work, "" leaves it out."""
        self.clock.at += timedelta(seconds=wait)
        solved = await self.proof(page.nonce) if proof is None else proof
        pairs = [("nonce", page.nonce), ("language", page.search(r'name="language" value="(\w+)"')), ("altcha", solved)]
        pairs += [("website", "")] + [(f"f-{key}", value) for key, value in (answers or RIGHT).items()]
        if consent:
            pairs.append(("f-consent", page.consent))
        return await self.post(f"/form/{self.form}{query}", [*pairs, *extra], files, boundary=boundary)

    async def post(
        self,
        path: str,
        pairs: Sequence[tuple[str, str]],
        files: Sequence[tuple[str, bytes]] = (),
        *,
        boundary: str = "----form",
        **headers: str,
    ) -> Page:
        """Send fields and files."""
        raw = body(pairs, files, boundary)
        given = {"Content-Type": f"multipart/form-data; boundary={boundary}"} | self.headers | headers
        async with self.session.post(
            self.base + path, data=io.BytesIO(raw), headers=given, allow_redirects=False
        ) as answer:
            return Page(answer.status, answer.headers, await answer.text(), str(answer.url))

    async def done(self, sent: Page) -> Page:
        """Follow the answer to its receipt."""
        assert sent.status == 303, (sent.status, sent.words)
        page = await self.get(urlsplit(sent.location).path + ("?" + urlsplit(sent.location).query))
        assert page.status == 200
        return page

    async def ticket(self, page: Page) -> dict[str, Any]:
        """The whole ticket whose number a receipt shows."""
        return await self.program.read.ticket(page.search(r'class="ticket-number">([^<]+)<'), "ru")

    async def tickets(self) -> int:
        """How many tickets there are."""
        from sqlalchemy import text

        return int(
            await self.program.opened.read(lambda c: c.execute(text("SELECT count(*) FROM tickets")).scalar_one())
        )

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """The answer to a plain question."""
        from sqlalchemy import text

        return await self.program.opened.read(lambda c: [dict(r) for r in c.execute(text(sql)).mappings()])

    async def raw(self, message_id: str) -> bytes:
        """What came in with a message."""
        from sqlalchemy import select

        from storage.tables import blobs, messages

        query = (
            select(blobs.c.bytes)
            .join(messages, messages.c.raw_sha256 == blobs.c.sha256)
            .where(messages.c.id == UUID(message_id))
        )
        return bytes(await self.program.opened.read(lambda c: c.execute(query).scalar_one()))


@pytest.fixture
def more() -> dict[str, str]:
    """Further settings, by variable; tests that need some override this."""
    return {}


@pytest.fixture
def settings(laid_out_url: str, more: dict[str, str], tmp_path: Path) -> Settings:
    """Doors on free ports, little work for proofs."""
    file = tmp_path / "otklik.toml"
    file.write_text(more.pop("toml", "[form.support]\nwork = 200\n"), encoding="utf-8")
    return doors(laid_out_url, file, **{"OTKLIK_SITE__PUBLIC_URL": "https://desk.example.ru", **more})


@pytest.fixture
async def person(settings: Settings) -> AsyncIterator[Person]:
    """A running program and somebody in front of it."""
    clock, jar = HandClock(), aiohttp.DummyCookieJar()
    async with running(settings, clock=clock) as program, aiohttp.ClientSession(cookie_jar=jar) as session:
        assert program.addresses.http is not None
        yield Person(program, clock, session, program.addresses.http, headers={"Accept-Language": "ru"})
