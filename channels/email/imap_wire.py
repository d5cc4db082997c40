"""One connection to an IMAP server: imapclient, kept from what servers do to it.

Everything here blocks and runs in the mailbox's own thread; only `interrupt` may be called from elsewhere. All that can
go wrong comes out as one of two: `Refused`, the server said no and the connection is as good as before, or `Broken`,
nothing more can be done with this connection.

What one command may answer is bounded in bytes, and so is a literal: a server can be broken or hostile. The library's
own search and IDLE are not used. It cannot read a search answered in several lines or in none, and what a server says
between IDLE and its "+" ends in an error.
"""

from __future__ import annotations

import contextlib
import imaplib
import logging
import socket
import ssl
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from imapclient import IMAPClient, SocketTimeout  # type: ignore[import-untyped]
from imapclient.exceptions import ProtocolError  # type: ignore[import-untyped]

from channels.email.imap_options import MailboxOptions

_LINE = 16_777_216
"""Octets of one response line: the numbers of some two million messages."""
_SLACK = 33_554_432
"""Octets a command may answer besides the literals it asked for."""
_TOLD = 300

logging.getLogger("imapclient").setLevel(logging.WARNING)


class MailboxError(Exception):
    """Something about the mailbox is not as it should be; the text is one line for people, without secrets."""


class Refused(MailboxError):
    """The server said no to a command."""


class Broken(MailboxError):
    """The connection can be used no more."""


class NotSignedIn(Broken):
    """The server does not take the credentials."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A folder as it was when it was entered; `uidnext` is 0 where the server does not tell it."""

    uidvalidity: int
    uidnext: int
    messages: int
    writable: bool


