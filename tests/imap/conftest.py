"""A mailbox on a simulated server, read into a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from channels.email.imap_in import Mailbox, Ports
from channels.email.imap_options import MailboxOptions
from channels.testing_imap import SimulatedImap
from desk.intake import Intake
from gateway import assemble, assemble_mailboxes
from gateway import settings as settings_module
from gateway.clock import SystemClock
from gateway.faults import Faults
from gateway.settings import Settings
from storage import all_tables
from storage.database import Database, open_database
from tests.eventually import eventually

ADDRESS = "help@desk.example"


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """On the loop the program runs on."""
    if find_spec("uvloop") is None:
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": import_module("uvloop").new_event_loop}


def a_mail(number: int = 1, *, subject: str = "", text: str = "", head: str = "", sender: str = "") -> bytes:
    """A mail of its own content; `head` is put before its other fields."""
    return (
        f"{head}From: Irina <{sender or f'irina{number}@north.example'}>\r\nTo: {ADDRESS}\r\n"
        f"Date: Fri, 20 Nov 2026 10:00:00 +0300\r\nMessage-ID: <{number}@north.example>\r\n"
        f"Subject: {subject or f'printer {number}'}\r\n\r\n{text or f'It is silent, {number}.'}\r\n"
    ).encode()


def an_alarm() -> bytes:
    """What monitors send: without Date and Message-ID, the same each time."""
    return f"From: monitor@desk.example\r\nTo: {ADDRESS}\r\nSubject: DISK FULL\r\n\r\n/var\r\n".encode()


@dataclass
class Desk:
    """Intake on a database, and the mailboxes read into it."""

    settings: Settings
    database: Database
    intake: Intake
    server: SimulatedImap
    faults: Faults
    running: list[tuple[Mailbox, asyncio.Task[None]]] = field(default_factory=list)

    def options(self, **given: Any) -> MailboxOptions:
        """Of the simulated server, in a hurry."""
        usual: dict[str, Any] = {
            "name": "help",
            "host": "127.0.0.1",
            "port": self.server.port,
            "security": "none",
            "username": self.server.username,
            "password": self.server.password,
            "address": ADDRESS,
            "back_off": 0.01,
            "longest_back_off": 0.05,
            "poll": 0.02,
            "timeout": 5.0,
        }
        return MailboxOptions(**usual | given)

    async def read(self, node: str = "one", keep_every: float = 10.0, **given: Any) -> Mailbox:
        """Begin to read a mailbox."""
        ports = await self.ports(node)
        mailbox = Mailbox(
            self.options(**given), ports, clock=SystemClock().now, fault=self.faults.point, keep_every=keep_every
        )
        self.running.append((mailbox, asyncio.create_task(mailbox.run())))
        return mailbox

    async def ports(self, node: str = "one") -> Ports:
        """What a mailbox needs."""
        reader = assemble.mail_reader(self.settings)
        return await assemble_mailboxes.mailbox_ports(self.settings, self.intake, reader, node)

    async def stop(self) -> None:
        """End every mailbox as the program does."""
        for mailbox, _ in self.running:
            mailbox.stop()
        await asyncio.gather(*(task for _, task in self.running))
        self.running.clear()

    async def kill(self) -> None:
        """End every mailbox in the middle of whatever it does."""
        for _, task in self.running:
            task.cancel()
        await asyncio.gather(*(task for _, task in self.running), return_exceptions=True)
        self.running.clear()

    async def looked(self, mailbox: Mailbox, folder: str = "INBOX") -> None:
        """Return when it has looked through everything there is and waits for more."""

        async def done() -> bool:
            cursor = await (await self.ports()).cursors.get(mailbox.options.name)
            box = self.server.folders[folder]
            at = cursor is not None and cursor.uidvalidity == box.uidvalidity
            highest = max((each.uid for each in box.shown), default=0)
            return bool(mailbox.health.state == "ok" and at and cursor is not None and cursor.last_uid >= highest)

        await eventually(done)

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table."""
        query = select(all_tables.metadata.tables[table])
        return await self.database.read(lambda c: [dict(row) for row in c.execute(query).mappings()])

    async def subjects(self) -> list[str]:
        """Of all tickets, in order."""
        return sorted(row["subject"] for row in await self.rows("tickets"))


@pytest.fixture
async def server() -> AsyncIterator[SimulatedImap]:
    """A server with an empty INBOX."""
    made = SimulatedImap()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def desk(laid_out_url: str, server: SimulatedImap, tmp_path: Path) -> AsyncIterator[Desk]:
    """See `Desk`; on both databases."""
    config = tmp_path / "otklik.toml"
    config.write_text(
        f'[database]\nurl = "{laid_out_url}"\n[mail]\nsender = "support@desk.example"\n'
        '[mail.reply_keys]\nk1 = "0123456789abcdef"\n'
    )
    settings = settings_module.load(config, {})
    database = await open_database(laid_out_url)
    clock = SystemClock()
    intake = Intake(database, assemble.site(settings), await assemble.tokens(settings, database, clock), clock)
    made = Desk(settings, database, intake, server, Faults())
    yield made
    await made.kill()
    await intake.close()
    await database.close()


def days_ago(days: float) -> datetime:
    """A moment in the past."""
    return datetime.now(UTC) - timedelta(days=days)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """How servers behave, and most kills, are tried on SQLite each time; on PostgreSQL in `make test-long`."""
    for item in items:
        if "postgresql" not in item.name or item.path.parent.name != "imap":
            continue
        kill = item.path.stem == "test_kills" and "imap.after_accept" not in item.name
        if kill or item.path.stem in ("test_trouble", "test_sign_in"):
            item.add_marker("long")
