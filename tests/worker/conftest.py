"""An outbox on a database of its own, a clock one can set, and senders that play a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, select
from uuid_utils.compat import uuid7

from channels.base import OutMessage, Sent
from outbound.worker import Worker, WorkerOptions
from storage import outbox
from storage.bulk import insert_rows
from storage.database import Database, open_database
from storage.tables import metadata
from tests.eventually import eventually
from tests.stage import HandClock

NOON = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
BODY = {"subject": "Заявка OTK-26-000001", "text": "Здравствуйте!\n", "html": "<p>Здравствуйте!</p>"}

Answer = Sent | Exception | Callable[[OutMessage], Awaitable[Sent]]


@dataclass
class Script:
    """A sender that plays `answers` one after the other and takes everything when they are over."""

    answers: list[Answer] = field(default_factory=list)
    sent: list[OutMessage] = field(default_factory=list)
    closed: bool = False

    async def send(self, message: OutMessage) -> Sent:
        """The next line of the script."""
        self.sent.append(message)
        answer: Answer = self.answers.pop(0) if self.answers else Sent(f"id-{len(self.sent)}", "250")
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Sent) else await answer(message)

    async def close(self) -> None:
        """Take note."""
        self.closed = True


@dataclass
class Outbox:
    """The tables of the outbox and workers upon them."""

    database: Database
    clock: HandClock = field(default_factory=HandClock)

    async def queue(self, count: int = 1, **given: Any) -> list[UUID]:
        """Deliveries whose text stands already; the keys of a row may be given."""
        rows = [self._row(given) for _ in range(count)]
        await self.database.write(lambda c: insert_rows(c, metadata.tables["deliveries"], rows))
        return [row["id"] for row in rows]

    def _row(self, given: dict[str, Any]) -> dict[str, Any]:
        key = uuid7()
        now = self.clock.now()
        row: dict[str, Any] = {
            "id": key,
            "site": "OTK",
            "notification_id": uuid7(),
            "ticket_id": uuid7(),
            "step": 1,
            "channel": "email",
            "provider": "main",
            "address": "irina@sibtrans.example",
            "language": "ru",
            "priority": 1,
            "state": "queued",
            "reason": "",
            "created_at": now,
            "updated_at": now,
            "due_at": now,
            "expires_at": now + timedelta(days=3),
            "tries": 0,
            "fence": 0,
            "lease_owner": "",
            "provider_id": "",
            **BODY,
            "envelope": {"message_id": f"{key.hex}@otklik.example", "sender": "support@otklik.example"},
        }
        assert set(given) <= set(row)
        return row | given

    def worker(self, senders: Any, **options: Any) -> Worker:
        """A worker with quick habits; `senders` by provider, or one for the provider `main`."""
        ways = senders if isinstance(senders, dict) else {"main": senders}
        quick = {"poll": timedelta(milliseconds=20), "reap_every": timedelta(milliseconds=20)}
        return Worker(self.database, ways, None, self.clock, WorkerOptions(**quick | options))

    async def deliveries(self) -> dict[UUID, dict[str, Any]]:
        """Every delivery by its key."""
        query = select(metadata.tables["deliveries"])
        rows = await self.database.read(lambda c: [dict(r) for r in c.execute(query).mappings()])
        return {row["id"]: row for row in rows}

    async def one(self, key: UUID) -> dict[str, Any]:
        """One delivery."""
        return (await self.deliveries())[key]

    async def attempts(self, key: UUID) -> list[dict[str, Any]]:
        """The attempts of a delivery in order."""
        table = metadata.tables["attempts"]
        query = select(table).where(table.c.delivery_id == key).order_by(table.c.number)
        return await self.database.read(lambda c: [dict(r) for r in c.execute(query).mappings()])

    async def states(self, *keys: UUID) -> list[str]:
        """Where these deliveries stand, or all of them."""
        found = await self.deliveries()
        return [found[key]["state"] for key in keys or found]

    async def until(self, *wanted: str, keys: list[UUID]) -> None:
        """Wait until these deliveries all stand in one of the wanted states.

        Raises:
            TimeoutError: they do not.
        """

        async def reached() -> bool:
            return all(state in wanted for state in await self.states(*keys))

        await eventually(reached)

    async def claim(self, owner: str = "other", most: int = 100, lease: float = 60, **given: Any) -> list[Any]:
        """Claim as a worker does."""
        return await self.database.write(
            lambda c: outbox.claim(
                c, provider=given.get("provider", "main"), owner=owner, now=self.clock.now(), most=most,
                lease=timedelta(seconds=lease),
            )
        )  # fmt: skip

    async def begin(self, rows: list[Any], lease: float = -1) -> list[UUID]:
        """Write the attempts of claimed rows; returns those whose claim still held. The new lease is over at once."""

        def unit(connection: Connection) -> list[UUID]:
            started = [
                {
                    "delivery_id": row["id"],
                    "number": row["tries"] + 1,
                    "fence": row["fence"],
                    "provider": row["provider"],
                    "started_at": self.clock.now(),
                }
                for row in rows
            ]
            return sorted(outbox.begin_attempts(connection, started, [], lease=timedelta(seconds=lease)))

        return await self.database.write(unit)

    async def reap(
        self,
        owner: str | None = None,
        resend: frozenset[str] = frozenset({"email"}),
        held: frozenset[UUID] = frozenset(),
    ) -> tuple[int, int]:
        """Settle what dead workers left; what may be sent again is due at once."""
        now = self.clock.now()

        def again(delivery: dict[str, Any]) -> datetime | None:
            return now if delivery["channel"] in resend else None

        return await self.database.write(lambda c: outbox.reap(c, now=now, again=again, owner=owner, held=held))


@dataclass
class Running:
    """A worker at work, stopped in order at the end."""

    worker: Worker
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """As the program does it."""
        self.worker.stop()
        async with asyncio.timeout(10):
            await self.task


@pytest.fixture
async def work() -> AsyncIterator[Callable[[Worker], Running]]:
    """`work(worker)`: run it; what still runs at the end of the test is stopped."""
    running: list[Running] = []

    def begin(worker: Worker) -> Running:
        running.append(Running(worker, asyncio.create_task(worker.run())))
        return running[-1]

    yield begin
    for each in running:
        if not each.task.done():
            await each.stop()


@pytest.fixture
def script() -> type[Script]:
    """`script([answers])`: see `Script`."""
    return Script


@pytest.fixture
async def database(laid_out_url: str) -> AsyncIterator[Database]:
    """An open database with its tables."""
    opened = await open_database(laid_out_url)
    yield opened
    await opened.close()


@pytest.fixture
def box(database: Database) -> Outbox:
    """An empty outbox."""
    return Outbox(database)


@pytest.fixture
def outbox_type() -> type[Outbox]:
    """For tests that open their databases themselves."""
    return Outbox
