"""Dialogues with the SMTP listener over real sockets."""

from __future__ import annotations

import asyncio
import json
import smtplib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from channels.base import NotAcceptedNow
from tests.eventually import eventually
from tickets.message import InboundMessage, Unreadable

MAIL = b"From: ivan@example.ru\r\nSubject: printer\r\n\r\nIt is silent.\r\n"


async def test_a_mail_is_answered_with_its_ticket_number(door: Any) -> None:
    client = await door.call()
    await client.to_data()
    assert await client.say(MAIL + b".") == "250 2.0.0 Accepted as MSK-26-000001"
    assert await client.say("QUIT") == "221 2.0.0 Bye"
    assert await client.rest() == b""
    message, raw = door.desk.taken[0]
    assert raw == MAIL
    assert message.extra["envelope"] == {
        "peer": "127.0.0.1",
        "helo": "client.example",
        "protocol": "ESMTP",
        "tls": "",
        "mail_from": "ivan@example.ru",
        "rcpt_to": ["help@example.ru"],
        "options": [],
        "received_at": "2026-11-21T09:30:00+00:00",
    }


async def test_each_transaction_has_an_identity_of_its_own(door: Any) -> None:
    client = await door.call()
    await client.to_data()
    await client.say(MAIL + b".")
    await client.to_data_again()
    await client.say(MAIL + b".")
    first, second = (message.external_id for message, _ in door.desk.taken)
    assert first < second


@pytest.mark.parametrize(
    "sent, content",
    [
        pytest.param(b".\r\n", b"", id="empty body"),
        pytest.param(b"\r\n.\r\n", b"\r\n", id="one empty line"),
        pytest.param(b"..first\r\n..\r\n.\r\n", b".first\r\n.\r\n", id="dots on the first line and on a later one"),
        pytest.param(b"a\n.\nMAIL FROM:<x@y>\r\n.\r\n", b"a\n.\nMAIL FROM:<x@y>\r\n", id="LF.LF"),
        pytest.param(b"a\n.\r\nMAIL FROM:<x@y>\r\n.\r\n", b"a\n.\r\nMAIL FROM:<x@y>\r\n", id="LF.CRLF"),
        pytest.param(b"a\r\n.\nMAIL FROM:<x@y>\r\n.\r\n", b"a\r\n\nMAIL FROM:<x@y>\r\n", id="CRLF.LF"),
        pytest.param(b"a\r.\rMAIL FROM:<x@y>\r\n.\r\n", b"a\r.\rMAIL FROM:<x@y>\r\n", id="CR.CR"),
        pytest.param(b"a\r.\r\nMAIL FROM:<x@y>\r\n.\r\n", b"a\r.\r\nMAIL FROM:<x@y>\r\n", id="CR.CRLF"),
        pytest.param(b"a\r\n.\rMAIL FROM:<x@y>\r\n.\r\n", b"a\r\n\rMAIL FROM:<x@y>\r\n", id="CRLF.CR"),
        pytest.param(b"a\n\n.\r\r\nb\r\n.\r\n", b"a\n\n.\r\r\nb\r\n", id="LF.CRCRLF"),
        pytest.param(b"a\r\n\x00.\r\nb\r\n.\r\n", b"a\r\n\x00.\r\nb\r\n", id="CRLF NUL . CRLF"),
        pytest.param("тело\r\n".encode("cp1251") + b".\r\n", "тело\r\n".encode("cp1251"), id="eight bits"),
        pytest.param(b"x" * 300_000 + b"\r\n.\r\n", b"x" * 300_000 + b"\r\n", id="one line of 300 KB"),
    ],
)
async def test_only_crlf_dot_crlf_ends_a_mail_and_the_rest_is_kept(door: Any, sent: bytes, content: bytes) -> None:
    client = await door.call()
    await client.to_data()
    client.send(sent)
    assert (await client.answer()).startswith("250 ")
    assert await client.say("NOOP") == "250 OK"
    assert door.desk.raws == [content]


