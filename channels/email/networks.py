"""Sets of network addresses: who is trusted, who is blocked, and what counts as one client."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

IpAddress = IPv4Address | IPv6Address


@lru_cache(maxsize=4096)
def ip_of(text: str) -> IpAddress | None:
    """An address from its text, IPv4 in the clothes of IPv6 taken out of them; None where it is none.

    >>> ip_of("::ffff:192.0.2.1"), ip_of("/run/socket")
    (IPv4Address('192.0.2.1'), None)
    """
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def client_key(address: str) -> str:
    """What counts as one client: an IPv4 address, or the 64 bits of IPv6 one site is given (RFC 6177).

    >>> client_key("192.0.2.1"), client_key("2001:db8::1") == client_key("2001:db8::2")
    ('192.0.2.1', True)
    """
    found = ip_of(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((int(found) >> 64 << 64, 64)))
    return str(found) if found is not None else address


class Networks:
    """Networks and addresses, in the notation of RFC 4632 and RFC 4291.

    >>> "10.1.2.3" in Networks(["10.0.0.0/8"]), "" in Networks(["0.0.0.0/0"])
    (True, False)

    Raises:
        ValueError: an entry is neither.
    """

    def __init__(self, given: Iterable[str] = ()) -> None:
        self._networks = tuple(ip_network(each, strict=False) for each in given)

    def __contains__(self, address: object) -> bool:
        found = ip_of(address) if isinstance(address, str) else None
        return found is not None and any(found.version == n.version and found in n for n in self._networks)

    def __bool__(self) -> bool:
        return bool(self._networks)
