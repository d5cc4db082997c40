"""DKIM: signatures of another implementation, of the RFC, and spoilt ones."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email import dkim, dkim_signature
from channels.email.resolver import Resolver
from channels.testing_dns import SimulatedDns
from tests.authenticity.conftest import NOW
from tests.authenticity.signing import MAIL, key, sign

# RFC 8463, appendix A.3
FOOTBALL = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
BRISBANE = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


async def outcome(resolver: Resolver, raw: bytes) -> tuple[str, str]:
    (found,) = await dkim.verify(resolver, raw, NOW)
    return found.result, found.because


@pytest.mark.parametrize("canonical", ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"])
async def test_a_signature_of_another_program(dns: SimulatedDns, resolver: Resolver, canonical: str) -> None:
    dns.add("s1._domainkey.example.ru", "TXT", key()[1])
    (found,) = await dkim.verify(resolver, sign(canonical=canonical), NOW)
    assert (found.result, found.domain, found.selector) == ("pass", "example.ru", "s1")


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n", b"x", b" \r\n", b"\t \t\r\n x \r\n"])
@pytest.mark.parametrize("canonical", ["simple/simple", "relaxed/relaxed"])
async def test_odd_bodies(dns: SimulatedDns, resolver: Resolver, canonical: str, body: bytes) -> None:
    dns.add("s1._domainkey.example.ru", "TXT", key()[1])
    raw = MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    assert await outcome(resolver, sign(raw, canonical=canonical)) == ("pass", "")


async def test_the_example_of_rfc_8463(dns: SimulatedDns, resolver: Resolver) -> None:
    dns.add("brisbane._domainkey.football.example.com", "TXT", BRISBANE)
    assert await outcome(resolver, FOOTBALL) == ("pass", "")
    assert await outcome(resolver, FOOTBALL.replace(b"lost", b"won")) == ("fail", "body_changed")
    assert await outcome(resolver, FOOTBALL.replace(b"Joe Six", b"Jim Six")) == ("fail", "header_changed")


SPOILT = [
    ("subject changed", (b"is  silent\r\nDate", b"is  loud\r\nDate"), ("fail", "header_changed")),
    ("body changed", (b"It  is", b"It  was"), ("fail", "body_changed")),
    ("white space in a relaxed body", (b"It  is silent. \t\r\n", b"It is\tsilent.\r\n"), ("pass", "")),
    ("a second From above", (b"From: =", b"From: evil@bank.example\r\nFrom: ="), ("fail", "header_changed")),
    ("a field nobody signed", (b"To: help", b"X-Relay: 1\r\nTo: help"), ("pass", "")),
    ("an old algorithm", (b"a=rsa-sha256", b"a=rsa-sha1"), ("permerror", "algorithm")),
    ("another version", (b"v=1;", b"v=2;"), ("permerror", "version")),
    ("a tag twice", (b"v=1;", b"v=1; v=1;"), ("permerror", "tag_twice")),
    ("no hash", (b"bh=", b"xx="), ("permerror", "no_bh")),
    ("no base64", (b"bh=", b"bh=*"), ("permerror", "base64")),
    ("a canonical form nobody knows", (b"c=relaxed/relaxed", b"c=nofws"), ("permerror", "canonicalization")),
    ("an identity elsewhere", (b"i=@example.ru", b"i=@bank.example"), ("permerror", "identity")),
    ("From not signed", (b"h=from : to", b"h=to"), ("permerror", "from_not_signed")),
    ("another way to ask", (b"q=dns/txt", b"q=http"), ("permerror", "query")),
]


@pytest.mark.parametrize("change, expected", [each[1:] for each in SPOILT], ids=[each[0] for each in SPOILT])
async def test_what_was_changed_since(
    dns: SimulatedDns, resolver: Resolver, change: tuple[bytes, bytes], expected: tuple[str, str]
) -> None:
    dns.add("s1._domainkey.example.ru", "TXT", key()[1])
    raw = sign()
    if change[0].startswith(b"h="):
        raw = raw.replace(b"from :", b"x-a :").replace(b": from", b": x-b")
    else:
        assert change[0] in raw
        raw = raw.replace(*change, 1)
    assert await outcome(resolver, raw) == expected


KEYS = [
    ("none", None, ("permerror", "no_key")),
    ("revoked", "v=DKIM1; p=", ("permerror", "key_revoked")),
    ("no key in it", "v=DKIM1", ("permerror", "key_syntax")),
    ("no base64", "v=DKIM1; p=***", ("permerror", "key_syntax")),
    ("no DER", "v=DKIM1; p=AAAA", ("permerror", "key_syntax")),
    ("another version", "v=DKIM2; p=AAAA", ("permerror", "key_syntax")),
    ("for something else", "s=other; " + key()[1], ("permerror", "key_unfit")),
    ("for another hash", "h=sha1; " + key()[1], ("permerror", "key_unfit")),
    ("of another type", BRISBANE, ("permerror", "key_type")),
    ("another one", key(1024)[1], ("fail", "header_changed")),
    ("white space in it", key()[1].replace("p=MII", "p= M I I"), ("pass", "")),
]


@pytest.mark.parametrize("record, expected", [each[1:] for each in KEYS], ids=[each[0] for each in KEYS])
async def test_keys(dns: SimulatedDns, resolver: Resolver, record: str | None, expected: tuple[str, str]) -> None:
    if record is not None:
        dns.add("s1._domainkey.example.ru", "TXT", record)
    assert await outcome(resolver, sign()) == expected


async def test_a_key_that_anybody_could_break(dns: SimulatedDns, resolver: Resolver) -> None:
    small = (
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKsfYMzQiMXNbpvGcbTb8gA4DgAYyRQPRi6xF2Cf3xTfIWn4QvYBfzmP"
        "kLmCZ0hAMnW6CgkJ7S9VZbRPnhRjzKkCAwEAAQ=="
    )
    dns.add("s1._domainkey.example.ru", "TXT", f"v=DKIM1; p={small}")
    result, because = await outcome(resolver, sign())
    assert (result, because) in {("permerror", "key_size"), ("permerror", "key_syntax")}


@pytest.mark.parametrize("trouble", ["silent", "broken"])
async def test_a_name_server_in_trouble_is_a_temperror(dns: SimulatedDns, trouble: str) -> None:
    getattr(dns, trouble).add("s1._domainkey.example.ru")
    assert await outcome(Resolver([dns.address], timeout=0.2), sign()) == ("temperror", "dns")


async def test_a_signature_past_its_time(dns: SimulatedDns, resolver: Resolver) -> None:
    dns.add("s1._domainkey.example.ru", "TXT", key()[1])
    late = int((NOW - timedelta(seconds=1)).timestamp())
    assert await outcome(resolver, sign().replace(b"v=1;", b"v=1; x=%d;" % late, 1)) == ("fail", "expired")
    soon = int((NOW + timedelta(hours=1)).timestamp())
    # not yet past it, and not signed either
    changed = sign().replace(b"v=1;", b"v=1; x=%d;" % soon, 1)
    assert await outcome(resolver, changed) == ("fail", "header_changed")


async def test_what_was_appended_to_a_signed_part_is_not_signed(dns: SimulatedDns, resolver: Resolver) -> None:
    dns.add("s1._domainkey.example.ru", "TXT", key()[1])
    raw = sign(length=True)
    assert await outcome(resolver, raw) == ("pass", "")
    assert await outcome(resolver, raw + b"Pay to this account.\r\n") == ("policy", "body_not_covered")


async def test_only_so_many_signatures_are_looked_at(dns: SimulatedDns, resolver: Resolver) -> None:
    found = await dkim.verify(resolver, b"DKIM-Signature: v=1; d=x.example\r\n" * 1000 + sign(), NOW)
    assert [each.result for each in found] == ["permerror"] * dkim_signature.MAX_SIGNATURES
    assert dns.asked == []


async def test_a_large_mail_is_verified_too(dns: SimulatedDns, resolver: Resolver) -> None:
    dns.add("s1._domainkey.example.ru", "TXT", key()[1])
    raw = sign(MAIL + b"a b\tc  d \r\n" * 20_000)
    assert await outcome(resolver, raw) == ("pass", "")


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n\r\n", b"DKIM-Signature", b"DKIM-Signature:\xff\xfe;;;\r\n\r\n", b"\0" * 99]
)
async def test_any_bytes_are_no_trouble(resolver: Resolver, raw: bytes) -> None:
    assert all(each.result == "permerror" for each in await dkim.verify(resolver, raw, NOW))


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"\r", b"\n", b"a", b"  "]), max_size=40).map(b"".join))
def test_the_relaxed_body_is_that_of_another_program(body: bytes) -> None:
    import dkim as other

    theirs = other.CanonicalizationPolicy.from_c_value(b"relaxed/relaxed").canonicalize_body(body)
    ours = dkim_signature.canonical_body(body, relaxed=True)
    # the other one keeps blanks at the very end, where no line ends
    assert ours == theirs or body.endswith((b" ", b"\t"))


def test_a_header_folded_at_every_octet_takes_no_time() -> None:
    fields, body = dkim_signature.split(b"Subject: x" + b"\r\n " * 80_000 + b"\r\n\r\nbody")
    assert [name for name, _ in fields] == [b"subject"]
    assert len(fields[0][1]) > 200_000
    assert body > len(fields[0][1])


def test_a_mail_of_blanks_takes_no_time() -> None:
    blanks = b" " * 3_000_000 + b"x" + b"\r\n" * 1_000_000
    assert dkim_signature.canonical_body(blanks, relaxed=True) == b" x\r\n"
    assert dkim_signature.relaxed_field(b"Subject:" + blanks) == b"subject:x"