async def test_the_end_may_be_cut_anywhere(door: Any) -> None:
    client = await door.call()
    await client.to_data()
    for octet in b"..a\r\n.\r\n":
        client.send(bytes([octet]))
        await client.writer.drain()
        await asyncio.sleep(0)
    assert (await client.answer()).startswith("250 ")
    assert door.desk.raws == [b".a\r\n"]


async def test_everything_at_once_is_answered_in_order(door: Any) -> None:
    client = await door.call()
    transaction = b"MAIL FROM:<>\r\nRCPT TO:<help@example.ru>\r\nDATA\r\n" + MAIL + b".\r\n"
    client.send(b"EHLO x\r\n" + transaction * 2 + b"QUIT\r\n")
    client.writer.write_eof()
    replies = (await client.rest()).decode().splitlines()
    assert [line[:3] for line in replies if line[3] == " "] == ["250", *["250", "250", "354", "250"] * 2, "221"]
    assert door.desk.raws == [MAIL, MAIL]


async def test_half_a_mail_sent_before_the_354_and_then_nothing_more(door: Any) -> None:
    client = await door.call()
    client.send(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<help@example.ru>\r\nDATA\r\n" + MAIL)
    client.writer.write_eof()
    assert (await client.rest()).splitlines()[-1].startswith(b"354")
    assert door.desk.taken == []
    assert door.listener.budget.used == 0


async def test_too_big_is_drained_then_refused_and_nothing_of_it_is_executed(opened: Any) -> None:
    async with opened(max_size=1000) as door:
        client = await door.call()
        await client.to_data()
        client.send(b"x" * 5000 + b"\r\nRSET\r\nVRFY root\r\n" * 500 + b".\r\n")
        assert await client.answer() == "552 5.3.4 Message exceeds the maximum size"
        await client.to_data_again()
        assert (await client.say(MAIL + b".")).startswith("250 ")
        assert door.desk.raws == [MAIL]


async def test_unfinished_mails_share_one_budget_and_leave_the_stream_limit_alone(opened: Any) -> None:
    async with opened(memory_budget=100_000, max_size=90_000) as door:
        budget = door.listener.budget
        holders = [await door.call() for _ in range(5)]
        for holder in holders:
            await holder.to_data()
        for number, holder in enumerate(holders, 1):
            holder.send(b"x" * 30_000)
            if number > 3:
                # The one silent longest made room.
                assert await holders[number - 4].rest() == b"421 4.3.1 Too much mail at once, try again later\r\n"
            held = min(number, 3) * 30_000
            await eventually(lambda held=held: budget.used == held)
        assert {session._reader._limit for session in door.listener._sessions} == {4096}
        assert budget.used == 90_000
        for holder in holders[2:]:
            assert (await holder.say(b"\r\n.")).startswith("250 2.0.0")
        assert budget.used == 0


async def test_idle_connections_that_fill_the_memory_do_not_keep_honest_mail_out(opened: Any) -> None:
    async with opened(memory_budget=2_000_000, max_size=200_000) as door:
        budget = door.listener.budget
        # Every address of 127/8 is ours: four peers, each with its whole share.
        for peer in range(4):
            for _ in range(5):
                idle = await door.call(f"127.0.1.{peer + 1}")
                await idle.to_data()
                idle.send(b"x" * 99_000)
        await eventually(lambda: budget.used >= 4 * 5 * 99_000)
        honest = await door.call()
        await honest.say("EHLO x")
        assert (await honest.say("MAIL FROM:<ivan@example.ru> SIZE=200000")).startswith("250")
        await honest.say("RCPT TO:<help@example.ru>")
        await honest.say("DATA")
        assert (await honest.say(b"x" * 190_000 + b"\r\n.")).startswith("250 2.0.0")
        assert len(door.desk.raws) == 1
        assert len(door.listener._sessions) < 21


async def test_one_peer_cannot_have_all_the_memory(opened: Any) -> None:
    async with opened(memory_budget=4_000_000, max_size=100_000) as door:
        budget = door.listener.budget
        assert budget.share == 1_000_000
        greedy = [await door.call("127.0.1.1") for _ in range(15)]
        for client in greedy:
            await client.to_data()
            client.send(b"x" * 95_000)
            await client.writer.drain()
        assert [await client.rest() for client in greedy[:5]] == [
            b"421 4.3.1 Too much mail at once, try again later\r\n"
        ] * 5
        assert budget.used <= 1_000_000


async def test_mail_that_memory_has_no_room_for_is_452(opened: Any) -> None:
    async with opened(memory_budget=100_000, max_size=90_000) as door:
        door.desk.gate = asyncio.Event()
        storing = await door.call()
        await storing.to_data()
        storing.send(b"x" * 60_000 + b"\r\n.\r\n")
        await door.desk.called.wait()
        late = await door.call()
        await late.say("EHLO x")
        assert (await late.say("MAIL FROM:<a@b.ru> SIZE=80000")).startswith("452 4.3.1")
        await late.to_data_again()
        assert (await late.say(b"x" * 80_000 + b"\r\n.")).startswith("452 4.3.1")
        door.desk.gate.set()
        assert (await storing.answer()).startswith("250 ")
        assert door.listener.budget.used == 0


@pytest.mark.parametrize("first", [b"", b"x" * 20])
async def test_a_mail_slower_than_the_least_rate_is_cut(opened: Any, first: bytes) -> None:
    async with opened(rate_grace=0.2, least_rate=100.0) as door:
        client = await door.call()
        await client.to_data()
        client.send(first)
        assert await client.drip(b"x" if first else b"", every=0.05) == b"421 4.4.2 Timeout\r\n"
        assert door.listener.budget.used == 0


async def test_a_mail_that_comes_fast_enough_is_not_cut_by_the_least_rate(opened: Any) -> None:
    async with opened(rate_grace=0.2, least_rate=1000.0) as door:
        client = await door.call()
        await client.to_data()
        client.send(b"x" * 50_000)
        silent = await door.call()
        await silent.to_data()
        assert await silent.rest() == b"421 4.4.2 Timeout\r\n"
        assert (await client.say(b"\r\n.")).startswith("250 ")


@pytest.mark.parametrize(
    "mail, rcpt",
    [
        (b" ENVID=\xff", b""),
        (b" AUTH=\xed\xa0\x80", b""),
        (b" ENVID=a\x00b", b" ORCPT=rfc822;\xfe\x01"),
        (b" ENVID=" + b"x" * 900, b" ORCPT=\xff" + b"y" * 900),
    ],
)
async def test_whatever_the_parameters_the_envelope_can_be_stored(door: Any, mail: bytes, rcpt: bytes) -> None:
    client = await door.call()
    await client.say(b"EHLO \xff")
    assert (await client.say(b"MAIL FROM:<ivan@example.ru>" + mail)).startswith("250")
    assert (await client.say(b"RCPT TO:<help@example.ru>" + rcpt)).startswith("250")
    await client.say("DATA")
    assert (await client.say(MAIL + b".")).startswith("250")
    envelope = door.desk.taken[0][0].extra["envelope"]
    stored = json.dumps(envelope, ensure_ascii=False).encode()
    assert b"\\u00" not in stored
    assert all(len(option) <= 255 for option in envelope["options"])
    assert envelope["options"][0].startswith(("ENVID=", "AUTH="))


async def test_half_close_right_after_the_dot_still_stores_and_answers(door: Any) -> None:
    client = await door.call()
    await client.to_data()
    client.send(MAIL + b".\r\n")
    client.writer.write_eof()
    assert await client.rest() == b"250 2.0.0 Accepted as MSK-26-000001\r\n"
    assert door.desk.raws == [MAIL]


async def test_a_client_that_leaves_while_its_mail_is_stored_does_not_stop_that(door: Any) -> None:
    door.desk.gate = asyncio.Event()
    client = await door.call()
    await client.to_data()
    client.send(MAIL + b".\r\n")
    await door.desk.called.wait()
    client.writer.transport.abort()
    session = next(iter(door.listener._sessions))

    def noticed() -> bool:
        # The listener learns of it only by writing when the other side reset.
        if session.transport is not None:
            session.farewell(b"421 4.3.2 Test")
        return session.transport is None

    await eventually(noticed)
    door.desk.gate.set()
    await asyncio.gather(*door.listener.taking.tasks)
    assert door.desk.raws == [MAIL]


async def test_cancelling_the_session_does_not_cancel_the_storing(door: Any) -> None:
    door.desk.gate = asyncio.Event()
    client = await door.call()
    await client.to_data()
    client.send(MAIL + b".\r\n")
    await door.desk.called.wait()
    next(iter(door.listener._sessions)).cut()
    assert await client.rest() == b""
    storing = set(door.listener.taking.tasks)
    door.desk.gate.set()
    await asyncio.wait(storing)
    assert door.desk.raws == [MAIL]
    assert door.listener.budget.used == 0


async def test_a_timeout_never_falls_into_the_storing(opened: Any) -> None:
    async with opened(command_timeout=0.05, data_timeout=0.05) as door:
        door.desk.gate = asyncio.Event()
        client = await door.call()
        await client.to_data()
        client.send(MAIL + b".\r\n")
        await door.desk.called.wait()
        assert await (await door.call()).rest() == b"421 4.4.2 Timeout\r\n"
        door.desk.gate.set()
        assert (await client.answer()).startswith("250 ")
        assert door.desk.raws == [MAIL]


@pytest.mark.parametrize("leave", ["close", "half-close", "reset"])
async def test_a_client_gone_in_the_middle_of_a_mail_leaves_nothing(door: Any, leave: str) -> None:
    client = await door.call()
    await client.to_data()
    client.send(MAIL + b".\r")
    await client.writer.drain()
    session = next(iter(door.listener._sessions))
    if leave == "half-close":
        client.writer.write_eof()
        assert await client.rest() == b""
    elif leave == "close":
        await client.close()
    else:
        client.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
        )
        client.writer.transport.abort()
    await asyncio.wait({session.task})
    assert door.desk.taken == []
    assert door.listener.budget.used == 0
    assert door.listener._sessions == set()


