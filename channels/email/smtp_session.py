"""One SMTP connection: aiosmtpd's protocol with a command loop and a DATA receiver of our own.

STARTTLS, AUTH, HELO, EHLO, HELP, NOOP and RSET are the library's. Replaced are the parts that lose mail or time:

- DATA is received in chunks by `DataReceiver`; the library awaits every line. Bytes never pass through the stream
  buffer, so its limit stays that of a command line and no session can hold more memory than the common byte budget.
- The library cancels the session when the client closes its half of the connection or time runs out, in the middle
  of storing a mail too. Here the end of input only ends reading: a mail whose end was seen is stored and answered.
- Commands are neither logged nor is a timer made for each: one timer looks at a deadline that moves.
- The null sender is the empty string; DSN parameters (RFC 3461) are tolerated; every failure answers 451.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import structlog
from aiosmtpd.smtp import BOGUS_LIMIT, SMTP, TLSSetupException, syntax

from channels.email.receiving import error_place
from channels.email.smtp_command import parse_path, printable, refuse_mail, refuse_rcpt
from channels.email.smtp_data import DataReceiver, Verdict
from channels.email.smtp_ehlo import Hooks

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope
    from aiosmtpd.smtp import Session as SessionState

    from channels.email.smtp_in import Listener

_log = structlog.get_logger()
_NEVER = float("inf")
_REFUSES = b"45"
"""First digits of replies that say no (RFC 5321, section 4.2.1)."""


class Session(SMTP):
    """One client. `host` owns the options, the budget and the way to `accept`."""

    line_length_limit = 4096
    """Longest command line in bytes: 512 of RFC 5321 and what SMTPUTF8, DSN and AUTH add."""

    session: SessionState
    envelope: Envelope
    transport: asyncio.Transport | None
    _paused: bool

    def __init__(self, host: Listener, loop: asyncio.AbstractEventLoop) -> None:
        options = host.options
        # Set first: the library's constructor and its connection_made use them.
        self._host = host
        self._deadline = _NEVER
        self._arriving: tuple[DataReceiver, asyncio.Future[bool]] | None = None
        self._data_since = 0.0
        self._turned_away = False
        super().__init__(
            Hooks(("PIPELINING",)),
            data_size_limit=options.max_size,
            enable_SMTPUTF8=True,
            hostname=options.hostname,
            ident="ESMTP",
            tls_context=host.tls,
            require_starttls=options.require_tls,
            timeout=options.command_timeout,
            auth_exclude_mechanism=("LOGIN", "PLAIN"),
            loop=loop,
        )

    @property
    def in_transaction(self) -> bool:
        """Whether a mail is on its way through this session."""
        return self.envelope.mail_from is not None

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What converses with the client."""
        return self._handler_coroutine

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came, or its connection became encrypted."""
        if self._original_transport is None and not self._host.welcome(self):
            self._turned_away = True
            self.transport = cast("asyncio.Transport", transport)
            self.farewell(b"421 4.3.2 Service not available, try again later")
            return
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came: commands, or the content of a mail."""
        if self._arriving is not None:
            self._receive(data, *self._arriving)
        elif not self._turned_away:
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
        self._writer.write(line + b"\r\n")
        if self._paused:
            await self._writer.drain()

    # Time

    def _reset_timeout(self, duration: float | None = None) -> None:
        self._set_deadline(self.loop.time() + (duration or self._timeout_duration))

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

    def _set_rset_state(self) -> None:
        self.envelope = self._create_envelope()

    # Commands

    async def _handle_client(self) -> None:
        try:
            await self.push(f"220 {self.hostname} ESMTP")
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
            if self._host.stopping and not self.in_transaction:
                self.farewell(b"421 4.3.2 Service shutting down")
                return

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

    @syntax("STARTTLS", when="tls_context")
    async def smtp_STARTTLS(self, arg: str) -> None:
        """RFC 3207; once."""
        if self._tls_protocol is not None:
            await self.push("503 5.5.1 Already encrypted")
            return
        await super().smtp_STARTTLS(arg)

    @syntax("QUIT")
    async def smtp_QUIT(self, arg: str | None) -> None:
        """RFC 5321, section 4.1.1.10."""
        self.farewell(b"221 2.0.0 Bye")

    @syntax("VRFY <address>")
    async def smtp_VRFY(self, arg: str | None) -> None:
        """Who exists here is nobody's business (RFC 5321, section 7.3)."""
        await self.push("252 2.1.5 Cannot verify, but will take mail")

    @syntax("MAIL FROM:<address>", extended=" [SP <mail-parameters>]")
    async def smtp_MAIL(self, arg: str | None) -> None:
        """RFC 5321, section 4.1.1.2; `MAIL FROM:<>` makes the sender the empty string."""
        if await self.check_helo_needed() or await self.check_auth_needed("MAIL"):
            return
        if self.envelope.mail_from is not None:
            await self.push("503 5.5.1 Nested MAIL command")
            return
        path = parse_path("FROM:", arg)
        if path is None:
            await self.push("501 5.1.7 Syntax: MAIL FROM:<address>")
            return
        address, options = path
        if options and (refusal := refuse_mail(options, self._host.options.max_size, self._host.budget.room)):
            await self.push(refusal)
            return
        self.envelope.mail_from = address
        self.envelope.mail_options = options
        self.envelope.smtp_utf8 = "SMTPUTF8" in options
        await self.push(b"250 2.1.0 OK")

    @syntax("RCPT TO:<address>", extended=" [SP <rcpt-parameters>]")
    async def smtp_RCPT(self, arg: str | None) -> None:
        """RFC 5321, section 4.1.1.3."""
        if await self.check_helo_needed() or await self.check_auth_needed("RCPT"):
            return
        if self.envelope.mail_from is None:
            await self.push("503 5.5.1 Need MAIL first")
            return
        path = parse_path("TO:", arg)
        if path is None or not path[0]:
            await self.push("501 5.1.3 Syntax: RCPT TO:<address>")
            return
        address, options = path
        if options and (refusal := refuse_rcpt(options)):
            await self.push(refusal)
        elif len(self.envelope.rcpt_tos) >= self._host.options.max_recipients:
            await self.push("452 4.5.3 Too many recipients")
        elif not self._host.serves(address):
            await self.push("550 5.7.1 Not one of our domains")
        else:
            self.envelope.rcpt_tos.append(address)
            self.envelope.rcpt_options.extend(options)
            await self.push(b"250 2.1.5 OK")

    # DATA

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:
        """RFC 5321, section 4.1.1.4. The 250 is written after `accept` returned, never before."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Need RCPT first")
            return
        receiver = DataReceiver(self._host.options.max_size, self._host.budget, self._peer(), self._give_way)
        self._data_since = self.loop.time()
        over: asyncio.Future[bool] = self.loop.create_future()
        self._arriving = (receiver, over)
        try:
            await self._receive_early(receiver, over)
            self._expect_more(receiver)
            await self.push(b"354 End data with <CR><LF>.<CR><LF>")
            arrived = await over
        except BaseException:
            receiver.release()
            raise
        finally:
            self._arriving = None
        if not arrived:
            receiver.release()
            return
        self._set_deadline(_NEVER)
        reply = await self._finish(receiver)
        self._set_rset_state()
        self._reset_timeout()
        await self.push(reply)

    async def _finish(self, receiver: DataReceiver) -> str | bytes:
        raw = receiver.content() if receiver.verdict is Verdict.WHOLE else b""
        if receiver.verdict is Verdict.WHOLE:
            return await self._host.take(raw, self._describe(), receiver)
        receiver.release()
        refusal: bytes = receiver.verdict.value
        return refusal

    def _describe(self) -> dict[str, Any]:
        """The trace of this transaction: what a Received field would say (RFC 5321, section 4.4), as JSON values."""
        tls = self.transport.get_extra_info("ssl_object") if self._tls_protocol and self.transport else None
        utf8 = "UTF8SMTP" if self.envelope.smtp_utf8 else "ESMTP" if self.session.extended_smtp else "SMTP"
        return {
            "peer": self._peer(),
            "helo": printable(self.session.host_name or ""),
            "protocol": utf8 + ("S" if self._tls_protocol else ""),
            "tls": (tls.version() or "") if tls is not None else "",
            "mail_from": self.envelope.mail_from or "",
            "rcpt_to": list(self.envelope.rcpt_tos),
            "options": [*self.envelope.mail_options, *self.envelope.rcpt_options],
        }

    def _peer(self) -> str:
        peer: Any = self.session.peer
        return str(peer[0]) if isinstance(peer, tuple) and peer else ""

    async def _receive_early(self, receiver: DataReceiver, over: asyncio.Future[bool]) -> None:
        """Take what a client that did not wait for the 354 sent already."""
        buffer: bytearray = self._reader._buffer  # type: ignore[attr-defined]
        early = await self._reader.read(len(buffer)) if buffer else b""
        ended = self._reader.at_eof()
        if (rest := receiver.feed(early)) is not None or ended:
            self._arriving = None
            over.set_result(rest is not None)
            # Not by feed_data: the end of input may have been seen already.
            buffer += rest or b""

    def _receive(self, data: bytes, receiver: DataReceiver, over: asyncio.Future[bool]) -> None:
        rest = receiver.feed(data)
        if rest is None:
            self._expect_more(receiver)
            return
        self._arriving = None
        if rest:
            super().data_received(rest)
        if not over.done():
            over.set_result(True)

    def _expect_more(self, receiver: DataReceiver) -> None:
        options = self._host.options
        slowest = options.rate_grace + receiver.received / options.least_rate
        until = self._data_since + min(options.transfer_timeout, slowest)
        self._set_deadline(min(self.loop.time() + options.data_timeout, until))

    def _give_way(self) -> None:
        _log.warning("smtp.gave_way")
        self.farewell(b"421 4.3.1 Too much mail at once, try again later")
        self._abandon_data()

    def _abandon_data(self) -> None:
        """The rest of a mail will never come: nothing of it is kept."""
        if self._arriving is not None:
            receiver, over = self._arriving
            self._arriving = None
            receiver.release()
            if not over.done():
                over.set_result(False)


_BEFORE_TLS = frozenset({"NOOP", "EHLO", "STARTTLS", "QUIT"})
