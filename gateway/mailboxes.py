"""The mailboxes of one process: begun, ended and begun anew as the settings say.

The IMAP library is loaded with the first of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from tickets.clock import Clock

if TYPE_CHECKING:
    from channels.email.imap_in import Mailbox, Ports
    from channels.email.imap_options import MailboxOptions

log = structlog.get_logger(__name__)

_GRACE = 5.0
_AGAIN = 5.0


class Mailboxes:
    """Runs until `stop`. `become` is told what is to be read from now on."""

    def __init__(
        self,
        options: Mapping[str, MailboxOptions],
        ports: Callable[[], Awaitable[Ports]],
        clock: Clock,
        fault: Callable[[str], Awaitable[None]],
    ) -> None:
        self.running: dict[str, Mailbox] = {}
        self._options = dict(options)
        self._ports = ports
        self._clock = clock
        self._fault = fault
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._stopping = False

    def become(self, options: Mapping[str, MailboxOptions]) -> None:
        """Read these from now on; one whose options are as before is left alone."""
        self._options = dict(options)
        self._changed.set()

    def stop(self) -> None:
        """`run` returns when what was fetched is taken in."""
        self._stopping = True
        self._changed.set()

    def turned_at(self) -> float | None:
        """When the slowest of them last turned, by the monotonic clock."""
        return min((each.turned_at for each in self.running.values()), default=None)

    def told(self) -> dict[str, str]:
        """Each of them: `ok`, or what is wrong."""
        return {name: each.health.told() for name, each in sorted(self.running.items())}

    async def run(self) -> None:
        """Keep them running."""
        try:
            while not self._stopping:
                self._changed.clear()
                await self._arrange()
                await self._event()
        finally:
            await self._end(list(self._tasks))

    async def _event(self) -> None:
        """Return when the settings change, the program stops, or a mailbox has ended that never should."""
        change = asyncio.ensure_future(self._changed.wait())
        try:
            await asyncio.wait([change, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        finally:
            change.cancel()
        for name in [name for name, task in self._tasks.items() if task.done()]:
            task = self._tasks.pop(name)
            log.error("mailbox_ended", mailbox=name, error=type(task.exception()).__name__)
            del self.running[name]
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN):
                    await self._changed.wait()

    async def _arrange(self) -> None:
        wanted = self._options
        old = [name for name, each in self.running.items() if wanted.get(name) != each.options]
        await self._end(old)
        new = [name for name in wanted if name not in self.running]
        if not new:
            return
        from channels.email.imap_in import Mailbox

        ports = await self._ports()
        for name in new:
            mailbox = Mailbox(wanted[name], ports, clock=self._clock.now, fault=self._fault)
            mailbox.turned_at = time.monotonic()
            self.running[name] = mailbox
            self._tasks[name] = asyncio.create_task(mailbox.run(), name=f"mailbox {name}")

    async def _end(self, names: list[str]) -> None:
        tasks = [self._tasks.pop(name) for name in names if name in self._tasks]
        for name in names:
            self.running.pop(name).stop()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=_GRACE)
        for task in late:
            log.warning("mailbox_cut_short", mailbox=task.get_name())
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