@pytest.mark.parametrize("at", ["greeting", "mail", "data"])
async def test_a_silent_client_is_sent_away(opened: Any, at: str) -> None:
    async with opened(command_timeout=0.1, data_timeout=0.1) as door:
        client = await door.call()
        if at == "mail":
            await client.say("EHLO x")
            await client.say("MAIL FROM:<a@b.ru>")
        if at == "data":
            await client.to_data()
            client.send(b"Subject: never e")
        assert await client.rest() == b"421 4.4.2 Timeout\r\n"
        assert door.desk.taken == []
        assert door.listener.budget.used == 0


async def test_a_dripping_client_cannot_stay_beyond_the_transfer_timeout(opened: Any) -> None:
    async with opened(data_timeout=5, command_timeout=5, transfer_timeout=0.3) as door:
        client = await door.call()
        await client.to_data()
        assert await client.drip(b"x", every=0.02) == b"421 4.4.2 Timeout\r\n"


@pytest.mark.parametrize(
    "trouble, reply",
    [
        (NotAcceptedNow("disk full"), "451 4.3.0 Cannot store mail now, try again later"),
        (RuntimeError("INSERT ... ivan@example.ru"), "451 4.3.0 Try again later"),
    ],
)
async def test_what_cannot_be_stored_is_451_and_the_session_lives_on(door: Any, trouble: Exception, reply: str) -> None:
    client = await door.call()
    await client.to_data()
    door.desk.trouble = trouble
    assert await client.say(MAIL + b".") == reply
    door.desk.trouble = None
    await client.to_data_again()
    assert (await client.say(MAIL + b".")).startswith("250 ")


