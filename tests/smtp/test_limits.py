"""How much a client may ask, and for whom mail is taken: dialogues with strangers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.smtp_limits import FORGET_BEYOND, ClientLimits, Clients
from channels.email.smtp_proxy import SIGNATURE, ProxyError, parse
from tests.eventually import eventually
from tests.smtp.conftest import Client
from tests.smtp.test_listener import MAIL

STRANGER = "127.0.1.9"
OTHER = "127.0.1.10"
NOBODY: frozenset[str] = frozenset()


async def test_connections_of_one_address(opened: Any) -> None:
    async with opened(trusted=NOBODY, client_connections=2) as door:
        first = await door.call(STRANGER)
        await door.call(STRANGER)
        third = await door.call_silently(STRANGER)
        assert await third.rest() == b"421 4.7.0 Too many connections from your address, try again later\r\n"
        await door.call(OTHER)
        await first.say("QUIT")
        await first.rest()
        await door.call(STRANGER)
        assert door.listener.turned_away == 1


async def test_commands_in_a_minute(opened: Any) -> None:
    async with opened(trusted=NOBODY, client_commands=5) as door:
        # a connection is one of them, or there would be no end of connections
        client = await door.call(STRANGER)
        for _ in range(4):
            assert (await client.say("NOOP")).startswith("250")
        assert await client.say("NOOP") == "421 4.7.0 Too many commands from your address, try again later"
        assert await client.rest() == b""
        # another connection does not help, another address does
        again = await door.call_silently(STRANGER)
        assert (await again.answer()).startswith("421 4.7.0")
        assert (await (await door.call(OTHER)).say("NOOP")).startswith("250")


async def test_mails_in_a_minute(opened: Any) -> None:
    async with opened(trusted=NOBODY, client_mails=2) as door:
        client = await door.call(STRANGER)
        await client.to_data()
        await client.say(MAIL + b".")
        await client.to_data_again()
        await client.say(MAIL + b".")
        assert (await client.say("MAIL FROM:<ivan@example.ru>")).startswith("451 4.7.1")
        assert (await client.say("NOOP")).startswith("250")
        assert len(door.desk.taken) == 2


async def test_those_who_are_trusted_are_free_of_all_that(opened: Any) -> None:
    async with opened(client_connections=1, client_commands=1, client_mails=1) as door:
        clients = [await door.call() for _ in range(5)]
        await clients[0].to_data()
        await clients[0].say(MAIL + b".")
        await clients[0].to_data_again()
        await clients[0].say(MAIL + b".")
        assert len(door.listener.clients) == 0


async def test_a_session_ends_after_its_time(opened: Any) -> None:
    async with opened(session_timeout=0.2) as door:
        client = await door.call()
        assert await client.rest() == b"421 4.4.2 Timeout\r\n"


async def test_a_session_out_of_time_finishes_its_mail(opened: Any) -> None:
    async with opened(session_timeout=0.2) as door:
        client = await door.call()
        await client.to_data()
        # one that came later is out of time, so that this one is too
        assert await (await door.call()).rest() == b"421 4.4.2 Timeout\r\n"
        assert (await client.say(MAIL + b".")).startswith("250")
        assert await client.rest() == b"421 4.4.2 Timeout\r\n"
        assert door.desk.raws == [MAIL]


async def test_one_command_slowly_is_no_sign_of_life(opened: Any) -> None:
    async with opened(command_timeout=0.2) as door:
        client = await door.call()
        assert await client.drip(b"N", every=0.02) == b"421 4.4.2 Timeout\r\n"


@pytest.mark.parametrize("command", ["RCPT TO:<help@example.ru>", "DATA", "MAIL FROM", "EXPN staff"])
async def test_a_client_that_only_makes_mistakes_is_sent_away(door: Any, command: str) -> None:
    client = await door.call()
    await client.say("EHLO x")
    for _ in range(20):
        assert (await client.say(command)).startswith("50")
    assert (await client.answer()).startswith("421 4.7.0")
    assert await client.rest() == b""


async def test_a_client_that_brings_nothing_is_sent_away(door: Any) -> None:
    client = await door.call()
    for _ in range(100):
        await client.say("NOOP")
    assert (await client.answer()).startswith("421 4.7.0")


async def test_much_ado_between_mails_is_forgiven(door: Any) -> None:
    client = await door.call()
    await client.say("EHLO x")
    for _ in range(3):
        for _ in range(60):
            await client.say("RSET")
        await client.to_data_again()
        assert (await client.say(MAIL + b".")).startswith("250")


async def test_slow_clients_do_not_delay_others(opened: Any) -> None:
    async with opened(trusted=NOBODY, max_connections=400) as door:
        slow = [await door.call_silently(f"127.0.2.{n % 50 + 1}") for n in range(200)]
        for client in slow:
            client.send(b"E")
        # not one of them was answered before the next, and a stranger is greeted all the same
        fast = await door.call(STRANGER)
        await fast.to_data()
        assert (await fast.say(MAIL + b".")).startswith("250")
        assert door.listener.sessions == 201


async def test_when_it_is_full_the_one_silent_longest_gives_way(opened: Any) -> None:
    async with opened(max_connections=3, idle_gives_way=0.1) as door:
        in_a_mail = await door.call()
        await in_a_mail.to_data()
        silent, later = await door.call(), await door.call()
        refused = await door.call_silently()
        assert (await refused.answer()).startswith("421 4.3.2 Service not available")
        # a command that does not end is silence too
        silent.send(b"NOO")
        # uvloop's clock goes by milliseconds: without one between them nobody could tell who was silent longer
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await eventually(lambda: loop.time() > begun)
        await later.say("NOOP")

        async def let_in() -> Client | None:
            client = await door.call_silently()
            return client if (await client.answer()).startswith("220") else None

        fresh = await eventually(let_in)
        assert (await silent.rest()).startswith(b"421 4.3.2 Too many connections")
        for client in (later, fresh):
            assert (await client.say("NOOP")).startswith("250")
        assert (await in_a_mail.say(MAIL + b".")).startswith("250")
        assert door.listener.sessions == 3


def test_clients_that_are_gone_are_forgotten() -> None:
    clients = Clients(ClientLimits(connections=1, commands=10, mails=10))
    for number in range(FORGET_BEYOND):
        client = clients.enter(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
        assert client is not None
        client.commands.take(0.0)
        clients.leave(client)
    assert len(clients) == FORGET_BEYOND
    clients.enter("192.0.2.1", 120.0)
    assert len(clients) == 1


@given(
    st.binary(max_size=40),
    st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 1.2.3.4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]),
)
def test_any_header_of_a_proxy_is_read_or_refused(rest: bytes, begin: bytes) -> None:
    with suppress(ProxyError):
        found = parse(begin + rest)
        assert found is None or 0 < found.length <= len(begin + rest)


def test_one_site_of_ipv6_is_one_client() -> None:
    clients = Clients(ClientLimits(connections=1))
    assert clients.enter("2001:db8:1:2::1", 0.0) is not None
    assert clients.enter("2001:db8:1:2:ffff::1", 0.0) is None
    assert clients.enter("2001:db8:1:3::1", 0.0) is not None


RECIPIENTS = [
    ("help@example.ru", "250"),
    ("HELP@Example.RU", "250"),
    ("help+k1-abcdefghijklmnopqrstuvwxyz@example.ru", "250"),
    ("Postmaster@example.ru", "250"),
    ("abuse@example.ru", "250"),
    ("postmaster", "250"),
    ("anybody@open.example", "250"),
    ('"help"@example.ru', "250"),
    ("helpdesk@example.ru", "550 5.1.1"),
    ("+help@example.ru", "550 5.1.1"),
    ("help@sub.example.ru", "550 5.7.1"),
    ("help@elsewhere.example", "550 5.7.1"),
    ("помощь@почта.рф", "250"),
    ("помощь@xn--80a1acny.xn--p1ai", "250"),
    ("help@почта.рф", "550 5.1.1"),
]


@pytest.mark.parametrize("address, reply", RECIPIENTS)
async def test_recipients(opened: Any, address: str, reply: str) -> None:
    served = frozenset({"help@example.ru", "помощь@почта.рф"})
    async with opened(domains=frozenset({"example.ru", "open.example"}), recipients=served) as door:
        client = await door.call()
        await client.say("EHLO x")
        await client.say("MAIL FROM:<> SMTPUTF8")
        assert (await client.say(f"RCPT TO:<{address}>")).startswith(reply)


async def test_the_wishes_of_a_sender_are_kept(door: Any) -> None:
    client = await door.call()
    await client.say("EHLO x")
    await client.say("MAIL FROM:<ivan@example.ru> RET=hdrs ENVID=Qq+2B314159")
    await client.say("RCPT TO:<help@example.ru> NOTIFY=success,Delay ORCPT=rfc822;Help@Example.ru")
    await client.say("RCPT TO:<sales@example.ru> NOTIFY=sometimes ORCPT=nonsense")
    await client.say("DATA")
    await client.say(MAIL + b".")
    assert door.desk.taken[0][0].extra["envelope"]["dsn"] == {
        "ret": "HDRS",
        "envid": "Qq+314159",
        "recipients": {"help@example.ru": {"notify": ["SUCCESS", "DELAY"], "orcpt": "rfc822;Help@Example.ru"}},
    }
