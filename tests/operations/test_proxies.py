"""Who is calling, where proxies stand in between: only what trusted ones wrote is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.operations.conftest import Start
from web.proxies import Proxies, is_loopback

INNER = ["10.0.0.0/8", "fd00::/8"]

CASES = [
    # trusted, peer, X-Forwarded-For, the client
    pytest.param([], "10.0.0.1", "1.1.1.1", "10.0.0.1", id="nobody is trusted"),
    pytest.param(INNER, "192.0.2.7", "1.1.1.1", "192.0.2.7", id="a stranger claims to be a proxy"),
    pytest.param(INNER, "10.0.0.1", "1.1.1.1", "1.1.1.1", id="one proxy"),
    pytest.param(INNER, "10.0.0.1", "", "10.0.0.1", id="a proxy itself"),
    pytest.param(INNER, "10.0.0.1", "6.6.6.6, 1.1.1.1", "1.1.1.1", id="the client claims to be another"),
    pytest.param(INNER, "10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.9", "1.1.1.1", id="two proxies"),
    pytest.param(INNER, "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", id="a client of the inner network"),
    pytest.param(INNER, "10.0.0.1", "1.1.1.1, unknown", "10.0.0.1", id="a proxy that keeps its client secret"),
    pytest.param(INNER, "10.0.0.1", "1.1.1.1, ; DROP", "10.0.0.1", id="garbage"),
    pytest.param(INNER, "10.0.0.1", "1.1.1.1:8123", "1.1.1.1", id="with a port"),
    pytest.param(INNER, "fd00::1", "[2001:db8::7]:443", "2001:db8::7", id="IPv6 with a port"),
    pytest.param(INNER, "::ffff:10.0.0.1", "1.1.1.1", "1.1.1.1", id="IPv4 written as IPv6"),
    pytest.param(["192.0.2.7"], "192.0.2.7", "1.1.1.1", "1.1.1.1", id="one address instead of a network"),
]


@pytest.mark.parametrize("trusted, peer, header, client", CASES)
def test_the_client_is_the_rightmost_that_is_not_trusted(
    trusted: list[str], peer: str, header: str, client: str
) -> None:
    assert Proxies(trusted).client(peer, header) == client


@given(st.lists(st.ip_addresses().map(str), max_size=5), st.ip_addresses(v=4, network="203.0.113.0/24").map(str))
def test_whatever_a_client_claims_it_is_seen_as_itself(claims: list[str], client: str) -> None:
    header = ", ".join([*claims, client])
    assert Proxies(INNER).client("10.0.0.1", header) == client


@given(st.text())
def test_any_header_gives_an_address(header: str) -> None:
    assert Proxies(INNER).client("10.0.0.1", header)


@pytest.mark.parametrize("remote", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_has_many_names(remote: str) -> None:
    assert is_loopback(remote)


@pytest.mark.parametrize("remote", [None, "", "localhost", "10.0.0.1", "::", "0.0.0.0"])
def test_nothing_else_is_this_machine(remote: str | None) -> None:
    assert not is_loopback(remote)


async def test_every_part_of_the_program_sees_the_client(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file, "[log]\npersonal = true\n", personal=True)
    await running.get("/healthz", headers={"X-Forwarded-For": "198.51.100.7"})
    running.program.http.traffic.proxies = Proxies(["127.0.0.0/8"])
    await running.get("/healthz", headers={"X-Forwarded-For": "6.6.6.6, 198.51.100.7"})
    assert [line["remote"] for line in running.told("http_request")] == ["127.0.0.1", "198.51.100.7"]
