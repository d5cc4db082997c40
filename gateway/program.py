"""The running program: starts the duties of this process and stops them in an order that loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypeVar

import structlog

from channels.email.smtp_in import Listener, ListenerOptions
from desk.clock import DeadlineClock
from desk.intake import Intake
from desk.ledger import Ledger
from desk.quarantine import Quarantine
from desk.reading import Reading
from desk.ticketing import Ticketing
from desk.tokens import TokenBook
from gateway import assemble
from gateway.clock import SystemClock
from gateway.faults import Faults
from gateway.settings import Duty, Settings
from outbound.worker import Worker
from storage.alone import Alone
from storage.database import Database
from tickets.clock import Clock
from web.api.access import Access
from web.api.deliveries import Deliveries
from web.api.health import Health
from web.api.quarantine import QuarantineEntries
from web.api.tickets import Tickets
from web.server import HttpServer

log = structlog.get_logger(__name__)

Part = TypeVar("Part")

DUTIES: tuple[Duty, ...] = ("http", "smtp", "worker", "clock")


class Program:
    """Everything one process does. `start`, then wait, then `stop`."""

    def __init__(
        self, settings: Settings, *, only: Sequence[Duty] = (), clock: Clock | None = None, faults: Faults | None = None
    ) -> None:
        self.settings = settings
        self.duties = tuple(only or settings.serve.only or DUTIES)
        self.clock = clock or SystemClock()
        self.faults = faults or Faults()
        self.site = assemble.site(settings)
        self.database: Database | None = None
        self.intake: Intake | None = None
        self.reading: Reading | None = None
        self.ticketing: Ticketing | None = None
        self.worker: Worker | None = None
        self.listener: Listener | None = None
        self.http: HttpServer | None = None
        self._clock_duty: DeadlineClock | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._watch: asyncio.Task[None] | None = None
        self._alone = Alone(settings.database.url, settings.serve.name)

    async def start(self) -> None:
        """Open the database and begin every duty; the doors open last.

        Raises:
            StorageUnavailable: the database cannot be used.
            OSError: an address cannot be listened on.
        """
        settings = self.settings
        if "worker" in self.duties or settings.database.url.startswith("sqlite"):
            await self._alone.take()
            self._watch = asyncio.create_task(self._alone.keep(), name="watch over the node's name")
        self.database = await assemble.database(settings, self.faults)
        tokens = await assemble.tokens(settings, self.database, self.clock)
        self.intake = Intake(self.database, self.site, tokens, self.clock)
        self.reading = Reading(self.database)
        self.ticketing = Ticketing(self.database, self.site, self.clock)
        if "worker" in self.duties:
            ways = assemble.senders(settings, self.clock)
            self.worker = Worker(
                self.database,
                ways,
                assemble.preparer(settings, tokens),
                self.clock,
                assemble.worker_options(settings, ways),
                slots=assemble.slots(settings),
                fault=self.faults.point,
            )
            self.intake.on_queued = self.ticketing.on_queued = self.worker.wake
            self._tasks.append(asyncio.create_task(self.worker.run(), name="worker"))
        if "clock" in self.duties:
            self._clock_duty = DeadlineClock(
                self.database, self.site, self.clock, settings.serve.name, on_queued=self.intake.on_queued
            )
            self._tasks.append(asyncio.create_task(self._clock_duty.run(), name="clock"))
        if "smtp" in self.duties:
            await self._open_smtp(self.intake)
        if "http" in self.duties:
            await self._open_http(self.database, self.intake, self.ticketing, self.reading)

    async def _open_smtp(self, intake: Intake) -> None:
        smtp = self.settings.smtp
        self.listener = Listener(
            ListenerOptions(
                host=smtp.listen.host,
                port=smtp.listen.port,
                hostname=smtp.hostname,
                max_size=smtp.max_size,
                domains=frozenset(smtp.domains),
                certificate=str(smtp.certificate or ""),
                key=str(smtp.key or ""),
                command_timeout=smtp.command_timeout.total_seconds(),
                data_timeout=smtp.data_timeout.total_seconds(),
                memory_budget=smtp.memory,
            ),
            intake.accept,
            read=assemble.mail_reader(self.settings),
            clock=self.clock.now,
            fault=self.faults.point,
        )
        await self.listener.start()

    async def _open_http(self, database: Database, intake: Intake, ticketing: Ticketing, reading: Reading) -> None:
        http = self.settings.http
        access = Access(TokenBook(database), self.clock)
        routes = [
            *Tickets(intake, ticketing, reading, access, self.clock).routes(),
            *Deliveries(Ledger(database, self.site, self.clock, intake.on_queued), access).routes(),
            *QuarantineEntries(Quarantine(database, intake), assemble.mail_reader(self.settings), access).routes(),
            *Health(reading).routes(),
        ]
        self.http = HttpServer(http.listen.host, http.listen.port, routes, max_body=http.max_body)
        await self.http.start()

    @property
    def opened(self) -> Database:
        """The database of a program that was started."""
        return _started(self.database)

    @property
    def read(self) -> Reading:
        """Questions to a program that was started."""
        return _started(self.reading)

    @property
    def change(self) -> Ticketing:
        """Changes by a program that was started."""
        return _started(self.ticketing)

    @property
    def addresses(self) -> assemble.Addresses:
        """Where this process can be reached."""
        return assemble.Addresses(
            http=f"http://{self.settings.http.listen.host}:{self.http.port}" if self.http else None,
            smtp=f"{self.settings.smtp.listen.host}:{self.listener.port}" if self.listener else None,
        )

    async def wait(self, stopped: asyncio.Event) -> None:
        """Return when told to stop.

        Raises:
            RuntimeError: a duty ended that never should.
        """
        stop = asyncio.create_task(stopped.wait())
        watch = [self._watch] if self._watch is not None else []
        done, _ = await asyncio.wait([stop, *self._tasks, *watch], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        for task in done:
            if task is not stop:
                raise RuntimeError(f"the duty {task.get_name()} ended") from task.exception()

    async def stop(self) -> None:
        """Close the doors, finish what is under way, then let go of the database."""
        grace = self.settings.serve.grace.total_seconds()
        if self.listener is not None:
            await self.listener.stop(grace)
        if self.http is not None:
            await self.http.stop()
        if self.worker is not None:
            self.worker.stop()
        if self._clock_duty is not None:
            self._clock_duty.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace)
            for task in late:
                log.warning("duty_cut_short", duty=task.get_name())
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.database is not None:
            await self.database.close()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._alone.let_go()


def _started(part: Part | None) -> Part:
    if part is None:
        raise RuntimeError("the program was not started")
    return part
