"""Mail in by SMTP: the listener, and the way of one mail from its last dot to the 250.

Algorithm. A mail whose end was seen is read into a message and handed to `accept` in a task of its own, shielded from
everything that may happen to the connection. The 250 is written after `accept` returned. If the client has gone by
then, the mail is stored all the same and the client's second try meets the duplicate check: better twice than never.
If anything fails before, the answer is 451 and the client keeps the mail.

The raw bytes are kept as they came: no Received field is added. What it would say stands in `extra["envelope"]` of the
message (`Unreadable.envelope` for what could not be read): peer, helo, protocol, tls, mail_from, rcpt_to, options,
received_at.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from channels.base import Accept, NotAcceptedNow
from channels.email.receiving import Read, error_place, receive
from channels.email.smtp_data import ByteBudget, DataReceiver, room_for
from channels.email.smtp_session import Session
from tickets.measure import Count
from tickets.message import InboundMessage, Unreadable

Fault = Callable[[str], Awaitable[None]]
"""Called at the named points `smtp.before_accept` and `smtp.after_accept`; may raise, hang or kill."""

CHUNK = 262_144
"""Bytes that one read of a connection can bring: what comes after the end of a mail is held with it for a moment."""
_log = structlog.get_logger()


async def no_fault(point: str) -> None:
    """Nothing goes wrong here."""


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """How the listener behaves. Sizes in bytes, times in seconds.

    `hostname` greets ("" means this machine's name). `domains` are those whose mail is taken; empty means any.
    STARTTLS is offered when `certificate` and `key` name PEM files, and demanded by `require_tls`. `command_timeout`
    is the longest silence between commands and `data_timeout` that inside a mail (RFC 5321, section 4.5.3.2);
    `transfer_timeout` bounds a whole mail, and after `rate_grace` one slower than `least_rate` bytes a second
    on average is cut. `memory_budget` is shared by all mails in flight, and one peer address holds a quarter of it, or
    as much as one mail needs. Where it is spent the unfinished mail silent longest gets 421, and the new one 452 if
    that is not enough. More than `max_connections` clients get 421.
    """

    host: str = "127.0.0.1"
    port: int = 2525
    hostname: str = ""
    account: str = "smtp"
    max_size: int = 26_214_400
    max_recipients: int = 100
    max_connections: int = 1000
    domains: frozenset[str] = frozenset()
    certificate: str = ""
    key: str = ""
    require_tls: bool = False
    command_timeout: float = 300.0
    data_timeout: float = 180.0
    transfer_timeout: float = 3600.0
    least_rate: float = 17.0
    rate_grace: float = 60.0
    memory_budget: int = 268_435_456


class Listener:
    """The SMTP door. `read` makes a message of bytes, `accept` makes it durable, `clock` tells the time in UTC."""

    def __init__(
        self,
        options: ListenerOptions,
        accept: Accept,
        *,
        read: Read,
        clock: Callable[[], datetime],
        fault: Fault = no_fault,
    ) -> None:
        self.options = replace(options, hostname=options.hostname or socket.gethostname())
        self.budget = ByteBudget(
            options.memory_budget, max(options.memory_budget // 4, room_for(options.max_size) + CHUNK)
        )
        self.tls: ssl.SSLContext | None = None
        self.stopping = False
        self._accept = accept
        self._read = read
        self._clock = clock
        self._fault = fault
        self._domains = frozenset(_ascii_domain(domain) for domain in options.domains)
        self.greeted = 0
        self.turned_away = 0
        self.replies: Count = Count()
        self._server: asyncio.Server | None = None
        self._sessions: set[Session] = set()
        self._taking: set[asyncio.Task[str]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken or not ours, or the certificate cannot be read.
        """
        # The library logs addresses and whole commands at lower levels.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        self.tls = _tls(self.options)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Session(self, loop), self.options.host, self.options.port, backlog=512
        )

    @property
    def port(self) -> int:
        """The port really listened on.

        Raises:
            RuntimeError: the listener was not started.
        """
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the SMTP listener is not started")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def listening(self) -> bool:
        """Whether the door is open."""
        return self._server is not None and self._server.is_serving()

    @property
    def sessions(self) -> int:
        """How many clients are connected."""
        return len(self._sessions)

    def reload(self, options: ListenerOptions, read: Read) -> None:
        """Go on with other options and another reader; the address, the greeting and the memory stay as they are.

        A certificate is read anew. Sessions under way keep the limits they began with.

        Raises:
            OSError: the certificate cannot be read; nothing was changed.
        """
        tls = _tls(options)
        old = self.options
        self.options = replace(
            options, host=old.host, port=old.port, hostname=old.hostname, memory_budget=old.memory_budget
        )
        self._domains = frozenset(_ascii_domain(domain) for domain in options.domains)
        self._read = read
        self.tls = tls

    async def stop(self, grace: float = 10.0) -> None:
        """Take no new clients, send idle ones away, let mails on their way finish for `grace` seconds.

        After that connections are cut. A mail that `accept` is still working on is not interrupted even then.
        """
        self.stopping = True
        if self._server is not None:
            self._server.close()
        for session in list(self._sessions):
            if not session.in_transaction:
                session.farewell(b"421 4.3.2 Service shutting down")
        until = asyncio.get_running_loop().time() + grace
        while (tasks := self._running()) and (left := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(tasks, timeout=left)
        for session in list(self._sessions):
            session.cut()
        if tasks := self._running() - self._taking:
            await asyncio.wait(tasks)

    def _running(self) -> set[asyncio.Task[Any]]:
        tasks: set[asyncio.Task[Any]] = {task for session in self._sessions if (task := session.task) is not None}
        return tasks | self._taking

    # What a session asks of its host

    def welcome(self, session: Session) -> bool:
        """Whether one more client may be served."""
        if self.stopping or len(self._sessions) >= self.options.max_connections:
            self.turned_away += 1
            return False
        self.greeted += 1
        self._sessions.add(session)
        return True

    def goodbye(self, session: Session) -> None:
        """A session is over."""
        self._sessions.discard(session)

    def serves(self, address: str) -> bool:
        """Whether mail for this recipient is taken; a bare `postmaster` always is (RFC 5321, section 4.1.1.3)."""
        _, at, domain = address.rpartition("@")
        if not at:
            return domain.casefold() == "postmaster"
        return not self._domains or _ascii_domain(domain) in self._domains

    async def take(self, raw: bytes, envelope: dict[str, Any], receiver: DataReceiver) -> str:
        """Make one mail durable and say so in one reply line; `receiver` is released when that is over."""
        task = asyncio.get_running_loop().create_task(self._take(raw, envelope, receiver))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
        return await asyncio.shield(task)

    async def _take(self, raw: bytes, envelope: dict[str, Any], receiver: DataReceiver) -> str:
        try:
            message = await self._message(raw, envelope)
            await self._fault("smtp.before_accept")
            accepted = await self._accept(message, raw)
            await self._fault("smtp.after_accept")
        except NotAcceptedNow:
            _log.warning("smtp.not_accepted_now", size=len(raw))
            return "451 4.3.0 Cannot store mail now, try again later"
        except Exception as error:
            _log.error("smtp.failed", error=type(error).__name__, where=error_place(error), size=len(raw))
            return "451 4.3.0 Try again later"
        finally:
            receiver.release()
        return f"250 2.0.0 Accepted as {accepted.number}" if accepted.number else "250 2.0.0 Accepted"

    async def _message(self, raw: bytes, envelope: dict[str, Any]) -> InboundMessage | Unreadable:
        now = self._clock()
        envelope["received_at"] = now.isoformat()
        return await receive(
            self._read,
            raw,
            door="smtp",
            account=self.options.account,
            received_at=now,
            envelope=envelope,
            mail_from=envelope["mail_from"],
            rcpt_to=tuple(envelope["rcpt_to"]),
        )


def _tls(options: ListenerOptions) -> ssl.SSLContext | None:
    """What STARTTLS is done with, if it is offered."""
    if not options.certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.certificate, options.key or None)
    return context


def _ascii_domain(domain: str) -> str:
    """The comparison form of a mail domain: folded, international names in their ASCII form where they have one."""
    folded = domain.strip().rstrip(".").casefold()
    if folded.isascii():
        return folded
    try:
        return folded.encode("idna").decode("ascii")
    except UnicodeError:
        return folded
