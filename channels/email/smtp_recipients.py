"""Which recipients mail is taken for (RFC 5321, section 3.6 and 4.5.1)."""

from __future__ import annotations

from collections.abc import Iterable

from channels.email.domain import ascii_domain
from tickets.address import fold

NOT_OURS = "550 5.7.1 Not one of our domains"
UNKNOWN = "550 5.1.1 No such mailbox here"

_ALWAYS = frozenset({"postmaster", "abuse"})
"""Mailboxes every domain has (RFC 2142, section 5; RFC 5321, section 4.5.1)."""


class Recipients:
    """The mailboxes that are served.

    Of a domain some of whose mailboxes are named in `mailboxes`, only these are; of another in `domains`, all are.
    Where nothing is named at all, everything is taken. What stands behind a plus in the local part does not count
    (RFC 5233), so that a reply token finds its mailbox.

    >>> served = Recipients(["example.ru", "open.example"], ["help@example.ru"])
    >>> [served.refuse(to) for to in ("help+k1-abc@Example.ru", "all@open.example", "Postmaster")]
    ['', '', '']
    >>> served.refuse("sales@example.ru"), served.refuse("help@elsewhere.example")
    ('550 5.1.1 No such mailbox here', '550 5.7.1 Not one of our domains')
    """

    def __init__(self, domains: Iterable[str] = (), mailboxes: Iterable[str] = ()) -> None:
        self._named: dict[str, set[str]] = {}
        for mailbox in mailboxes:
            local, _, domain = mailbox.rpartition("@")
            self._named.setdefault(ascii_domain(domain), set()).add(fold(local))
        self._open = frozenset(map(ascii_domain, domains)) - self._named.keys()
        self._any = not self._open and not self._named

    def refuse(self, address: str) -> str:
        """The reply that refuses a recipient; empty if mail for it is taken."""
        if self._any and "@" in address:
            return ""
        local, at, domain = address.rpartition("@")
        if not at:
            return "" if fold(domain) == "postmaster" else NOT_OURS
        found = ascii_domain(domain)
        named = self._named.get(found)
        if named is None:
            return "" if found in self._open else NOT_OURS
        name = fold(local.strip('"'))
        return "" if name in named or name.partition("+")[0] in named | _ALWAYS else UNKNOWN
