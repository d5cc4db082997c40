"""The clock duty: says that a deadline is near or missed and ends snoozes, on one node at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog

from desk.change import Changes
from desk.site import Site
from desk.spam_desk import age_out
from desk.triage import wake_due
from storage import duties, queue, tickets
from storage.database import Connection, Database
from storage.errors import StorageError
from tickets.clock import Clock

log = structlog.get_logger(__name__)

DUTY = "clock"
BATCH = 100


class DeadlineClock:
    """Looks every `every` for tickets whose deadline event is due."""

    def __init__(
        self,
        database: Database,
        site: Site,
        clock: Clock,
        owner: str,
        *,
        every: timedelta = timedelta(seconds=15),
        on_queued: Callable[[], None] = lambda: None,
    ) -> None:
        self.database = database
        self.site = site
        self.clock = clock
        self.owner = owner
        self.every = every
        self.on_queued = on_queued
        self._stopping = asyncio.Event()
        self.turned_at = time.monotonic()
        self._aside_at: datetime | None = None

    def stop(self) -> None:
        """`run` returns after the round under way."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping.is_set():
            self.turned_at = time.monotonic()
            try:
                if await self.database.write(self._hold, name="clock.hold"):
                    await self.round()
                    await self.wake()
                    await self.put_aside()
            except StorageError as error:
                log.warning("clock_waits_for_storage", error=str(error))
            except Exception:
                log.exception("clock_round_broke")
            try:
                async with asyncio.timeout(self.every.total_seconds()):
                    await self._stopping.wait()
            except TimeoutError:
                continue
        try:
            await self.database.write(lambda c: duties.let_go(c, DUTY, self.owner), name="clock.let_go")
        except StorageError as error:
            log.warning("clock_waits_for_storage", error=str(error))

    async def round(self) -> int:
        """Raise every deadline event that is due, one transaction a ticket; returns how many.

        A ticket whose event cannot be raised is left for the next round and keeps no other waiting.

        Raises:
            StorageError: the database is away, which is no ticket's fault.
        """
        raised = 0
        left: set[UUID] = set()
        while True:
            now = self.clock.now()
            most = BATCH + len(left)
            found = await self.database.read(partial(tickets.alarmed, now=now, most=most))
            due = [ticket_id for ticket_id in found if ticket_id not in left]
            for ticket_id in due:
                if await self._raise(ticket_id, now):
                    raised += 1
                else:
                    left.add(ticket_id)
            if due:
                self.on_queued()
            if len(found) < most:
                return raised

    async def wake(self) -> int:
        """Bring every ticket back whose snooze is over, one transaction a ticket; returns how many.

        Raises:
            StorageError: the database is away.
        """
        now = self.clock.now()
        found = await self.database.read(partial(queue.snoozes_over, now=now))
        woken = 0
        for ticket_id in found:
            try:
                woken += await self.database.write(partial(self._wake, ticket_id, now), name="clock.wake")
            except StorageError:
                raise
            except Exception:
                log.exception("snooze_not_ended", ticket=ticket_id.hex)
        return woken

    async def put_aside(self) -> int:
        """Put spam aside that nobody wanted, once an hour; returns how much.

        Raises:
            StorageError: the database is away.
        """
        now = self.clock.now()
        if self._aside_at is not None and now - self._aside_at < timedelta(hours=1):
            return 0
        self._aside_at = now
        lifetime = self.site.spam_lifetime
        return await self.database.write(lambda c: age_out(c, now, lifetime), name="clock.spam")

    def _wake(self, ticket_id: UUID, now: datetime, connection: Connection) -> bool:
        return wake_due(Changes(connection, self.site, now), ticket_id)

    async def _raise(self, ticket_id: UUID, now: datetime) -> bool:
        try:
            return await self.database.write(partial(self._alarm, ticket_id, now), name="clock.alarm")
        except StorageError:
            raise
        except Exception:
            log.exception("deadline_event_failed", ticket=ticket_id.hex)
            return False

    def _alarm(self, ticket_id: UUID, now: datetime, connection: Connection) -> bool:
        return Changes(connection, self.site, now).alarm(ticket_id)

    def _hold(self, connection: Connection) -> bool:
        return duties.hold(connection, DUTY, self.owner, self.every * 4)
