"""Whether work may be sent to this process: its duties, its database, its disk."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from gateway import __version__
from storage.errors import StorageError

if TYPE_CHECKING:
    from gateway.program import Program

STUCK = 90.0
"""Seconds after which a duty that has not turned is thought to stand still."""

PATIENCE = 5.0
"""Seconds the database may take to answer."""


class Readiness:
    """Asks every part. `stopping` is set before the doors close, so that a balancer looks elsewhere in time."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.stopping = False
        self.ready = False

    def duties(self) -> dict[str, str]:
        """Each duty of this process: "ok", or what is wrong with it."""
        program = self._program
        ended = {task.get_name() for task in program.duty_tasks if task.done()}
        found: dict[str, str] = {}
        for duty in program.duties:
            if duty in ended:
                found[duty] = "ended"
            elif duty == "http":
                found[duty] = "ok" if program.http is not None and program.http.listening else "closed"
            elif duty == "smtp":
                found[duty] = "ok" if program.listener is not None and program.listener.listening else "closed"
            else:
                turned = self.turned_at(duty)
                found[duty] = "ok" if turned is None or time.monotonic() - turned < STUCK else "stands still"
        return found

    def turned_at(self, duty: str) -> float | None:
        """When a duty that goes in rounds began its last one, by the monotonic clock; of a worker the slowest loop."""
        if duty == "worker" and self._program.worker is not None:
            return min(self._program.worker.turned_at.values(), default=None)
        if duty == "clock" and self._program.deadline_clock is not None:
            return self._program.deadline_clock.turned_at
        if duty == "imap" and self._program.mailboxes is not None:
            return self._program.mailboxes.turned_at()
        return None

    async def database(self) -> str:
        """ "ok", or what is wrong with the database."""
        opened = self._program.database
        if opened is None:
            return "not open"
        try:
            async with asyncio.timeout(PATIENCE):
                await self._program.read.organisation()
                if not opened.counts.writable:
                    # where nobody writes by himself, somebody has to find out that it works again
                    await opened.write(lambda _connection: None, name="probe")
        except (StorageError, TimeoutError):
            return "does not answer"
        return "ok"

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Whether all is well, and the document that says so."""
        duties = self.duties()
        database = await self.database()
        disk = self._program.operations.disk
        trouble = [f"the duty {duty} {told}" for duty, told in duties.items() if told != "ok"]
        if database != "ok":
            trouble.insert(0, f"the database {database}")
        if disk.state == "full":
            trouble.append("the disk is nearly full")
        if self.stopping:
            trouble.insert(0, "stopping")
        elif not self.ready:
            trouble.insert(0, "starting")
        document: dict[str, Any] = {
            "status": trouble[0] if trouble else "ok",
            "version": __version__,
            "duties": duties,
            "database": database,
            "disk": {"state": disk.state, "free": disk.free},
        }
        if self._program.mailboxes is not None and self._program.mailboxes.running:
            # told, and no reason to send work elsewhere: a mailbox that does not answer does so to every node
            document["mailboxes"] = self._program.mailboxes.told()
        return not trouble, document

    async def healthy(self) -> bool:
        """Whether all is well."""
        return (await self.report())[0]
