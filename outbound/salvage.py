"""What crashes leave behind: claims of a life that ended, and claims whose lease ran out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from outbound.habits import WorkerOptions
from outbound.schedule import next_try
from storage import outbox
from storage.database import Connection, Database
from storage.errors import StorageError
from tickets.clock import Clock

log = structlog.get_logger(__name__)

Row = dict[str, Any]


async def patiently(step: Callable[[], Awaitable[None]]) -> None:
    """Take a step that is taken again later whatever becomes of it now."""
    try:
        await step()
    except StorageError as error:
        log.warning("outbox_waits_for_storage", error=str(error))
    except Exception:
        log.exception("outbox_housekeeping_broke")


async def own(database: Database, clock: Clock, options: WorkerOptions) -> None:
    """At the start, whatever this node had claimed before was lost with its former life.

    Raises:
        StorageError: the database is away.
    """
    now = clock.now()
    unknown, returned = await database.write(
        lambda c: outbox.reap(c, now=now, again=partial(_again, options, now), owner=options.owner),
        name="outbox.reap",
    )
    if unknown or returned:
        log.warning("lost_in_a_crash", unknown=unknown, returned=returned)


async def expired(database: Database, clock: Clock, options: WorkerOptions, held: Collection[UUID]) -> bool:
    """Settle claims of whoever let their leases run out, but for those in our own hands; whether anything was.

    Raises:
        StorageError: the database is away.
    """
    now = clock.now()

    def unit(connection: Connection) -> int:
        unknown, returned = outbox.reap(connection, now=now, again=partial(_again, options, now), held=held)
        return unknown + returned + outbox.expire(connection, now=now)

    return bool(await database.write(unit, name="outbox.reap"))


def _again(options: WorkerOptions, now: datetime, delivery: Row) -> datetime | None:
    """When a delivery whose last try was lost is sent again; None where a person has to decide."""
    if delivery["channel"] not in options.resend or delivery["doubtful"] >= options.uncertain:
        return None
    queued = (delivery["expires_at"] or now + options.retry.horizon) - options.retry.horizon
    number = delivery["tries"] - delivery["tries_before"]
    return next_try(options.retry, number, now, queued, key=delivery["id"].bytes)
