"""An open database with a small service organisation, under a clock the test sets."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from channels.email.smtp_out import Relay, RelayOptions
from channels.testing import SimulatedRelay
from desk.cap import Caps
from desk.clock import DeadlineClock
from desk.intake import Intake
from desk.ledger import Ledger
from desk.organisation import import_bundle, parse
from desk.quarantine import Quarantine
from desk.reading import Reading
from desk.site import Site
from desk.ticketing import Ticketing
from gateway import assemble
from gateway.settings import load
from outbound.token import ReplyTokens
from outbound.worker import Worker, WorkerOptions
from storage import organisation as organisations
from storage.database import Database, open_database
from storage.tables_outbox import deliveries
from tests.eventually import eventually
from tests.stage import HandClock
from tickets.address import Address, AddressKind
from tickets.message import InboundMessage

MONDAY = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
"""Ten in the morning in Moscow, a working day."""

ORGANISATION = """
[[centre]]
code = "msk"
name = "Москва"
zone = "Europe/Moscow"
addresses = ["help@otklik.example"]
default = true

[[centre]]
code = "vvo"
name = "Владивосток"
zone = "Asia/Vladivostok"

[[agreement]]
code = "default"
name = "Общие условия"
respond = { critical = "30 min", high = "1 h", normal = "4 h", low = "8 h" }
resolve = { critical = "4 h", high = "8 h", normal = "16 h", low = "40 h" }

[[group]]
code = "msk-support"
name = "Поддержка"
centre = "msk"

[[group]]
code = "msk-network"
name = "Сети"
centre = "msk"

[[staff]]
login = "anna"
name = "Анна Соколова"
email = "anna@otklik.example"
group = "msk-support"
lead = true

[[staff]]
login = "boris"
name = "Борис Волков"
email = "boris@otklik.example"
group = "msk-network"
line = 2
lead = true

[[customer]]
code = "romashka"
name = "ООО «Ромашка»"
centre = "msk"
domains = ["romashka.example"]
"""


@dataclass
class Office:
    """Everything a use case needs, on one database."""

    database: Database
    site: Site
    clock: HandClock
    intake: Intake
    ticketing: Ticketing
    reading: Reading
    ledger: Ledger
    quarantine: Quarantine
    queued: list[datetime] = field(default_factory=list)

    async def receive(self, text: str = "Не печатает принтер", **given: Any) -> str:
        """A mail of Irina's comes in; returns the number of its ticket."""
        raw = given.pop("raw", text.encode())
        message = InboundMessage(
            **{
                "channel": "email",
                "account": "smtp",
                "external_id": uuid4().hex,
                "sender": Address(AddressKind.EMAIL, "irina@romashka.example", "Ирина Власова"),
                "recipients": (Address(AddressKind.EMAIL, "help@otklik.example"),),
                "subject": "Принтер",
                "text": text,
                "received_at": self.clock.now(),
                "message_id": f"{uuid4().hex}@romashka.example",
                "digest": hashlib.sha256(raw + uuid4().bytes).digest(),
                **given,
            }
        )
        return (await self.intake.accept(message, raw)).number

    async def ticket(self, number: str, language: str = "ru") -> dict[str, Any]:
        return await self.reading.ticket(number, language)

    async def told(self, number: str) -> list[tuple[str, str, str]]:
        """What was planned: event, role and state of each notification."""
        view = await self.ticket(number)
        return [(n["event"], n["to"]["role"], n["state"]) for n in view["notifications"]]

    async def deliver(self, relay: SimulatedRelay) -> None:
        """Let a worker send what is due by this relay until nothing is."""
        sender = Relay(RelayOptions("local", port=relay.port, sender="help@otklik.example"), clock=self.clock.now)
        tokens = ReplyTokens({"k1": b"x" * 32}, "k1")
        preparer = assemble.preparer(load(None, {}), tokens)
        options = WorkerOptions(poll=timedelta(milliseconds=10))
        worker = Worker(self.database, {"local": sender}, preparer, self.clock, options)
        running = asyncio.create_task(worker.run())

        async def over() -> bool:
            return running.done() or not await self.due()

        try:
            await eventually(over)
        finally:
            worker.stop()
            await running

    async def due(self) -> int:
        now = self.clock.now()
        statement = select(deliveries.c.id).where(
            deliveries.c.state.in_(["queued", "sending"]), deliveries.c.due_at <= now
        )
        return len(await self.database.read(lambda c: list(c.execute(statement))))

    async def put(self, delivery_id: UUID | str, **values: Any) -> None:
        """Give a delivery's row other values, whatever arc that would be."""
        key = UUID(str(delivery_id))
        await self.database.write(
            lambda c: c.execute(update(deliveries).where(deliveries.c.id == key).values(**values)) and None
        )


@pytest.fixture
async def office(laid_out_url: str) -> AsyncIterator[Office]:
    """A service desk on an empty database of each kind, on a Monday at ten in Moscow."""
    database = await open_database(laid_out_url)
    try:
        # how often strangers are thanked is a story of its own (tests/intake/test_caps.py)
        site = replace(assemble.site(load(None, {})), prefix="OTK", caps=Caps(unverified=20))
        bundle = parse(ORGANISATION, "organisation.toml")
        calendars = frozenset({"default", "24x7"})
        await database.write(
            lambda c: import_bundle(c, bundle, site=site, calendars=calendars) and organisations.version(c)
        )
        clock = HandClock(MONDAY)
        tokens = ReplyTokens({"k1": b"x" * 32}, "k1")
        intake = Intake(database, site, tokens, clock)
        queued: list[datetime] = []

        def on_queued() -> None:
            queued.append(clock.now())

        intake.on_queued = on_queued
        yield Office(
            database=database,
            site=site,
            clock=clock,
            intake=intake,
            ticketing=Ticketing(database, site, clock, on_queued),
            reading=Reading(database),
            ledger=Ledger(database, site, clock, on_queued),
            quarantine=Quarantine(database, intake),
            queued=queued,
        )
    finally:
        await database.close()


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
def alarm_clock(office: Office) -> DeadlineClock:
    """The clock duty of that desk."""
    return DeadlineClock(office.database, office.site, office.clock, "node-1")
