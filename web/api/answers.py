"""What clients are answered: the shapes that `/openapi.json` describes and that tests hold every answer to.

Answers are encoded from plain dictionaries (`desk.view`), which is quicker; nothing may be in them that is not here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from web.api.queries import StateWord, StatusWord

At = Annotated[datetime, Meta(tz=True)]
Id = Annotated[str, Meta(pattern="^[0-9a-f]{32}$", examples=["01a2005bec2477b58234b65fcd3872a7"])]
Level = Literal["high", "medium", "low"]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """The root of every shape."""


class CustomerName(Answer):
    """A customer by code and name."""

    id: Annotated[str, Meta(examples=["sibtrans"])]
    name: str


class TicketSummary(Answer):
    """A ticket as a list shows it."""

    number: Annotated[str, Meta(examples=["OTK-26-000001"])]
    subject: str
    status: StatusWord
    type: str
    category: str
    impact: Level
    urgency: Level
    priority: Literal["critical", "high", "normal", "low"]
    centre: Annotated[str, Meta(description="The code of its service centre; empty where there is none.")]
    line: Annotated[int, Meta(description="The line of support it is on.")]
    group: Annotated[str, Meta(description="The code of the group it is with.")]
    assignee: Annotated[str | None, Meta(description="The login of who works on it.")]
    customer: CustomerName | None
    channel: Annotated[str, Meta(description="The channel it came by.")]
    created_at: At
    updated_at: At
    version: Annotated[int, Meta(ge=1, description="Counts its changes; its ETag begins with it.")]
    respond_by: At | None
    resolve_by: At | None
    closed_at: At | None


class Address(Answer):
    """A way to reach somebody."""

    kind: Annotated[str, Meta(examples=["email", "phone"])]
    value: str
    verified: Annotated[bool, Meta(description="Whether its owner has shown to be its owner.")]


class ContactPerson(Answer):
    """Who a ticket is about. A restricted token sees of people of other customers only what they wrote under."""

    id: Id
    name: str
    addresses: list[Address]


class Decision(Answer):
    """One field of what the router, or somebody after it, decided, and why."""

    field: str
    value: Annotated[str | int | None, Meta(description="Staff by login, the others by code.")]
    rule: str
    code: str
    facts: dict[str, Any]
    because: Annotated[str, Meta(description="The reason in words, in the language of Accept-Language.")]


class Writer(Answer):
    """Who wrote a message."""

    kind: str
    value: str
    name: str


class Attachment(Answer):
    """A file of a message; its bytes are at `/tickets/{number}/attachments/{id}`."""

    id: Id
    name: str
    content_type: Annotated[str, Meta(description="As its sender named it: not to be believed.")]
    size: Annotated[int, Meta(ge=0)]
    sha256: Sha256


class FaxTold(Answer):
    """Who faxed, by the network's word, and through which gateway."""

    number: Annotated[
        str, Meta(description="The caller's, in E.164; empty where it was withheld.", examples=["+73832223344"])
    ]
    name: str
    station: Annotated[str, Meta(description="What the other machine calls itself.")]
    pages: Annotated[int, Meta(ge=0, description="0 where it was not told.")]
    gateway: Annotated[str, Meta(description="The gateway's mailbox.")]


class Message(Answer):
    """What was said on a ticket."""

    id: Id
    direction: Literal["in", "out"]
    channel: str
    kind: str
    writer: Writer = msgspec.field(name="from")
    subject: str
    text: str
    reply_text: Annotated[str, Meta(description="What was typed this time, without quoted history.")]
    html: Annotated[str, Meta(description="Always empty: ask for `/tickets/{number}/messages/{id}/html`.")]
    at: At
    message_id: str
    public: Annotated[bool, Meta(description="Whether the author may read it.")]
    authenticity: dict[str, Any]
    defects: list[str]
    fax: Annotated[FaxTold | None, Meta(description="What a fax gateway told, where the message is a fax.")]
    receipts: Annotated[int, Meta(description="How often it was delivered to us.")]
    attachments: list[Attachment]


