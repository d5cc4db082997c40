"""TLS from the start, certificates that change, proxies in front, logins, LMTP: dialogues over real sockets."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.certificate import make_certificate
from tests.eventually import eventually
from tests.smtp.conftest import Client
from tests.smtp.test_listener import MAIL

STRANGER = "127.0.1.9"
"""An address of this machine that the tests do not trust."""
NOBODY: frozenset[str] = frozenset()


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def files(pair: tuple[Path, Path]) -> dict[str, str]:
    return {"certificate": str(pair[0]), "key": str(pair[1])}


async def test_tls_from_the_start(opened: Any, certificate: tuple[Path, Path]) -> None:
    async with opened(tls_port=0, require_tls=True, **files(certificate)) as door:
        context = trusting(certificate[0])
        client = await door.call_silently(at="tls", ssl=context, server_hostname="localhost")
        assert (await client.answer()).startswith("220 mx.example")
        assert "STARTTLS" not in await client.say("EHLO x")
        assert await client.say("STARTTLS") == "503 5.5.1 Already encrypted"
        await client.to_data_again()
        client.send(MAIL + b"y" * 300_000 + b"\r\n.\r\n")
        assert (await client.answer()).startswith("250 2.0.0")
        envelope = door.desk.taken[0][0].extra["envelope"]
        assert (envelope["protocol"], envelope["peer"]) == ("ESMTPS", "127.0.0.1")
        assert envelope["tls"].startswith("TLSv1.")
        assert await client.say("QUIT") == "221 2.0.0 Bye"


@pytest.mark.parametrize("said", [b"EHLO x\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 400, b"", b"GET / HTTP/1.1\r\n\r\n"])
async def test_no_handshake_no_session(opened: Any, certificate: tuple[Path, Path], said: bytes) -> None:
    async with opened(tls_port=0, gate_timeout=0.2, **files(certificate)) as door:
        client = await door.call_silently(at="tls")
        client.send(said)
        assert b"220" not in await client.rest()
        assert (await (await door.call()).say("NOOP")).startswith("250")
        await eventually(lambda: not door.listener._gates)
        assert door.listener.sessions == 1


async def test_a_new_certificate_is_taken_up_and_nobody_is_sent_away(opened: Any, tmp_path: Path) -> None:
    pair = make_certificate(tmp_path, "old.example")
    old = trusting(pair[0])
    async with opened(tls_port=0, certificate_poll=0.02, **files(pair)) as door:
        there = await door.call_silently(at="tls", ssl=old, server_hostname="old.example")
        assert (await there.answer()).startswith("220")
        plain = await door.call()
        before = door.listener.tls
        make_certificate(tmp_path, "new.example")
        new = trusting(pair[0])
        await eventually(lambda: door.listener.tls is not before)
        fresh = await door.call_silently(at="tls", ssl=new, server_hostname="new.example")
        assert (await fresh.answer()).startswith("220")
        # who was there already goes on, in the clear and encrypted
        await there.to_data()
        assert (await there.say(MAIL + b".")).startswith("250")
        await plain.say("EHLO x")
        assert (await plain.say("STARTTLS")).startswith("220")


async def test_a_certificate_that_cannot_be_used_leaves_the_old_one(opened: Any, tmp_path: Path) -> None:
    pair = make_certificate(tmp_path)
    context = trusting(pair[0])
    with capture_logs() as told:
        async with opened(tls_port=0, certificate_poll=0.02, **files(pair)) as door:
            key = pair[1].read_bytes()
            pair[1].write_bytes(b"half a key")
            await eventually(lambda: "smtp.certificate_unusable" in [line["event"] for line in told])
            client = await door.call_silently(at="tls", ssl=context, server_hostname="localhost")
            assert (await client.answer()).startswith("220")
            pair[1].write_bytes(key)


async def test_commands_behind_starttls_are_forgotten_with_all_the_clear_session_knew(
    opened: Any, certificate: tuple[Path, Path]
) -> None:
    async with opened(**files(certificate)) as door:
        client = await door.call()
        await client.say("EHLO in.the.clear")
        await client.say("MAIL FROM:<clear@example.ru>")
        client.send(
            b"STARTTLS\r\nEHLO injected\r\nMAIL FROM:<evil@example.ru>\r\nRCPT TO:<help@example.ru>\r\nDATA\r\n"
        )
        assert (await client.answer()).startswith("220")
        await client.writer.start_tls(trusting(certificate[0]), server_hostname="localhost")
        assert (await client.say("MAIL FROM:<ivan@example.ru>")).startswith("503")
        await client.to_data()
        assert (await client.say(MAIL + b".")).startswith("250")
        assert door.desk.taken[0][0].extra["envelope"]["mail_from"] == "ivan@example.ru"


# Proxies

V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 56324 25\r\n"
V1_SIX = b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 25\r\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(command: int, family: int, addresses: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(addresses).to_bytes(2, "big") + addresses


FOUR = bytes([203, 0, 113, 7, 192, 0, 2, 1]) + (56324).to_bytes(2, "big") + (25).to_bytes(2, "big")
SIX = bytes.fromhex("20010db8000000000000000000000007" + "20010db8000000000000000000000001" + "dc040019")

HEADERS = [
    ("version 1", V1, "203.0.113.7"),
    ("version 1, IPv6", V1_SIX, "2001:db8::7"),
    ("version 1, not known", b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    ("version 1, not known and words", b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "127.0.0.1"),
    ("version 2", v2(0x21, 0x11, FOUR), "203.0.113.7"),
    ("version 2, IPv6", v2(0x21, 0x21, SIX), "2001:db8::7"),
    ("version 2 with extensions", v2(0x21, 0x11, FOUR + b"\x04\x00\x03abc"), "203.0.113.7"),
    ("version 2, a health check", v2(0x20, 0x00, b""), "127.0.0.1"),
    ("version 2, a Unix socket", v2(0x21, 0x31, b"x" * 216), "127.0.0.1"),
]


@pytest.mark.parametrize("head, peer", [each[1:] for each in HEADERS], ids=[each[0] for each in HEADERS])
@pytest.mark.parametrize("pieces", [1, 1000])
async def test_a_proxy_says_who_calls(opened: Any, head: bytes, peer: str, pieces: int) -> None:
    async with opened(proxies=frozenset({"127.0.0.1/32"})) as door:
        client = await door.call_silently()
        said = head + b"EHLO x\r\n"
        for start in range(0, len(said), max(1, len(said) // pieces)):
            client.send(said[start : start + max(1, len(said) // pieces)])
            await client.writer.drain()
            await asyncio.sleep(0)
        assert (await client.answer()).startswith("220")
        assert (await client.answer()).startswith("250")
        await client.to_data_again()
        assert (await client.say(MAIL + b".")).startswith("250")
        assert door.desk.taken[0][0].extra["envelope"]["peer"] == peer


NO_HEADERS = [
    b"EHLO x\r\n",
    b"PROXY TCP4 203.0.113.7\r\n",
    b"PROXY TCP4 203.0.113.700 192.0.2.1 56324 25\r\n",
    b"PROXY TCP6 203.0.113.7 192.0.2.1 56324 25\r\n",
    b"PROXY TCP4 203.0.113.7 192.0.2.1 99999999 25\r\n",
    b"PROXY TCP4 " + b"2" * 200,
    v2(0x11, 0x11, FOUR),
    v2(0x21, 0x11, FOUR[:6]),
    SIGNATURE + b"\x21\x11\xff\xff",
    b"\r\n\r\n\x00\r\nQUIX",
]


@pytest.mark.parametrize("said", NO_HEADERS)
async def test_a_proxy_that_does_not_is_cut_off(opened: Any, said: bytes) -> None:
    async with opened(proxies=frozenset({"127.0.0.1/32"})) as door:
        client = await door.call_silently()
        client.send(said)
        assert await client.rest() == b""
        assert door.listener.sessions == 0


async def test_a_proxy_that_says_nothing_is_not_waited_for(opened: Any) -> None:
    async with opened(proxies=frozenset({"127.0.0.1/32"}), gate_timeout=0.1) as door:
        client = await door.call_silently()
        client.send(V1[:10])
        assert await client.rest() == b""


async def test_nobody_else_is_believed(opened: Any) -> None:
    async with opened(proxies=frozenset({"127.0.0.1/32"})) as door:
        client = await door.call(STRANGER)
        assert (await client.say(V1.strip())).startswith("500")
        await client.to_data()
        await client.say(MAIL + b".")
        assert door.desk.taken[0][0].extra["envelope"]["peer"] == STRANGER


async def test_a_proxy_in_front_of_tls(opened: Any, certificate: tuple[Path, Path]) -> None:
    async with opened(tls_port=0, proxies=frozenset({"127.0.0.1/32"}), **files(certificate)) as door:
        client = await door.call_silently(at="tls")
        client.send(V1)
        await client.writer.start_tls(trusting(certificate[0]), server_hostname="localhost")
        assert (await client.answer()).startswith("220")
        await client.to_data()
        await client.say(MAIL + b".")
        envelope = door.desk.taken[0][0].extra["envelope"]
        assert (envelope["peer"], envelope["protocol"]) == ("203.0.113.7", "ESMTPS")


async def test_a_proxied_client_keeps_its_address_through_starttls(opened: Any, certificate: tuple[Path, Path]) -> None:
    async with opened(proxies=frozenset({"127.0.0.1/32"}), **files(certificate)) as door:
        client = await door.call_silently()
        client.send(V1)
        await client.answer()
        await client.say("EHLO x")
        await client.say("STARTTLS")
        await client.writer.start_tls(trusting(certificate[0]), server_hostname="localhost")
        await client.to_data()
        await client.say(MAIL + b".")
        assert door.desk.taken[0][0].extra["envelope"]["peer"] == "203.0.113.7"


# Logins


def plain(name: str, password: str) -> str:
    return b64encode(f"\0{name}\0{password}".encode()).decode()


def b64(text: str) -> str:
    return b64encode(text.encode()).decode()


ACCOUNTS = {"scanner": "correct horse", "сканер": "верная лошадь"}


async def encrypted(door: Any, certificate: Path, peer: str = "127.0.0.1") -> Client:
    client: Client = await door.call(peer)
    await client.say("EHLO x")
    await client.say("STARTTLS")
    await client.writer.start_tls(trusting(certificate), server_hostname="localhost")
    await client.say("EHLO x")
    return client


async def test_logins_are_offered_and_taken_over_tls_alone(opened: Any, certificate: tuple[Path, Path]) -> None:
    async with opened(accounts=ACCOUNTS, **files(certificate)) as door:
        clear = await door.call()
        assert "AUTH" not in await clear.say("EHLO x")
        assert (await clear.say(f"AUTH PLAIN {plain('scanner', 'correct horse')}")).startswith("538")
        client = await encrypted(door, certificate[0])
        assert "250-AUTH LOGIN PLAIN" in client.heard[-1]


@pytest.mark.parametrize(
    "dialogue",
    [
        [(f"AUTH PLAIN {plain('scanner', 'correct horse')}", "235")],
        [(f"auth plain {plain('scanner', 'correct horse')}", "235")],
        [(f"AUTH PLAIN {plain('сканер', 'верная лошадь')}", "235")],
        [("AUTH PLAIN", "334"), (plain("scanner", "correct horse"), "235")],
        [("AUTH LOGIN", "334"), (b64("scanner"), "334"), (b64("correct horse"), "235")],
        [(f"AUTH LOGIN {b64('scanner')}", "334"), (b64("correct horse"), "235")],
        [(f"AUTH PLAIN {plain('scanner', 'wrong')}", "535")],
        [(f"AUTH PLAIN {plain('nobody', 'correct horse')}", "535")],
        [(f"AUTH PLAIN {plain('scanner', '')}", "535")],
        [("AUTH PLAIN ***", "501")],
        [(f"AUTH PLAIN {b64('no parts')}", "501")],
        [("AUTH LOGIN", "334"), ("*", "501")],
        [("AUTH CRAM-MD5", "504")],
        [("AUTH", "501")],
        [("MAIL FROM:<a@b.ru>", "250"), (f"AUTH PLAIN {plain('scanner', 'correct horse')}", "503")],
    ],
)
async def test_logins(opened: Any, certificate: tuple[Path, Path], dialogue: list[tuple[str, str]]) -> None:
    async with opened(accounts=ACCOUNTS, **files(certificate)) as door:
        client = await encrypted(door, certificate[0])
        for said, answer in dialogue:
            assert (await client.say(said)).startswith(answer)
        assert (await client.say("NOOP")).startswith("250")


async def test_who_signed_in_stands_in_the_envelope_and_the_password_nowhere(
    opened: Any, certificate: tuple[Path, Path]
) -> None:
    async with opened(accounts=ACCOUNTS, **files(certificate)) as door:
        client = await encrypted(door, certificate[0])
        await client.say(f"AUTH PLAIN {plain('scanner', 'correct horse')}")
        await client.to_data_again()
        await client.say(MAIL + b".")
        envelope = door.desk.taken[0][0].extra["envelope"]
        assert (envelope["login"], envelope["protocol"]) == ("scanner", "ESMTPSA")
        assert "horse" not in repr(envelope) + repr(door.listener.options)


async def test_passwords_cannot_be_tried_for_long(opened: Any, certificate: tuple[Path, Path]) -> None:
    async with opened(accounts=ACCOUNTS, trusted=NOBODY, **files(certificate)) as door:
        tried = 0
        while True:
            client = await door.call_silently(STRANGER)
            if not (await client.answer()).startswith("220"):
                break
            await client.say("EHLO x")
            await client.say("STARTTLS")
            await client.writer.start_tls(trusting(certificate[0]), server_hostname="localhost")
            await client.say("EHLO x")
            for _ in range(3):
                tried += 1
                assert (await client.say(f"AUTH PLAIN {plain('scanner', 'wrong')}")).startswith("535")
            assert (await client.answer()).startswith("421 4.7.0")
        assert tried == 12
        assert client.heard == ["421 4.7.0 Too many connections from your address, try again later"]
        # others are not concerned
        other = await encrypted(door, certificate[0], "127.0.1.10")
        assert (await other.say(f"AUTH PLAIN {plain('scanner', 'correct horse')}")).startswith("235")


# LMTP


async def test_lmtp_answers_for_each_recipient(opened: Any) -> None:
    async with opened(lmtp="127.0.0.1:0", recipients=frozenset({"help@example.ru", "sales@example.ru"})) as door:
        client = await door.call_silently(at="lmtp")
        assert await client.answer() == "220 mx.example LMTP"
        assert (await client.say("EHLO x")).startswith("500")
        assert (await client.say("HELO x")).startswith("500")
        assert (await client.say("MAIL FROM:<>")).startswith("503 5.5.1")
        offered = (await client.say("LHLO x")).splitlines()
        assert {"250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250-8BITMIME", "250-SMTPUTF8"} <= set(offered)
        assert await client.say("MAIL FROM:<ivan@example.ru>") == "250 2.1.0 OK"
        assert (await client.say("RCPT TO:<help@example.ru>")).startswith("250")
        assert (await client.say("RCPT TO:<nobody@example.ru>")).startswith("550 5.1.1")
        assert (await client.say("RCPT TO:<sales@example.ru>")).startswith("250")
        assert (await client.say("DATA")).startswith("354")
        assert await client.say(MAIL + b".") == "250 2.0.0 Accepted as MSK-26-000001"
        assert await client.answer() == "250 2.0.0 Accepted as MSK-26-000001"
        assert (await client.say("DATA")).startswith("503")
        assert await client.say("NOOP") == "250 2.0.0 OK"
        assert await client.say("RSET") == "250 2.0.0 OK"
        message, _ = door.desk.taken[0]
        assert message.extra["envelope"]["protocol"] == "LMTP"
        assert [to.value for to in message.recipients] == ["help@example.ru", "sales@example.ru"]


async def test_lmtp_refuses_for_each_recipient_too(opened: Any) -> None:
    async with opened(lmtp="127.0.0.1:0", max_size=100) as door:
        client = await door.call_silently(at="lmtp")
        await client.answer()
        client.send(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.ru>\r\nRCPT TO:<c@b.ru>\r\nDATA\r\n" + b"x" * 200)
        client.send(b"\r\n.\r\nQUIT\r\n")
        replies = [line[:3] for line in (await client.rest()).decode().splitlines() if line[3] == " "]
        assert replies == ["250", "250", "250", "250", "354", "552", "552", "221"]


async def test_lmtp_over_a_unix_socket(opened: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "lmtp")
    async with opened(lmtp=path, trusted=NOBODY, client_mails=1) as door:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        client = door.take(*await asyncio.open_unix_connection(path))
        await client.answer()
        await client.say("LHLO x")
        for _ in range(3):
            await client.to_data_again()
            assert (await client.say(MAIL + b".")).startswith("250")
        assert door.desk.taken[0][0].extra["envelope"]["peer"] == ""
        assert next(iter(door.listener._sessions)).trusted
    assert not os.path.exists(path)


async def test_an_address_that_is_taken_closes_what_was_open(opened: Any) -> None:
    async with opened() as door:
        with pytest.raises(OSError, match="address"):
            async with opened(lmtp=f"127.0.0.1:{door.listener.port}"):
                pass