@pytest.mark.parametrize("point, stored", [("smtp.before_accept", 0), ("smtp.after_accept", 1)])
async def test_fault_points(opened: Any, point: str, stored: int) -> None:
    async def fault(here: str) -> None:
        if here == point:
            raise OSError("pulled the plug")

    async with opened(fault=fault) as door:
        client = await door.call()
        await client.to_data()
        assert await client.say(MAIL + b".") == "451 4.3.0 Try again later"
        assert len(door.desk.taken) == stored


async def test_a_mail_that_breaks_the_reader_is_kept_for_a_person(opened: Any) -> None:
    def broken(raw: bytes, **given: Any) -> InboundMessage:
        raise RecursionError("too deep")

    async with opened(reader=broken) as door:
        client = await door.call()
        await client.to_data()
        assert (await client.say(MAIL + b".")).startswith("250 2.0.0 Accepted")
        (unreadable, raw), *_ = door.desk.taken
        assert isinstance(unreadable, Unreadable)
        assert (unreadable.reason, unreadable.detail, raw) == ("reader_failed", "RecursionError", MAIL)
        assert unreadable.envelope["helo"] == "client.example"


async def test_the_envelope_reaches_what_the_reader_gave_up_on(opened: Any) -> None:
    def gives_up(raw: bytes, **given: Any) -> Unreadable:
        return Unreadable("email", given["account"], "too_deep", given["received_at"], envelope={"note": 1})

    async with opened(reader=gives_up) as door:
        client = await door.call()
        await client.to_data()
        await client.say(MAIL + b".")
        envelope = door.desk.taken[0][0].envelope
        assert (envelope["note"], envelope["mail_from"]) == (1, "ivan@example.ru")


