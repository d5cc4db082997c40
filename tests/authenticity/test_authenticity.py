"""SPF, DKIM and DMARC together: what is written on a message, and how far its sender is believed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.authenticity import Authenticity, author_of
from channels.email.resolver import Resolver
from channels.testing_dns import SimulatedDns
from tests.authenticity.conftest import CLIENT, NOW
from tests.authenticity.signing import MAIL, key, sign
from tickets.authenticity import Trust, doubts, trust

FORGER = "198.51.100.66"


def envelope(mail_from: str = "ivan@example.ru", peer: str = CLIENT) -> dict[str, Any]:
    return {"peer": peer, "helo": "mx.example.ru", "mail_from": mail_from}


def publish(dns: SimulatedDns, policy: str = "v=DMARC1; p=reject", name: str = "example.ru") -> None:
    """A domain that sends from one address and signs."""
    dns.add(name, "TXT", f"v=spf1 ip4:{CLIENT} -all")
    dns.add(f"s1._domainkey.{name}", "TXT", key()[1])
    if policy:
        dns.add(f"_dmarc.{name}", "TXT", policy)


async def test_all_that_is_known_is_written_down(dns: SimulatedDns, authenticity: Authenticity) -> None:
    publish(dns)
    assert await authenticity.verify(sign(), envelope(), "ivan@example.ru") == {
        "spf": {"result": "pass", "domain": "example.ru"},
        "dkim": [{"result": "pass", "domain": "example.ru", "selector": "s1"}],
        "dmarc": {"result": "pass", "domain": "example.ru", "policy": "reject", "record": "example.ru"},
        "verdict": "pass",
        "by": "us",
    }


PASS, FAIL, NONE = ("pass", Trust.VERIFIED), ("fail", Trust.FAILED), ("none", Trust.UNVERIFIED)
LENIENT = ("fail", Trust.UNVERIFIED)
POLICY = "v=DMARC1; p=reject"

# what; policy; signed as; sent as; from; verdict
CASES = [
    ("both hold", POLICY, "example.ru", "ivan@example.ru", CLIENT, PASS),
    ("SPF alone holds", POLICY, "", "ivan@example.ru", CLIENT, PASS),
    ("DKIM alone holds: a forwarder", POLICY, "example.ru", "srs@forwarder.example", FORGER, PASS),
    ("neither: a forger", POLICY, "", "ivan@example.ru", FORGER, FAIL),
    ("a forger with a domain of his own", POLICY, "", "a@forger.example", FORGER, FAIL),
    ("a forger who signs as himself", POLICY, "forger.example", "a@forger.example", FORGER, FAIL),
    ("a bounce address below the domain", POLICY, "", "a@news.example.ru", CLIENT, PASS),
    ("the same where names must be equal", POLICY + "; aspf=s", "", "a@news.example.ru", CLIENT, FAIL),
    ("signed below the domain", POLICY, "news.example.ru", "srs@forwarder.example", FORGER, PASS),
    ("the same where names must be equal, DKIM", POLICY + "; adkim=s", "news.example.ru", "", FORGER, FAIL),
    ("a domain that only watches", "v=DMARC1; p=none", "", "a@forger.example", FORGER, LENIENT),
    ("quarantine", "v=DMARC1; p=quarantine", "", "a@forger.example", FORGER, FAIL),
    ("no policy, and nothing said", "", "", "a@forger.example", FORGER, NONE),
    ("no policy, but SPF holds", "", "", "ivan@example.ru", CLIENT, PASS),
    ("no policy, but DKIM holds", "", "example.ru", "a@forger.example", FORGER, PASS),
    ("no policy, and SPF denies", "", "", "ivan@example.ru", FORGER, FAIL),
    ("a policy nobody understands", "v=DMARC1; p=perhaps", "", "a@forger.example", FORGER, NONE),
    ("two policies", "two", "", "a@forger.example", FORGER, NONE),
    ("spaces in the record", " v = DMARC1 ;p= reject", "", "a@forger.example", FORGER, FAIL),
]


@pytest.mark.parametrize("policy, signer, sender, peer, expected", [c[1:] for c in CASES], ids=[c[0] for c in CASES])
async def test_alignment(
    dns: SimulatedDns,
    authenticity: Authenticity,
    policy: str,
    signer: str,
    sender: str,
    peer: str,
    expected: tuple[str, Trust],
) -> None:
    publish(dns, "" if policy == "two" else policy)
    if policy == "two":
        dns.add("_dmarc.example.ru", "TXT", "v=DMARC1; p=reject", "v=DMARC1; p=none")
    for name, address in (("news.example.ru", CLIENT), ("forger.example", FORGER)):
        dns.add(name, "TXT", f"v=spf1 ip4:{address} -all")
        dns.add(f"s1._domainkey.{name}", "TXT", key()[1])
    raw = sign(domain=signer) if signer else MAIL
    found = await authenticity.verify(raw, envelope(sender, peer), "ivan@example.ru")
    assert (found["verdict"], trust(found)) == expected


@pytest.mark.parametrize(
    "record, policy, verdict",
    [
        ("v=DMARC1; p=none; sp=reject", "reject", "fail"),
        ("v=DMARC1; p=reject; sp=none", "none", "fail"),
        ("v=DMARC1; p=reject", "reject", "fail"),
        ("v=DMARC1; rua=mailto:a@example.ru", "none", "fail"),
    ],
)
async def test_a_subdomain_without_a_policy_has_that_of_its_organisation(
    dns: SimulatedDns, authenticity: Authenticity, record: str, policy: str, verdict: str
) -> None:
    dns.add("_dmarc.example.co.uk", "TXT", record)
    raw = b"From: a@deep.news.example.co.uk\r\n\r\nx\r\n"
    found = await authenticity.verify(raw, envelope("a@forger.example", FORGER), "a@deep.news.example.co.uk")
    assert found["verdict"] == verdict
    assert (found["dmarc"]["policy"], found["dmarc"]["record"]) == (policy, "example.co.uk")
    assert ("_dmarc.co.uk", "TXT") not in dns.asked


@pytest.mark.parametrize(
    "head",
    [
        b"From: ivan@example.ru, evil@forger.example",
        b"From: ivan@example.ru, petr@example.ru",
        b"From: ivan@example.ru\r\nFrom: evil@forger.example",
        b"From: evil@forger.example\r\nFrom: ivan@example.ru",
        b"From: ivan@example.ru\r\nFROM : evil@forger.example",
        b"From:",
        b"Sender: ivan@example.ru",
        b"From: ivan",
    ],
)
async def test_no_single_author_is_a_failure_whatever_else_holds(
    dns: SimulatedDns, authenticity: Authenticity, head: bytes
) -> None:
    publish(dns)
    found = await authenticity.verify(head + b"\r\n\r\nx\r\n", envelope(), "ivan@example.ru")
    assert (found["verdict"], found["dmarc"]["because"]) == ("fail", "no_single_author")
    assert trust(found) is Trust.FAILED


async def test_an_international_domain(dns: SimulatedDns, authenticity: Authenticity) -> None:
    publish(dns, name="xn--80a1acny.xn--p1ai")
    raw = "From: иван@почта.рф\r\n\r\nx\r\n".encode()
    found = await authenticity.verify(raw, envelope("иван@почта.рф"), "иван@почта.рф")
    assert (found["verdict"], found["dmarc"]["domain"]) == ("pass", "xn--80a1acny.xn--p1ai")


TROUBLE = [
    ("nothing answers", {"example.ru", "_dmarc.example.ru", "s1._domainkey.example.ru"}, "temperror"),
    ("SPF is not known, DKIM holds", {"example.ru"}, "pass"),
    ("the policy is not known, DKIM holds", {"_dmarc.example.ru"}, "pass"),
    ("SPF is not known, DKIM is spoilt", {"example.ru", "-"}, "temperror"),
]


@pytest.mark.parametrize("names, verdict", [each[1:] for each in TROUBLE], ids=[each[0] for each in TROUBLE])
@pytest.mark.parametrize("how", ["silent", "broken"])
async def test_a_name_server_in_trouble(dns: SimulatedDns, how: str, names: set[str], verdict: str) -> None:
    publish(dns)
    getattr(dns, how).update(names)
    raw = sign().replace(b"silent", b"loud") if "-" in names else sign()
    asks = Authenticity(Resolver([dns.address], timeout=0.2), lambda: NOW, budget=1.0)
    found = await asks.verify(raw, envelope(peer=FORGER), "ivan@example.ru")
    assert found["verdict"] == verdict


async def test_the_budget_bounds_it_all(dns: SimulatedDns) -> None:
    publish(dns)
    dns.silent.update({"example.ru", "_dmarc.example.ru", "s1._domainkey.example.ru"})
    patient = Authenticity(Resolver([dns.address], timeout=30), lambda: NOW, budget=0.05)
    async with asyncio.timeout(5):
        found = await patient.verify(sign(), envelope(), "ivan@example.ru")
    assert found["verdict"] == "temperror"
    assert (found["spf"]["because"], found["dkim"][0]["because"]) == ("time", "time")
    assert trust(found) is Trust.UNVERIFIED


@given(st.binary(max_size=300), st.text(max_size=30), st.text(max_size=30))
def test_whatever_comes_it_can_be_stored(raw: bytes, helo: str, sender: str) -> None:
    class Nothing(Resolver):
        async def _ask(self, name: str, kind: str) -> list[Any]:
            return []

    asks = Authenticity(Nothing(), lambda: NOW)
    said = {"peer": CLIENT, "helo": helo, "mail_from": sender}
    found = asyncio.run(asks.verify(b"From: " + raw, said, author_of(b"From: " + raw, sender) or sender))
    stored = json.dumps(found, ensure_ascii=False)
    assert "\\u00" not in stored
    stored.encode()


def test_trust_reads_whatever_is_stored() -> None:
    for stored in ({}, {"by": "us"}, {"by": "us", "verdict": []}, {"by": "author_page", "verdict": "pass"}):
        assert trust(stored) is Trust.UNVERIFIED
    assert trust({"by": "us", "verdict": "fail", "dmarc": "fail"}) is Trust.FAILED


@pytest.mark.parametrize(
    "stored, found",
    [
        ({"spf": {"result": "softfail"}, "dkim": [], "dmarc": {"result": "none"}, "by": "us"}, ["spf"]),
        ({"dkim": [{"result": "fail"}, {"result": "pass"}], "dmarc": {"result": "pass"}}, []),
        ({"dkim": [{"result": "fail"}], "dmarc": {"result": "fail"}}, ["dkim", "dmarc"]),
        ({"spf": "fail", "form": "support", "proof_of_work": True}, ["spf"]),
        ({"verdict": "fail", "by": "us"}, []),
        ({}, []),
    ],
)
def test_doubts(stored: dict[str, Any], found: list[str]) -> None:
    assert doubts(stored) == found
