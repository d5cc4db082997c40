"""The running program: starts the duties of this process and stops them in an order that loses nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import structlog
from aiohttp import web

from channels.email.fax_gateways import FaxGateways
from channels.email.smtp_in import Listener
from desk.attachments import Files
from desk.clock import DeadlineClock
from desk.intake import Intake
from desk.ledger import Ledger
from desk.news import NewsDesk
from desk.reading import Reading
from desk.search_index import SearchDuty, SearchIndex
from desk.ticketing import Ticketing
from gateway import assemble, assemble_mail, assemble_mailboxes
from gateway.clock import SystemClock
from gateway.faults import Faults
from gateway.mailboxes import Mailboxes
from gateway.operations import Operations
from gateway.sd_notify import Notifier
from gateway.settings import Duty, Settings
from outbound.token import ReplyTokens
from outbound.worker import Worker
from storage.alone import Alone
from storage.database import Database
from tickets.clock import Clock
from tickets.trace import Trail, untold
from web.api.docs import Docs
from web.api.door import ApiParts, api_door
from web.console.queue_door import QueueDoor
from web.console.staff_door import staff_door
from web.look.page import Look
from web.portal.author_door import AuthorDoor
from web.server import HttpServer

if TYPE_CHECKING:
    from channels.email.imap_in import Ports

log = structlog.get_logger(__name__)

Part = TypeVar("Part")

MoreRoutes = Callable[[Look], list[web.RouteDef]]
"""Pages somebody else adds: those of the demonstration."""

DUTIES: tuple[Duty, ...] = ("http", "smtp", "imap", "worker", "clock")


class Program:
    """Everything one process does. `start`, then wait, then `stop`."""

    def __init__(
        self,
        settings: Settings,
        *,
        only: Sequence[Duty] = (),
        clock: Clock | None = None,
        faults: Faults | None = None,
        trail: Trail = untold,
        notifier: Notifier | None = None,
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
        self.deadline_clock: DeadlineClock | None = None
        self.search: SearchDuty | None = None
        self.news: NewsDesk | None = None
        self.read_mail = assemble.mail_reader(settings)
        self.mailboxes: Mailboxes | None = None
        self.tokens: ReplyTokens
        self.more_routes: MoreRoutes = lambda _look: []
        self.operations = Operations(self, trail, notifier or Notifier({}))
        self._authors: AuthorDoor | None = None
        self._gateways: FaxGateways | None = None
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
        tokens = self.tokens = await assemble.tokens(settings, self.database, self.clock)
        pages = await assemble.pages(settings, self.database, self.clock)
        self.site = replace(self.site, pages=pages)
        self.intake = Intake(self.database, self.site, tokens, self.clock)
        self.intake.trail = self.operations.trail
        self.reading = Reading(self.database)
        self.ticketing = Ticketing(self.database, self.site, self.clock)
        if "worker" in self.duties:
            ways = assemble.senders(settings, self.clock)
            self.worker = Worker(
                self.database,
                ways,
                assemble.preparer(settings, tokens, pages),
                self.clock,
                assemble.worker_options(settings, ways),
                slots=assemble.slots(settings),
                fault=self.faults.point,
            )
            self.worker.counts.trail = self.operations.trail
            self.intake.on_queued = self.ticketing.on_queued = self.worker.wake
            self._tasks.append(asyncio.create_task(self.worker.run(), name="worker"))
        if "clock" in self.duties:
            self.deadline_clock = DeadlineClock(
                self.database, self.site, self.clock, settings.serve.name, on_queued=self.intake.on_queued
            )
            self._tasks.append(asyncio.create_task(self.deadline_clock.run(), name="clock"))
            self.search = SearchDuty(
                SearchIndex(self.database, self.clock), self.database, self.clock, settings.serve.name
            )
            self._tasks.append(asyncio.create_task(self.search.run(), name="search"))
        await self.operations.start()
        if "smtp" in self.duties:
            await self._open_smtp(self.intake)
        if "imap" in self.duties:
            self._open_mailboxes(self.intake)
        if "http" in self.duties:
            await self._open_http(self.database, self.intake, self.ticketing, self.reading)
        self.operations.readiness.ready = True

    def _faxes(self, intake: Intake) -> FaxGateways:
        """What stands between the doors of mail and intake: the same for all of them."""
        if self._gateways is None:
            gateways = self._gateways = FaxGateways(self.settings.fax.gateways, intake.accept)
            self.operations.reloaders["fax"] = lambda new: gateways.become(new.fax.gateways)
        return self._gateways

    async def _open_smtp(self, intake: Intake) -> None:
        checks = assemble_mail.checks(self.settings, self.clock)
        self.listener = Listener(
            assemble_mail.listener_options(self.settings),
            self._faxes(intake).accept,
            read=self.read_mail,
            clock=self.clock.now,
            fault=self.faults.point,
            examine=checks.examine,
            dnsbl=checks.dnsbl,
        )
        await self.listener.start()

    def _open_mailboxes(self, intake: Intake) -> None:
        # the name alone is this process's own only where the lock on it is held
        name = self.settings.serve.name
        owner = name if self._watch is not None else f"{name} {os.getpid()}"

        async def ports() -> Ports:
            accept = self._faxes(intake).accept
            return await assemble_mailboxes.mailbox_ports(self.settings, intake, self.read_mail, owner, accept)

        mailboxes = self.mailboxes = Mailboxes(
            assemble_mailboxes.mailbox_options(self.settings), ports, self.clock, self.faults.point
        )
        self.operations.reloaders["mailbox"] = lambda new: mailboxes.become(assemble_mailboxes.mailbox_options(new))
        self._tasks.append(asyncio.create_task(mailboxes.run(), name="imap"))

    async def _open_http(self, database: Database, intake: Intake, ticketing: Ticketing, reading: Reading) -> None:
        http = self.settings.http
        read = self.read_mail
        ledger = Ledger(database, self.site, self.clock, intake.on_queued)
        files = Files(database, assemble.decoders())
        book = assemble.quarantine(self.settings, intake, self._faxes(intake))
        api = ApiParts(
            database,
            self.clock,
            intake,
            reading,
            ticketing,
            ledger,
            files,
            read,
            book,
            htmls=assemble.htmls(),
        )
        look = Look(self.site, self.clock)
        vault = await assemble.vault(self.settings, database, self.clock)
        rules, sign_on = assemble.staff_rules(self.settings), assemble.sign_on(self.settings)
        prepare = assemble.preparer(self.settings, self.tokens, self.site.pages)
        staff = staff_door(database, self.clock, rules, vault, look, sign_on)
        self._authors = AuthorDoor(database, intake, self.site, self.clock, look, files)
        self.news = NewsDesk(database)
        self._tasks.append(asyncio.create_task(self.news.run(), name="news"))
        queue = QueueDoor(database, self.site, self.clock, reading, staff, intake.on_queued, self.news)
        routes = [
            *api_door(api, assemble.api_rules(self.settings)),
            *self.operations.routes(),
            *Docs(look).routes(),
            *look.routes(),
            *staff.routes(),
            *queue.routes(),
            *assemble.ticket_door(self.settings, book, files, staff, prepare, ledger, read).routes(),
            *self._authors.routes(),
            *self.more_routes(look),
            *(await assemble.form_pages(self.settings, database, intake, look, self.clock)).routes(),
        ]
        self.http = HttpServer(http.listen.host, http.listen.port, routes, traffic=self.operations.traffic(), look=look)
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

    @property
    def duty_tasks(self) -> Sequence[asyncio.Task[None]]:
        """What runs until the program is stopped."""
        return self._tasks

    async def stop(self) -> None:
        """Close the doors, finish what is under way, then let go of the database: all within `serve.grace`.

        What is cut short loses nothing that was acknowledged: a send on the wire is taken up again after the start.
        """
        settings = self.settings.serve
        self.operations.readiness.stopping = True
        if self.operations.readiness.ready and settings.drain:
            await asyncio.sleep(settings.drain.total_seconds())
        grace = settings.grace.total_seconds()
        loop = asyncio.get_running_loop()
        # the last part is left for the database
        until = loop.time() + max(grace * 0.7, grace - 3)
        if self.worker is not None:
            self.worker.stop()
        if self.deadline_clock is not None:
            self.deadline_clock.stop()
        if self.search is not None:
            self.search.stop()
        if self.news is not None:
            self.news.stop()
        if self.mailboxes is not None:
            self.mailboxes.stop()
        doors = [door.stop(until - loop.time()) for door in (self.listener, self.http) if door is not None]
        await asyncio.gather(*doors)
        if self._authors is not None:
            await self._authors.settle()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=max(0.0, until - loop.time()))
            for task in late:
                log.warning("duty_cut_short", duty=task.get_name())
                task.cancel()
            await asyncio.wait(self._tasks, timeout=1.0)
        await self.operations.stop()
        await self.read_mail.close()
        if self.intake is not None:
            await self.intake.close()
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
