"""One SMTP session: the commands of a mail, and its content.

DATA is received in chunks by `DataReceiver`; the library awaits every line. Bytes never pass through the stream buffer,
so its limit stays that of a command line and no session can hold more memory than the common byte budget. The null
sender is the empty string; DSN parameters (RFC 3461) are tolerated and kept.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog
from aiosmtpd.smtp import AuthResult, LoginPassword, syntax

from channels.email import smtp_dsn
from channels.email.smtp_command import parse_path, printable, refuse_mail, refuse_rcpt
from channels.email.smtp_connection import NEVER, Connection
from channels.email.smtp_data import DataReceiver, Verdict

if TYPE_CHECKING:
    from channels.email.smtp_in import Listener

_log = structlog.get_logger()
LOGIN_TRIES = 3


class Session(Connection):
    """One client that brings mail."""

    def __init__(self, host: Listener, loop: asyncio.AbstractEventLoop) -> None:
        self._arriving: tuple[DataReceiver, asyncio.Future[bool]] | None = None
        self._data_since = 0.0
        self._rcpt_options: dict[str, list[str]] = {}
        self._listed: dict[str, str] | None = None
        super().__init__(host, loop)

    def data_received(self, data: bytes) -> None:
        """Bytes came: commands, or the content of a mail."""
        if self._arriving is not None:
            self._receive(data, *self._arriving)
        else:
            super().data_received(data)

    def _set_rset_state(self) -> None:
        super()._set_rset_state()
        if self._rcpt_options:
            self._rcpt_options = {}

    # Commands

    @syntax("STARTTLS", when="tls_context")
    async def smtp_STARTTLS(self, arg: str) -> None:
        """RFC 3207; once. What was sent in the clear behind it is forgotten (section 4.2)."""
        if self._tls_protocol is not None:
            await self.push("503 5.5.1 Already encrypted")
            return
        await super().smtp_STARTTLS(arg)

    @syntax("AUTH <mechanism>")
    async def smtp_AUTH(self, arg: str | None) -> None:
        """RFC 4954."""
        if self.in_transaction:
            await self.push("503 5.5.1 Not inside a mail")
            return
        mechanism, space, rest = (arg or "").partition(" ")
        await super().smtp_AUTH(mechanism.upper() + space + rest)
        if self.failed_logins >= LOGIN_TRIES:
            self.farewell(b"421 4.7.0 Too many failed logins")

    def _sign_in(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        if isinstance(data, LoginPassword) and self._host.accounts.admits(data.login, data.password):
            self.login = printable(data.login.decode("utf-8", "replace"))
            return AuthResult(success=True)
        self.failed_logins += 1
        if self.client is not None:
            self.client.failed_logins.take(self.loop.time())
        _log.warning("smtp.login_failed", tries=self.failed_logins)
        return AuthResult(success=False, handled=False)

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
        if self.client is not None and not self.client.mails.take(self.loop.time()):
            await self.push("451 4.7.1 Too much mail from your address, try again later")
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
        elif refusal := self._host.recipients.refuse(address) or await self._refuse_listed():
            await self.push(refusal)
        else:
            self.envelope.rcpt_tos.append(address)
            if options:
                self._rcpt_options[printable(address)] = options
            await self.push(b"250 2.1.5 OK")

    async def _refuse_listed(self) -> str:
        """The reply to a client that DNS block lists know, where they refuse; asked once a session."""
        lists = self._host.dnsbl
        if lists is None or self.trusted or self.login:
            return ""
        if self._listed is None:
            self._listed = await lists.listings(self.peer)
        return lists.refusal(self._listed)

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
        receiver = DataReceiver(self._host.options.max_size, self._host.budget, self.peer, self._give_way)
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
        self._set_deadline(NEVER)
        reply = await self._finish(receiver)
        recipients = len(self.envelope.rcpt_tos)
        self._idle = 0
        self._set_rset_state()
        self._reset_timeout()
        await self._answer(reply, recipients)

    async def _answer(self, reply: str | bytes, recipients: int) -> None:
        """Say what became of the mail."""
        await self.push(reply)

    async def _finish(self, receiver: DataReceiver) -> str | bytes:
        raw = receiver.content() if receiver.verdict is Verdict.WHOLE else b""
        if receiver.verdict is Verdict.WHOLE:
            return await self._host.take(raw, self._describe(), receiver, trusted=self.trusted)
        receiver.release()
        refusal: bytes = receiver.verdict.value
        return refusal

    def _protocol(self) -> str:
        """How the mail came (RFC 3848, RFC 6531)."""
        name = "UTF8SMTP" if self.envelope.smtp_utf8 else "ESMTP" if self.session.extended_smtp else "SMTP"
        return name + ("S" if self._tls_protocol else "") + ("A" if self.login else "")

    def _describe(self) -> dict[str, Any]:
        """The trace of this transaction: what a Received field would say (RFC 5321, section 4.4), as JSON values."""
        tls = self.transport.get_extra_info("ssl_object") if self._tls_protocol and self.transport else None
        described: dict[str, Any] = {
            "peer": self.peer,
            "helo": printable(self.session.host_name or ""),
            "protocol": self._protocol(),
            "tls": (tls.version() or "") if tls is not None else "",
            "mail_from": self.envelope.mail_from or "",
            "rcpt_to": list(self.envelope.rcpt_tos),
            "options": [*self.envelope.mail_options, *(o for given in self._rcpt_options.values() for o in given)],
        }
        if self.login:
            described["login"] = self.login
        if self._listed:
            described["dnsbl"] = self._listed
        if described["options"] and (asked := smtp_dsn.wishes(self.envelope.mail_options, self._rcpt_options)):
            described["dsn"] = asked
        return described

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
