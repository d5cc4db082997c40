"""What comes back about mail of ours: bounces, delays, complaints, read receipts.

A report changes something only with a proof: the return path of one try, or the Message-ID of one delivery, both of
which carry a MAC of ours. Any other says what anybody could have written; it is kept and linked for review. Whoever the
recipient writes to later sees the Message-ID in the thread: by it alone, no address that was shown to be its owner's is
marked.

A report may tell of several recipients: those of a list, or those a mail is forwarded to. Then only what it says of the
one we wrote to counts; where that one got the mail, the report is noted and the delivery stays as it was.

| report | the delivery | the address |
|---|---|---|
| bounce, permanent | `failed` | dead where the code says that there is no such mailbox |
| bounce, temporary (given up by the other side) | `failed` | counted |
| delay | as it was | |
| complaint | as it was | opted out |
| read receipt | `read` | |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from channels.email.smtp_reply import ADDRESS_DEAD
from desk.notify import audience, enqueue
from outbound.plan import Occasion
from storage import addresses, mail_reports
from storage.database import Connection
from tickets.address import fold
from tickets.delivery import ARCS, DeliveryState
from tickets.event import Event, Role
from tickets.key import new_key
from tickets.message import GOT_IT, REPORTS, Bounce, InboundMessage, MessageKind
from tickets.reason import Reason

if TYPE_CHECKING:
    from desk.arrival import Desk
    from outbound.token import ReplyTokens

Row = dict[str, Any]

_WHAT = {
    MessageKind.BOUNCE: "mail_bounced",
    MessageKind.DELIVERY_DELAY: "mail_delayed",
    MessageKind.FEEDBACK_REPORT: "mail_complained",
    MessageKind.READ_RECEIPT: "mail_read",
}
_TOLD_OF = (Role.AUTHOR.value, Role.PARTICIPANT.value)
_UNREAD = ("deleted", "denied", "failed", "error")
"""Dispositions (RFC 8098, section 3.2.6) that do not say that anybody saw the mail."""


def proofs(message: InboundMessage, tokens: ReplyTokens) -> Iterator[tuple[UUID, int | None, str]]:
    """Deliveries a message proves to be about, with the try where it tells, and the proof's name; strongest first."""
    for token in message.refs.tokens:
        found = tokens.returned(token) if token.startswith("b.") else None
        if found is not None:
            yield found[0], found[1], "return_path"
    if message.kind in REPORTS:
        for message_id in message.refs.message_ids:
            delivery = tokens.delivery_of_message_id(message_id)
            if delivery is not None:
                yield delivery, None, "our_message_id"


def as_machine(message: InboundMessage, tokens: ReplyTokens) -> None:
    """Whatever is sent to a return path answers no person: nobody writes there by hand."""
    if message.kind is MessageKind.HUMAN and any(
        token.startswith("b.") and tokens.returned(token) for token in message.refs.tokens
    ):
        message.kind = MessageKind.AUTO_REPLY
        message.kind_because = (*message.kind_because, "return_path")


def take(desk: Desk, ticket: Row, message: InboundMessage, message_id: UUID, tokens: ReplyTokens) -> None:
    """Do to the delivery and its address what a report on a ticket says, once."""
    if message.kind not in REPORTS:
        return
    for key, attempt, proof in proofs(message, tokens):
        delivery = desk.known.deliveries.get(key)
        if delivery is not None:
            _apply(desk, ticket, message, message_id, delivery, attempt, proof)
            return


def _apply(
    desk: Desk, ticket: Row, message: InboundMessage, message_id: UUID, delivery: Row, attempt: int | None, proof: str
) -> None:
    now = desk.now
    address = fold(delivery["address"])
    ours = message.bounce.of(address) if message.bounce else None
    got_it = ours is not None and ours.action in GOT_IT
    bounce = message.bounce if got_it else ours
    kind = MessageKind.DELIVERY_DELAY if bounce is not None and bounce.action == "delayed" else message.kind
    recipient, status, permanent = _said(message, bounce)
    new, reason = (None, "") if got_it else _becomes(kind, message)
    moved = new is not None and new in ARCS[DeliveryState(delivery["state"])]
    desk.batch.add(
        "delivery_reports",
        {
            "id": new_key(),
            "site": desk.site.prefix,
            "delivery_id": delivery["id"],
            "attempt": attempt,
            "message_id": message_id,
            "kind": kind.value[:16],
            "at": now,
            "recipient": recipient or delivery["address"],
            "address": address,
            "status": status[:16],
            "permanent": permanent,
            "proof": proof,
            "moved": moved,
        },
    )
    dead = bounce is not None and permanent and status in ADDRESS_DEAD and _about(bounce, address)
    complained = kind is MessageKind.FEEDBACK_REPORT and _complains(message)

    # whoever the recipient wrote to besides us has seen our Message-ID in the thread, never our return path
    spare = proof != "return_path"

    def write(connection: Connection) -> None:
        if moved and new is not None:
            mail_reports.move(connection, delivery["id"], new, reason, now)
        if dead:
            addresses.mark_dead(connection, [address], now, spare_verified=spare)
        if complained:
            addresses.opt_out(connection, [address], now, spare_verified=spare)

    desk.batch.then(write)
    if moved and new is not None:
        delivery["state"] = new.value
    desk.reported[kind.value, "permanent" if permanent else "temporary"] += 1
    about = recipient if got_it else delivery["address"]
    facts = {"address": about, "status": status or "—"}
    code = kind.value if kind is not MessageKind.BOUNCE else f"bounce_{'permanent' if permanent else 'temporary'}"
    by = f"machine:{kind.value}"
    what = _WHAT[kind]
    event_id = desk.event(ticket["id"], by, what, None, about, message_id, [Reason("report", code, facts)])
    if kind is MessageKind.BOUNCE and moved and delivery["role"] in _TOLD_OF:
        person = {"person_id": None}
        enqueue(
            desk.batch,
            Occasion(Event.UNDELIVERED, event_id, ticket["id"], now),
            audience(Event.UNDELIVERED, ticket, person, desk.organisation),
            desk.site,
        )


def _said(message: InboundMessage, bounce: Bounce | None) -> tuple[str, str, bool]:
    """Whom a report names, its code, and whether trying again is of no use."""
    if bounce is None:
        told = message.extra.get("report", {})
        return str(told.get("recipient", "")), "", False
    return (bounce.recipients[0] if bounce.recipients else ""), bounce.status, bounce.permanent


def _becomes(kind: MessageKind, message: InboundMessage) -> tuple[DeliveryState | None, str]:
    if kind is MessageKind.BOUNCE:
        return DeliveryState.FAILED, "bounced"
    if kind is MessageKind.READ_RECEIPT:
        said = str(message.extra.get("report", {}).get("disposition", ""))
        return (None if any(word in said for word in _UNREAD) else DeliveryState.READ), ""
    return None, ""


def _about(bounce: Bounce, address: str) -> bool:
    """Whether the code of a bounce is that of the address we wrote to, and not of one it is forwarded to."""
    return not bounce.recipients or [fold(each) for each in bounce.recipients] == [address]


def _complains(message: InboundMessage) -> bool:
    """`not-spam` takes a complaint back (RFC 6430)."""
    return str(message.extra.get("report", {}).get("feedback_type", "")) != "not-spam"
