"""Mail in: the listener with its doors for SMTP, SMTP over TLS, and LMTP.

What a session is and what becomes of a mail is told in `smtp_connection`, `smtp_session` and `smtp_taking`. The raw
bytes are kept as they came: no Received field is added. What it would say stands in `extra["envelope"]` of the message
(`Unreadable.envelope` for what could not be read): peer, helo, protocol, tls, mail_from, rcpt_to, options, received_at;
and where there is something to say: login, dnsbl, dsn, checks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from channels.base import Accept
from channels.email.dnsbl import Dnsbl
from channels.email.lmtp_session import LmtpSession
from channels.email.networks import Networks
from channels.email.receiving import Read
from channels.email.smtp_auth import Accounts
from channels.email.smtp_connection import Connection
from channels.email.smtp_data import ByteBudget, DataReceiver, room_for
from channels.email.smtp_gate import Gate
from channels.email.smtp_limits import ClientLimits, Clients
from channels.email.smtp_options import ListenerOptions
from channels.email.smtp_recipients import Recipients
from channels.email.smtp_session import Session
from channels.email.smtp_taking import Examine, Fault, Taking, no_fault
from channels.email.smtp_tls import Certificate
from tickets.measure import Count

__all__ = ["Listener", "ListenerOptions", "no_fault"]

CHUNK = 262_144
"""Bytes that one read of a connection can bring: what comes after the end of a mail is held with it for a moment."""
SOCKET_MODE = 0o660


class Listener:
    """The mail door. `read` makes a message of bytes, `accept` makes it durable, `clock` tells the time in UTC.

    `examine` looks at a mail before it is accepted, `dnsbl` at its client before it is received.
    """

    def __init__(
        self,
        options: ListenerOptions,
        accept: Accept,
        *,
        read: Read,
        clock: Callable[[], datetime],
        fault: Fault = no_fault,
        examine: Examine | None = None,
        dnsbl: Dnsbl | None = None,
    ) -> None:
        self.options = replace(options, hostname=options.hostname or socket.gethostname())
        self.budget = ByteBudget(
            options.memory_budget, max(options.memory_budget // 4, room_for(options.max_size) + CHUNK)
        )
        self.stopping = False
        self.dnsbl = dnsbl
        self.taking = Taking(options.account, accept, read, clock, fault, examine)
        self.clients = Clients(ClientLimits())
        self.greeted = 0
        self.turned_away = 0
        self.replies: Count = Count()
        self._certificate = Certificate()
        self._servers: list[asyncio.Server] = []
        self._sessions: set[Connection] = set()
        self._gates: set[Gate] = set()
        self._watch: asyncio.Task[None] | None = None
        self._ports: dict[str, int] = {}
        self._take_over()

    def _take_over(self) -> None:
        """Make what follows from the options."""
        options = self.options
        self.recipients = Recipients(options.domains, options.recipients)
        self.trusted = Networks(options.trusted)
        self.proxies = Networks(options.proxies)
        self.accounts = Accounts(options.accounts)
        self.clients.become(ClientLimits(options.client_connections, options.client_commands, options.client_mails))

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: an address is taken or not ours, or the certificate cannot be read.
        """
        # The library logs addresses and whole commands at lower levels.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        options = self.options
        self._certificate = Certificate(options.certificate, options.key)
        try:
            await self._open("smtp", options.host, options.port, Session)
            if options.tls_port is not None:
                await self._open("tls", options.tls_host or options.host, options.tls_port, Session)
            if options.lmtp.startswith("/"):
                await self._open_socket(options.lmtp)
            elif options.lmtp:
                host, _, port = options.lmtp.rpartition(":")
                await self._open("lmtp", host.strip("[]"), int(port), LmtpSession)
        except BaseException:
            self._close()
            raise
        if self._certificate.context is not None:
            self._watch = asyncio.create_task(self._watch_certificate(), name="smtp certificate")

    async def _open(self, name: str, host: str, port: int, kind: type[Session]) -> None:
        loop = asyncio.get_running_loop()
        gated = name == "tls"

        def protocol() -> asyncio.Protocol:
            # read anew for every client: proxies may have become known since
            if gated or self.proxies:
                return Gate(self, lambda: kind(self, loop), tls=gated)
            return kind(self, loop)

        server = await loop.create_server(protocol, host, port, backlog=512)
        self._servers.append(server)
        self._ports[name] = int(server.sockets[0].getsockname()[1])

    async def _open_socket(self, path: str) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(lambda: LmtpSession(self, loop), path, backlog=512)
        self._servers.append(server)
        os.chmod(path, SOCKET_MODE)

    @property
    def port(self) -> int:
        """The port really listened on.

        Raises:
            RuntimeError: the listener was not started.
        """
        return self.port_of("smtp")

    def port_of(self, door: str) -> int:
        """The same of the door `smtp`, `tls` or `lmtp`."""
        if not self._servers or door not in self._ports:
            raise RuntimeError("the SMTP listener is not started")
        return self._ports[door]

    @property
    def listening(self) -> bool:
        """Whether the doors are open."""
        return bool(self._servers) and all(server.is_serving() for server in self._servers)

    @property
    def sessions(self) -> int:
        """How many clients are connected."""
        return len(self._sessions) + len(self._gates)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What handshakes are done with now, if there are any."""
        return self._certificate.context

    def reload(
        self, options: ListenerOptions, read: Read, examine: Examine | None = None, dnsbl: Dnsbl | None = None
    ) -> None:
        """Go on with other options and another reader; the addresses, the greeting and the memory stay as they are.

        A certificate is read anew. Sessions under way keep the limits they began with.

        Raises:
            OSError: the certificate cannot be read; nothing was changed.
        """
        certificate = Certificate(options.certificate, options.key)
        old = self.options
        self.options = replace(
            options,
            host=old.host,
            port=old.port,
            tls_host=old.tls_host,
            tls_port=old.tls_port,
            lmtp=old.lmtp,
            hostname=old.hostname,
            memory_budget=old.memory_budget,
        )
        self._take_over()
        self.taking.read, self.taking.examine, self.dnsbl = read, examine, dnsbl
        self._certificate = certificate
        if certificate.context is not None and self._watch is None and self._servers:
            self._watch = asyncio.create_task(self._watch_certificate(), name="smtp certificate")

    async def _watch_certificate(self) -> None:
        while True:
            await asyncio.sleep(self.options.certificate_poll)
            await asyncio.to_thread(self._certificate.refresh)

    async def stop(self, grace: float = 10.0) -> None:
        """Take no new clients, send idle ones away, let mails on their way finish for `grace` seconds.

        After that connections are cut. A mail that `accept` is still working on is not interrupted even then.
        """
        self.stopping = True
        self._close()
        for gate in list(self._gates):
            gate.close()
        for session in list(self._sessions):
            if not session.in_transaction:
                session.farewell(b"421 4.3.2 Service shutting down")
        until = asyncio.get_running_loop().time() + grace
        while (tasks := self._running()) and (left := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(tasks, timeout=left)
        for session in list(self._sessions):
            session.cut()
        if tasks := self._running() - self.taking.tasks:
            await asyncio.wait(tasks)

    def _close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for server in self._servers:
            server.close()
        if self.options.lmtp.startswith("/"):
            with suppress(OSError):
                os.unlink(self.options.lmtp)

    def _running(self) -> set[asyncio.Task[Any]]:
        tasks: set[asyncio.Task[Any]] = {task for session in self._sessions if (task := session.task) is not None}
        return tasks | self.taking.tasks

    # What gates and sessions ask of their host

    def admit(self, gate: Gate) -> bool:
        """Whether there is room for one more connection, whoever it may be."""
        if self.stopping or not self._room():
            self.turned_away += 1
            return False
        self._gates.add(gate)
        return True

    def _room(self) -> bool:
        """Whether one more connection fits, if need be in place of the one silent longest."""
        if self.sessions < self.options.max_connections:
            return True
        silent = max(self._sessions, key=lambda session: session.silent_for, default=None)
        if silent is None or silent.silent_for < self.options.idle_gives_way:
            return False
        silent.farewell(b"421 4.3.2 Too many connections, and this one said nothing")
        self._sessions.discard(silent)
        return True

    def admitted(self, gate: Gate) -> None:
        """A gate has been passed, or never will be."""
        self._gates.discard(gate)

    def welcome(self, session: Connection, address: str) -> bytes:
        """The reply that sends a client away; empty if it may be served. An empty address is a Unix socket's."""
        session.trusted = not address or address in self.trusted
        refusal = b""
        if self.stopping or not self._room():
            refusal = b"421 4.3.2 Service not available, try again later"
        elif not session.trusted:
            session.client = self.clients.enter(address, session.loop.time())
            if session.client is None:
                refusal = b"421 4.7.0 Too many connections from your address, try again later"
        if refusal:
            self.turned_away += 1
        else:
            self.greeted += 1
            self._sessions.add(session)
        return refusal

    def serves(self, address: str) -> bool:
        """Whether mail for this recipient is taken."""
        return not self.recipients.refuse(address)

    def goodbye(self, session: Connection) -> None:
        """A session is over."""
        self._sessions.discard(session)
        if session.client is not None:
            self.clients.leave(session.client)
            session.client = None

    async def take(self, raw: bytes, envelope: dict[str, Any], receiver: DataReceiver, *, trusted: bool) -> str:
        """See `Taking.take`."""
        return await self.taking.take(raw, envelope, receiver, trusted=trusted)