COMMANDS = [
    ("MAIL FROM:<ivan@example.ru>", "250"),
    ("MAIL FROM:<>", "250"),
    ("mail from: <ivan@example.ru> size=1000 body=8bitmime", "250"),
    ("MAIL FROM:<ivan@example.ru> RET=HDRS ENVID=QQ314159", "250"),
    ("MAIL FROM:<ivan@example.ru> AUTH=<>", "250"),
    ("MAIL FROM:<иван@почта.рф> SMTPUTF8", "250"),
    ('MAIL FROM:<"ivan petrov"@example.ru>', "250"),
    ("MAIL FROM:<@relay.example:ivan@example.ru>", "250"),
    ("MAIL FROM:ivan@example.ru", "250"),
    ("MAIL FROM:<ivan@[192.0.2.1]>", "250"),
    ("MAIL FROM:<root>", "250"),
    ("MAIL FROM:<" + "a" * 310 + "@example.ru>", "501"),
    ("MAIL FROM:<" + "a" * 309 + "@example.ru>", "250"),
    (b"MAIL FROM:<a@b.example> \xff=1", "555 5.5.4"),
    (b"MAIL FROM:<a@b.example> SIZE=\xff", "501 5.5.4"),
    ("MAIL FROM:<ivan@example.ru> SIZE=26214401", "552 5.3.4"),
    ("MAIL FROM:<ivan@example.ru> SIZE=-1", "501 5.5.4"),
    ("MAIL FROM:<ivan@example.ru> SIZE", "501 5.5.4"),
    ("MAIL FROM:<ivan@example.ru> BODY=BINARYMIME", "501 5.5.4"),
    ("MAIL FROM:<ivan@example.ru> SMTPUTF8=yes", "501 5.5.4"),
    ("MAIL FROM:<ivan@example.ru> HOLDFOR=10", "555 5.5.4"),
    ("MAIL FROM:<ivan@example.ru", "501"),
    ("MAIL FROM:<a\x00b@example.ru>", "501"),
    (b"MAIL FROM:<\xff\xfe@example.ru>", "501"),
    ("MAIL TO:<ivan@example.ru>", "501"),
    ("MAIL", "501"),
    ("RCPT TO:<help@example.ru>", "503"),
    ("DATA", "503"),
    ("VRFY root", "252"),
    ("NOOP", "250"),
    ("RSET", "250"),
    ("HELP", "250"),
    ("EXPN staff", "502"),
    ("STARTTLS", "454"),
    ("XYZZY", "500"),
    ("", "500"),
    (b"\xff\xfe\xfd", "500"),
    ("NOOP " + "x" * 9000, "500 5.5.2"),
]


