"""Mails made to be expensive, thrown at a listener: each makes a ticket, and others get their answers meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from channels.email.read import read
from channels.email.reading_room import BEGINNING, Bounds, ReadingRoom, is_light
from tickets.message import InboundMessage, Unreadable

HEAD = b"From: a@example.ru\r\nSubject: x\r\nDate: Mon, 3 Jun 2024 10:00:00 +0300\r\n"
MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
HOSTILE = {
    "nesting of 3,000": HEAD
    + b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (i, i) for i in range(3000)),
    "20,000 parts": MIXED + b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 20_000 + b"--b--\r\n",
    "1,000 pages": MIXED + (b"--b\r\nContent-Type: text/html\r\n\r\n" + b"<p>x" * 80 + b"\r\n") * 1000 + b"--b--\r\n",
    "a line of a megabyte": HEAD + b"\r\n" + b"x" * 1_000_000 + b"\r\n",
    "a field of a megabyte": b"X: " + b"a" * 1_000_000 + b"\r\n" + HEAD + b"\r\nx\r\n",
    "many fields": b"X-A: b\r\n" * 100_000 + HEAD + b"\r\nx\r\n",
    "folded for ever": b"Subject: x\r\n" + b" y\r\n" * 200_000 + HEAD + b"\r\nx\r\n",
    "open quotes": HEAD + b"To: " + b'"\\' * 100_000 + b"\r\n\r\nx\r\n",
    "encoded words": b"Subject: " + b"=?utf-8?q?" * 50_000 + b"\r\n" + HEAD + b"\r\nx\r\n",
    "headers in the text": HEAD + b"\r\nx\r\n" + "От: a\r\nОтправлено: b\r\n".encode() * 60_000,
    "introductions": HEAD + b"\r\nx\r\n" + b"On 2024-06-05 12:30 <a@b> wrote:\r\n" * 50_000,
    "tags": HEAD + b"Content-Type: text/html\r\n\r\n" + b"<div>" * 100_000 + b"\r\n",
    "8-bit of any kind": HEAD + b"\r\n" + (bytes(range(128, 256)) + b"\r\n") * 10_000,
    "a bounce": b"From: MAILER-DAEMON@x\r\nSubject: failure notice\r\n\r\n"
    + b"could not be delivered to following recipients: a@b.ru 550 5.1.1\r\n" * 30_000,
}  # fmt: skip


@pytest.fixture
def read_on_the_loop() -> list[bytes]:
    """The mails, or beginnings of them, during whose reading everybody else waits."""
    return []


@pytest.fixture
async def room(read_on_the_loop: list[bytes]) -> AsyncIterator[ReadingRoom]:
    def noted(raw: bytes, **given: Any) -> InboundMessage | Unreadable:
        read_on_the_loop.append(raw)
        return read(raw, **given)

    made = ReadingRoom(noted, Bounds(workers=1))
    yield made
    await made.close()


@pytest.mark.parametrize("names", [list(HOSTILE)[start::4] for start in range(4)], ids=", ".join)
async def test_hostile_mails_make_tickets_and_hold_nobody_up(
    opened: Any, room: ReadingRoom, read_on_the_loop: list[bytes], names: list[str]
) -> None:
    async with opened(room) as door:
        client = await door.call()
        assert (await client.say("EHLO client.example")).startswith("250")
        for name in names:
            await client.to_data_again()
            client.send(HOSTILE[name] + b".\r\n")
            other = await door.call()
            answer = asyncio.create_task(client.answer())
            while not (await asyncio.wait({answer}, timeout=0.02))[0]:
                assert (await other.say("NOOP")).startswith("250")
            assert (await answer).startswith("250 2.0.0 Accepted as ")
            message, kept = door.desk.taken[-1]
            assert kept == HOSTILE[name]
            assert isinstance(message, InboundMessage)
        assert len(door.desk.taken) == len(names)
    assert all(is_light(raw) or len(raw) <= BEGINNING for raw in read_on_the_loop)


async def test_mail_beyond_all_bounds_makes_a_ticket_of_its_beginning(opened: Any) -> None:
    room = ReadingRoom(read, Bounds(seconds=0.01, workers=1))
    async with opened(room) as door:
        client = await door.call()
        await client.to_data()
        client.send(HOSTILE["1,000 pages"] + b".\r\n")
        assert (await client.answer()).startswith("250")
        ((message, kept),) = door.desk.taken
    assert kept == HOSTILE["1,000 pages"]
    assert message.defects[0] == "reading_cut"
    assert message.sender.value == "a@example.ru"
    await room.close()
