"""A simulated name server on a real UDP socket: answers from a table, stays silent or breaks where it is told to.

dns = SimulatedDns()
dns.add("example.ru", "TXT", "v=spf1 ip4:192.0.2.1 -all")
await dns.start()
resolver = Resolver([dns.address])
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any, cast

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

_CHUNK = 200


class SimulatedDns(asyncio.DatagramProtocol):
    """One authoritative server for everything it was told.

    `silent` names are never answered and `broken` ones with SERVFAIL; names nobody added do not exist. While `mute` it
    answers nothing at all. `asked` are the questions so far, as name and type.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.silent: set[str] = set()
        self.broken: set[str] = set()
        self.mute = False
        self._records: dict[str, list[tuple[str, str]]] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._port = 0

    async def start(self) -> None:
        """Listen on a free port of the loopback."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", self._port))
        self._transport = transport
        self._port = int(transport.get_extra_info("sockname")[1])

    def stop(self) -> None:
        """Answer no more."""
        if self._transport is not None:
            self._transport.close()

    @property
    def address(self) -> str:
        """Where it is asked, `address:port`."""
        return f"127.0.0.1:{self._port}"

    def add(self, name: str, kind: str, *values: str) -> None:
        """Records of one name and type, as a zone file writes them; long TXT values are cut into strings here."""
        there = self._records.setdefault(_folded(name), [])
        there += [(kind, _quoted(value) if kind == "TXT" else value) for value in values]

    def remove(self, name: str) -> None:
        """All records of a name."""
        self._records.pop(_folded(name), None)

    def add_address(self, name: str, address: str) -> None:
        """A name and the address it has, both ways."""
        found = ip_address(address)
        self.add(name, "AAAA" if found.version == 6 else "A", address)
        self.add(found.reverse_pointer, "PTR", f"{name}.")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """One question."""
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        question = query.question[0]
        name, kind = _folded(question.name.to_text()), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        if self.mute or name in self.silent:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        records = self._records.get(name)
        if name in self.broken:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif records is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        else:
            values = [value for there, value in records if there == kind]
            if values:
                response.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, *values))
        cast("asyncio.DatagramTransport", self._transport).sendto(response.to_wire(max_size=4096), addr)


def _folded(name: str) -> str:
    return dns.name.from_text(name).to_text(omit_final_dot=True).lower()


def _quoted(value: str) -> str:
    escaped = [value[start : start + _CHUNK] for start in range(0, len(value), _CHUNK)] or [""]
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in escaped)
