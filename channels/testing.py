"""Simulated providers: real servers on real sockets that play what they are told. For tests, the demo and trials.

    relay = SimulatedRelay()
    await relay.start()
    relay.script(["451 4.7.1 Try again later", DROP, ACCEPT])
    ...
    assert relay.to("ivan@example.ru")[0].message_id == "..."

By itself: `python -m channels.testing --port 2526 --journal sent.jsonl`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import re
import ssl
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope, Session

ACCEPT = "accept"
"""Take it."""
DROP = "drop"
"""Take it, then break the connection instead of answering."""
HANG = "hang"
"""Never answer."""

_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^>\r\n]*)>", re.IGNORECASE | re.MULTILINE)


def slow(seconds: float) -> str:
    """Take it after a while."""
    return f"slow {seconds}"


@dataclass(frozen=True, slots=True)
class Received:
    """One mail the relay saw whole. `answer` is its reply; empty where it dropped the connection or hung."""

    envelope_from: str
    rcpt_to: tuple[str, ...]
    message_id: str
    raw: bytes
    at: datetime
    answer: str

    @property
    def accepted(self) -> bool:
        """Whether the relay said that it took the mail."""
        return self.answer.startswith("250")

    def as_json(self) -> dict[str, Any]:
        """The journal's form: the content as size and digest."""
        return {
            "at": self.at.isoformat(),
            "from": self.envelope_from,
            "to": list(self.rcpt_to),
            "message_id": self.message_id,
            "size": len(self.raw),
            "sha256": sha256(self.raw).hexdigest(),
            "answer": self.answer,
        }


class SimulatedRelay:
    """An SMTP relay that delivers nowhere and remembers everything in `received`, in the order of arrival.

    With `journal` one JSON line (`Received.as_json`) is appended and flushed for each mail before it is answered.
    With `username` and `password` clients must sign in; with `tls` STARTTLS is offered.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        journal: Path | None = None,
        username: str = "",
        password: str = "",
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.commands: list[str] = []
        self._host = host
        self._port = port
        self._journal_path = journal
        self._journal: TextIO | None = None
        self._username = username
        self._password = password
        self._tls = tls
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._sessions: weakref.WeakSet[SMTP] = weakref.WeakSet()
        self._scripts: dict[tuple[str, str], deque[str]] = {}
        self.refusal = ""
        """While not empty, the answer to every sender ("421 4.3.2 Service not available"), before any script."""
        self._arrived = asyncio.Condition()

    async def start(self) -> None:
        """Listen."""
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        if self._journal_path is not None:
            self._journal = self._journal_path.open("a", encoding="utf-8")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, self._host, self._port)
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the door and every connection; `start` listens on the same port again."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.disconnect()
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def disconnect(self) -> None:
        """Break every open connection, as a relay does with idle ones."""
        for session in list(self._sessions):
            if session.transport is not None:
                session.transport.close()

    @property
    def port(self) -> int:
        """The port listened on, known after `start`."""
        return self._port

    def script(self, answers: Iterable[str], *, to: str = "", stage: Literal["mail", "rcpt", "data"] = "data") -> None:
        """What to answer next at a stage, one entry an occasion; when the script is over, everything is accepted.

        An entry is a literal reply ("451 4.7.1 Try again later"), ACCEPT, DROP, HANG or `slow(seconds)`. With `to`
        only occasions that concern this recipient count, and they go before the general script.
        """
        self._scripts[stage, to.casefold()] = deque(answers)

    def to(self, address: str) -> list[Received]:
        """The accepted mails of one recipient."""
        wanted = address.casefold()
        return [mail for mail in self.received if mail.accepted and wanted in (to.casefold() for to in mail.rcpt_to)]

    async def wait(self, count: int = 1, *, within: float = 5.0) -> list[Received]:
        """Wait until `count` mails were seen, answered or not, for `within` seconds at most.

        Raises:
            TimeoutError: fewer came.
        """
        async with asyncio.timeout(within), self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)
        return self.received

    def _session(self) -> SMTP:
        self.connections += 1
        with warnings.catch_warnings():
            # Passwords without TLS are what the library warns of; here they are made up.
            warnings.simplefilter("ignore", UserWarning)
            session = SMTP(
                self,
                hostname="relay.example",
                enable_SMTPUTF8=True,
                auth_required=bool(self._username),
                auth_require_tls=False,
                authenticator=self._authenticate,
                tls_context=self._tls,
                loop=asyncio.get_running_loop(),
            )
        self._sessions.add(session)
        return session

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        given = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode())
        return AuthResult(success=given == (self._username, self._password), handled=False)

    def _next(self, stage: str, recipients: Iterable[str]) -> str:
        for name in (*(address.casefold() for address in recipients), ""):
            script = self._scripts.get((stage, name))
            if script:
                return script.popleft()
        return ACCEPT

    async def _play(self, server: SMTP, entry: str, accepted: str) -> str:
        if entry == DROP and server.transport is not None:
            server.transport.close()
        if entry in (DROP, HANG):
            # The library cancels this when the connection is gone.
            await asyncio.Event().wait()
        if entry.startswith("slow "):
            await asyncio.sleep(float(entry[5:]))
        return accepted if entry == ACCEPT or entry.startswith("slow ") else entry

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """MAIL FROM."""
        self.commands.append("MAIL")
        answer = await self._play(server, self.refusal or self._next("mail", ()), "250 2.1.0 OK")
        if answer.startswith("250"):
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return answer

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """RCPT TO."""
        self.commands.append("RCPT")
        answer = await self._play(server, self._next("rcpt", (address,)), "250 2.1.5 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """The whole mail."""
        self.commands.append("DATA")
        entry = self._next("data", envelope.rcpt_tos)
        accepted = f"250 2.0.0 OK: queued as SIM{len(self.received) + 1:06d}"
        answer = "" if entry in (DROP, HANG) else accepted if entry == ACCEPT or entry.startswith("slow ") else entry
        raw = envelope.original_content or b""
        found = _MESSAGE_ID.search(raw)
        mail = Received(
            envelope_from=(envelope.mail_from or "").replace("<>", ""),
            rcpt_to=tuple(envelope.rcpt_tos),
            message_id=found[1].decode("utf-8", "replace") if found else "",
            raw=raw,
            at=self._clock(),
            answer=answer,
        )
        self.received.append(mail)
        if self._journal is not None:
            self._journal.write(json.dumps(mail.as_json(), ensure_ascii=False) + "\n")
            self._journal.flush()
        async with self._arrived:
            self._arrived.notify_all()
        return await self._play(server, entry, accepted)


async def _serve(host: str, port: int, journal: Path | None, answers: list[str]) -> None:
    relay = SimulatedRelay(host=host, port=port, journal=journal)
    relay.script(answers)
    await relay.start()
    print(f"simulated relay on {host}:{relay.port}", flush=True)
    await asyncio.Event().wait()


def run() -> None:
    """The relay as a process of its own; it ends when it is killed."""
    parser = argparse.ArgumentParser(prog="python -m channels.testing", description="A simulated SMTP relay.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=2526)
    parser.add_argument("--journal", type=Path, help="append one JSON line for each mail, before it is answered")
    parser.add_argument("--answer", action="append", default=[], help="a script entry; may be given many times")
    given = parser.parse_args()
    try:
        asyncio.run(_serve(given.host, given.port, given.journal, given.answer))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    run()
