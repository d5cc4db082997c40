"""Mail out through a relay (RFC 5321), over a few connections that are kept open.

Which failures may be repeated here, and which may not: a kept connection that the relay has closed meanwhile is
replaced once, as long as no content was sent. From the moment the content is handed to the connection there is no
second try inside.

Which failures are certain: all until the final dot is written. The content is written without it and waited for until
the last octet left; no relay may take a mail whose end it has not seen (RFC 5321, section 4.1.1.4). After the dot, an
answer that does not come leaves both open, and `SendFailed.uncertain` says so.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, cast

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from channels.base import OutMessage, SendFailed, Sent
from channels.email.compose import compose, mailbox, split_named
from channels.email.dkim_signer import Signer
from channels.email.smtp_reply import Stage, failure, words

_QUEUED = re.compile(r"\b(?:queued as|id=|id)\s*([A-Za-z0-9._-]{4,64})", re.IGNORECASE)
_GONE = (OSError, SMTPException, TimeoutError)
_ANSWERS = 8
"""How many times `timeout` everything before the final dot may take: answers, handshake, and the content's way."""


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """One account at one relay. Times in seconds.

    `tls` is "none", "starttls" (demanded, never silently skipped) or "tls" from the first octet; `verify` and
    `ca_file` (PEM, "" means the system's) decide about the relay's certificate. `connections` is how many mails are
    sent at once, `idle` how long a connection is kept unused. `timeout` bounds every answer but the one to the
    content, which may take `data_timeout` (RFC 5321, section 4.5.3.2.6, asks for 10 minutes). All that comes before
    the end of the content may take eight times `timeout` together. `sender` is the From of messages that name none.
    `envelope_from` receives the bounces ("" means the address of the From). `signer` puts a DKIM signature above every
    mail.
    """

    name: str = "relay"
    host: str = "127.0.0.1"
    port: int = 25
    tls: Literal["none", "starttls", "tls"] = "none"
    username: str = ""
    password: str = field(default="", repr=False)
    timeout: float = 30.0
    data_timeout: float = 300.0
    connections: int = 4
    idle: float = 60.0
    helo: str = ""
    sender: str = ""
    envelope_from: str = ""
    verify: bool = True
    ca_file: str = ""
    signer: Signer | None = field(default=None, repr=False)


