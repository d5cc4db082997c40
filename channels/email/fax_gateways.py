"""Faxes that the gateways named in the settings bring by mail, taken in as what their callers say.

- A mail from a gateway that is named, with a file of pages, becomes a fax: a person's message, whose sender is the
  caller's number. Where anybody looked whether it is really from there, it has to be.
- One without such a file (a failed call, a report of what was sent) is an automatic mail of the gateway.
- What only says that it is from there, or has the form of a gateway's mail, stays a mail of its sender, unanswered.

A fax always makes a ticket of its own, whatever words its gateway wrote: the name the other machine gives itself stands
in them, and could be a ticket's number. The gateway's domain vouches for the gateway and not for the caller, so that
nothing is said about the message's authenticity; what was found out about the gateway stands in the envelope.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from channels.base import Accept
from tickets.address import Address, AddressKind, fold
from tickets.authenticity import Trust, trust
from tickets.message import Accepted, InboundMessage, MessageKind, Refs, Unreadable

_SAID = frozenset({MessageKind.HUMAN, MessageKind.AUTO_REPLY})
"""Kinds a gateway's mail may be read as; a bounce or spam stays what it is."""


class FaxGateways:
    """Stands between the doors and `accept`; `addresses` are the mailboxes gateways send from."""

    def __init__(self, addresses: Collection[str], accept: Accept) -> None:
        self._accept = accept
        self._addresses: frozenset[str] = frozenset()
        self.become(addresses)

    def become(self, addresses: Collection[str]) -> None:
        """Go on with other gateways."""
        self._addresses = frozenset(fold(each) for each in addresses)

    async def accept(self, message: InboundMessage | Unreadable, raw: bytes) -> Accepted:
        """See `channels.base.Accept`."""
        if isinstance(message, InboundMessage):
            self.file(message)
        return await self._accept(message, raw)

    def file(self, message: InboundMessage) -> None:
        """Make a fax of a mail that brings one."""
        if self._addresses and fold(message.sender.value) in self._addresses:
            _file(message)


def _file(message: InboundMessage) -> None:
    if message.kind not in _SAID:
        return
    from channels.email.fax import pages_of, read_fax

    believed = not message.authenticity or trust(message.authenticity) is Trust.VERIFIED
    pages = pages_of(message) if believed else None
    if pages is None:
        if message.kind is MessageKind.HUMAN:
            message.kind = MessageKind.AUTO_REPLY
            message.kind_because = ("fax_gateway" if believed else "fax_unproven",)
        return
    fax = read_fax(message)
    if message.authenticity:
        envelope = {**message.extra.get("envelope", {}), "authenticity": message.authenticity}
        message.extra = {**message.extra, "envelope": envelope}
    message.extra = {**message.extra, "fax": {**asdict(fax), "gateway": message.sender.value}}
    message.kind = MessageKind.HUMAN
    message.kind_because = ("fax",)
    message.sender = Address(AddressKind.PHONE, fax.number, fax.name)
    message.authenticity = {}
    message.refs = Refs()
