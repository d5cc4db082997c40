"""What is asked about a mail at the door: dialogues with the listener, filters and a name server on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from channels.email.authenticity import Authenticity
from channels.email.clamd import Clamd
from channels.email.dnsbl import Dnsbl
from channels.email.examination import Examination
from channels.email.read import read
from channels.email.resolver import Resolver
from channels.email.rspamd import Rspamd
from channels.email.sender_list import SenderList
from channels.testing_dns import SimulatedDns
from channels.testing_filters import EICAR, GTUBE, SimulatedClamd, SimulatedRspamd
from tests.eventually import eventually
from tests.smtp.conftest import NOW, Door
from tests.smtp.test_doors import NOBODY, STRANGER, encrypted, files, plain
from tickets.message import InboundMessage, MessageKind

MAIL = b"From: ivan@example.ru\r\nSubject: printer\r\nDate: Sun, 22 Nov 2026 12:00:00 +0300\r\n\r\nIt is silent.\r\n"
SPAM = MAIL + GTUBE + b"\r\n"
VIRUS = MAIL + EICAR + b"\r\n"
BOUNCE = (
    b"From: MAILER-DAEMON@example.ru\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    b"--b\r\n\r\nNot delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"
    b"Final-Recipient: rfc822; petr@example.ru\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n"
)


@pytest.fixture
async def dns() -> AsyncIterator[SimulatedDns]:
    server = SimulatedDns()
    await server.start()
    yield server
    server.stop()


@pytest.fixture
async def rspamd() -> AsyncIterator[SimulatedRspamd]:
    server = SimulatedRspamd(password="secret")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(params=["tcp", "unix"])
async def clamd(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SimulatedClamd]:
    server = SimulatedClamd(limit=500_000)
    await server.start(str(tmp_path / "clamd") if request.param == "unix" else "")
    yield server
    await server.stop()


async def bring(door: Door, raw: bytes = MAIL, peer: str = STRANGER, sender: str = "ivan@example.ru") -> InboundMessage:
    """The message that became of a mail."""
    client = await door.call(peer)
    await client.to_data(sender=sender)
    assert (await client.say(raw + b".")).startswith("250 2.0.0 Accepted")
    message = door.desk.taken[-1][0]
    assert isinstance(message, InboundMessage)
    return message


READ = partial(read)


async def test_a_stranger_is_verified_and_a_relay_of_ours_is_not(opened: Any, dns: SimulatedDns) -> None:
    dns.add("example.ru", "TXT", f"v=spf1 ip4:{STRANGER} -all")
    examine = Examination(authenticity=Authenticity(Resolver([dns.address]), lambda: NOW))
    async with opened(READ, examine=examine) as door:
        ours = await bring(door, peer="127.0.0.1")
        assert (ours.authenticity, dns.asked) == ({}, [])
    async with opened(READ, examine=examine, trusted=NOBODY) as door:
        message = await bring(door)
        assert message.authenticity["spf"] == {"result": "pass", "domain": "example.ru"}
        assert (message.authenticity["verdict"], message.authenticity["by"]) == ("pass", "us")
        forged = await bring(door, peer="127.0.1.66")
        assert forged.authenticity["verdict"] == "fail"
        assert forged.kind is MessageKind.HUMAN


RESULTS = b"Authentication-Results: mx.ours.example; dmarc=pass header.from=example.ru\r\n"


async def test_the_results_of_a_relay_are_believed_from_it_alone(opened: Any, dns: SimulatedDns) -> None:
    examine = Examination(
        authenticity=Authenticity(Resolver([dns.address]), lambda: NOW), results_by=["mx.ours.example"]
    )
    async with opened(READ, examine=examine, trusted=frozenset({"127.0.0.1/32"})) as door:
        relayed = await bring(door, RESULTS + MAIL, peer="127.0.0.1")
        assert (relayed.authenticity["verdict"], relayed.authenticity["by"]) == ("pass", "relay")
        forged = await bring(door, RESULTS + MAIL)
        assert (forged.authenticity["verdict"], forged.authenticity["by"]) == ("none", "us")


async def test_of_a_mail_that_could_not_be_read_nobody_says_whose_it_is(opened: Any, dns: SimulatedDns) -> None:
    def broken(raw: bytes, **given: Any) -> InboundMessage:
        raise RecursionError("too deep")

    async def kept(door: Door, peer: str) -> Any:
        client = await door.call(peer)
        await client.to_data()
        await client.say(MAIL + b".")
        return door.desk.taken[-1][0].envelope.get("authenticity")

    verifier = Authenticity(Resolver([dns.address]), lambda: NOW)
    trusted = frozenset({"127.0.0.1/32"})
    async with opened(broken, examine=Examination(authenticity=verifier), trusted=trusted) as door:
        assert await kept(door, STRANGER) == {"verdict": "temperror", "by": "us"}
        assert await kept(door, "127.0.0.1") is None
    async with opened(broken, examine=Examination(results_by=["mx.ours.example"]), trusted=trusted) as door:
        assert await kept(door, "127.0.0.1") == {"verdict": "temperror", "by": "relay"}
        assert await kept(door, STRANGER) is None


async def test_an_examination_that_breaks_costs_no_mail(opened: Any) -> None:
    async def broken(message: InboundMessage, raw: bytes, envelope: dict[str, Any], *, trusted: bool) -> None:
        raise RuntimeError("a mistake of ours")

    async with opened(READ, examine=broken) as door:
        assert (await bring(door)).kind is MessageKind.HUMAN


# Lists

BLOCKED = [
    (["ivan@example.ru"], {}, "block_list:ivan@example.ru"),
    (["example.ru"], {}, "block_list:example.ru"),
    (["127.0.1.0/24"], {}, "block_list:127.0.1.0/24"),
    (["envelope.example"], {"sender": "a@mx.envelope.example"}, "block_list:envelope.example"),
    (["petr@example.ru", "other.example", "192.0.2.0/24"], {}, ""),
]


@pytest.mark.parametrize("block, given, because", BLOCKED)
async def test_blocked_senders(opened: Any, block: list[str], given: dict[str, str], because: str) -> None:
    async with opened(READ, examine=Examination(block=SenderList(block))) as door:
        message = await bring(door, **given)
        assert message.kind is (MessageKind.SPAM if because else MessageKind.HUMAN)
        assert not because or message.kind_because == (because,)
        assert message.acknowledge is not bool(because)


async def test_who_is_allowed_is_no_spam_unless_it_is_not_him(
    opened: Any, dns: SimulatedDns, rspamd: SimulatedRspamd
) -> None:
    dns.add("example.ru", "TXT", f"v=spf1 ip4:{STRANGER} -all")
    examine = Examination(
        authenticity=Authenticity(Resolver([dns.address]), lambda: NOW),
        allow=SenderList(["example.ru"]),
        rspamd=Rspamd(rspamd.url, "secret"),
    )
    async with opened(READ, examine=examine, trusted=NOBODY) as door:
        assert (await bring(door, SPAM)).kind is MessageKind.HUMAN
        assert (await bring(door, SPAM, peer="127.0.1.66")).kind is MessageKind.SPAM


# DNS block lists


def listed(dns: SimulatedDns, address: str, answer: str = "127.0.0.2") -> None:
    dns.add(".".join(reversed(address.split("."))) + ".bl.example", "A", answer)


async def test_a_listed_client_is_refused_at_rcpt(opened: Any, dns: SimulatedDns) -> None:
    listed(dns, STRANGER)
    lists = Dnsbl(Resolver([dns.address]), ["bl.example"], "reject")
    async with opened(READ, trusted=NOBODY, dnsbl=lists) as door:
        client = await door.call(STRANGER)
        await client.say("EHLO x")
        await client.say("MAIL FROM:<ivan@example.ru>")
        for _ in range(2):
            refusal = await client.say("RCPT TO:<help@example.ru>")
            assert refusal == "554 5.7.1 Your address is listed by bl.example"
        assert len(dns.asked) == 1
        assert (await bring(door, peer="127.0.1.10")).kind is MessageKind.HUMAN


@pytest.mark.parametrize("action, kind", [("spam", MessageKind.SPAM), ("note", MessageKind.HUMAN)])
async def test_a_listed_client_is_marked_or_noted(
    opened: Any, dns: SimulatedDns, action: Any, kind: MessageKind
) -> None:
    listed(dns, STRANGER)
    lists = Dnsbl(Resolver([dns.address]), ["nothing.example", "bl.example"], action)
    async with opened(READ, trusted=NOBODY, dnsbl=lists, examine=Examination(dnsbl=lists)) as door:
        message = await bring(door)
        assert message.kind is kind
        assert message.extra["envelope"]["dnsbl"] == {"bl.example": "127.0.0.2"}


@pytest.mark.parametrize("answer", ["127.255.255.254", "192.0.2.1"])
async def test_an_answer_that_lists_nobody(opened: Any, dns: SimulatedDns, answer: str) -> None:
    listed(dns, STRANGER, answer)
    async with opened(READ, trusted=NOBODY, dnsbl=Dnsbl(Resolver([dns.address]), ["bl.example"], "reject")) as door:
        assert "dnsbl" not in (await bring(door)).extra["envelope"]


@pytest.mark.parametrize("trouble", ["silent", "broken"])
async def test_a_list_in_trouble_lists_nobody(opened: Any, dns: SimulatedDns, trouble: str) -> None:
    getattr(dns, trouble).add("9.1.0.127.bl.example")
    lists = Dnsbl(Resolver([dns.address]), ["bl.example"], "reject", timeout=0.1)
    async with opened(READ, trusted=NOBODY, dnsbl=lists) as door:
        assert (await bring(door)).kind is MessageKind.HUMAN


async def test_who_signed_in_is_not_looked_up(opened: Any, dns: SimulatedDns, certificate: tuple[Path, Path]) -> None:
    listed(dns, STRANGER)
    lists = Dnsbl(Resolver([dns.address]), ["bl.example"], "reject")
    async with opened(
        READ, trusted=NOBODY, dnsbl=lists, accounts={"scanner": "correct horse"}, **files(certificate)
    ) as door:
        client = await encrypted(door, certificate[0], STRANGER)
        assert (await client.say(f"AUTH PLAIN {plain('scanner', 'correct horse')}")).startswith("235")
        await client.to_data_again()
        assert dns.asked == []


# Filters


async def test_rspamd_is_asked_and_believed(opened: Any, rspamd: SimulatedRspamd) -> None:
    async with opened(READ, examine=Examination(rspamd=Rspamd(rspamd.url, "secret"))) as door:
        assert (await bring(door)).kind is MessageKind.HUMAN
        message = await bring(door, SPAM)
        assert (message.kind, message.kind_because) == (MessageKind.SPAM, ("spam_filter:reject 15.5",))
        assert not message.acknowledge
        asked = rspamd.asked[0]
        assert (asked["From"], asked["Rcpt"]) == ("ivan@example.ru", ["help@example.ru"])
        assert (asked["IP"], asked["Helo"]) == (STRANGER, "client.example")


FAILING = [
    ("another status", {"status": 503}, "answered 503"),
    ("no JSON", {"answer": b"<html>"}, "an answer that is no JSON"),
    ("no verdict", {"answer": b'{"error": "x"}'}, "an answer without a verdict"),
    ("skipped", {"answer": b'{"is_skipped": true, "action": "no action"}'}, "an answer without a verdict"),
    ("silence", {"hang": True}, "no answer in 0.2 s"),
    ("the wrong password", {"_password": "other"}, "answered 403"),
]


@pytest.mark.parametrize("played, told", [each[1:] for each in FAILING], ids=[each[0] for each in FAILING])
async def test_rspamd_that_fails_costs_its_verdict(
    opened: Any, rspamd: SimulatedRspamd, played: dict[str, Any], told: str
) -> None:
    for name, value in played.items():
        setattr(rspamd, name, value)
    examine = Examination(rspamd=Rspamd(rspamd.url, "secret", timeout=0.2))
    async with opened(READ, examine=examine) as door:
        message = await bring(door, SPAM)
        assert dict(examine.counts.failures) == {("rspamd",): 1}
        assert message.kind is MessageKind.HUMAN
        assert message.extra["envelope"]["checks"] == {"rspamd": told}


async def test_rspamd_that_is_not_there(opened: Any, rspamd: SimulatedRspamd) -> None:
    await rspamd.stop()
    async with opened(READ, examine=Examination(rspamd=Rspamd(rspamd.url))) as door:
        assert list((await bring(door, SPAM)).extra["envelope"]["checks"]) == ["rspamd"]


SPAM_FIELDS = [
    (b"X-Spam: Yes", "x-spam"),
    (b"X-Spam-Flag: YES", "x-spam-flag"),
    (b"X-Spam-Status: Yes, score=9.1 required=5.0 tests=X", "x-spam-status"),
    (b"X-Spamd-Result: default: True [15.00 / 6.00];\r\n\tR_DKIM_NA(0.00)[]", "x-spamd-result"),
    (b"X-Spamd-Result: default: False [1.00 / 6.00]", ""),
    (b"X-Spam-Status: No, score=0.1", ""),
    (b"X-Spam-Flag: yesterday", ""),
    (b"X-Spam-Level: *****", ""),
    (b"X-Spam: No\r\nX-Spam: Yes", ""),
]


@pytest.mark.parametrize("field, named", SPAM_FIELDS)
async def test_spam_fields_count_from_relays_of_ours(opened: Any, field: bytes, named: str) -> None:
    examine = Examination(believe_headers=True)
    async with opened(READ, examine=examine, trusted=frozenset({"127.0.0.1/32"})) as door:
        relayed = await bring(door, field + b"\r\n" + MAIL, peer="127.0.0.1")
        assert relayed.kind is (MessageKind.SPAM if named else MessageKind.HUMAN)
        assert not named or relayed.kind_because == (f"spam_header:{named}",)
        assert (await bring(door, field + b"\r\n" + MAIL)).kind is MessageKind.HUMAN


async def test_a_virus_is_found_and_kept(opened: Any, clamd: SimulatedClamd) -> None:
    async with opened(READ, examine=Examination(clamd=Clamd(clamd.address))) as door:
        assert (await bring(door)).kind is MessageKind.HUMAN
        message = await bring(door, VIRUS)
        assert (message.kind, message.kind_because) == (MessageKind.SPAM, ("virus:Eicar-Test-Signature",))
        assert (door.desk.raws, clamd.scanned) == ([MAIL, VIRUS], [MAIL, VIRUS])


async def test_a_virus_in_a_bounce_is_spam_and_spam_in_a_bounce_is_a_bounce(
    opened: Any, clamd: SimulatedClamd, rspamd: SimulatedRspamd
) -> None:
    examine = Examination(clamd=Clamd(clamd.address), rspamd=Rspamd(rspamd.url, "secret"))
    async with opened(READ, examine=examine) as door:
        bounce = BOUNCE.replace(b"Not delivered.", GTUBE)
        assert (await bring(door, bounce, sender="")).kind is MessageKind.BOUNCE
        bounce = BOUNCE.replace(b"Not delivered.", EICAR)
        assert (await bring(door, bounce, sender="")).kind is MessageKind.SPAM


async def test_clamd_that_fails_costs_its_verdict(opened: Any, clamd: SimulatedClamd) -> None:
    async with opened(READ, examine=Examination(clamd=Clamd(clamd.address, timeout=0.3))) as door:
        large = await bring(door, MAIL + b"x" * 600_000 + b"\r\n")
        assert list(large.extra["envelope"]["checks"]) == ["clamd"]
        clamd.hang = True
        message = await bring(door, VIRUS)
        assert message.extra["envelope"]["checks"] == {"clamd": "no answer in 0.3 s"}
        await clamd.stop()
        assert (await bring(door, VIRUS)).kind is MessageKind.HUMAN


async def test_a_slow_filter_holds_up_nobody_else(opened: Any, rspamd: SimulatedRspamd) -> None:
    rspamd.hang = True
    async with opened(READ, examine=Examination(rspamd=Rspamd(rspamd.url, "secret", timeout=1.0))) as door:
        waiting = await door.call()
        await waiting.to_data()
        waiting.send(MAIL + b".\r\n")
        await eventually(lambda: rspamd.asked)
        assert (await (await door.call()).say("NOOP")).startswith("250")
        assert door.desk.taken == []
        assert (await waiting.answer()).startswith("250")