class Relay:
    """The way out for mail. `clock` dates the mails, in UTC, unless `extra["date"]` does."""

    def __init__(self, options: RelayOptions, *, clock: Callable[[], datetime]) -> None:
        self.options = options
        self._clock = clock
        self._slots = asyncio.Semaphore(options.connections)
        self._idle: deque[tuple[float, SMTP]] = deque()
        self._tls: ssl.SSLContext | None = None
        self._closed = False

    @property
    def patience(self) -> float:
        """The longest one `send` takes once it has a connection of its own, in seconds.

        Waiting until fewer than `connections` sends are under way is not in it. Who allows less and cancels cannot know
        whether the mail was handed over; a send that was still waiting for its connection has handed over nothing.
        """
        # One more answer: after a refusal the connection is reset for the next mail.
        return (_ANSWERS + 1) * self.options.timeout + self.options.data_timeout

    async def send(self, message: OutMessage) -> Sent:
        """Make one try.

        An automatic reply (`extra["auto_submitted"] == "auto-replied"`) has the null sender, so that nothing ever
        answers it (RFC 3834, section 3.3), unless `extra["envelope_from"]` names another: a return path, to which
        nothing is ever answered either.

        Raises:
            SendFailed: it was not taken, or (`uncertain`) nobody can say.
        """
        if not message.sender:
            message = replace(message, sender=self.options.sender)
        async with self._slots:
            heard: list[str] = []
            try:
                async with asyncio.timeout(_ANSWERS * self.options.timeout):
                    client = await self._offer(message, heard)
            except TimeoutError:
                detail = "the relay was too slow to be given the message"
                raise SendFailed("", detail, retryable=True, exchange="\n".join(heard), provider_down=True) from None
            try:
                sent = await self._finish(client, heard)
            except SendFailed as refusal:
                await self._after_refusal(client, refusal)
                raise
            except BaseException:
                client.close()
                raise
            self._keep(client)
            return sent

    async def _offer(self, message: OutMessage, heard: list[str]) -> SMTP:
        """All of a transaction but the final dot; whatever fails here, the relay has no mail."""
        client, kept = await self._connection()
        try:
            utf8 = client.supports_extension("smtputf8")
            raw = compose(message, date=message.extra.get("date") or self._clock(), smtputf8=utf8)
            if self.options.signer is not None:
                raw = await asyncio.to_thread(self.options.signer.sign, raw)
            sender = self._envelope_from(message, utf8)
            recipient = mailbox(message.address, smtputf8=utf8)
            options = [f"SIZE={len(raw)}"] if client.supports_extension("size") else []
            if not (sender + recipient).isascii():
                options.append("SMTPUTF8")
            try:
                await self._say(client, Stage.MAIL, f"MAIL FROM:<{sender}>", *options, heard=heard)
            except SendFailed as refusal:
                if not kept or not _connection_is_over(refusal):
                    raise
                client.close()
                client = await self._connect()
                heard.clear()
                await self._say(client, Stage.MAIL, f"MAIL FROM:<{sender}>", *options, heard=heard)
            await self._say(client, Stage.RCPT, f"RCPT TO:<{recipient}>", heard=heard)
            await self._say(client, Stage.DATA, "DATA", heard=heard, expected=354)
            await self._content(client, raw, heard)
        except SendFailed as refusal:
            await self._after_refusal(client, refusal)
            raise
        except BaseException:
            _abort(client)
            raise
        return client

    async def close(self) -> None:
        """Say QUIT on every idle connection."""
        self._closed = True
        while self._idle:
            _, client = self._idle.pop()
            with suppress(*_GONE):
                await client.quit(timeout=2)
            client.close()

    async def check(self) -> str:
        """Connect, encrypt, sign in, leave; one line that tells what was found.

        Raises:
            SendFailed: the relay cannot be used as configured.
        """
        client = await self._connect()
        cipher = client.get_transport_info("ssl_object")
        told = [f"{self.options.host}:{self.options.port}", cipher.version() if cipher is not None else "no TLS"]
        told.append("signed in" if self.options.username else "no sign-in")
        if client.supports_extension("size"):
            told.append(f"SIZE {words(client.esmtp_extensions.get('size', '')) or 'unlimited'}")
        with suppress(*_GONE):
            await client.quit()
        client.close()
        return ", ".join(told)

    async def _connection(self) -> tuple[SMTP, bool]:
        """An open connection, and whether it is an old one."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            since, client = self._idle.pop()
            if client.is_connected and now - since < self.options.idle:
                return client, True
            client.close()
        return await self._connect(), False

    def _keep(self, client: SMTP) -> None:
        if self._closed or not client.is_connected:
            client.close()
        else:
            self._idle.append((asyncio.get_running_loop().time(), client))

    async def _connect(self) -> SMTP:
        options = self.options
        try:
            client = SMTP(
                hostname=options.host,
                port=options.port,
                username=options.username or None,
                password=options.password or None,
                local_hostname=options.helo or socket.gethostname(),
                timeout=options.timeout,
                use_tls=options.tls == "tls",
                start_tls=options.tls == "starttls",
                tls_context=self._context(),
            )
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except SMTPResponseException as refusal:
            raise failure(Stage.CONNECT, refusal.code, refusal.message) from None
        except (ValueError, *_GONE) as error:
            detail = f"cannot connect: {_reason(error)}"
            raise SendFailed("", detail, retryable=True, provider_down=True) from None
        return client

    def _context(self) -> ssl.SSLContext | None:
        if self.options.tls == "none":
            return None
        if self._tls is None:
            context = ssl.create_default_context(cafile=self.options.ca_file or None)
            if not self.options.verify:
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            self._tls = context
        return self._tls

    def _envelope_from(self, message: OutMessage, utf8: bool) -> str:
        chosen = message.extra.get("envelope_from")
        if chosen is None:
            if message.automatic and message.extra.get("auto_submitted") == "auto-replied":
                return ""
            chosen = self.options.envelope_from or split_named(message.sender)[1]
        return mailbox(str(chosen), smtputf8=utf8) if chosen else ""

    async def _say(self, client: SMTP, stage: Stage, *command: str, heard: list[str], expected: int = 250) -> None:
        try:
            answer = await client.execute_command(*(word.encode() for word in command))
        except SMTPResponseException as refusal:
            raise failure(stage, refusal.code, refusal.message, "\n".join(heard)) from None
        except _GONE as error:
            detail = f"connection lost: {_reason(error)}"
            raise SendFailed("", detail, retryable=True, exchange="\n".join(heard), provider_down=True) from None
        heard.append(f"{command[0].split()[0]}: {answer.code} {words(answer.message)}")
        if answer.code != expected and not (stage is Stage.RCPT and answer.code == 251):
            raise failure(stage, answer.code, answer.message, "\n".join(heard))

    async def _content(self, client: SMTP, raw: bytes, heard: list[str]) -> None:
        """Write the mail without its final dot, and wait until all of it left.

        `raw` ends with a line end, has no bare CR or LF, and begins with a field.
        """
        protocol = client.protocol
        try:
            if protocol is None or protocol.transport is None:
                raise ConnectionResetError("closed before the content")
            cast("asyncio.WriteTransport", protocol.transport).set_write_buffer_limits(high=0)
            # Else an answer that does not wait for the dot is thrown away.
            protocol._response_pending = True
            protocol.write(raw.replace(b"\r\n.", b"\r\n.."))
            await protocol._drain_helper()
        except _GONE as error:
            if protocol is not None:
                with suppress(*_GONE):
                    early = await protocol.read_response(timeout=0)
                    heard.append(f"content: {early.code} {words(early.message)}")
                    client.close()
                    raise failure(Stage.DATA, early.code, early.message, "\n".join(heard)) from None
            detail = f"connection lost: {_reason(error)}"
            raise SendFailed("", detail, retryable=True, exchange="\n".join(heard)) from None

    async def _finish(self, client: SMTP, heard: list[str]) -> Sent:
        """Write the final dot and hear what became of the mail."""
        protocol = client.protocol
        try:
            if protocol is None:
                raise ConnectionResetError("closed before the end of the content")
            protocol.write(b".\r\n")
        except _GONE as error:
            detail = f"connection lost: {_reason(error)}"
            raise SendFailed("", detail, retryable=True, exchange="\n".join(heard)) from None
        try:
            answer = await protocol.read_response(timeout=self.options.data_timeout)
        except _GONE as error:
            heard.append(f"content: no answer, {_reason(error)}")
            raise SendFailed(
                "",
                "connection lost after the message was handed over",
                retryable=True,
                uncertain=True,
                exchange="\n".join(heard),
            ) from None
        heard.append(f"content: {answer.code} {words(answer.message)}")
        if not 200 <= answer.code <= 299:
            raise failure(Stage.DATA, answer.code, answer.message, "\n".join(heard))
        code, _, detail = words(f"{answer.code} {answer.message}").partition(" ")
        queued = _QUEUED.search(answer.message)
        return Sent(queued[1] if queued else "", code, detail, "\n".join(heard))

    async def _after_refusal(self, client: SMTP, refusal: SendFailed) -> None:
        """Keep the connection for the next mail if the relay still talks to us."""
        if client.is_connected and not _connection_is_over(refusal):
            with suppress(*_GONE):
                await client.rset()
                self._keep(client)
                return
        client.close()


def _connection_is_over(refusal: SendFailed) -> bool:
    return not refusal.code or refusal.code.startswith("421")


def _abort(client: SMTP) -> None:
    """Close at once: what still waits to be written is for nobody."""
    if client.transport is not None:
        cast("asyncio.WriteTransport", client.transport).abort()
    client.close()


def _reason(error: BaseException) -> str:
    return words(str(error)) or type(error).__name__
