"""Lists of senders by mailbox, domain or network: who is blocked, who is always let through."""

from __future__ import annotations

from collections.abc import Iterable

from channels.email.domain import ascii_domain, within
from channels.email.networks import Networks
from tickets.address import fold


class SenderList:
    """Entries are mailboxes (`ivan@example.ru`), domains with all below them (`example.ru`) and networks.

    >>> found = SenderList(["spam@example.ru", "junk.example", "192.0.2.0/24"])
    >>> found.match(["SPAM@Example.ru"], ""), found.match(["a@mail.junk.example"], ""), found.match([], "192.0.2.7")
    ('spam@example.ru', 'junk.example', '192.0.2.0/24')
    >>> found.match(["a@example.ru", "a@notjunk.example"], "198.51.100.1")
    ''
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._mailboxes: set[str] = set()
        self._domains: set[str] = set()
        self._networks: list[tuple[str, Networks]] = []
        for entry in entries:
            local, at, domain = entry.rpartition("@")
            if at:
                self._mailboxes.add(f"{fold(local)}@{ascii_domain(domain)}")
                continue
            try:
                self._networks.append((entry, Networks([entry])))
            except ValueError:
                self._domains.add(ascii_domain(entry))

    def __bool__(self) -> bool:
        return bool(self._mailboxes or self._domains or self._networks)

    def match(self, addresses: Iterable[str], client: str) -> str:
        """The entry that names one of these senders or this client; empty where none does."""
        for entry, network in self._networks:
            if client in network:
                return entry
        for address in addresses:
            local, at, name = address.rpartition("@")
            domain = ascii_domain(name)
            mailbox = f"{fold(local)}@{domain}"
            if at and mailbox in self._mailboxes:
                return mailbox
            if at and (found := next((each for each in self._domains if within(domain, each)), "")):
                return found
        return ""
