"""The real program behind its HTTP door, with the sample organisation and tokens of every kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from desk.tokens import TokenBook
from gateway.program import Program
from gateway.settings import Settings
from tests.stage import HandClock, doors, running

MINIMAL: dict[str, Any] = {"contact": {"kind": "email", "value": "irina@sibtrans.example"}, "text": "Не печатает"}


@dataclass
class Answer:
    """An answer as far as the tests look at it."""

    status: int
    headers: Any
    body: Any


@dataclass
class Api:
    """A client of the program with a token that may do everything with tickets."""

    program: Program
    clock: HandClock
    session: aiohttp.ClientSession
    base: str
    token: str

    async def __call__(self, method: str, path: str, body: Any = None, **given: Any) -> Answer:
        """One request; `headers` of `None` values are left out, `data` sends bytes as they are."""
        headers = {"Authorization": f"Bearer {self.token}"} | given.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        if body is not None:
            given["json"] = body
        async with self.session.request(method, self.base + path, headers=headers, **given) as response:
            is_json = "json" in response.content_type
            return Answer(response.status, response.headers, await (response.json() if is_json else response.text()))

    async def make(self, **given: Any) -> dict[str, Any]:
        """A new ticket."""
        answer = await self("POST", "/api/v1/tickets", MINIMAL | given)
        assert answer.status == 201, answer.body
        return dict(answer.body)

    async def token_for(self, *scopes: str) -> str:
        """A new token."""
        return await TokenBook(self.program.opened).create(
            f"t-{'-'.join(scopes)}", list(scopes), self.clock.now(), None
        )


@pytest.fixture
def settings(laid_out_url: str) -> Settings:
    """Doors on free ports, no relay to send by."""
    return doors(laid_out_url, OTKLIK_HTTP__MAX_BODY="100 kB")


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    """A running program and its client."""
    clock = HandClock()
    async with running(settings, clock=clock) as program, aiohttp.ClientSession() as session:
        token = await TokenBook(program.opened).create("crm", ["tickets:read", "tickets:write"], clock.now(), None)
        assert program.addresses.http is not None
        yield Api(program, clock, session, program.addresses.http, token)