class Wire:
    """A connection. `open` it, `sign_in`, then the rest."""

    def __init__(self, options: MailboxOptions) -> None:
        self._options = options
        self._client: Any = None
        self._room = _SLACK
        self._idle_tag: Any = None

    # ---- the way in -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, with TLS as it is set."""
        options = self._options
        with self._guard("connect"):
            context = _tls(options) if options.security != "none" else None
            self._client = IMAPClient(
                options.host,
                options.port,
                ssl=options.security == "tls",
                ssl_context=context,
                timeout=SocketTimeout(min(options.timeout, 20.0), options.timeout),
            )
            self._bound()
            self._client.normalise_times = False
            self._client.socket().setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if options.security == "starttls":
                if self._client._imap.state != "NONAUTH":
                    # RFC 3501, section 6.2.1: whoever greets so leaves no room for TLS
                    raise Broken("the server greets with PREAUTH, so that TLS cannot be begun")
                self._client.starttls(context)
                self._bound()

    def sign_in(self, access_token: str = "") -> None:
        """Sign in by password, or with an access token by XOAUTH2."""
        options, client = self._options, self._client
        if client._imap.state == "AUTH":
            return
        try:
            if access_token:
                client.oauth2_login(options.username, access_token)
            elif client.has_capability("AUTH=PLAIN"):
                client.plain_login(options.username, options.password)
            elif client.has_capability("LOGINDISABLED"):
                raise NotSignedIn("the server takes no password on this connection; set tls")
            else:
                client.login(options.username, options.password)
        except imaplib.IMAP4.abort as error:
            raise Broken(f"sign in: {_words(error)}") from None
        except imaplib.IMAP4.error as error:
            raise NotSignedIn(f"sign in: {_words(error)}") from None
        except (OSError, ValueError, AssertionError) as error:
            raise Broken(f"sign in: {_words(error)}") from None

    def select(self, *, readonly: bool) -> Selected:
        """Enter the folder; only to look where it may not be written to."""
        with self._guard("select"):
            try:
                told = self._client.select_folder(self._options.folder, readonly=readonly)
            except imaplib.IMAP4.readonly:
                readonly = True
                told = self._client.select_folder(self._options.folder, readonly=True)
        validity = told.get(b"UIDVALIDITY")
        if not isinstance(validity, int):
            raise Broken("select: the server tells no UIDVALIDITY, so its messages cannot be told apart for long")
        return Selected(validity, int(told.get(b"UIDNEXT", 0)), int(told.get(b"EXISTS", 0)), writable=not readonly)

    def has(self, capability: str) -> bool:
        """Whether the server says that it can do something."""
        with self._guard("capability"):
            return bool(self._client.has_capability(capability))

    def ensure_folder(self, name: str) -> None:
        """Make a folder where it is missing."""
        with self._guard("create"):
            if not self._client.folder_exists(name):
                self._client.create_folder(name)

    # ---- messages -------------------------------------------------------------------------------------------------

    def search(self, *criteria: str) -> list[int]:
        """UIDs of messages, ascending; criteria as in RFC 3501, section 6.4.4."""
        with self._guard("search"):
            imap = self._client._imap
            imap.untagged_responses.pop("SEARCH", None)
            typ, data = imap.uid("SEARCH", *criteria)
            if typ != "OK":
                raise Refused(f"search: {_text(data[-1])}")
            return sorted(_numbers(data))

    def facts(self, uids: Sequence[int]) -> dict[int, dict[bytes, Any]]:
        """RFC822.SIZE and INTERNALDATE of messages."""
        return self._fetch(uids, ["RFC822.SIZE", "INTERNALDATE"], _SLACK)

    def bodies(self, uids: Sequence[int], room: int) -> dict[int, dict[bytes, Any]]:
        """BODY[] and INTERNALDATE of messages, with their flags as they are; `room` bounds the octets of all."""
        return self._fetch(uids, ["BODY.PEEK[]", "INTERNALDATE"], room)

    def headers(self, uids: Sequence[int]) -> dict[int, dict[bytes, Any]]:
        """The same of their headers alone, as BODY[HEADER]."""
        return self._fetch(uids, ["BODY.PEEK[HEADER]", "INTERNALDATE"], _SLACK)

    def _fetch(self, uids: Sequence[int], items: list[str], room: int) -> dict[int, dict[bytes, Any]]:
        with self._guard("fetch", room):
            found = self._client.fetch(list(uids), items)
            return {uid: dict(found[uid]) for uid in uids if uid in found}

    # ---- what is done with them afterwards ------------------------------------------------------------------------

    def mark_seen(self, uids: Sequence[int]) -> None:
        """Set their \\Seen."""
        for some in _some(uids):
            with self._guard("store"):
                self._client.add_flags(some, [b"\\Seen"], silent=True)

    def move(self, uids: Sequence[int], folder: str) -> None:
        """Move them (RFC 6851); where the server cannot, copy them and delete what was copied and nothing else."""
        for some in _some(uids):
            with self._guard("move"):
                if self._client.has_capability("MOVE"):
                    self._client.move(some, folder)
                    continue
                self._client.copy(some, folder)
                self._client.add_flags(some, [b"\\Seen", b"\\Deleted"], silent=True)
                if self._client.has_capability("UIDPLUS"):
                    # a plain EXPUNGE would take what others have marked as well
                    self._client.uid_expunge(some)

    # ---- waiting --------------------------------------------------------------------------------------------------

    def noop(self) -> None:
        """Have the server tell what is new: some show it to no search before that."""
        with self._guard("noop"):
            imap = self._client._imap
            imap.noop()
            imap.untagged_responses.clear()

    def idle(self) -> bool:
        """Begin IDLE (RFC 2177); whether the server has already said something that was not for us to wait for."""
        with self._guard("idle"):
            imap = self._client._imap
            tag = self._idle_tag = imap._command("IDLE")
            said = False
            while imap._get_response() is not None:
                if imap.tagged_commands[tag]:
                    typ, data = imap.tagged_commands.pop(tag)
                    self._idle_tag = None
                    raise Refused(f"idle: {typ} {_text(data[-1])}")
                said = True
            return said or self._buffered()

    def _buffered(self) -> bool:
        """Whether something has come in already, where no poll of the socket shows it."""
        sock = self._client.socket()
        sock.setblocking(False)
        try:
            return bool(self._client._imap.file.peek(1))
        except OSError:
            return False
        finally:
            sock.settimeout(self._options.timeout)

    def done(self) -> None:
        """End IDLE."""
        with self._guard("done"):
            imap, tag = self._client._imap, self._idle_tag
            if tag is None:
                return
            imap.send(b"DONE\r\n")
            while not imap.tagged_commands[tag]:
                imap._get_response()
                if "BYE" in imap.untagged_responses:
                    raise Broken(f"the server says goodbye: {_text(imap.untagged_responses['BYE'][-1])}")
            imap.tagged_commands.pop(tag)
            imap.untagged_responses.clear()
            self._idle_tag = None

    @property
    def fileno(self) -> int:
        """What becomes readable when the server says something."""
        return int(self._client.socket().fileno())

    # ---- the way out ----------------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Make whatever the thread waits for end at once, as `Broken`."""
        client = self._client
        if client is not None:
            with contextlib.suppress(OSError):
                # not that of a TLS socket, which would change what its thread is using
                socket.socket.shutdown(client.socket(), socket.SHUT_RDWR)

    def close(self, *, politely: bool) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is None:
            return
        with contextlib.suppress(Exception):
            if politely:
                client.socket().settimeout(2.0)
                client.logout()
        with contextlib.suppress(Exception):
            client.shutdown()

    # ---- keeping the library in bounds ----------------------------------------------------------------------------

    def _bound(self) -> None:
        """Read for imaplib, within what the command under way may answer."""
        imap = self._client._imap
        imap.debug = 0

        def spend(size: int) -> None:
            self._room -= size
            if self._room < 0:
                raise Broken("the server answers more than was asked for")

        def read(size: int) -> bytes:
            spend(size)
            found = bytes(imap.file.read(size) or b"")
            if len(found) < size:
                raise imaplib.IMAP4.abort("socket error: EOF")
            return found

        def readline() -> bytes:
            line = bytes(imap.file.readline(_LINE + 1) or b"")
            if len(line) > _LINE:
                raise Broken("the server sends a line without end")
            spend(len(line))
            return line

        imap.read, imap.readline = read, readline

    @contextlib.contextmanager
    def _guard(self, doing: str, room: int = 0) -> Iterator[None]:
        self._room = _SLACK + room
        try:
            yield
        except MailboxError:
            raise
        except (imaplib.IMAP4.abort, ProtocolError, OSError, EOFError) as error:
            raise Broken(f"{doing}: {_words(error)}") from None
        except imaplib.IMAP4.error as error:
            raise Refused(f"{doing}: {_words(error)}") from None
        except Exception as error:
            # what a server's odd answer makes of the library; nobody knows what it has read of it
            raise Broken(f"{doing}: the answer cannot be read ({type(error).__name__})") from None


def _tls(options: MailboxOptions) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.ca or None)
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _numbers(data: Iterable[Any]) -> set[int]:
    """The numbers of SEARCH responses; `(MODSEQ 12)` behind them (RFC 7162) is left out."""
    found: set[int] = set()
    for line in data:
        if isinstance(line, bytes):
            found.update(int(word) for word in line.partition(b"(")[0].split() if word.isdigit())
    return found


def _some(uids: Sequence[int]) -> Iterator[list[int]]:
    """A few at a time: command lines have to stay short (RFC 7162, section 4)."""
    for start in range(0, len(uids), 500):
        yield list(uids[start : start + 500])


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not valid: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return _text(error.args[0] if error.args else type(error).__name__)


def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_TOLD]
