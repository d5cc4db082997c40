"""Who is really calling, where proxies stand in between.

`X-Forwarded-For` is a list that every proxy appends the address of its own caller to, so only what trusted proxies
wrote can be believed: going from the right, the first address that is no trusted proxy is the client. What stands
further left is what that client claimed. Without trusted proxies the header means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import web

Address = IPv4Address | IPv6Address

MOST_HOPS = 20
"""Entries of the list that are looked at, from the right."""

FORWARDING = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")
"""Headers a proxy leaves behind."""


class Proxies:
    """The proxies that are believed, by their networks."""

    def __init__(self, trusted: Iterable[str] = ()) -> None:
        self._networks = tuple(ip_network(each, strict=False) for each in trusted)

    def trusts(self, remote: str | None) -> bool:
        """Whether an address is a trusted proxy's."""
        address = parsed(remote or "")
        return address is not None and self._knows(address)

    def _knows(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """The address of the client: the rightmost one that is no trusted proxy's.

        >>> inner = Proxies(["10.0.0.0/8"])
        >>> inner.client("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.0.0.2")
        '198.51.100.7'
        >>> inner.client("192.0.2.1", "198.51.100.7")
        '192.0.2.1'

        An entry that is no address ends the search, and the proxy that wrote it stands for its client.
        """
        found = parsed(peer)
        if found is None or not self._knows(found):
            return peer
        for entry in reversed(forwarded_for.split(",")[-MOST_HOPS:]):
            address = parsed(entry)
            if address is None:
                break
            found = address
            if not self._knows(found):
                break
        return str(found)

    def seen(self, request: web.Request) -> web.Request:
        """The request as its client made it: `remote` and `scheme` are the client's."""
        if not self._networks or not self.trusts(request.remote):
            return request
        client = self.client(request.remote or "", ",".join(request.headers.getall("X-Forwarded-For", ())))
        scheme = request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip().lower()
        return request.clone(remote=client, scheme=scheme if scheme in ("http", "https") else request.scheme)


def parsed(text: str) -> Address | None:
    """An address as proxies write it, perhaps with a port; None for anything else.

    >>> parsed("[2001:db8::1]:443"), parsed("198.51.100.7:1234"), parsed("::ffff:10.0.0.1"), parsed("unknown")
    (IPv6Address('2001:db8::1'), IPv4Address('198.51.100.7'), IPv4Address('10.0.0.1'), None)
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_loopback(remote: str | None) -> bool:
    """Whether a peer is this machine itself."""
    address = parsed(remote or "")
    return address is not None and address.is_loopback


def forwarded(request: web.Request) -> bool:
    """Whether a proxy, trusted or not, says that it handed this request on."""
    return any(name in request.headers for name in FORWARDING)


__all__ = ["Proxies", "forwarded", "is_loopback", "parsed"]