@pytest.mark.parametrize("command, reply", COMMANDS)
async def test_commands(door: Any, command: str | bytes, reply: str) -> None:
    client = await door.call()
    await client.say("EHLO x")
    assert (await client.say(command)).startswith(reply)
    assert (await client.say("NOOP")).startswith("250")


@pytest.mark.parametrize(
    "command, reply",
    [
        ("RCPT TO:<help@example.ru>", "250 2.1.5"),
        ("RCPT TO:<HELP@EXAMPLE.RU.>", "250"),
        ("RCPT TO:<help@почта.рф>", "250"),
        ("RCPT TO:<help@xn--80a1acny.xn--p1ai>", "250"),
        ("RCPT TO:<postmaster>", "250"),
        ("RCPT TO:<help@example.ru> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;help@example.ru", "250"),
        ("RCPT TO:<help@example.ru> NOTIFY=NEVER", "250"),
        ("RCPT TO:<help@example.ru> XFOO=1", "555"),
        ("RCPT TO:<help@elsewhere.example>", "550 5.7.1"),
        ("RCPT TO:<root>", "550 5.7.1"),
        ("RCPT TO:<>", "501"),
        ("RCPT TO:", "501"),
        ("MAIL FROM:<again@example.ru>", "503"),
        ("DATA", "503"),
    ],
)
async def test_recipients(opened: Any, command: str, reply: str) -> None:
    async with opened(domains=frozenset({"Example.ru", "почта.рф"})) as door:
        client = await door.call()
        await client.say("EHLO x")
        await client.say("MAIL FROM:<>")
        assert (await client.say(command)).startswith(reply)


async def test_the_null_sender_is_the_empty_string_and_cannot_be_given_twice(door: Any) -> None:
    client = await door.call()
    await client.say("HELO x")
    await client.say("MAIL FROM:<>")
    assert (await client.say("MAIL FROM:<>")).startswith("503")
    await client.say("RCPT TO:<help@example.ru>")
    await client.say("DATA")
    await client.say(MAIL + b".")
    message, _ = door.desk.taken[0]
    assert (message.sender.value, message.extra["envelope"]["protocol"]) == ("", "SMTP")


async def test_greeting_first(door: Any) -> None:
    client = await door.call()
    assert (await client.say("MAIL FROM:<a@b.ru>")).startswith("503")


async def test_what_is_offered(door: Any) -> None:
    client = await door.call()
    offered = (await client.say("EHLO x")).splitlines()
    assert offered == [
        "250-mx.example",
        "250-SIZE 26214400",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250-PIPELINING",
        "250 HELP",
    ]


async def test_a_hundred_recipients_and_no_more(door: Any) -> None:
    client = await door.call()
    await client.say("EHLO x")
    await client.say("MAIL FROM:<>")
    replies = [await client.say(f"RCPT TO:<help{n}@example.ru>") for n in range(101)]
    assert {reply[:3] for reply in replies[:100]} == {"250"}
    assert replies[100].startswith("452 4.5.3")


async def test_many_unknown_commands_end_the_session(door: Any) -> None:
    client = await door.call()
    for _ in range(4):
        assert (await client.say("GET / HTTP/1.1")).startswith("500")
    assert (await client.say("Host: x")).startswith("421")
    assert await client.rest() == b""


async def test_one_client_too_many(opened: Any) -> None:
    async with opened(max_connections=1) as door:
        first = await door.call()
        second = await door.call_silently()
        assert (await second.answer()).startswith("421 4.3.2")
        assert await second.rest() == b""
        assert (await first.say("NOOP")).startswith("250")
        await first.say("QUIT")
        await first.rest()
        await (await door.call()).say("NOOP")


