"""Mail in by IMAP (RFC 3501): one mailbox, read by one node at a time.

Algorithm. Whoever holds the duty connects, signs in, selects the folder and looks through it (`imap_reading`). Then it
waits in IDLE (RFC 2177), or where there is none for `poll`, and looks again: after whatever the server says, at every
renewal, and for the re-scan. Anything that goes wrong ends the connection and is tried again with growing waits; the
duty is kept meanwhile, and given up when the program stops or the database says that another node has it.

The library blocks, so each mailbox has one thread of its own; all that decides anything runs on the event loop. While
in IDLE the thread rests and the loop watches the socket.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from channels.base import Accept, Cursors, Journal, Kept, NotAcceptedNow, Ownership
from channels.email.imap_health import BackOff, MailboxHealth
from channels.email.imap_oauth import AccessTokens, NoToken
from channels.email.imap_options import MailboxOptions
from channels.email.imap_reading import FolderReading
from channels.email.imap_taking import Fault, Taking
from channels.email.imap_thread import OwnThread
from channels.email.imap_wire import Broken, MailboxError, NotSignedIn, Refused, Wire
from channels.email.receiving import Read, error_place

KEEP_EVERY = 10.0
"""Seconds between two looks at the duty and at the health."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ports:
    """What a mailbox needs of the rest of the program."""

    accept: Accept
    read: Read
    cursors: Cursors
    journal: Journal
    kept: Kept
    ownership: Ownership


class Mailbox:
    """Reads one mailbox until it is stopped."""

    def __init__(
        self,
        options: MailboxOptions,
        ports: Ports,
        *,
        clock: Callable[[], datetime],
        fault: Fault,
        keep_every: float = KEEP_EVERY,
    ) -> None:
        self.options = options
        self.health = MailboxHealth(options.name, options.silent)
        self.turned_at = time.monotonic()
        self._stop = asyncio.Event()
        self._end = asyncio.Event()
        self._ports = ports
        self._keep_every = keep_every
        self._thread = OwnThread(f"imap {options.name}")
        taking = Taking(options, ports.accept, ports.read, ports.journal, clock, fault, self.health)
        self._reading = FolderReading(
            options, taking, ports.cursors, ports.journal, self._thread, self.health, clock, fault
        )
        self._reading.ending = self._end.is_set
        self._tokens = AccessTokens(options.name, options.oauth, ports.kept, clock) if options.oauth else None
        self._back_off = BackOff(options.back_off, options.longest_back_off)
        self._wire: Wire | None = None
        self._idle_works = options.idle
        self._rescan_at = 0.0

    @property
    def duty(self) -> str:
        """The name of the duty that one node holds."""
        return f"imap {self.options.name}"

    def stop(self) -> None:
        """`run` returns when what was fetched is taken in."""
        self._stop.set()
        self._end.set()

    async def run(self) -> None:
        """Read until `stop`."""
        keeper = asyncio.create_task(self._keep(), name=f"keeper of {self.options.name}")
        try:
            while not self._stop.is_set():
                self.turned_at = time.monotonic()
                if not await self._ports.ownership.hold(self.duty):
                    self.health.standby()
                    await self._rest(self._keep_every)
                    continue
                if self.health.state == "standby":
                    self.health.state = "starting"
                self._end.clear()
                if not self._stop.is_set():
                    await self._once()
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            self._thread.end()
            with suppress(NotAcceptedNow):
                await self._ports.ownership.let_go(self.duty)

    async def _keep(self) -> None:
        """Keep the duty while it is ours, and tell when the mailbox falls silent."""
        while True:
            await asyncio.sleep(self._keep_every)
            self.turned_at = time.monotonic()
            self.health.look()
            if self.health.state != "standby" and not await self._ports.ownership.hold(self.duty):
                _log.warning("mailbox_lost_to_another_node", mailbox=self.options.name)
                self._end.set()
                if self._wire is not None:
                    self._wire.interrupt()

    async def _once(self) -> None:
        """One connection from its beginning to its end."""
        wire, politely = Wire(self.options), False
        self._wire = wire
        try:
            await self._unless_ended(self._connect(wire))
            await self._serve(wire)
            politely = True
        except (MailboxError, NoToken) as error:
            if isinstance(error, NotSignedIn) and self._tokens is not None:
                self._tokens.forget()
            if not self._end.is_set():
                self.health.failed(str(error))
        except NotAcceptedNow as error:
            self.health.failed(f"the database is away: {error}")
        except Exception as error:
            self.health.failed(f"a mistake of ours: {type(error).__name__}")
            _log.error("mailbox_broke", mailbox=self.options.name, where=error_place(error), exc_info=True)
        finally:
            self.health.connected = False
            if not politely:
                wire.interrupt()
            closing = asyncio.ensure_future(self._thread.call(lambda: wire.close(politely=politely)))
            await asyncio.wait([closing], timeout=3.0)
            self._wire = None
        if not self._end.is_set():
            await self._rest(self._back_off.next())

    async def _connect(self, wire: Wire) -> None:
        token = await self._tokens.get() if self._tokens is not None else ""
        await self._thread.call(wire.open)
        await self._thread.call(lambda: wire.sign_in(token))
        await self._reading.enter(wire)
        self.health.connections += 1
        self.health.connected = True
        self._rescan_at = 0.0

    async def _unless_ended(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it, or leave it when this is to end: a server that does not answer must not hold that up."""
        task = asyncio.ensure_future(work)
        end = asyncio.ensure_future(self._end.wait())
        try:
            await asyncio.wait([task, end], return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise Broken("stopped while connecting")
            await task
        finally:
            end.cancel()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _serve(self, wire: Wire) -> None:
        while not self._end.is_set():
            due = time.monotonic() >= self._rescan_at
            await self._reading.look(rescan=due)
            if due:
                self._rescan_at = time.monotonic() + self.options.rescan
            self.health.read()
            self._back_off.reset()
            await self._news(wire)

    async def _news(self, wire: Wire) -> None:
        """Return when there may be something new."""
        if self._end.is_set():
            return
        longest = max(0.0, self._rescan_at - time.monotonic())
        if self._idle_works and await self._thread.call(lambda: wire.has("IDLE")):
            try:
                if not await self._thread.call(wire.idle):
                    await self._readable(wire.fileno, min(self.options.renew, longest))
                await self._thread.call(wire.done)
            except Refused as no:
                _log.warning("mailbox_idle_refused", mailbox=self.options.name, why=str(no))
                self._idle_works = False
        else:
            await self._rest(min(self.options.poll, longest))
        if not self._end.is_set():
            await self._thread.call(wire.noop)

    async def _readable(self, fileno: int, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        said = asyncio.Event()
        loop.add_reader(fileno, said.set)
        try:
            ends = [asyncio.ensure_future(said.wait()), asyncio.ensure_future(self._end.wait())]
            await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for end in ends:
                end.cancel()
        finally:
            loop.remove_reader(fileno)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await (self._stop if self._end.is_set() else self._end).wait()
