"""A program that takes mail in and sends mail out, a relay that remembers, and correspondents with mailboxes."""

from __future__ import annotations

import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from email.message import EmailMessage
from email.utils import make_msgid
from itertools import count
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from sqlalchemy import select

from channels.testing import Received, SimulatedRelay
from desk.change import Actor
from gateway import settings as settings_module
from gateway.program import Program
from storage.all_tables import metadata
from tests.eventually import eventually
from tests.stage import post_office, settle_in

SUPPORT = "support@otklik.example"
BOSS = Actor("staff:a.sokolova", "Анна Соколова")


class Post:
    """The program and the world around it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.relay = SimulatedRelay()
        self.program: Program
        self._stack = AsyncExitStack()
        self._serial = count(1)

    async def open(self, **settings: str) -> None:
        """Start everything; `smtp`, `mail`, `outbox`, `relays` and `more` are lines of the settings."""
        await self.relay.start()
        self._stack.push_async_callback(self.relay.stop)
        await self.start(**settings)
        await settle_in(self.program)

    async def start(
        self, *, smtp: str = "", mail: str = "", outbox: str = "", relays: str = "", more: str = "",
        node: str = "node", only: str = "['smtp', 'worker']",
    ) -> None:  # fmt: skip
        """Start the program."""
        sections = {"smtp": smtp, "mail": mail, "outbox": outbox, "serve": f'node = "{node}"\nonly = {only}'}
        relays = relays or f"[relay.simulated]\nport = {self.relay.port}"
        config = self.folder / "otklik.toml"
        config.write_text(f"{post_office(self.url, sections)}{relays}\n{more}\n", "utf-8")
        self.program = Program(settings_module.load(config, {}))
        await self.program.start()

    async def stop(self) -> None:
        """Stop the program alone."""
        await self.program.stop()

    async def close(self) -> None:
        """Stop everything."""
        if hasattr(self, "program"):
            await self.program.stop()
        await self._stack.aclose()

    # ---- mail in --------------------------------------------------------------------------------------------------

    async def send(self, mail: EmailMessage | bytes, mail_from: str | None = None, to: str = "") -> None:
        """Hand a mail in by SMTP; the envelope is that of the fields where nothing else is said."""
        host, _, port = str(self.program.addresses.smtp).rpartition(":")
        raw = mail if isinstance(mail, bytes) else mail.as_bytes(policy=email.policy.SMTP)
        parsed = email.message_from_bytes(raw, policy=email.policy.default)
        sender = mail_from if mail_from is not None else parsed["From"].addresses[0].addr_spec
        recipients = [to] if to else [each.addr_spec for each in parsed["To"].addresses]
        recipients = [each for each in recipients if each.endswith("otklik.example")]
        client = aiosmtplib.SMTP(hostname=host, port=int(port), start_tls=False, use_tls=False)
        async with client:
            await client.sendmail(sender, recipients, raw)

    def mail(self, sender: str, subject: str = "Принтер", text: str = "", **headers: str) -> EmailMessage:
        """A mail as a mail program writes it; headers by name with underscores, empty ones are left out."""
        made = EmailMessage(policy=email.policy.SMTP)
        usual = {"From": sender, "To": SUPPORT, "Subject": subject, "Message-ID": make_msgid(domain="x.example")}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in (usual | given).items():
            if value:
                made[name] = value
        made.set_content(text or f"Не печатает, письмо {next(self._serial)}")
        return made

    # ---- what there is --------------------------------------------------------------------------------------------

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table."""
        query = select(metadata.tables[table])
        return await self.program.opened.read(lambda c: [dict(row) for row in c.execute(query).mappings()])

    async def tickets(self) -> list[dict[str, Any]]:
        """All tickets as the API shows them, oldest first."""
        numbers = sorted(row["number"] for row in await self.rows("tickets"))
        return [await self.program.read.ticket(number, "en") for number in numbers]

    async def ticket(self, number: str) -> dict[str, Any]:
        """One ticket."""
        return await self.program.read.ticket(number, "en")

    async def settled(self) -> list[dict[str, Any]]:
        """All tickets once nothing is on its way any more."""

        async def quiet() -> bool:
            return not {row["state"] for row in await self.rows("deliveries")} & {"queued", "sending"}

        await eventually(quiet)
        return await self.tickets()

    def mails(self, to: str) -> list[EmailMessage]:
        """What the relay took for somebody."""
        return [read(mail) for mail in self.relay.to(to)]

    async def comment(self, number: str, text: str) -> None:
        """Answer the author."""
        await self.program.change.comment(number, text, BOSS, public=True)


def read(mail: Received) -> EmailMessage:
    """A mail as its reader's program shows it."""
    return email.message_from_bytes(mail.raw, policy=email.policy.default)


@pytest.fixture
async def post(laid_out_url: str, tmp_path: Path) -> AsyncIterator[Post]:
    """A program that is not started yet."""
    made = Post(laid_out_url, tmp_path)
    yield made
    await made.close()
