"""One connection of the listener: aiosmtpd's protocol with a clock and a command loop of our own.

STARTTLS, AUTH, HELO, EHLO, HELP, NOOP and RSET are the library's. Replaced are the parts that lose mail or time:

- The library cancels the session when the client closes its half of the connection or time runs out, in the middle
  of storing a mail too. Here the end of input only ends reading: a mail whose end was seen is stored and answered.
- Commands are neither logged nor is a timer made for each: one timer looks at a deadline that moves.
- Every failure of ours answers 451.
- A client that only makes trouble (unknown commands, refusals, commands without a mail, too many of them) gets 421.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import structlog
from aiosmtpd.smtp import BOGUS_LIMIT, SMTP, TLSSetupException

from channels.email.receiving import error_place
from channels.email.smtp_ehlo import Hooks

if TYPE_CHECKING:
    from aiosmtpd.smtp import AuthResult, Envelope
    from aiosmtpd.smtp import Session as SessionState

    from channels.email.smtp_in import Listener
    from channels.email.smtp_limits import Client

_log = structlog.get_logger()
NEVER = float("inf")
ERROR_LIMIT = 20
"""Refusals for good (5xx) after which a session ends."""
IDLE_LIMIT = 100
"""Commands that lead to no mail after which a session ends."""
OVERTIME = 600.0
"""Seconds a mail under way may still have when its session is over its time."""
_REFUSES = b"45"
"""First digits of replies that say no (RFC 5321, section 4.2.1)."""
_IDLE = frozenset({"NOOP", "RSET", "VRFY", "EXPN", "HELP", "HELO", "EHLO", "LHLO"})


class Connection(SMTP, ABC):
    """One client. `host` owns the options, the budget and the way to `accept`."""

    line_length_limit = 4096
    """Longest command line in bytes: 512 of RFC 5321 and what SMTPUTF8, DSN and AUTH add."""

    session: SessionState
    envelope: Envelope
    transport: asyncio.Transport | None
    _paused: bool

    service = "ESMTP"
    extensions: tuple[str, ...] = ("PIPELINING",)

    def __init__(self, host: Listener, loop: asyncio.AbstractEventLoop) -> None:
        options = host.options
        # Set first: the library's constructor and its connection_made use them.
        self._host = host
        self._deadline = NEVER
        self._session_end = loop.time() + options.session_timeout
        self._turned_away = False
        self._errors = 0
        self._idle = 0
        self.client: Client | None = None
        self.trusted = False
        self.proxied: tuple[str, int] | None = None
        self.through: Callable[[], None] | None = None
        self.failed_logins = 0
        self.login = ""
        super().__init__(
            Hooks(self.extensions, auth=bool(host.accounts)),
            data_size_limit=options.max_size,
            enable_SMTPUTF8=True,
            hostname=options.hostname,
            ident=self.service,
            tls_context=host.tls,
            require_starttls=options.require_tls,
            timeout=options.command_timeout,
            auth_exclude_mechanism=() if host.accounts else ("LOGIN", "PLAIN"),
            authenticator=self._sign_in,
            loop=loop,
        )

    @abstractmethod
    def _sign_in(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        """Whether a name and a password are those of somebody who may sign in, as aiosmtpd asks it."""

    @property
    def in_transaction(self) -> bool:
        """Whether a mail is on its way through this session."""
        return self.envelope.mail_from is not None

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What converses with the client."""
        return self._handler_coroutine

    @property
    def peer(self) -> str:
        """The client's address as text; empty on a Unix socket."""
        peer: Any = self.session.peer
        return str(peer[0]) if isinstance(peer, tuple) and peer else ""

    @property
    def silent_for(self) -> float:
        """Seconds since the last whole command; none inside a mail."""
        return 0.0 if self.in_transaction else self.loop.time() - self._deadline + self._timeout_duration

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came, or its connection became encrypted."""
        if self._original_transport is not None:
            super().connection_made(transport)
            self._name_peer()
            return
        if self.through is not None:
            self.through()
            # Whatever is there says that TLS is: the library asks no more of it.
            self._tls_protocol = cast("Any", transport)
        peer = self.proxied or transport.get_extra_info("peername")
        refusal = self._host.welcome(self, str(peer[0]) if isinstance(peer, tuple) and peer else "")
        if refusal:
            self._turned_away = True
            self.transport = cast("asyncio.Transport", transport)
            self.farewell(refusal)
            return
        super().connection_made(transport)
        self._name_peer()
        if self.through is not None:
            self.session.ssl = {}

    def _name_peer(self) -> None:
        if self.proxied is not None:
            # what the library types as text is the pair of a socket
            self.session.peer = cast("Any", self.proxied)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if not self._turned_away:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        """The client will send nothing more; what it sent whole is still done and answered."""
        if self._turned_away:
            return None
        self._abandon_data()
        keep_open = asyncio.StreamReaderProtocol.eof_received(self)
        return False if self.session.ssl is not None else keep_open

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; a mail being stored is stored nevertheless."""
        if self._turned_away:
            return
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        if self._original_transport is not None:
            self._original_transport.close()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None
        self._abandon_data()

    def _abandon_data(self) -> None:
        """The rest of a mail will never come."""

    def _set_rset_state(self) -> None:
        self.envelope = self._create_envelope()

    def farewell(self, reply: bytes) -> None:
        """Tell the client why and close."""
        if self.transport is not None and not self.transport.is_closing():
            if reply[0] in _REFUSES:
                self._host.replies[(reply[:3].decode(),)] += 1
            self.transport.write(reply + b"\r\n")
            self.transport.close()

    def cut(self) -> None:
        """Stop at once; a mail being stored is stored nevertheless."""
        if self._handler_coroutine is not None:
            self._handler_coroutine.cancel()

    async def push(self, status: str | bytes) -> None:
        """Send one reply; nothing happens if the client is gone."""
        if self.transport is None or self.transport.is_closing():
            return
        line = status.encode("utf-8", "replace") if isinstance(status, str) else status
        if line[0] in _REFUSES:
            self._host.replies[(line[:3].decode(),)] += 1
            if line[0] == _REFUSES[1]:
                self._errors += 1
        self._writer.write(line + b"\r\n")
        if self._paused:
            await self._writer.drain()

    # Time

    def _reset_timeout(self, duration: float | None = None) -> None:
        end = self._session_end + (OVERTIME if self.in_transaction else 0)
        self._set_deadline(min(self.loop.time() + (duration or self._timeout_duration), end))

    def _set_deadline(self, deadline: float) -> None:
        self._deadline = deadline
        if self._timeout_handle is None or self._timeout_handle.when() > deadline:
            if self._timeout_handle is not None:
                self._timeout_handle.cancel()
            self._timeout_handle = self.loop.call_at(deadline, self._timeout_cb)

    def _timeout_cb(self) -> None:
        if self._deadline > self.loop.time():
            # Storing has no deadline of its own: look again later.
            again = min(self._deadline, self.loop.time() + self._timeout_duration)
            self._timeout_handle = self.loop.call_at(again, self._timeout_cb)
            return
        self.farewell(b"421 4.4.2 Timeout")

    # Commands

    async def _handle_client(self) -> None:
        try:
            await self.push(f"220 {self.hostname} {self.service}")
            await self._converse()
        except (asyncio.IncompleteReadError, OSError):
            pass  # The client left; nothing it was promised is open.
        finally:
            self._host.goodbye(self)
            if self.transport is not None:
                self.transport.close()

    async def _converse(self) -> None:
        reader = self._reader
        methods = self._smtp_methods
        unknown = 0
        while self.transport is not None and not self.transport.is_closing():
            try:
                line = await reader.readuntil()
            except asyncio.LimitOverrunError as overrun:
                await self._skip_line(overrun.consumed)
                await self.push("500 5.5.2 Command line too long")
                continue
            if self.client is not None and not self.client.commands.take(self.loop.time()):
                self.farewell(b"421 4.7.0 Too many commands from your address, try again later")
                return
            verb, _, rest = line.strip(b"\r\n").partition(b" ")
            command = verb.upper().decode("ascii", "replace")
            method = methods.get(command)
            if method is None:
                unknown += 1
                if unknown >= BOGUS_LIMIT:
                    self.farewell(b"421 4.7.0 Too many unknown commands")
                    return
                await self.push("500 5.5.1 Command not recognized")
                continue
            if self.require_starttls and not self._tls_protocol and command not in _BEFORE_TLS:
                await self.push("530 5.7.0 Must issue a STARTTLS command first")
                continue
            self._reset_timeout()
            try:
                await method(rest.strip().decode("utf-8", "surrogateescape") if rest else None)
            except (asyncio.IncompleteReadError, OSError):
                raise
            except TLSSetupException:
                return
            except Exception as error:
                await self.push(await self.handle_exception(error))
            if command in _IDLE:
                self._idle += 1
            if goodbye := self._reason_to_end():
                self.farewell(goodbye)
                return

    def _reason_to_end(self) -> bytes:
        """The last reply of a session that has to end here; empty if it goes on."""
        if self._errors >= ERROR_LIMIT or self._idle >= IDLE_LIMIT:
            return b"421 4.7.0 Too many errors, or too much ado without a mail"
        if self.in_transaction:
            return b""
        if self._host.stopping:
            return b"421 4.3.2 Service shutting down"
        return b"421 4.4.2 Timeout" if self.loop.time() >= self._session_end else b""

    async def _skip_line(self, consumed: int) -> None:
        while True:
            await self._reader.read(consumed)
            try:
                await self._reader.readuntil()
                return
            except asyncio.LimitOverrunError as overrun:
                consumed = overrun.consumed

    async def handle_exception(self, error: Exception) -> str:
        """What the client hears of a failure of ours: that it should come again, and nothing else."""
        self._set_rset_state()
        _log.error("smtp.failed", error=type(error).__name__, where=error_place(error))
        return "451 4.3.0 Try again later"


_BEFORE_TLS = frozenset({"NOOP", "EHLO", "LHLO", "STARTTLS", "QUIT"})
