"""Who is writing: the person behind an address, made when it is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from desk.known import address_key
from tickets.address import Address, AddressKind
from tickets.key import new_key
from tickets.message import InboundMessage
from tickets.organisation import Member, Organisation

if TYPE_CHECKING:
    from desk.arrival import Desk


def find_or_make(desk: Desk, message: InboundMessage) -> dict[str, Any]:
    """The person of the sender's address: `person_id`, `name`, `language`, `customer` and what is known of the address;
    `row` and `address` are there while the person is being made.

    A message without a sender belongs to a nameless person of its own address key, so that it is still a ticket.
    """
    kind, folded = message.sender.key
    key = address_key(kind, folded)
    person = desk.known.people.get(key)
    if person is not None:
        return person
    row = desk.batch.add(
        "people",
        {
            "id": new_key(),
            "site": desk.site.prefix,
            "name": message.sender.name,
            "language": message.language or desk.site.language,
            "customer": "",
            "created_at": desk.now,
        },
    )
    address = desk.batch.add(
        "addresses",
        {
            "key": key,
            "person_id": row["id"],
            "kind": kind,
            "value": message.sender.value,
            "verified": False,
            "dead_at": None,
            "opted_out_at": None,
            "standing": None,
            "acknowledgement_id": None,
        },
    )
    person = desk.known.people[key] = {
        "key": key,
        "person_id": row["id"],
        "kind": kind,
        "value": message.sender.value,
        "verified": False,
        "dead_at": None,
        "opted_out_at": None,
        "standing": None,
        "acknowledgement_id": None,
        "acknowledgement": None,
        "name": message.sender.name,
        "language": row["language"],
        "customer": "",
        "row": row,
        "address": address,
    }
    return person


def staff_member(organisation: Organisation, sender: Address) -> Member | None:
    """The member of staff whose mailbox this is, if any."""
    if sender.kind is not AddressKind.EMAIL:
        return None
    return organisation.by_staff_email.get(sender.key[1])
