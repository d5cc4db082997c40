"""The whole program as users meet it: on SQLite, with the sample organisation, a simulated relay and logins."""

from __future__ import annotations

import email
import email.headerregistry
import email.policy
import re
import socket
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from uuid import uuid4

from channels.testing import SimulatedRelay
from desk import sessions
from desk.accounts import Accounts, NewUser
from desk.change import Actor
from desk.feed import Feed
from gateway import assemble
from gateway import settings as settings_module
from gateway.demo_play import DemoPlay
from gateway.program import Program
from storage import schema
from tests.eventually import eventually
from tests.stage import settle_in
from tickets.message import Accepted, InboundMessage, MessageKind, Unreadable
from tickets.role import Role
from web.demo.page import DemoPage

DESK = "support@otklik.example"
PASSWORD = "корова под дождём"
PATIENCE = 20.0
"""Seconds anything may take; the machine may be busy."""

PEOPLE = {Role.AGENT: "d.volkov", Role.LEAD: "a.sokolova", Role.ADMINISTRATOR: "p.lebedev", Role.AUDITOR: "auditor"}
"""Who looks at the pages; all but the auditor are members of the sample organisation."""

SETTINGS = """
[site]
prefix = "DEMO"
name = "Сервисный центр «Отклик»"
zone = "Europe/Moscow"
public_url = "http://127.0.0.1:{http}"

[database]
url = "sqlite:///{folder}/otklik.sqlite"

[http]
listen = "127.0.0.1:{http}"

[smtp]
listen = "127.0.0.1:0"

[mail]
sender = "support@otklik.example"

[relay.simulated]
port = {relay}

[outbox]
unverified_acknowledgements = 20
quick = ["200 ms", "500 ms"]
every = "1 s"
poll = "100 ms"

[form.support]
work = 1000
fill_time = "0 s"

[form.support.caps]
client = 1000

[log]
level = "error"
"""


class Desk:
    """A running program and what happens around it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.relay = SimulatedRelay()
        self.program: Program
        self.base = ""

    async def open(self) -> None:
        """Start everything; `/demo` is there too."""
        await self.relay.start()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            http = free.getsockname()[1]
        config = self.folder / "otklik.toml"
        config.write_text(SETTINGS.format(http=http, relay=self.relay.port, folder=self.folder), encoding="utf-8")
        settings = settings_module.load(config, {})
        await schema.upgrade(settings.database.url)
        play = DemoPlay(self.relay, PASSWORD)
        self.program = Program(settings)
        self.program.more_routes = lambda look: DemoPage(play, look).routes()
        await self.program.start()
        await settle_in(self.program)
        for role, login in PEOPLE.items():
            await self.accounts.create(NewUser(login, role, language="ru"), Actor("cli:root"))
        await play.open(self.program, Feed(self.program.opened, "ru", self.program.site.zone))
        self.base = str(self.program.addresses.http)

    async def close(self) -> None:
        """Stop everything."""
        if hasattr(self, "program"):
            await self.program.stop()
        await self.relay.stop()

    @property
    def accounts(self) -> Accounts:
        """The logins."""
        return Accounts(self.program.opened, self.program.clock, assemble.staff_rules(self.program.settings))

    async def cookie(self, role: Role) -> str:
        """A new session of the login that has a role."""
        user = await self.accounts.find(PEOPLE[role])
        rules, secret, now = (
            assemble.staff_rules(self.program.settings),
            sessions.new_secret(),
            self.program.clock.now(),
        )
        await self.program.opened.write(
            lambda c: sessions.begin(c, user["id"], sessions.FULL, now, rules, secret=secret)
        )
        return secret

    async def mail(
        self,
        subject: str,
        text: str = "Не печатает.",
        *,
        sender: str = "irina@sibtrans.example",
        name: str = "Ирина Власова",
        html: str = "",
        file: str = "",
        raw: bytes = b"",
    ) -> Accepted:
        """A mail comes in and becomes a ticket."""
        return await self._take(raw or written(subject, text, sender=sender, name=name, html=html, file=file), sender)

    async def _take(self, octets: bytes, sender: str, because: str = "") -> Accepted:
        """Read a mail and take it in; `because` is what makes a filter call it spam."""
        message = self.program.read_mail(
            octets,
            channel="email",
            account="smtp",
            external_id=uuid4().hex,
            received_at=self.program.clock.now(),
            mail_from=sender,
            rcpt_to=(DESK,),
        )
        if because:
            assert isinstance(message, InboundMessage)
            message.kind, message.kind_because = MessageKind.SPAM, (because,)
        assert self.program.intake is not None
        return await self.program.intake.accept(message, octets)

    async def unreadable(self, subject: str) -> None:
        """A mail comes in that was not understood; it could be now."""
        assert self.program.intake is not None
        envelope = {"mail_from": "irina@sibtrans.example", "rcpt_to": [DESK]}
        why = Unreadable("email", "smtp", "parse_error", self.program.clock.now(), "boundary", envelope)
        await self.program.intake.accept(why, written(subject, "Здравствуйте!", sender="irina@sibtrans.example"))

    async def spam(self, subject: str, sender: str = "eva@lottery.example") -> str:
        """A mail comes in that a filter calls spam; returns the entry's id."""
        octets = written(subject, "Заберите приз.", sender=sender, name="Лотерея")
        return str((await self._take(octets, sender, because="rspamd:15.2")).quarantine_id)

    async def letter(self, address: str, words: str) -> EmailMessage:
        """The mail with these words that the relay took for somebody, once it is there."""

        async def look() -> EmailMessage | None:
            for mail in reversed(self.relay.to(address)):
                read = email.message_from_bytes(mail.raw, policy=email.policy.default)
                if words in text_of(read):
                    return read
            return None

        found = await eventually(look)
        assert found is not None
        return found

    async def ticket(self, number: str) -> dict[str, object]:
        """Everything about a ticket."""
        return await self.program.read.ticket(number, "ru")

    async def delivery_states(self, number: str) -> list[str]:
        """The states of all deliveries of a ticket."""
        view = await self.program.read.ticket(number, "ru")
        return [delivery["state"] for told in view["notifications"] for delivery in told["deliveries"]]


def written(
    subject: str, text: str, *, sender: str, name: str = "Ирина Власова", html: str = "", file: str = ""
) -> bytes:
    """A mail as mail programs write it."""
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"] = email.headerregistry.Address(name, addr_spec=sender)
    mail["To"] = DESK
    mail["Subject"] = subject
    mail["Date"] = formatdate(localtime=True)
    mail["Message-ID"] = make_msgid(domain="sibtrans.example")
    mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html")
    if file:
        mail.add_attachment(b"%PDF-1.7 x", maintype="application", subtype="pdf", filename=file)
    return mail.as_bytes()


def text_of(mail: EmailMessage) -> str:
    """The plain text of a mail."""
    body = mail.get_body(("plain",))
    return str(body.get_content()) if body is not None else ""


def link_in(mail: EmailMessage, path: str) -> str:
    """The address in a mail that goes to a path."""
    found = re.search(rf"http://127\.0\.0\.1:\d+{path}\S+", text_of(mail))
    assert found, text_of(mail)
    return found[0]
