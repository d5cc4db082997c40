"""The whole program with a simulated relay, its log in a buffer, and mails to send it."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import aiosmtplib
import pytest

from channels.testing import SimulatedRelay
from desk.tokens import TokenBook
from gateway import log
from gateway import settings as settings_module
from gateway.program import Program
from gateway.trail import trail
from tests.stage import post_office, settle_in

IRINA = "irina.vlasova@sibtrans.example"
NAME = "Ирина Власова"
SUBJECT = "Расчётный лист за октябрь"


def a_mail(text: str = "Не печатает принтер", *, subject: str = SUBJECT) -> EmailMessage:
    """A mail of Irina's."""
    mail = EmailMessage()
    mail["From"] = f"{NAME} <{IRINA}>"
    mail["To"] = "support@otklik.example"
    mail["Subject"] = subject
    mail.set_content(text)
    return mail


class Running:
    """A program at work. `log` is what it logged, `base` its HTTP address."""

    def __init__(self, program: Program, relay: SimulatedRelay, config: Path, session: aiohttp.ClientSession) -> None:
        self.program = program
        self.relay = relay
        self.config = config
        self.session = session
        self.token = ""
        self.stream = io.StringIO()

    @property
    def base(self) -> str:
        """Where its HTTP door is."""
        return f"http://127.0.0.1:{self.program.http.port}"

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every line it logged."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def told(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event."""
        return [line for line in self.log if line["event"] == event]

    async def get(self, path: str, **given: Any) -> tuple[int, str]:
        """Status and body of an answer."""
        async with self.session.get(self.base + path, **given) as answer:
            return answer.status, await answer.text()

    async def make(self, **more: Any) -> dict[str, Any]:
        """A ticket by the API."""
        body = {"contact": {"kind": "email", "value": IRINA, "name": NAME}, "subject": SUBJECT, "text": "Помогите"}
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.post(f"{self.base}/api/v1/tickets", json=body | more, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
            return {"trace": answer.headers["X-Request-Id"], **await answer.json()}

    async def send(self, mail: EmailMessage | None = None) -> str:
        """A mail by SMTP; returns the reply."""
        host, _, port = str(self.program.addresses.smtp).rpartition(":")
        _, reply = await aiosmtplib.send(
            mail or a_mail(), hostname=host, port=int(port), start_tls=False, use_tls=False
        )
        return str(reply)

    async def figures(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """What `/metrics` says, by name and labels, never from memory."""
        from prometheus_client.parser import text_string_to_metric_families

        self.program.operations.metrics._counted_at = None
        _, text = await self.get("/metrics")
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """`start(url, more settings, duties)`: a program that is stopped at the end of the test."""
    relay = SimulatedRelay()
    await relay.start()
    begun: list[Running] = []

    async def run(
        url: str, more: str = "", *, http: str = "", personal: bool = False, only: tuple[Any, ...] = ()
    ) -> Running:
        config = tmp_path / "otklik.toml"
        sections = {"http": http, "relay.simulated": f"port = {relay.port}"}
        config.write_text(post_office(url, sections) + more, encoding="utf-8")
        stream = io.StringIO()
        log.configure("info", "json", personal=personal, stream=stream)
        settings = settings_module.load(config, {})
        program = Program(settings, only=only, trail=trail("info", "json", stream=stream))
        running = Running(program, relay, config, aiohttp.ClientSession())
        running.stream = stream
        begun.append(running)
        await program.start()
        await settle_in(program)
        scopes = ["tickets:read", "tickets:write"]
        running.token = await TokenBook(program.opened).create("test", scopes, program.clock.now(), None)
        return running

    try:
        yield run
    finally:
        for running in begun:
            await running.session.close()
            await running.program.stop()
        await relay.stop()


@pytest.fixture
def laid_out_file(laid_out_sqlite: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database with today's schema, for what does not depend on the database."""
    path = tmp_path / "otklik.sqlite"
    path.write_bytes(laid_out_sqlite.read_bytes())
    return f"sqlite:///{path}"
