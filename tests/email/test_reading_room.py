"""Large and odd mails are read in processes that can be killed; what breaks them makes a ticket all the same."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.email.read import OwnMail, read
from channels.email.reading_room import LARGE, Bounds, ReadingRoom, is_light, read_mail
from tests.eventually import eventually
from tickets.message import InboundMessage, Unreadable

Writer = Callable[..., bytes]
NOW = datetime(2026, 11, 21, tzinfo=UTC)
GIVEN = {"account": "a", "external_id": "1", "received_at": NOW, "mail_from": "anna@example.ru"}
OWN = OwnMail(addresses=frozenset({"desk@desk.example"}))


@pytest.fixture
async def room() -> AsyncIterator[ReadingRoom]:
    made = ReadingRoom(read, Bounds(seconds=2.0, patience=20.0, workers=1), own=OWN)
    yield made
    await made.close()
    assert made.workers == 0


def processes(room: ReadingRoom) -> list[asyncio.subprocess.Process]:
    """Those that read a mail now."""
    return [worker._process for worker in room._busy if worker._process is not None]


@pytest.mark.parametrize(
    "body, light",
    [
        (b"short", True),
        (b"x" * 200_000, True),
        (b"x" * LARGE, False),
        (b"<b>" * 5_000, True),
        (b"<b>" * 20_000, False),
        (b"--b\r\n" * 2_000, True),
        (b"--b\r\nxxxxxxxxxxxxxxxxxxxxxxxxx\r\n" * 2_000, False),
        (b"a\n" * 100_000, False),
        (b"A" * 76 + b"\r\n", True),
        ((b"A" * 76 + b"\r\n") * 3_000, True),
        (b"word " * 1_000, True),
        (b"word " * 20_000, False),
        (b"@" * 20_000, False),
    ],
)
def test_what_is_light(body: bytes, light: bool) -> None:
    assert is_light(body) is light


async def test_a_light_mail_needs_no_process(room: ReadingRoom, mail: Writer) -> None:
    found = await room.apart(mail(b"Hello"), **GIVEN)
    assert isinstance(found, InboundMessage)
    assert room.workers == 0


async def test_a_worker_reads_as_the_loop_does(room: ReadingRoom, mail: Writer) -> None:
    raw = mail("Не печатает. ".encode() * 30_000, From=b"desk@desk.example", In_Reply_To=b"<1@x>")
    found = await room.apart(raw, **GIVEN)
    assert found == room(raw, **GIVEN)
    assert found.kind == "own"
    assert room.workers == 1
    room.become(own=OwnMail())
    assert (await room.apart(raw, **GIVEN)).kind == "human"


async def test_what_is_no_mail_is_none_for_a_worker_either(room: ReadingRoom) -> None:
    found = await room.apart(b"\x00" * LARGE, **{**GIVEN, "mail_from": None})
    assert isinstance(found, Unreadable)
    assert found.reason == "not_mail"


async def test_a_mail_that_takes_too_long_makes_a_ticket_of_its_beginning(mail: Writer) -> None:
    room = ReadingRoom(read, Bounds(seconds=0.02, patience=20.0, workers=1), own=OWN)
    body = b"Content-Type: text/html\r\n\r\n" + b"<p>Hello <b>you</b></p>\r\n" * 60_000
    raw = mail(b"--b\r\n" + body + b"\r\n--b\r\nContent-Type: image/png\r\n\r\nx\r\n--b--\r\n",
               Content_Type=b"multipart/mixed; boundary=b")  # fmt: skip
    found = await room.apart(raw, **GIVEN)
    assert isinstance(found, InboundMessage)
    assert found.defects[0] == "reading_cut"
    assert (found.sender.value, found.subject, found.attachments) == ("anna@example.ru", "Printer", ())
    assert "Hello you" in found.text
    assert room.workers == 0
    await room.close()


async def test_a_worker_that_died_meanwhile_is_replaced(room: ReadingRoom, mail: Writer) -> None:
    raw = mail(b"words " * 60_000)
    first = await room.apart(raw, **GIVEN)
    for worker in room._idle:
        worker.kill()
        await worker.gone()
    assert await room.apart(raw, **GIVEN) == first


async def test_a_worker_killed_in_the_middle_of_a_mail_does_no_harm(room: ReadingRoom, mail: Writer) -> None:
    hard = mail(b"<p>Hello <b>you</b></p>\r\n" * 100_000, Content_Type=b"text/html")
    reading = asyncio.create_task(room.apart(hard, **GIVEN))
    at_work = await eventually(lambda: processes(room))
    for process in at_work:
        process.kill()
    found = await reading
    assert isinstance(found, InboundMessage)
    assert "reading_cut" in found.defects
    assert "Hello you" in found.text


async def test_where_no_process_can_be_started_mails_are_read_all_the_same(
    mail: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    room = ReadingRoom(read)
    raw = mail(b"words " * 60_000)
    assert await room.apart(raw, **GIVEN) == room(raw, **GIVEN)


async def test_idle_workers_leave(mail: Writer) -> None:
    room = ReadingRoom(read, Bounds(idle=0.05))
    await room.apart(mail(b"words " * 60_000), **GIVEN)
    assert room.workers == 1
    await eventually(lambda: not room.workers)
    await room.close()


async def test_others_are_served_while_a_hard_mail_is_read(room: ReadingRoom, mail: Writer) -> None:
    hard = mail(b"<p>Hello <b>you</b></p>\r\n" * 100_000, Content_Type=b"text/html")
    reading = asyncio.create_task(room.apart(hard, **GIVEN))
    [process] = await eventually(lambda: processes(room))
    process.send_signal(signal.SIGSTOP)
    assert isinstance(await room.apart(mail(b"Hello"), **GIVEN), InboundMessage)
    assert not reading.done()
    process.send_signal(signal.SIGCONT)
    assert isinstance(await reading, InboundMessage)


async def test_any_reader_is_kept_off_the_loop(mail: Writer) -> None:
    assert isinstance(await read_mail(read, mail(), **GIVEN), InboundMessage)
    assert isinstance(await read_mail(read, mail(b"words " * 60_000), **GIVEN), InboundMessage)


async def test_a_worker_has_no_settings(room: ReadingRoom, mail: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTKLIK_SECRET", "word")
    await room.apart(mail(b"words " * 60_000), **GIVEN)
    process = room._idle[0]._process
    assert process is not None
    environment = Path(f"/proc/{process.pid}/environ")
    if environment.exists():
        assert b"OTKLIK" not in environment.read_bytes()
