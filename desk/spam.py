"""Spam: held, not answered, told to nobody, and one click away from being a ticket.

Mail is spam where a filter says so (`MessageKind.SPAM`) or a rule of the staff blocks its sender. It is kept as an
entry of the quarantine with the reason `spam` and its raw bytes. A rule that allows a sender overrules a filter, and so
does an answer of a ticket's author with a proof: a spammer has no token of ours. A rule that blocks overrules all.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from storage.sender_rules import BLOCK
from tickets.address import fold
from tickets.authenticity import Trust, trust
from tickets.message import InboundMessage, MessageKind

if TYPE_CHECKING:
    from desk.known import Known

Row = dict[str, Any]

_DOMAINS = 4
"""So many parents of a sender's domain may have a rule."""


@lru_cache(maxsize=4096)
def keys_of(address: str) -> tuple[str, ...]:
    """The rules that may speak of a sender, the nearest first.

    >>> keys_of("Anna@mail.example.ru")
    ('email:anna@mail.example.ru', 'domain:mail.example.ru', 'domain:example.ru', 'domain:ru')
    """
    folded = fold(address)[:320]
    if "@" not in folded:
        return ()
    labels = folded.rpartition("@")[2].split(".")
    return (f"email:{folded}", *(f"domain:{'.'.join(labels[n:])}" for n in range(min(len(labels), _DOMAINS))))


def senders(messages: Iterable[InboundMessage]) -> set[str]:
    """Every rule that may speak of one of these messages."""
    return {key for message in messages if message.channel == "email" for key in keys_of(message.sender.value)}


def why(known: Known, message: InboundMessage, proofs: frozenset[str]) -> tuple[str, ...]:
    """Why a message is to be held; nothing where it is not. A message that is none after all becomes a person's.

    `proofs` are the names of ties that only somebody who got a mail of ours can have.
    """
    if message.channel != "email":
        return ()
    rule = next((known.rules[key] for key in keys_of(message.sender.value) if key in known.rules), None)
    if rule is not None:
        known.hits.add(rule["key"])
    if rule is not None and rule["verdict"] == BLOCK:
        return (f"blocked:{rule['key']}",)
    if message.kind is not MessageKind.SPAM:
        return ()
    if any(code.startswith("virus:") for code in message.kind_because):
        # who may write may not send that
        return message.kind_because
    failed = trust(message.authenticity) is Trust.FAILED
    if rule is not None and not failed:
        message.kind = MessageKind.HUMAN
        message.kind_because = (*message.kind_because, f"allowed:{rule['key']}")
        return ()
    person = known.people.get(":".join(message.sender.key), {}).get("person_id")
    if person is not None and any(
        tie in proofs and ticket["contact_id"] == person for ticket, tie in known.thread(message)
    ):
        message.kind = MessageKind.HUMAN
        message.kind_because = (*message.kind_because, "answer_with_proof")
        return ()
    return message.kind_because or ("filter",)


def found_out(message: InboundMessage) -> Row:
    """The envelope of a message with what was found out about who sent it, so that a replay need not ask again."""
    told = {"authenticity": dict(message.authenticity)} if message.authenticity else {}
    return {**told, **message.extra.get("envelope", {})}


def entry_envelope(message: InboundMessage) -> Row:
    """What is kept of a held message beside its bytes."""
    return {
        **found_out(message),
        **({} if message.fresh else {"external_id": message.external_id}),
        "from": message.sender.value,
        "name": message.sender.name,
        "subject": message.subject[:500],
        "because": list(message.kind_because),
    }
