"""A service desk on a database of its own, with the sample organisation, a clock one can set, and mails to send it."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from sqlalchemy import func, select

from desk.intake import Input, Intake, Taken
from desk.organisation import import_bundle, parse
from desk.reading import Reading
from desk.site import Site
from desk.ticketing import Ticketing
from gateway import assemble
from gateway import settings as settings_module
from outbound.token import ReplyTokens
from storage.database import Database, open_database
from storage.tables import metadata
from tests.stage import SAMPLE, HandClock
from tickets.address import Address, AddressKind
from tickets.message import Accepted, InboundMessage, Refs, Unreadable

NOON = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
"""Wednesday noon in Moscow, four in the afternoon in Novosibirsk."""


@dataclass
class Desk:
    """Intake and everything one needs to see what it did."""

    database: Database
    site: Site
    tokens: ReplyTokens
    clock: HandClock
    intake: Intake
    reading: Reading
    ticketing: Ticketing
    _serial: Any = field(default_factory=lambda: count(1))

    def mail(self, sender: str = "irina@sibtrans.example", subject: str = "Принтер", **given: Any) -> InboundMessage:
        """A mail as the reader of the mail channel hands it over: every one a delivery and a content of its own."""
        number = next(self._serial)
        name = given.pop("name", "Ирина Власова")
        to = given.pop("to", "support@otklik.example")
        text = given.pop("text", f"Не печатает, письмо {number}")
        said: dict[str, Any] = {
            "channel": "email",
            "account": "smtp",
            "external_id": uuid.uuid4().hex,
            "fresh": True,
            "sender": Address(AddressKind.EMAIL, sender, name if sender else ""),
            "recipients": (Address(AddressKind.EMAIL, to),),
            "subject": subject,
            "text": text,
            "reply_text": text,
            "message_id": f"m{number}@sibtrans.example",
            "received_at": self.clock.now(),
            "digest": os.urandom(32),
            "language": "ru",
        }
        return InboundMessage(**said | given)

    def reply(self, number_of: Accepted, to: str = "token", **given: Any) -> InboundMessage:
        """A mail that belongs to a ticket by the given tie."""
        ticket = uuid.UUID(hex=number_of.ticket_id)
        delivery = uuid.UUID(int=7)
        refs = {
            "token": Refs(tokens=(self.tokens.sign(ticket),)),
            "our_message_id": Refs(message_ids=(self.tokens.message_id(ticket, delivery, "otklik.example"),)),
            "number": Refs(numbers=(number_of.number,)),
        }[to]
        return self.mail(refs=refs, **given)

    async def take(self, message: InboundMessage | Unreadable, raw: bytes = b"") -> Accepted:
        """As the channels do it; without bytes they are made from the message."""
        return await self.intake.accept(message, raw or raw_of(message))

    async def take_together(self, *messages: InboundMessage | Unreadable) -> list[Accepted]:
        """All of them in one group and one transaction."""
        units = [Input(m, raw_of(m), hashlib.sha256(raw_of(m)).digest()) for m in messages]
        answers = await self.database.write(lambda connection: self.intake.handle(connection, units))
        taken = [answer.accepted for answer in answers if isinstance(answer, Taken)]
        assert len(taken) == len(messages)
        return taken

    async def ticket(self, number: str, language: str = "en") -> dict[str, Any]:
        """The ticket as the API shows it."""
        return await self.reading.ticket(number, language)

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """Every row of a table."""
        query = select(metadata.tables[table])
        return await self.database.read(lambda c: [dict(row) for row in c.execute(query).mappings()])

    async def count(self, table: str) -> int:
        """How many rows a table has."""
        query = select(func.count()).select_from(metadata.tables[table])
        return await self.database.read(lambda c: int(c.execute(query).scalar_one()))


def raw_of(message: InboundMessage | Unreadable) -> bytes:
    """Bytes that differ where the messages do."""
    said = (message.subject, str(message.text)) if isinstance(message, InboundMessage) else (message.reason,)
    return "\r\n".join(said).encode("utf-8", "surrogatepass")


def a_site() -> Site:
    """What working defaults make of a site."""
    return assemble.site(settings_module.load(None, {}))


@pytest.fixture
async def database(laid_out_url: str) -> AsyncIterator[Database]:
    """An open database with its tables."""
    opened = await open_database(laid_out_url)
    yield opened
    await opened.close()


@pytest.fixture
def make_desk(database: Database) -> Callable[..., Desk]:
    """`make_desk(database?, site=…)`: another desk, as another node would be one."""

    def made(on: Database | None = None, *, site: Site | None = None, clock: HandClock | None = None) -> Desk:
        on = on or database
        hands = clock or HandClock()
        here = site or a_site()
        tokens = ReplyTokens({"k1": b"0123456789abcdef"}, "k1")
        return Desk(on, here, tokens, hands, Intake(on, here, tokens, hands), Reading(on), Ticketing(on, here, hands))

    return made


@pytest.fixture
async def desk(make_desk: Callable[..., Desk]) -> Desk:
    """A desk that knows the sample organisation."""
    made = make_desk()
    bundle = parse(SAMPLE, "organisation.toml")
    await made.database.write(lambda connection: import_bundle(connection, bundle, site=made.site))
    return made
