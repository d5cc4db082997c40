"""The contracts between the channels and the rest of Otklik, small enough to fit on a screen.

Inbound, a channel calls `Accept` and tells its sender "accepted" only after it returned. Outbound, the worker calls
`Sender.send`, which returns `Sent` or raises `SendFailed`; nothing else may come out of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

from tickets.message import Accepted, InboundMessage, Unreadable


class NotAcceptedNow(Exception):
    """The input could not be made durable now (database away, disk full); nothing of it was kept.

    The sender must try again: SMTP 451, HTTP 503.
    """


class Accept(Protocol):
    """Takes one input for good. `raw` are the bytes as they came."""

    async def __call__(self, message: InboundMessage | Unreadable, raw: bytes) -> Accepted:
        """Return only after the commit is on disk.

        Raises:
            NotAcceptedNow: nothing was kept, the sender must try again.
        """
        ...


@dataclass(frozen=True, slots=True)
class OutFile:
    """A file that goes along with a message; name and type are words of a person and may be anything."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class OutMessage:
    """One rendered text on its way to one address. Every try of a delivery sends the same one.

    `id` is the delivery's; `message_id` is stable over all tries so that a double can be recognised. `automatic` says
    that no person typed it (RFC 3834). `reply_to` carries the reply token; `in_reply_to` and `references` are RFC 5322
    identifiers without angle brackets.
    """

    id: str
    channel: str
    address: str
    subject: str
    text: str
    html: str = ""
    name: str = ""
    language: str = "ru"
    message_id: str = ""
    sender: str = ""
    reply_to: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    automatic: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[OutFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took it. `exchange` is what was said, without secrets and without the body."""

    provider_id: str = ""
    code: str = ""
    detail: str = ""
    exchange: str = ""


class SendFailed(Exception):
    """The provider did not take it.

    `code` is the provider's own (SMTP "451 4.7.1", HTTP "503"), `detail` its words, without secrets. `retryable`
    tells temporary from permanent; `retry_after` is what the provider asked for. `address_dead` says that the failure
    condemns the address and not only this message. `uncertain` says that the provider may have taken it all the same:
    the connection broke after everything was handed over and before the answer came. `provider_down` says that it is
    a matter of this provider or our account there, that nothing of the message was handed over, and that another
    provider may be asked.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retryable: bool,
        retry_after: timedelta | None = None,
        address_dead: bool = False,
        exchange: str = "",
        uncertain: bool = False,
        provider_down: bool = False,
    ) -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code = code
        self.detail = detail
        self.retryable = retryable
        self.retry_after = retry_after
        self.address_dead = address_dead
        self.exchange = exchange
        self.uncertain = uncertain
        self.provider_down = provider_down


class Sender(Protocol):
    """A way out: one account at one provider."""

    async def send(self, message: OutMessage) -> Sent:
        """Make one try; no retries inside.

        Raises:
            SendFailed: it was not taken.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far one folder of a mailbox was read (RFC 3501, section 2.3.1.1).

    Everything up to `last_uid` was taken in or noted. `renumbered_below` is the UIDNEXT of the moment at which the
    server was found to have given its messages other UIDs; a message below it may be one that came before (0: never).
    """

    folder: str
    uidvalidity: int
    last_uid: int = 0
    renumbered_below: int = 0


class Cursors(Protocol):
    """Where the reading of mailboxes has come to; one row a mailbox."""

    async def get(self, mailbox: str) -> Cursor | None:
        """The cursor of a mailbox; None where it was never read."""
        ...

    async def put(self, mailbox: str, cursor: Cursor) -> None:
        """Keep it. Return only after the commit."""
        ...


class Journal(Protocol):
    """What became of the deliveries of an account, by their external ids.

    Every method raises `NotAcceptedNow` where the database is away.
    """

    async def known(self, account: str, external_ids: Sequence[str]) -> Mapping[str, str]:
        """What became of those with a receipt (`taken`) or a note (its kind; `again` where a new try is due)."""
        ...

    async def held(self, account: str, digests: Mapping[str, bytes]) -> Mapping[str, str]:
        """The quarantine entries of deliveries by external id, given the SHA-256 of the bytes of each."""
        ...

    async def came_before(self, account: str, place: str, digests: Sequence[bytes]) -> Mapping[bytes, int]:
        """How many deliveries of each content are on record whose ids do not begin with `place`, less those whose ids
        do: so many more are not new."""
        ...

    async def note(self, account: str, external_id: str, kind: str, detail: str, quarantine_id: str = "") -> None:
        """Record why a delivery made no message: `quarantined`, `too_large`, `unfetchable`."""
        ...

    async def settled(self, account: str, external_id: str) -> None:
        """What was noted has been taken in after all."""
        ...


class Kept(Protocol):
    """Credentials that change while the program runs, kept encrypted."""

    async def get(self, name: str) -> dict[str, str] | None:
        """What was kept last; None where there is nothing."""
        ...

    async def put(self, name: str, value: Mapping[str, str]) -> None:
        """Keep it. Return only after the commit."""
        ...


class Ownership(Protocol):
    """Which node does what only one may do."""

    async def hold(self, name: str) -> bool:
        """Take it or keep it for a while; whether it is ours. False too where nobody can tell now."""
        ...

    async def let_go(self, name: str) -> None:
        """Leave it to others."""
        ...