class Attempt(Answer):
    """One try to deliver."""

    number: int
    provider: str
    started_at: At
    ended_at: At | None
    outcome: Annotated[str | None, Meta(description="Null while it is under way.")]
    code: str
    detail: str
    provider_id: str
    cost: str | None


class AttemptTold(Attempt):
    """One try to deliver, with what was said at it."""

    exchange: Any


class Recipient(Answer):
    """To whom, and as what."""

    person: str
    role: str


class TicketDelivery(Answer):
    """One way by which something is told."""

    id: Id
    step: int
    channel: str
    provider: str
    address: str
    language: str
    state: StateWord
    reason: Annotated[str | None, Meta(description="Why it was not sent, as a code.")]
    because: Annotated[str | None, Meta(description="The same in words.")]
    subject: str | None
    text: str | None
    due_at: At
    expires_at: At | None
    attempts: list[Attempt]


class Notification(Answer):
    """What is to be told to whom."""

    id: Id
    event: str
    to: Recipient
    state: StateWord
    created_at: At
    deliveries: list[TicketDelivery]


class HistoryEntry(Answer):
    """One thing that happened to a ticket."""

    at: At
    by: Annotated[str, Meta(examples=["api:portal", "staff:d.volkov", "router"])]
    what: str
    old: str | None
    new: str | None
    because: str


class Link(Answer):
    """Another ticket this one has to do with."""

    number: str
    kind: str
    at: At
    because: str


class Ticket(TicketSummary):
    """A ticket with everything that hangs on it."""

    contact: ContactPerson
    decision: list[Decision]
    messages: list[Message]
    notifications: list[Notification]
    history: list[HistoryEntry]
    links: list[Link]


class Delivery(TicketDelivery):
    """A delivery as the ledger shows it."""

    ticket: Annotated[str, Meta(description="The number of the ticket it tells of.")]
    notification: Id
    event: str
    to: Recipient
    dead: Annotated[bool, Meta(description="Failed or expired: nobody tries again by itself.")]
    tries: int
    provider_id: str
    created_at: At
    updated_at: At


class DeliveryReport(Answer):
    """What came back about a delivery after it was sent."""

    kind: Literal["bounce", "delivery_delay", "feedback_report", "read_receipt"]
    at: At
    recipient: str
    status: Annotated[str, Meta(description="The code of RFC 3463; empty where there is none.")]
    permanent: bool
    attempt: Annotated[int | None, Meta(description="The try it is about, where its return path told.")]
    proof: Literal["return_path", "our_message_id"]
    message: Id
    because: str


class DeliveryTold(Delivery):
    """A delivery with its text as sent, what was said at each try, and what came back."""

    html: str | None
    envelope: dict[str, Any] | None
    attempts: list[AttemptTold]  # type: ignore[assignment]
    reports: list[DeliveryReport]


class QuarantineEntry(Answer):
    """Input no message could be made of."""

    id: Id
    channel: str
    account: str
    received_at: At
    reason: str
    detail: str
    envelope: dict[str, Any]
    size: Annotated[int | None, Meta(description="Null once the bytes were removed.")]
    sha256: Sha256
    state: Literal["held", "replayed"]
    replays: int
    ticket: Annotated[str | None, Meta(description="The number of the ticket it became.")]


class KeptInQuarantine(Answer):
    """A request that was taken but made no ticket yet."""

    quarantine_id: Id
    detail: str


class _Page(Answer):
    next: Annotated[str | None, Meta(description="The cursor of the next page; null on the last one.")]


class TicketPage(_Page):
    """A page of tickets, newest first."""

    items: list[TicketSummary]


class DeliveryPage(_Page):
    """A page of the ledger, newest first."""

    items: list[Delivery]


class QuarantinePage(_Page):
    """A page of quarantine, newest first."""

    items: list[QuarantineEntry]


class FieldError(Answer):
    """One place that is wrong."""

    field: str
    detail: str


class ProblemDocument(msgspec.Struct, omit_defaults=True):
    """What went wrong and what to do (RFC 9457)."""

    type: Annotated[str, Meta(examples=["about:blank"])]
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    errors: list[FieldError] = []
