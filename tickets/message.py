"""What reaches us: the one shape every channel turns its input into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from tickets.address import Address, fold


class MessageKind(StrEnum):
    """Who or what is speaking. Only a human is ever acknowledged (RFC 3834, section 2)."""

    HUMAN = "human"
    AUTO_REPLY = "auto_reply"
    OUT_OF_OFFICE = "out_of_office"
    BOUNCE = "bounce"
    DELIVERY_DELAY = "delivery_delay"
    FEEDBACK_REPORT = "feedback_report"
    READ_RECEIPT = "read_receipt"
    MAILING_LIST = "mailing_list"
    OWN = "own"
    SPAM = "spam"


REPORTS = frozenset(
    {MessageKind.BOUNCE, MessageKind.DELIVERY_DELAY, MessageKind.FEEDBACK_REPORT, MessageKind.READ_RECEIPT}
)
"""What comes back about mail of ours."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A part of a message that a person would call a file.

    The bytes are not here: they are decoded on demand from the raw message by `part`, the MIME path of the leaf
    ("2.1": first child of the second child; "" for a message that is itself one file).
    """

    part: str
    name: str
    content_type: str
    size: int
    sha256: str
    inline: bool = False
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class Refs:
    """What a message says it belongs to, strongest first.

    `tokens` are reply tokens found in recipient addresses (not yet verified), `message_ids` RFC 5322 identifiers from
    In-Reply-To and References without angle brackets, newest first, `numbers` ticket numbers seen in the subject.
    `pages` are tickets on whose page it was written by somebody whose link to it was good.
    """

    tokens: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    pages: tuple[UUID, ...] = ()


GOT_IT = frozenset({"delivered", "relayed", "expanded"})
"""Actions (RFC 3464, section 2.3.3) that say of a recipient that the mail reached it, or went on its way there."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a mail for one of its recipients; `action`, `status` and `permanent` as in `Bounce`."""

    recipient: str
    action: str
    status: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a bounce says about a mail of ours (RFC 3464).

    Where its recipients fared differently, `recipients`, `action` and `status` are of those it went worst for, and
    `fates` has each by itself, those that got the mail too; a bounce in free words has none. `action` tells whether the
    mail is given up (`failed`) or still tried. `permanent` tells what is wrong, by the class of the status (RFC 3463,
    section 2): a mail that is given up with 4.2.2, a full mailbox, may be followed by one that arrives.
    """

    recipients: tuple[str, ...] = ()
    action: str = ""
    status: str = ""
    permanent: bool = True
    original_message_id: str = ""
    fates: tuple[Fate, ...] = ()

    def of(self, folded: str) -> Bounce:
        """What it says of one recipient, by its folded address; all of it where it says nothing of that one alone."""
        for fate in self.fates:
            if fold(fate.recipient) == folded:
                alone = replace(self, recipients=(fate.recipient,), fates=(fate,))
                return replace(alone, action=fate.action, status=fate.status, permanent=fate.permanent)
        return self


@dataclass(slots=True)
class InboundMessage:
    """One message that reached us, on whatever channel.

    `external_id` is unique within `(channel, account)`: one delivery to us; `fresh` says that we made it ourselves just
    now, so that no earlier delivery can bear it. `digest` names the content, trace headers
    left out, and joins deliveries of the same content within `window` (zero: never joined). `text` is the whole text,
    `reply_text` what the writer typed this time, `html` sanitised. `defects` tell what had to be repaired.
    """

    channel: str
    account: str
    external_id: str
    sender: Address
    recipients: tuple[Address, ...]
    subject: str
    text: str
    received_at: datetime
    cc: tuple[Address, ...] = ()
    reply_text: str = ""
    html: str = ""
    language: str = ""
    message_id: str = ""
    refs: Refs = Refs()
    attachments: tuple[Attachment, ...] = ()
    kind: MessageKind = MessageKind.HUMAN
    kind_because: tuple[str, ...] = ()
    authenticity: Mapping[str, Any] = field(default_factory=dict)
    sent_at: datetime | None = None
    digest: bytes = b""
    window: timedelta = timedelta(hours=24)
    bounce: Bounce | None = None
    defects: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False

    @property
    def acknowledge(self) -> bool:
        """Whether the sender may be told that we have it."""
        return self.kind is MessageKind.HUMAN and bool(self.sender.value)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Input no message could be made of; its bytes are kept and it can be replayed."""

    channel: str
    account: str
    reason: str
    received_at: datetime
    detail: str = ""
    envelope: Mapping[str, Any] = field(default_factory=dict)


class Accepted(msgspec.Struct, frozen=True):
    """What became of an input, told to its sender only after the commit.

    `number` is the ticket's; empty for input put into quarantine, when `quarantine_id` names the entry.
    `joined` says that the same content had already come and this delivery was added to it.
    """

    number: str
    ticket_id: str = ""
    message_id: str = ""
    joined: bool = False
    quarantine_id: str = ""
