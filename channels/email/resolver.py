"""Questions to the DNS, bounded in time. dnspython is loaded when the first one is asked."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from channels.email.breaker import Breaker

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver as DnsResolver

CACHED = 5_000

_LONGEST_LOOK = 60.0
"""Seconds; a breaker looks for less."""


class DnsTrouble(Exception):
    """No answer, or one that says that something is broken: asking again later may help (RFC 7208, `temperror`)."""


class Resolver:
    """Asks the name servers given (`address` or `address:port`), else those of the system; `timeout` in seconds.

    A name that does not exist and one without such a record both give an empty list.
    """

    def __init__(self, servers: Sequence[str] = (), timeout: float = 3.0) -> None:
        self._servers = tuple(servers)
        self._timeout = timeout
        self._asker: DnsResolver | None = None
        self.breaker = Breaker("resolver", self.alive, look=2 * timeout)

    async def txt(self, name: str) -> list[bytes]:
        """TXT records, the strings of each joined."""
        return [b"".join(record.strings) for record in await self._ask(name, "TXT")]

    async def addresses(self, name: str, version: int) -> list[str]:
        """A records, or AAAA where `version` is 6."""
        return [str(record.address) for record in await self._ask(name, "AAAA" if version == 6 else "A")]

    async def exchanges(self, name: str) -> list[str]:
        """Names of MX records, best first."""
        found = sorted(await self._ask(name, "MX"), key=lambda record: int(record.preference))
        return [record.exchange.to_text(omit_final_dot=True) for record in found]

    async def names(self, address: str) -> list[str]:
        """Names of an IP address (PTR)."""
        from dns import reversename

        found = await self._ask(reversename.from_address(address).to_text(), "PTR")
        return [record.target.to_text(omit_final_dot=True) for record in found]

    async def _ask(self, name: str, kind: str) -> list[Any]:
        import dns.exception
        import dns.name
        import dns.resolver

        try:
            asked = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError, ValueError):
            # no such name can exist
            return []
        if self.breaker.resting:
            raise DnsTrouble("the name servers are left alone until they answer again")
        try:
            answer = await self._resolver().resolve(asked, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return []
        except dns.exception.Timeout as error:
            # one domain's name servers are silent, or ours
            self.breaker.silent()
            raise DnsTrouble(f"{kind} {name}: {type(error).__name__}") from error
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise DnsTrouble(f"{kind} {name}: {type(error).__name__}") from error
        return list(answer.rrset or ())

    async def alive(self) -> None:
        """Ask for the root, which every name server says something of.

        Raises:
            TimeoutError: nothing answered.
        """
        await self.probe(".", "NS")

    async def probe(self, name: str, kind: str) -> None:
        """Ask whatever was answered before, to find out whether there is an answer at all; any will do.

        Raises:
            TimeoutError: there is none.
        """
        import dns.exception

        asker = copy(self._resolver())
        asker.cache = None
        # a look may take as long as the breaker lets it, however little patience there is with an answer
        asker.lifetime = max(asker.lifetime, _LONGEST_LOOK)
        try:
            await asker.resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.exception.Timeout:
            raise TimeoutError from None
        except dns.exception.DNSException:
            return

    def _resolver(self) -> DnsResolver:
        if self._asker is None:
            import dns.asyncresolver
            import dns.nameserver
            import dns.resolver

            asker = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                asker.nameservers = [dns.nameserver.Do53Nameserver(*_address(each)) for each in self._servers]
            asker.cache = dns.resolver.LRUCache(CACHED)
            asker.lifetime = self._timeout
            asker.timeout = max(0.5, self._timeout / 2)
            self._asker = asker
        return self._asker


def _address(server: str) -> tuple[str, int]:
    if server.startswith("["):
        host, _, port = server[1:].partition("]")
        return host, int(port.removeprefix(":") or 53)
    if server.count(":") == 1:
        host, _, port = server.partition(":")
        return host, int(port)
    return server, 53
