"""The relay of the crash rig: `python -m bench.crash_relay --port P --journal FILE`

A simulated relay whose moods depend on nothing but the recipient's address, so that a run can be repeated: most
addresses are fine, some refuse twice and then take the mail, some refuse for good, some break the connection once
after the whole mail was handed over, some are slow. Staff are always fine.
"""

from __future__ import annotations

import argparse
import asyncio
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from channels.testing import ACCEPT, DROP, SimulatedRelay, slow

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope, Session

GREYLISTED = ("451 4.7.1 Greylisted, come back", "451 4.3.0 Still busy")
REFUSED = "554 5.7.1 Not wanted here"
AUTHORS = "author.example"
"""Domain of the authors the load invents; only they have moods."""


def mood(address: str) -> list[str]:
    """What an address answers to its first mails; afterwards everything is taken.

    >>> mood("titova@desk.example")
    []
    """
    local, _, domain = address.partition("@")
    if domain != AUTHORS:
        return []
    drawn = sha256(local.encode()).digest()[0]
    if drawn < 26:
        return list(GREYLISTED)
    if drawn < 38:
        return [REFUSED] * 40
    if drawn < 45:
        return [DROP]
    return [slow(0.05), ACCEPT, slow(0.2)] if drawn < 64 else []


class MoodyRelay(SimulatedRelay):
    """Gives every address its script when it is first heard of."""

    def __init__(self, *, port: int, journal: Path) -> None:
        super().__init__(port=port, journal=journal)
        self._known: set[str] = set()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """RCPT TO."""
        if address not in self._known:
            self._known.add(address)
            if script := mood(address):
                self.script(script, to=address)
        return await super().handle_RCPT(server, session, envelope, address, options)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """The whole mail; it is in the journal, so it need not be kept in memory."""
        try:
            return await super().handle_DATA(server, session, envelope)
        finally:
            self.received.clear()
            self.commands.clear()


async def _serve(port: int, journal: Path) -> None:
    await MoodyRelay(port=port, journal=journal).start()
    print('{"ready": true}', flush=True)
    await asyncio.Event().wait()


def run() -> None:
    """The relay as a process of its own; it ends when it is killed."""
    parser = argparse.ArgumentParser(prog="python -m bench.crash_relay", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    given = parser.parse_args()
    asyncio.run(_serve(given.port, given.journal))


if __name__ == "__main__":
    run()
