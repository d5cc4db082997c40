"""The PROXY protocol, versions 1 and 2: how a balancer tells whose connection it hands on. No I/O here.

Source: haproxy.org/download/2.9/doc/proxy-protocol.txt. The header is believed from known proxies alone, and from them
it must come: a receiver that guesses lets anybody claim any address (section 2 there).
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LONGEST_V1 = 107
LONGEST_V2 = 4096
"""Octets of a version 2 header that are taken: addresses, and what extensions a proxy adds behind them."""

_FAMILIES = {0x11: (4, IPv4Address), 0x21: (16, IPv6Address)}


class ProxyError(ValueError):
    """What came is no PROXY header."""


@dataclass(frozen=True, slots=True)
class Proxied:
    """What a header says. `address` is the client's, None where the proxy speaks for itself (a health check) or of a
    connection that has none; `length` is that of the header in bytes."""

    address: tuple[str, int] | None
    length: int


def parse(data: bytes) -> Proxied | None:
    """Read the header at the beginning of a connection; None while more of it must come.

    >>> parse(b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\\r\\nEHLO x")
    Proxied(address=('192.0.2.7', 56324), length=41)
    >>> parse(b"PROXY TCP4 192.0.2.7 19") is None
    True

    Raises:
        ProxyError: this is none.
    """
    if data.startswith(SIGNATURE[: len(data)]):
        return _version_2(data)
    if data.startswith(b"PROXY "[: len(data)]):
        return _version_1(data)
    raise ProxyError("neither version's signature")


def _version_1(data: bytes) -> Proxied | None:
    end = data.find(b"\r\n", 0, LONGEST_V1)
    if end < 0:
        if len(data) >= LONGEST_V1:
            raise ProxyError("a header without an end")
        return None
    words = data[:end].split(b" ")
    if words[1:2] == [b"UNKNOWN"]:
        return Proxied(None, end + 2)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise ProxyError("not six words")
    try:
        source = ip_address(words[2].decode("ascii"))
        ip_address(words[3].decode("ascii"))
    except ValueError as error:
        raise ProxyError("no address") from error
    port = words[4]
    if source.version != int(words[1][-1:]) or not (port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise ProxyError("an address of the other family, or no port")
    return Proxied((str(source), int(port)), end + 2)


def _version_2(data: bytes) -> Proxied | None:
    if len(data) < 16:
        return None
    command, family, size = data[12], data[13], int.from_bytes(data[14:16], "big")
    if command not in (0x20, 0x21) or size > LONGEST_V2:
        raise ProxyError("an unknown command, or too much")
    length = 16 + size
    if len(data) < length:
        return None
    if command == 0x20 or family not in _FAMILIES:
        return Proxied(None, length)
    width, kind = _FAMILIES[family]
    if size < 2 * width + 4:
        raise ProxyError("addresses cut short")
    port = int.from_bytes(data[16 + 2 * width : 18 + 2 * width], "big")
    return Proxied((str(kind(data[16 : 16 + width])), port), length)
