"""SPF: whether a client may send for the domain of a sender (RFC 7208).

Bounded as section 4.6.4 says: ten terms that cost a look-up, two that find nothing, ten names of an MX or PTR. The
explanation (`exp`) is never fetched: it would be a stranger's words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_network

from channels.email import spf_record
from channels.email.domain import ascii_domain
from channels.email.networks import IpAddress, ip_of
from channels.email.resolver import DnsTrouble, Resolver
from channels.email.spf_record import Mechanism, RecordError

LOOKUPS = 10
VOIDS = 2
NAMES = 10


@dataclass(frozen=True, slots=True)
class SpfOutcome:
    """`result` in the words of RFC 7208, section 2.6; `domain` is whose record spoke; `because` a code."""

    result: str
    domain: str
    because: str = ""


class _PermError(Exception):
    """The record cannot be used; the text is a code."""


async def check(resolver: Resolver, *, client: str, mail_from: str, helo: str) -> SpfOutcome:
    """The outcome for an address, a sender ("" is the null sender: then HELO counts, section 2.4) and a greeting."""
    sender = mail_from.strip("<>") or f"postmaster@{helo}"
    local, _, domain = sender.rpartition("@")
    domain = ascii_domain(domain)
    address = ip_of(client)
    if address is None or not _is_name(domain):
        return SpfOutcome("none", domain[:253])
    evaluation = _Evaluation(resolver, address, local or "postmaster", domain, helo)
    try:
        result = await evaluation.check_host(domain)
    except DnsTrouble:
        return SpfOutcome("temperror", domain, "dns")
    except _PermError as error:
        return SpfOutcome("permerror", domain, str(error))
    return SpfOutcome(result, domain)


def _is_name(domain: str) -> bool:
    labels = domain.split(".")
    return (
        len(domain) <= 253 and len(labels) > 1 and all(0 < len(label) <= 63 for label in labels) and "[" not in domain
    )


class _Evaluation:
    """One `check_host` with all it leads to (section 4)."""

    def __init__(self, resolver: Resolver, address: IpAddress, local: str, domain: str, helo: str) -> None:
        self._resolver = resolver
        self._address = address
        self._local = local
        self._sender_domain = domain
        self._helo = helo
        self._lookups = 0
        self._voids = 0
        self._tests: dict[str, Callable[[Mechanism, str], Awaitable[bool]]] = {
            "include": self._include,
            "a": self._a,
            "mx": self._mx,
            "ptr": self._ptr,
            "exists": self._exists,
        }

    async def check_host(self, domain: str) -> str:
        """The result of one domain's record.

        Raises:
            _PermError, DnsTrouble: there is none.
        """
        domain = domain.removesuffix(".")
        if not _is_name(domain):
            return "none"
        records = [text for text in await self._resolver.txt(domain) if spf_record.is_spf(text)]
        if not records:
            return "none"
        if len(records) > 1:
            raise _PermError("several_records")
        try:
            record = spf_record.parse(records[0])
        except RecordError as error:
            raise _PermError("syntax") from error
        for mechanism in record.mechanisms:
            if await self._matches(mechanism, domain):
                return mechanism.result
        if record.redirect:
            self._count()
            result = await self.check_host(await self._expand(record.redirect, domain))
            if result == "none":
                raise _PermError("redirect_to_nothing")
            return result
        return "neutral"

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        if mechanism.name == "all":
            return True
        if mechanism.network is not None:
            return self._address.version == mechanism.network.version and self._address in mechanism.network
        self._count()
        target = await self._expand(mechanism.target, domain) if mechanism.target else domain
        return await self._tests[mechanism.name](mechanism, target)

    def _count(self) -> None:
        self._lookups += 1
        if self._lookups > LOOKUPS:
            raise _PermError("too_many_lookups")

    def _found(self, answers: list[str]) -> list[str]:
        if not answers:
            self._voids += 1
            if self._voids > VOIDS:
                raise _PermError("too_many_void_lookups")
        return answers

    async def _include(self, mechanism: Mechanism, target: str) -> bool:
        result = await self.check_host(target)
        if result == "none":
            raise _PermError("include_of_nothing")
        return result == "pass"

    async def _a(self, mechanism: Mechanism, target: str) -> bool:
        return self._holds(self._found(await self._resolver.addresses(target, self._address.version)), mechanism)

    async def _mx(self, mechanism: Mechanism, target: str) -> bool:
        names = self._found(await self._resolver.exchanges(target))
        if len(names) > NAMES:
            raise _PermError("too_many_mx")
        for name in names:
            if self._holds(await self._resolver.addresses(name, self._address.version), mechanism):
                return True
        return False

    async def _exists(self, mechanism: Mechanism, target: str) -> bool:
        return bool(self._found(await self._resolver.addresses(target, 4)))

    async def _ptr(self, mechanism: Mechanism, target: str) -> bool:
        return bool(await self._validated(target))

    async def _validated(self, target: str) -> str:
        """A name of the client's that leads back to it and is the target or below it (section 5.5); else empty."""
        wanted = target.lower().rstrip(".")
        try:
            names = await self._resolver.names(str(self._address))
        except DnsTrouble:
            return ""
        for name in sorted(names[:NAMES], key=lambda each: each.lower() != wanted):
            folded = name.lower()
            if folded != wanted and not folded.endswith(f".{wanted}"):
                continue
            try:
                if str(self._address) in await self._resolver.addresses(name, self._address.version):
                    return name
            except DnsTrouble:
                continue
        return ""

    def _holds(self, found: list[str], mechanism: Mechanism) -> bool:
        length = mechanism.v4 if self._address.version == 4 else mechanism.v6
        return any(self._address in ip_network((each, length), strict=False) for each in found)

    async def _expand(self, spec: str, domain: str) -> str:
        if "%" not in spec:
            return spec
        four = isinstance(self._address, IPv4Address)
        plain = str(self._address) if four else ".".join(self._address.exploded.replace(":", ""))
        values = {
            "s": f"{self._local}@{self._sender_domain}",
            "l": self._local,
            "o": self._sender_domain,
            "d": domain,
            "i": plain,
            "v": "in-addr" if four else "ip6",
            "h": self._helo,
        }
        if "%{p" in spec.lower():
            values["p"] = await self._validated(domain) or "unknown"
        return spf_record.expand(spec, values)
