"""A ticket somebody of the staff makes for a caller: the person found or made, the message taken in as any other."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from desk import typed
from desk.intake import Given, Intake, Taken
from desk.known import address_key
from desk.submission import BadContact, message_of
from desk.visitor import Visitor
from storage import people_search
from storage.database import Connection, Database
from tickets.address import fold
from tickets.priority import Level

Row = dict[str, Any]

CHANNELS = ("phone", "desk")
"""A caller; somebody who came by, or anything else staff write down."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a form says. `contact` is a mailbox or a telephone number; `nonce` the form's."""

    nonce: str
    channel: str
    contact: str
    name: str
    subject: str
    text: str
    type: str = ""
    impact: str = ""
    urgency: str = ""
    customer: str = ""


async def take(intake: Intake, wish: Wish, visitor: Visitor, now: datetime) -> Taken:
    """Take the ticket in; the same form again is the same ticket.

    Raises:
        BadContact: the contact is neither a mailbox nor a telephone number.
        NotTaken: something it names does not exist.
        NotAcceptedNow: nothing was kept.
    """
    contact = {"kind": "email" if "@" in wish.contact else "phone", "value": wish.contact.strip(), "name": wish.name}
    body = {
        "contact": contact,
        "subject": wish.subject,
        "text": wish.text,
        "type": wish.type,
        "impact": wish.impact,
        "urgency": wish.urgency,
        "customer": wish.customer,
    }
    by = visitor.actor.label
    message = message_of(
        account=by[:80],
        idempotency_key=f"form:{wish.nonce}",
        kind=contact["kind"],
        value=contact["value"],
        name=contact["name"],
        subject=wish.subject,
        text=wish.text,
        language="",
        received_at=now,
        envelope={"by": by},
    )
    given = Given(
        type=wish.type,
        impact=Level(wish.impact) if wish.impact else None,
        urgency=Level(wish.urgency) if wish.urgency else None,
        customer=wish.customer,
        by=by,
    )
    channel = wish.channel if wish.channel in CHANNELS else CHANNELS[0]
    return await intake.take(replace(message, channel=channel), json.dumps(body, ensure_ascii=False).encode(), given)


async def known(database: Database, said: str) -> list[Row]:
    """People whom a telephone number, a mailbox or a name may mean, with `addresses` and open `tickets`."""
    wanted = typed.line(said)[:200]
    if len(wanted) < 3:
        return []

    def query(connection: Connection) -> list[Row]:
        keys = _keys(wanted)
        people = people_search.by_address(connection, keys) if keys else people_search.by_name(connection, wanted)
        ids = [person["id"] for person in people]
        ways = people_search.addresses_of(connection, ids)
        open_ones = people_search.open_tickets(connection, ids)
        return [
            {
                **person,
                "addresses": [a for a in ways if a["person_id"] == person["id"] and a["value"]],
                "tickets": [t for t in open_ones if t["contact_id"] == person["id"]],
            }
            for person in people
        ]

    return await database.read(query)


def _keys(said: str) -> list[str]:
    """The addresses a text may spell; empty where it is a name."""
    if "@" in said:
        return [address_key("email", fold(said))]
    if sum(c.isdigit() for c in said) < 5:
        return []
    try:
        message = message_of(
            account="",
            idempotency_key="",
            kind="phone",
            value=said,
            name="",
            subject="",
            text="",
            language="",
            received_at=datetime.min,  # noqa: DTZ901 - not kept
            envelope={},
        )
    except BadContact:
        return []
    return [address_key(*message.sender.key)]
