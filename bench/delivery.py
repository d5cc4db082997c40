"""Our outbox in a process of its own: `python -m bench.delivery DATABASE_URL COUNT SINK_URL`

The worker runs, then COUNT deliveries with their texts are enqueued in transactions of 100, and the program ends when
the last outcome is recorded; its memory is settled as `serve` settles its own. SINK_URL is `http://…`, where each
delivery is posted as JSON through aiohttp, or `smtp://127.0.0.1:PORT`, where the mail channel sends it. Prints
`{"seconds", "enqueue_s", "cpu_s"}`: from the first enqueue to the last outcome on record, the enqueuing alone, and the
processor time of both together.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import uvloop
from aiohttp import ClientSession, TCPConnector
from sqlalchemy import Connection, func, select
from uuid_utils.compat import uuid7

from bench.peers.procrastinate_send import BATCH, CONCURRENCY, notification
from channels.base import OutMessage, Sender, SendFailed, Sent
from channels.email.smtp_out import Relay, RelayOptions
from gateway.memory import settle_memory
from outbound.worker import Worker, WorkerOptions
from storage.bulk import insert_rows
from storage.database import Database, open_database
from storage.tables_outbox import deliveries, notifications
from tickets.delivery import DeliveryState, Outcome

PROVIDER = "sink"


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """This instant."""
        return datetime.now(UTC)


class HttpSender:
    """Posts what is due as JSON, with the same client and the same body as the peer does."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = ClientSession(connector=TCPConnector(limit=CONCURRENCY))

    async def send(self, message: OutMessage) -> Sent:
        """Make one try.

        Raises:
            SendFailed: the answer was not 200.
        """
        body = {"delivery": message.id, "to": message.address, "subject": message.subject, "text": message.text}
        async with self._session.post(self._url, json=body) as answer:
            await answer.read()
            if answer.status != 200:
                raise SendFailed(str(answer.status), "refused", retryable=False)
            return Sent(code=str(answer.status))

    async def close(self) -> None:
        """Let go of connections."""
        await self._session.close()


def rows(first: int, last: int, now: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Notifications and their deliveries, with texts, as a ticket's transaction would write them."""
    noted, queued = [], []
    for number in range(first, last):
        body = notification(number)
        key = uuid7()
        noted.append(
            {
                "id": key,
                "site": "BEN",
                "ticket_id": key,
                "event_id": key,
                "event": "received",
                "role": "author",
                "person_id": None,
                "name": "Laura Stone",
                "dedupe_key": key.hex,
                "created_at": now,
            }
        )
        queued.append(
            {
                "id": uuid7(),
                "site": "BEN",
                "notification_id": key,
                "ticket_id": key,
                "step": 1,
                "channel": "email",
                "provider": PROVIDER,
                "address": body["to"],
                "language": "en",
                "priority": 1,
                "state": DeliveryState.QUEUED.value,
                "reason": "",
                "created_at": now,
                "updated_at": now,
                "due_at": now,
                "expires_at": None,
                "tries": 0,
                "fence": 0,
                "lease_owner": "",
                "lease_until": None,
                "provider_id": "",
                "subject": body["subject"],
                "text": body["text"],
                "html": "",
                "envelope": {"sender": "support@desk.example", "message_id": f"{key.hex}@desk.example"},
            }
        )
    return noted, queued


async def enqueue(database: Database, worker: Worker, count: int) -> None:
    """Put deliveries into the outbox, a hundred in a transaction, and wake the worker after each."""
    for first in range(0, count, BATCH):
        noted, queued = rows(first, min(first + BATCH, count), datetime.now(UTC))
        await database.write(partial(insert, noted, queued), name="bench.enqueue")
        worker.wake()


def insert(noted: list[dict[str, Any]], queued: list[dict[str, Any]], connection: Connection) -> None:
    """One transaction's rows."""
    insert_rows(connection, notifications, noted)
    insert_rows(connection, deliveries, queued)


async def run(url: str, count: int, sink_url: str) -> dict[str, float]:
    """Enqueue, send, wait.

    Raises:
        RuntimeError: not every delivery ended as sent.
    """
    database = await open_database(url)
    parts = urlsplit(sink_url)
    sender: Sender
    if parts.scheme == "smtp":
        sender = Relay(RelayOptions(host=parts.hostname or "", port=parts.port or 25), clock=SystemClock().now)
    else:
        sender = HttpSender(sink_url)
    left = count
    all_ended = asyncio.Event()

    async def finished(delivery: dict[str, Any], outcome: Outcome) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            all_ended.set()

    options = WorkerOptions(slots=CONCURRENCY)
    worker = Worker(database, {PROVIDER: sender}, None, SystemClock(), options, finished=finished)
    before = await database.read(sent)
    running = asyncio.create_task(worker.run())
    try:
        await asyncio.sleep(0.2)
        settle_memory()
        cpu = time.process_time()
        started = time.perf_counter()
        await enqueue(database, worker, count)
        enqueued = time.perf_counter() - started
        await asyncio.wait({running, asyncio.ensure_future(all_ended.wait())}, return_when=asyncio.FIRST_COMPLETED)
        # run returns once the outcomes that are in are also on record
        worker.stop()
        await running
        seconds = time.perf_counter() - started
        cpu = time.process_time() - cpu
        if (done := await database.read(sent) - before) != count:
            raise RuntimeError(f"{count} deliveries were enqueued, {done} are recorded as sent")
    finally:
        running.cancel()
        await database.close()
    return {"seconds": seconds, "enqueue_s": enqueued, "cpu_s": cpu}


def sent(connection: Connection) -> int:
    """How many deliveries are recorded as sent."""
    question = select(func.count()).where(deliveries.c.state == DeliveryState.SENT.value)
    return int(connection.execute(question).scalar_one())


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run(sys.argv[1], int(sys.argv[2]), sys.argv[3]))))
