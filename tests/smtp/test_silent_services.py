"""Filters, lists and name servers that answer nothing, late, or nonsense: no mail is lost or kept waiting for long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from channels.email.breaker import Breaker
from channels.email.clamd import Clamd
from channels.email.dnsbl import Dnsbl
from channels.email.examination import Examination
from channels.email.filter_verdict import FilterFailed, FilterSilent
from channels.email.resolver import DnsTrouble, Resolver
from channels.email.rspamd import Rspamd
from channels.testing_dns import SimulatedDns
from channels.testing_filters import SimulatedClamd, SimulatedRspamd
from tests.smtp.test_checks import MAIL, READ, SPAM, VIRUS, bring
from tickets.message import MessageKind

LARGE = MAIL + b"x" * 20_000_000
ENVELOPE = {"mail_from": "ivan@example.ru", "helo": "client.example", "peer": "192.0.2.1", "rcpt_to": ["a@example.ru"]}


@pytest.fixture
async def clamd() -> AsyncIterator[SimulatedClamd]:
    server = SimulatedClamd()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def rspamd() -> AsyncIterator[SimulatedRspamd]:
    server = SimulatedRspamd()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def dns() -> AsyncIterator[SimulatedDns]:
    server = SimulatedDns()
    await server.start()
    yield server
    server.stop()


async def awake(breaker: Breaker) -> None:
    """Wait until a service that rested is found to answer again."""
    async with asyncio.timeout(5):
        while breaker.resting:
            await breaker.settled()


async def test_a_virus_scanner_that_stops_reading_holds_no_mail_up(clamd: SimulatedClamd) -> None:
    clamd.stuck = True
    async with asyncio.timeout(5):
        with pytest.raises(FilterSilent):
            await Clamd(clamd.address, timeout=0.3).virus(LARGE)


async def test_a_long_answer_of_rspamd_is_read_whole(opened: Any, rspamd: SimulatedRspamd) -> None:
    symbols = {f"SYMBOL_{number}": {"score": 0.1, "description": "x" * 200} for number in range(3000)}
    rspamd.answer = json.dumps({"action": "reject", "score": 9, "symbols": symbols}).encode()
    async with opened(READ, examine=Examination(rspamd=Rspamd(rspamd.url))) as door:
        assert (await bring(door)).kind_because == ("spam_filter:reject 9",)


@pytest.mark.parametrize(
    "said, because",
    [
        (b'{"action": "reject", "score": 1' + b"0" * 400 + b"}", ("spam_filter:reject",)),
        (b'{"action": "reject", "score": NaN}', ("spam_filter:reject",)),
        (b"[" * 100_000, None),
        (b"x" * 2_000_000, None),
        (b"\xff\xfe\x00", None),
    ],
    ids=["a number beyond all bounds", "no number", "nested for ever", "endless", "no text"],
)
async def test_nonsense_of_one_filter_costs_no_verdict_of_another(
    opened: Any, rspamd: SimulatedRspamd, clamd: SimulatedClamd, said: bytes, because: tuple[str, ...] | None
) -> None:
    rspamd.answer = said
    async with opened(READ, examine=Examination(rspamd=Rspamd(rspamd.url), clamd=Clamd(clamd.address))) as door:
        clean = await bring(door)
        assert clean.kind is (MessageKind.SPAM if because else MessageKind.HUMAN)
        assert because is None or clean.kind_because == because
        assert because is not None or list(clean.extra["envelope"]["checks"]) == ["rspamd"]
        assert (await bring(door, VIRUS)).kind_because == ("virus:Eicar-Test-Signature",)


async def test_a_filter_with_a_mistake_of_ours_costs_no_verdict_of_another(opened: Any, clamd: SimulatedClamd) -> None:
    class Broken(Rspamd):
        async def verdict(self, *_: Any) -> Any:
            raise KeyError("anything")

    async with opened(READ, examine=Examination(rspamd=Broken(""), clamd=Clamd(clamd.address))) as door:
        message = await bring(door, VIRUS)
        assert message.kind_because == ("virus:Eicar-Test-Signature",)
        assert message.extra["envelope"]["checks"] == {"rspamd": "KeyError"}


async def test_a_scanner_that_answers_nothing_is_left_alone_until_it_does(opened: Any, clamd: SimulatedClamd) -> None:
    asked = Clamd(clamd.address, timeout=0.2)
    asked.breaker = Breaker("clamd", asked.ping, again=0)
    clamd.hang = True
    async with opened(READ, examine=Examination(clamd=asked)) as door:
        first = await bring(door, VIRUS)
        assert first.extra["envelope"]["checks"] == {"clamd": "no answer in 0.2 s"}
        await asked.breaker.settled()
        second = await bring(door, VIRUS)
        assert second.extra["envelope"]["checks"] == {"clamd": "left alone until it answers again"}
        clamd.hang = False
        await awake(asked.breaker)
        assert (await bring(door, VIRUS)).kind is MessageKind.SPAM


async def test_the_log_tells_once_that_a_filter_rests_and_not_of_every_mail(
    opened: Any, clamd: SimulatedClamd, rspamd: SimulatedRspamd
) -> None:
    asked = Clamd(clamd.address, timeout=0.2)
    asked.breaker = Breaker("clamd", asked.ping, look=0.2)
    clamd.hang = True
    examine = Examination(clamd=asked, rspamd=Rspamd(rspamd.url))
    async with opened(READ, examine=examine) as door:
        with capture_logs() as log:
            await bring(door)
            await asked.breaker.settled()
            for _ in range(3):
                assert list((await bring(door)).extra["envelope"]["checks"]) == ["clamd"]
            rspamd.answer = b"no JSON"
            assert list((await bring(door)).extra["envelope"]["checks"]) == ["clamd", "rspamd"]
    told = [(e["event"], e.get("clamd"), e.get("rspamd")) for e in log if e["log_level"] == "warning"]
    assert told == [
        ("smtp.checks_failed", "no answer in 0.2 s", None),
        ("smtp.service_rests", None, None),
        ("smtp.checks_failed", None, "an answer that is no JSON"),
    ]
    assert examine.counts.failures == {("clamd",): 5, ("rspamd",): 1}, "all of them are counted"


async def test_a_mail_that_takes_long_to_scan_opens_no_door_for_the_next(opened: Any, clamd: SimulatedClamd) -> None:
    asked = Clamd(clamd.address, timeout=0.2)
    clamd.busy = True
    async with opened(READ, examine=Examination(clamd=asked)) as door:
        for _ in range(4):
            assert list((await bring(door)).extra["envelope"]["checks"]) == ["clamd"]
            await asked.breaker.settled()
        clamd.busy = False
        assert (await bring(door, VIRUS)).kind is MessageKind.SPAM


async def test_rspamd_that_answers_nothing_is_left_alone_until_it_does(rspamd: SimulatedRspamd) -> None:
    asked = Rspamd(rspamd.url, timeout=0.2)
    asked.breaker = Breaker("rspamd", asked.ping, look=0.2, again=0)
    rspamd.stuck = True
    with pytest.raises(FilterSilent):
        await asked.verdict(SPAM, ENVELOPE)
    await asked.breaker.settled()
    with pytest.raises(FilterFailed, match="left alone"):
        await asked.verdict(SPAM, ENVELOPE)
    rspamd.stuck = False
    await awake(asked.breaker)
    assert (await asked.verdict(SPAM, ENVELOPE)).spam


async def test_a_rspamd_that_only_thinks_long_is_asked_on(rspamd: SimulatedRspamd) -> None:
    asked = Rspamd(rspamd.url, timeout=0.2)
    rspamd.hang = True
    for _ in range(3):
        with pytest.raises(FilterSilent):
            await asked.verdict(SPAM, ENVELOPE)
        await asked.breaker.settled()


async def test_name_servers_that_answer_nothing_are_waited_for_once(dns: SimulatedDns) -> None:
    dns.add("example.ru", "TXT", "v=spf1 -all")
    asks = Resolver([dns.address], timeout=0.2)
    asks.breaker = Breaker("resolver", asks.alive, again=0)
    assert await asks.txt("example.ru") == [b"v=spf1 -all"]
    dns.mute = True
    with pytest.raises(DnsTrouble, match="LifetimeTimeout"):
        await asks.txt("other.example")
    await asks.breaker.settled()
    with pytest.raises(DnsTrouble, match="left alone"):
        await asks.txt("third.example")
    dns.mute = False
    await awake(asks.breaker)
    assert await asks.txt("fourth.example") == []


async def test_a_silent_domain_silences_no_other(dns: SimulatedDns) -> None:
    dns.silent.add("slow.example")
    asks = Resolver([dns.address], timeout=0.2)
    asks.breaker = Breaker("resolver", asks.alive, look=5)
    for _ in range(3):
        with pytest.raises(DnsTrouble, match="LifetimeTimeout"):
            await asks.txt("slow.example")
        await asks.breaker.settled()
    assert await asks.txt("other.example") == []


async def test_a_block_list_that_answers_nothing_is_waited_for_once(dns: SimulatedDns) -> None:
    lists = Dnsbl(Resolver([dns.address], timeout=5.0), ["slow.example", "bl.example"], "reject", timeout=0.2)
    dns.add("1.2.0.192.bl.example", "A", "127.0.0.2")
    dns.silent |= {"1.2.0.192.slow.example", "2.0.0.127.slow.example"}
    assert await lists.listings("192.0.2.1") == {"bl.example": "127.0.0.2"}
    await lists.breakers["slow.example"].settled()
    before = len(dns.asked)
    assert await lists.listings("192.0.2.2") == {}
    assert {name for name, _ in dns.asked[before:]} == {"2.2.0.192.bl.example"}
