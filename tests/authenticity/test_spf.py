"""SPF against a name server on a real socket."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email import spf, spf_record
from channels.email.resolver import Resolver
from channels.testing_dns import SimulatedDns
from tests.authenticity.conftest import CLIENT

RECORDS = [
    ("v=spf1 ip4:192.0.2.0/24 -all", "pass"),
    ("V=SPF1 -ALL", "fail"),
    ("v=spf1 ~all", "softfail"),
    ("v=spf1 ?all", "neutral"),
    ("v=spf1", "neutral"),
    ("v=spf1 ip4:198.51.100.1", "neutral"),
    ("v=spf1 ip6:2001:db8::/32 -all", "fail"),
    ("v=spf1 a -all", "pass"),
    ("v=spf1 a:other.example -all", "fail"),
    ("v=spf1 a:other.example/16 -all", "pass"),
    ("v=spf1 mx -all", "pass"),
    ("v=spf1 mx:nothing.example -all", "fail"),
    ("v=spf1 include:ours.example -all", "pass"),
    ("v=spf1 include:denies.example ?all", "neutral"),
    ("v=spf1 include:nothing.example -all", "permerror"),
    ("v=spf1 redirect=ours.example", "pass"),
    ("v=spf1 redirect=nothing.example", "permerror"),
    ("v=spf1 ptr -all", "pass"),
    ("v=spf1 ptr:other.example -all", "fail"),
    ("v=spf1 exists:%{ir}.list.example -all", "pass"),
    ("v=spf1 exists:%{l}.%{d}.list.example -all", "fail"),
    ("v=spf1 exists:%{p}.list.example -all", "fail"),
    ("v=spf1 -all exp=why.example", "fail"),
    ("v=spf1 unknown=whatever ip4:192.0.2.25 -all", "pass"),
    ("v=spf1 ip4:192.0.2.25 moo", "permerror"),
    ("v=spf1 ip4:192.0.2.25/33 -all", "permerror"),
    ("v=spf1 ip4:192.0.2 -all", "permerror"),
    ("v=spf1 all.", "permerror"),
    ("v=spf1 include: -all", "permerror"),
    ("v=spf1 a:%{c}.example -all", "permerror"),
    ("v=spf1 a:onelabel -all", "permerror"),
    ("v=spf1 redirect=a.example redirect=b.example", "permerror"),
    ("v=spf1 a:письмо.example -all", "permerror"),
    ("v=spf10 -all", "none"),
    ("spf2.0/pra -all", "none"),
]


@pytest.mark.parametrize("record, result", RECORDS)
async def test_records(dns: SimulatedDns, resolver: Resolver, record: str, result: str) -> None:
    dns.add("example.ru", "TXT", record, "some-verification=1")
    dns.add_address("example.ru", CLIENT)
    dns.add("example.ru", "MX", "10 mx.example.ru.")
    dns.add("mx.example.ru", "A", CLIENT)
    dns.add("other.example", "A", "192.0.99.1")
    dns.add("ours.example", "TXT", "v=spf1 ip4:192.0.2.25 -all")
    dns.add("denies.example", "TXT", "v=spf1 -all")
    dns.add("25.2.0.192.list.example", "A", "127.0.0.2")
    found = await spf.check(resolver, client=CLIENT, mail_from="ivan@example.ru", helo="mx.example.ru")
    assert (found.result, found.domain) == (result, "example.ru")


@pytest.mark.parametrize(
    "sender, helo, result, domain",
    [
        ("", "example.ru", "pass", "example.ru"),
        ("<>", "example.ru", "pass", "example.ru"),
        ("", "localhost", "none", "localhost"),
        ("", "[192.0.2.25]", "none", "[192.0.2.25]"),
        ("@example.ru", "x", "pass", "example.ru"),
        ("a@b@example.ru", "x", "pass", "example.ru"),
        ("ivan@почта.рф", "x", "pass", "xn--80a1acny.xn--p1ai"),
        ("ivan@nothing.example", "x", "none", "nothing.example"),
        ("ivan@" + "x" * 64 + ".example", "x", "none", "x" * 64 + ".example"),
        ("ivan@a..example", "x", "none", "a..example"),
        ("root", "x", "none", "root"),
    ],
)
async def test_senders(dns: SimulatedDns, resolver: Resolver, sender: str, helo: str, result: str, domain: str) -> None:
    for name in ("example.ru", "xn--80a1acny.xn--p1ai"):
        dns.add(name, "TXT", "v=spf1 ip4:192.0.2.25 -all")
    found = await spf.check(resolver, client=CLIENT, mail_from=sender, helo=helo)
    assert (found.result, found.domain) == (result, domain)


async def test_an_ipv6_client_and_one_in_its_clothes(dns: SimulatedDns, resolver: Resolver) -> None:
    dns.add("example.ru", "TXT", "v=spf1 ip6:2001:db8::/32 ip4:192.0.2.25 -all")
    for client, result in (("2001:db8::1", "pass"), ("2001:db9::1", "fail"), ("::ffff:192.0.2.25", "pass")):
        assert (await spf.check(resolver, client=client, mail_from="a@example.ru", helo="x")).result == result


async def limits_of(dns: SimulatedDns, resolver: Resolver, record: str) -> tuple[str, str]:
    dns.add("example.ru", "TXT", record)
    found = await spf.check(resolver, client=CLIENT, mail_from="ivan@example.ru", helo="x")
    return found.result, found.because


@pytest.mark.parametrize("count, outcome", [(10, ("fail", "")), (11, ("permerror", "too_many_lookups"))])
async def test_ten_lookups(dns: SimulatedDns, resolver: Resolver, count: int, outcome: tuple[str, str]) -> None:
    dns.add("other.example", "A", "198.51.100.1")
    assert await limits_of(dns, resolver, "v=spf1 " + "a:other.example " * count + "-all") == outcome


@pytest.mark.parametrize("count, outcome", [(2, ("fail", "")), (3, ("permerror", "too_many_void_lookups"))])
async def test_two_void_lookups(dns: SimulatedDns, resolver: Resolver, count: int, outcome: tuple[str, str]) -> None:
    terms = " ".join(f"a:nothing{n}.example" for n in range(count))
    assert await limits_of(dns, resolver, f"v=spf1 {terms} -all") == outcome


async def test_a_record_that_includes_itself_ends(dns: SimulatedDns, resolver: Resolver) -> None:
    assert await limits_of(dns, resolver, "v=spf1 include:example.ru -all") == ("permerror", "too_many_lookups")
    assert len(dns.asked) <= 12


async def test_more_exchanges_than_are_looked_at(dns: SimulatedDns, resolver: Resolver) -> None:
    dns.add("example.ru", "MX", *(f"{n} mx{n}.example.ru." for n in range(11)))
    assert await limits_of(dns, resolver, "v=spf1 mx -all") == ("permerror", "too_many_mx")


async def test_two_records(dns: SimulatedDns, resolver: Resolver) -> None:
    dns.add("example.ru", "TXT", "v=spf1 +all")
    assert await limits_of(dns, resolver, "v=spf1 -all") == ("permerror", "several_records")


@pytest.mark.parametrize("trouble", ["silent", "broken"])
async def test_a_name_server_in_trouble_is_a_temperror(dns: SimulatedDns, trouble: str) -> None:
    getattr(dns, trouble).add("example.ru")
    asks = Resolver([dns.address], timeout=0.2)
    found = await spf.check(asks, client=CLIENT, mail_from="ivan@example.ru", helo="x")
    assert (found.result, found.because) == ("temperror", "dns")


async def test_no_name_server_at_all_is_a_temperror(dns: SimulatedDns) -> None:
    dns.stop()
    asks = Resolver([dns.address], timeout=0.2)
    assert (await spf.check(asks, client=CLIENT, mail_from="ivan@example.ru", helo="x")).result == "temperror"


def test_a_name_that_is_too_long_loses_labels_from_the_left() -> None:
    expanded = spf_record.expand("%{l}.example.ru", {"l": "a.bc." * 200})
    assert len(expanded) <= 253
    assert expanded.endswith(".bc..example.ru")
    assert expanded.startswith(("a.", "bc."))
    assert spf_record.expand("%{l}" * 16_000 + ".ru", {"l": "x" * 300}) == "ru"


@given(st.lists(st.sampled_from(["a", "mx", "%{", "}", "ip4:", "/", "1.2.3.4", "all", " ", "=", ":", ".", "exp", "r"])))
def test_any_record_is_read_or_refused(parts: list[str]) -> None:
    with suppress(spf_record.RecordError):
        spf_record.parse(b"v=spf1 " + "".join(parts).encode())


@pytest.mark.parametrize(
    "term", ["%{i" * 2000, "a:" + "%{d}." * 2000, "-" * 5000, "a" * 5000 + "=", "a:" + "a." * 5000]
)
def test_a_hostile_record_is_read_or_refused(term: str) -> None:
    record: Any = None
    try:
        record = spf_record.parse(b"v=spf1 " + term.encode())
    except spf_record.RecordError:
        return
    for mechanism in record.mechanisms:
        assert len(spf_record.expand(mechanism.target, dict.fromkeys("sliodvhp", "x" * 60))) <= 253
