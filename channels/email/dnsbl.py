"""DNS block lists (RFC 5782): whether a client's address is listed. What follows is the settings' choice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Address, ip_network
from typing import TYPE_CHECKING, Literal

from channels.email.breaker import Breaker
from channels.email.networks import ip_of

if TYPE_CHECKING:
    from channels.email.resolver import Resolver

Action = Literal["reject", "spam", "note"]

_ANSWERS = ip_network("127.0.0.0/8")
_REFUSALS = ip_network("127.255.255.0/24")
"""What lists answer that do not serve whoever asks (Spamhaus: 127.255.255.252 to .255)."""
_ALWAYS_LISTED = "2.0.0.127"
"""What every list has an answer for (RFC 5782, section 5)."""


class Dnsbl:
    """Some lists, by their zones. `reject` refuses at RCPT, `spam` marks the mail, `note` only writes it down."""

    def __init__(self, resolver: Resolver, zones: Sequence[str], action: Action, timeout: float = 2.0) -> None:
        self._resolver = resolver
        self._zones = tuple(zones)
        self._timeout = timeout
        self.action: Action = action
        self.breakers = {
            zone: Breaker(zone, partial(resolver.probe, f"{_ALWAYS_LISTED}.{zone}", "A"), look=timeout)
            for zone in self._zones
        }

    async def listings(self, address: str) -> dict[str, str]:
        """The zones that list an address, each with its answer. A list that does not answer in time lists nobody."""
        name = query_name(address)
        if not name:
            return {}
        answers = await asyncio.gather(*(self._ask(name, zone) for zone in self._zones))
        return {zone: answer for zone, answer in zip(self._zones, answers, strict=True) if answer}

    async def _ask(self, name: str, zone: str) -> str:
        from channels.email.resolver import DnsTrouble

        if self.breakers[zone].resting:
            return ""
        try:
            async with asyncio.timeout(self._timeout):
                found = await self._resolver.addresses(f"{name}.{zone}", 4)
        except TimeoutError:
            self.breakers[zone].silent()
            return ""
        except DnsTrouble:
            return ""
        for answer in found:
            at = ip_of(answer)
            if at is not None and at in _ANSWERS and at not in _REFUSALS:
                return answer
        return ""

    def refusal(self, listings: dict[str, str]) -> str:
        """The reply to a listed client, where lists refuse."""
        if self.action != "reject" or not listings:
            return ""
        return f"554 5.7.1 Your address is listed by {next(iter(listings))}"


def query_name(address: str) -> str:
    """The part of a question that stands for an address (RFC 5782, sections 2.1 and 2.4); empty where it is none.

    >>> query_name("192.0.2.99")
    '99.2.0.192'
    """
    found = ip_of(address)
    if found is None:
        return ""
    if isinstance(found, IPv4Address):
        return ".".join(reversed(str(found).split(".")))
    return ".".join(reversed(found.exploded.replace(":", "")))
