"""DMARC: whether what SPF and DKIM say is about the author's domain, and what that domain asks for (RFC 7489)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from channels.email.domain import ascii_domain
from channels.email.resolver import Resolver

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

POLICIES = frozenset({"none", "quarantine", "reject"})


@dataclass(frozen=True, slots=True)
class Policy:
    """What a domain asks for. `record` is the domain whose record it is; strict alignment wants equal names."""

    policy: str
    record: str
    strict_spf: bool = False
    strict_dkim: bool = False


class BadRecord(ValueError):
    """There is a record, and it cannot be used."""


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList()


@lru_cache(maxsize=2048)
def organisational(domain: str) -> str:
    """The organisational domain of a name, by the public suffix list (section 3.2).

    >>> organisational("news.mail.example.co.uk"), organisational("co.uk")
    ('example.co.uk', 'co.uk')
    """
    return _suffixes().privatesuffix(domain) or domain


def aligned(author: str, other: str, *, strict: bool = False) -> bool:
    """Whether a name that was authenticated stands for the author's domain (section 3.1).

    >>> aligned("example.ru", "bounces.example.ru"), aligned("example.ru", "bounces.example.ru", strict=True)
    (True, False)
    """
    author, other = ascii_domain(author), ascii_domain(other)
    if not author or not other:
        return False
    return author == other or (not strict and organisational(author) == organisational(other))


async def look_up(resolver: Resolver, author: str) -> Policy | None:
    """The policy for mail of this domain, its own or its organisation's (section 6.6.3); None where there is none.

    Raises:
        DnsTrouble: the question was not answered.
        BadRecord: a record was found that says nothing usable.
    """
    for domain in dict.fromkeys((author, organisational(author))):
        records = [text for text in await resolver.txt(f"_dmarc.{domain}") if _is_dmarc(text)]
        if len(records) == 1:
            return parse(records[0], author, domain)
        if records:
            raise BadRecord(domain)
    return None


def _is_dmarc(text: bytes) -> bool:
    version = text.partition(b";")[0].partition(b"=")
    return version[0].strip() == b"v" and version[2].strip() == b"DMARC1"


def parse(text: bytes, author: str, domain: str) -> Policy:
    """A record as it applies to an author's domain; below the record's own, `sp` goes before `p`.

    Raises:
        BadRecord: it has no policy anybody knows.
    """
    given: dict[str, str] = {}
    for part in text.decode("ascii", "replace").split(";"):
        name, _, value = part.partition("=")
        given.setdefault(name.strip().lower(), value.strip().lower())
    policy = given.get("p", "")
    if author != domain and given.get("sp"):
        policy = given["sp"]
    if policy not in POLICIES:
        if not given.get("rua"):
            raise BadRecord(domain)
        policy = "none"
    return Policy(policy, domain, given.get("aspf") == "s", given.get("adkim") == "s")


def passes(author: str, policy: Policy | None, spf: str, dkim: Sequence[str]) -> bool:
    """Whether any authenticated name stands for the author: `spf` and `dkim` are those that passed ("" and none)."""
    strict_spf = policy is not None and policy.strict_spf
    strict_dkim = policy is not None and policy.strict_dkim
    return aligned(author, spf, strict=strict_spf) or any(aligned(author, d, strict=strict_dkim) for d in dkim)
