"""procrastinate 3.10 on PostgreSQL doing what the outbox does: `python -m bench.peers.procrastinate_send MODE …`

`schema DSN` creates its tables, `worker DSN URL` sends what is due (concurrency 50, one aiohttp session, psycopg pool
of 10, woken by LISTEN), `defer DSN COUNT` enqueues in batches of 100 and prints `{"started_at", "enqueue_s"}` on the
machine's monotonic clock. Each try is recorded by procrastinate's own status events (deferred, started, succeeded).
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import uvloop
from aiohttp import ClientSession, TCPConnector
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.types import JSONDict

from bench.peers.listen import announce

CONCURRENCY = 50
BATCH = 100


def notification(number: int) -> JSONDict:
    """One short notification; its length is that of a usual acknowledgement in plain text."""
    return {
        "delivery": f"{number:08d}",
        "to": f"user{number}@customer.example",
        "subject": f"[MSK-26-{number:06d}] Your request has been received",
        "text": "Your request has been received and a specialist has been assigned to it. " * 6,
    }


def application(dsn: str) -> App:
    """The application with its one task, `send`."""
    app = App(connector=PsycopgConnector(conninfo=dsn, min_size=1, max_size=10))

    @app.task(name="send", pass_context=True)
    async def send(context: JobContext, /, **body: Any) -> None:
        """Post one notification; anything but 200 fails the job."""
        session: ClientSession = context.additional_context["session"]
        async with session.post(context.additional_context["url"], json=body) as answer:
            await answer.read()
            answer.raise_for_status()

    return app


async def create_schema(dsn: str) -> None:
    """Create procrastinate's tables in an empty database."""
    app = application(dsn)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
    print(json.dumps({"created": True}))


async def work(dsn: str, url: str) -> None:
    """Send what is due until ended."""
    app = application(dsn)
    async with app.open_async(), ClientSession(connector=TCPConnector(limit=CONCURRENCY)) as session:
        announce(0)
        await app.run_worker_async(
            concurrency=CONCURRENCY,
            additional_context={"session": session, "url": url},
            shutdown_graceful_timeout=2.0,
        )


async def defer(dsn: str, count: int) -> None:
    """Enqueue `count` notifications."""
    app = application(dsn)
    task = app.tasks["send"]
    async with app.open_async():
        await app.connector.execute_query_async("SELECT 1")
        started = time.monotonic()
        for first in range(0, count, BATCH):
            await task.batch_defer_async(*(notification(n) for n in range(first, min(first + BATCH, count))))
        print(json.dumps({"started_at": started, "enqueue_s": time.monotonic() - started}))


async def main(arguments: list[str]) -> None:
    """Do what the mode says."""
    match arguments:
        case ["schema", dsn]:
            await create_schema(dsn)
        case ["worker", dsn, url]:
            await work(dsn, url)
        case ["defer", dsn, count]:
            await defer(dsn, int(count))
        case _:
            sys.exit("usage: schema DSN | worker DSN URL | defer DSN COUNT")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