async def test_stopping_lets_a_running_transaction_finish_and_sends_idle_clients_away(opened: Any) -> None:
    async with opened() as door:
        door.desk.gate = asyncio.Event()
        idle, busy, storing = await door.call(), await door.call(), await door.call()
        port = door.listener.port
        await idle.say("EHLO x")
        await busy.to_data()
        await storing.to_data()
        storing.send(MAIL + b".\r\n")
        await door.desk.called.wait()
        stopping = asyncio.ensure_future(door.listener.stop(grace=5))
        assert await idle.rest() == b"421 4.3.2 Service shutting down\r\n"
        door.desk.gate.set()
        goodbye = "421 4.3.2 Service shutting down\r\n"
        assert (await storing.rest()).decode() == f"250 2.0.0 Accepted as MSK-26-000001\r\n{goodbye}"
        busy.send(MAIL + b".\r\n")
        assert (await busy.rest()).decode() == f"250 2.0.0 Accepted as MSK-26-000002\r\n{goodbye}"
        await stopping
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_stopping_cuts_a_transaction_that_outlives_the_grace(opened: Any) -> None:
    async with opened() as door:
        client = await door.call()
        await client.to_data()
        client.send(b"Subject: half")
        await door.listener.stop(grace=0.05)
        assert await client.rest() == b""
        assert door.desk.taken == []
        assert door.listener.budget.used == 0


async def test_a_big_mail_is_read_away_from_the_loop(opened: Any) -> None:
    threads = set()

    def reader(raw: bytes, **given: Any) -> Unreadable:
        try:
            asyncio.get_running_loop()
            threads.add((len(raw), "loop"))
        except RuntimeError:
            threads.add((len(raw), "worker"))
        return Unreadable("email", given["account"], "test", given["received_at"])

    async with opened(reader=reader) as door:
        client = await door.call()
        await client.to_data()
        await client.say(b"x" * 262_141 + b"\r\n.")
        await client.to_data_again()
        await client.say(b"x" * 262_142 + b"\r\n.")
    assert threads == {(262_143, "loop"), (262_144, "worker")}


async def test_starttls(opened: Any, certificate: tuple[Path, Path]) -> None:
    context = ssl.create_default_context(cafile=str(certificate[0]))

    def talk(port: int) -> str:
        with smtplib.SMTP("localhost", port, timeout=5) as smtp:
            smtp.ehlo("client.example")
            assert smtp.has_extn("starttls")
            smtp.starttls(context=context)
            smtp.ehlo("client.example")
            assert not smtp.has_extn("starttls")
            assert not smtp.has_extn("auth")
            assert smtp.docmd("STARTTLS")[0] == 503
            smtp.mail("ivan@example.ru")
            smtp.rcpt("help@example.ru")
            return smtp.data(MAIL + b".dots\r\n" + b"y" * 100_000)[1].decode()

    async with opened(certificate=str(certificate[0]), key=str(certificate[1]), require_tls=True) as door:
        plain = await door.call()
        await plain.say("EHLO x")
        assert (await plain.say("MAIL FROM:<>")).startswith("530")
        assert await asyncio.to_thread(talk, door.listener.port) == "2.0.0 Accepted as MSK-26-000001"
        message, raw = door.desk.taken[0]
        assert raw == MAIL + b".dots\r\n" + b"y" * 100_000 + b"\r\n"
        assert message.extra["envelope"]["protocol"] == "ESMTPS"
        assert message.extra["envelope"]["tls"].startswith("TLSv1.")


async def test_commands_injected_before_the_handshake_are_forgotten(
    opened: Any, certificate: tuple[Path, Path]
) -> None:
    async with opened(certificate=str(certificate[0]), key=str(certificate[1])) as door:
        client = await door.call()
        await client.say("EHLO x")
        assert (await client.say("STARTTLS\r\nMAIL FROM:<evil@example.ru>")).startswith("220")
        context = ssl.create_default_context(cafile=str(certificate[0]))
        await client.writer.start_tls(context, server_hostname="localhost")
        assert (await client.say("RCPT TO:<help@example.ru>")).startswith("503")


async def test_a_failed_handshake_ends_that_session_alone(opened: Any, certificate: tuple[Path, Path]) -> None:
    async with opened(certificate=str(certificate[0]), key=str(certificate[1])) as door:
        client = await door.call()
        await client.say("EHLO x")
        await client.say("STARTTLS")
        client.send(b"this is no handshake\r\n")
        await client.rest()
        await (await door.call()).say("NOOP")
