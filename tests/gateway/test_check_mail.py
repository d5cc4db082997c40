"""What `otklik check` finds of the mail door, with name server and filters on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channels.testing_dns import SimulatedDns
from channels.testing_filters import SimulatedClamd, SimulatedRspamd
from gateway.commands.check_mail import Wrong, questions
from gateway.settings import Settings
from tests.certificate import make_certificate


async def answers(given: dict[str, dict[str, object]]) -> dict[str, str]:
    """What is told of each question; what is wrong begins with BAD."""
    told = {}
    for what, question in questions(Settings.model_validate(given)):
        try:
            told[what] = await question()
        except Wrong as wrong:
            told[what] = f"BAD {wrong}"
    return told


@pytest.fixture
async def dns() -> AsyncIterator[SimulatedDns]:
    server = SimulatedDns()
    await server.start()
    yield server
    server.stop()


async def test_nothing_is_asked_that_is_not_named() -> None:
    assert await answers({}) == {}


async def test_a_certificate(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    told = await answers({"smtp": {"certificate": str(certificate), "key": str(key)}})
    assert told["certificate"].startswith(f"{certificate}, good until 20")
    key.write_text("half a key")
    told = await answers({"smtp": {"certificate": str(certificate), "key": str(key)}})
    assert told["certificate"].startswith("BAD")


async def test_a_certificate_that_ends_soon(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, days=3)
    told = await answers({"smtp": {"certificate": str(certificate), "key": str(key)}})
    assert "ends on" in told["certificate"]
    assert told["certificate"].endswith("renew it")


async def test_a_resolver_and_lists(dns: SimulatedDns) -> None:
    dns.add("2.0.0.127.good.example", "A", "127.0.0.2")
    dns.add("2.0.0.127.public.example", "A", "127.255.255.254")
    zones = ["good.example", "public.example"]
    told = await answers({"authenticity": {"resolver": [dns.address]}, "spam": {"dnsbl": zones}})
    assert told["resolver"] == f"{dns.address} answers"
    assert told["list good.example"] == "answers"
    assert told["list public.example"].startswith("BAD public.example does not serve you")


async def test_a_resolver_that_breaks(dns: SimulatedDns) -> None:
    dns.broken.add("_dmarc.example.org")
    told = await answers({"authenticity": {"resolver": [dns.address]}})
    assert told["resolver"].startswith("BAD it does not answer")


async def test_filters() -> None:
    clamd, rspamd = SimulatedClamd(), SimulatedRspamd()
    await clamd.start()
    await rspamd.start()
    given: dict[str, dict[str, object]] = {"spam": {"clamd": clamd.address, "rspamd": rspamd.url}}
    try:
        assert await answers(given) == {
            "rspamd": f"{rspamd.url} answers",
            "clamd": f"{clamd.address} answers",
        }
        told = await answers(
            {"spam": {"clamd": rspamd.url.removeprefix("http://"), "rspamd": f"http://{clamd.address}"}}
        )
        assert all(each.startswith("BAD") for each in told.values())
    finally:
        await clamd.stop()
        await rspamd.stop()
    assert all(each.startswith("BAD") for each in (await answers(given)).values())
