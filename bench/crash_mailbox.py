"""A mailbox that is read by IMAP, as part of the load of the crash rig.

The server lives in the rig's own process, so that it survives every kill of the gateway. What is delivered must become
one ticket, however often the gateway died between the fetch, the commit and the flag; a mail that was delivered twice
joins. At the end `otklik reconcile` holds the folder against the database and must come out even.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench import product
from bench.processes import BenchError
from channels.testing_imap import SimulatedImap

if TYPE_CHECKING:
    from bench.crash_load import Ledger
    from bench.crash_rig import Rig

NAME = "letters"
ADDRESS = "support@desk.example"
PASSWORD = "secret"
FOLDER = "INBOX"
SEEN = "\\Seen"

_SETTINGS = """
[mailbox.{name}]
address = "{address}"
host = "127.0.0.1"
port = {port}
tls = "none"
password = "{password}"
timeout = "5 s"
retry = "50 ms"
longest_retry = "500 ms"
rescan = "5 s"
batch = "200 KB"
"""
"""Of the gateway: fetches of several mails each, and a look at what was left half done every few seconds."""


def settings(port: int) -> str:
    """The gateway's section for the mailbox."""
    return _SETTINGS.format(name=NAME, address=ADDRESS, password=PASSWORD, port=port)


class Mailbox:
    """The server, in a thread and event loop of its own, until `close`."""

    def __init__(self, port: int) -> None:
        self._server = SimulatedImap(username=ADDRESS, password=PASSWORD)
        self._server.port = port
        self._folder = self._server.folder(FOLDER)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mailbox", daemon=True)
        self.copies = 0

    def open(self) -> None:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(10)

    def close(self) -> None:
        """End the server and its thread, if it was opened."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def deliver(self, raw: bytes, times: int = 1) -> None:
        """Put a mail into the folder; from any thread."""
        self.copies += times - 1
        for _ in range(times):
            self._loop.call_soon_threadsafe(self._folder.deliver, raw)

    async def read(self) -> None:
        """Wait until every mail bears the flag that it is taken in."""
        while self.left:
            await asyncio.sleep(0.1)

    @property
    def left(self) -> int:
        """How many mails do not bear it."""
        return sum(SEEN not in each.flags for each in tuple(self._folder.messages))

    @property
    def mails(self) -> int:
        """How many lie in the folder."""
        return len(self._folder.messages)


def found(rig: Rig, mailbox: Mailbox, ledger: Ledger, figures: dict[str, int]) -> Iterator[str]:
    """What is wrong with the mailbox after the crashes: mails that are nowhere, or books that do not balance."""
    delivered = {name for name, one in ledger.inputs.items() if one.door == "imap"}
    kept = {row["subject"] for row in rig.rows(f"SELECT subject FROM messages WHERE account = '{NAME}'")}
    for name in sorted(delivered):
        if f"crash {name} end" not in kept:
            yield f"LOST: {name} lies in the mailbox and is not there"
    if mailbox.left:
        yield f"{mailbox.left} mails of the mailbox do not bear the flag"
    line = _balance(rig)
    sums = {"mails": mailbox.mails, "tickets": len(delivered), "joined": mailbox.copies}
    sums |= {"quarantine": 0, "waiting": 0, "astray": 0}
    told = {key: line.get(key) for key in sums}
    if told != sums or not line.get("balanced"):
        yield f"the books of the mailbox say {told} instead of {sums}: {line.get('problem')} {line.get('unaccounted')}"
    figures["mails in the mailbox"] = mailbox.mails
    figures["of them copies"] = mailbox.copies


def _balance(rig: Rig) -> dict[str, Any]:
    try:
        printed = product.command("reconcile", NAME, "--json", config=rig.config)
    except BenchError as error:
        return {"problem": str(error)}
    line: dict[str, Any] = json.loads(printed)
    return line
