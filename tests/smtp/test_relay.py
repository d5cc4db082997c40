"""The way out for mail, against a real server that plays what it is told."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from aiosmtplib.protocol import SMTPProtocol

from channels.base import OutMessage, SendFailed
from channels.email.smtp_out import Relay, RelayOptions
from channels.email.smtp_reply import Stage, failure
from channels.testing import ACCEPT, DROP, HANG, SimulatedRelay, slow

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
HELLO = OutMessage(
    id="0193-1",
    channel="email",
    address="ivan@example.ru",
    subject="Принято",
    text=".dots\nЗаявка принята.\n",
    message_id="d1@help.example.ru",
    sender="help@example.ru",
)


@pytest.fixture
async def server() -> AsyncIterator[SimulatedRelay]:
    relay = SimulatedRelay(clock=lambda: NOW)
    await relay.start()
    yield relay
    await relay.stop()


@pytest.fixture
async def relay(server: SimulatedRelay) -> AsyncIterator[Relay]:
    one = Relay(options_for(server), clock=lambda: NOW)
    yield one
    await one.close()


def options_for(server: SimulatedRelay, **more: Any) -> RelayOptions:
    return RelayOptions(**{"port": server.port, "timeout": 2.0, "data_timeout": 2.0, "helo": "otklik.example", **more})


async def refused(relay: Relay, message: OutMessage = HELLO) -> SendFailed:
    with pytest.raises(SendFailed) as caught:
        await relay.send(message)
    return caught.value


async def test_a_mail_taken(server: SimulatedRelay, relay: Relay) -> None:
    sent = await relay.send(HELLO)
    assert (sent.code, sent.detail, sent.provider_id) == ("250", "2.0.0 OK: queued as SIM000001", "SIM000001")
    assert sent.exchange.splitlines() == [
        "MAIL: 250 2.1.0 OK",
        "RCPT: 250 2.1.5 OK",
        "DATA: 354 End data with <CR><LF>.<CR><LF>",
        "content: 250 2.0.0 OK: queued as SIM000001",
    ]
    (mail,) = server.to("Ivan@example.ru")
    assert (mail.envelope_from, mail.message_id) == ("help@example.ru", "d1@help.example.ru")


async def test_dots_travel(server: SimulatedRelay, relay: Relay) -> None:
    await relay.send(replace(HELLO, text=".a\n..b\n.\nend\n"))
    assert server.received[0].raw.endswith(b"\r\n\r\n.a\r\n..b\r\n.\r\nend\r\n")


async def test_connections_are_kept_and_no_more_than_allowed(server: SimulatedRelay) -> None:
    relay = Relay(options_for(server, connections=2), clock=lambda: NOW)
    await asyncio.gather(*(relay.send(HELLO) for _ in range(20)))
    assert len(server.received) == 20
    assert server.connections == 2
    await relay.close()


@pytest.mark.parametrize(
    "extra, options, sender",
    [
        ({}, {}, "help@example.ru"),
        ({}, {"envelope_from": "bounces@example.ru"}, "bounces@example.ru"),
        ({"auto_submitted": "auto-replied"}, {"envelope_from": "bounces@example.ru"}, ""),
        ({"auto_submitted": "auto-replied", "envelope_from": "b+1@example.ru"}, {}, "b+1@example.ru"),
        ({"auto_submitted": "auto-generated"}, {}, "help@example.ru"),
    ],
)
async def test_who_gets_the_bounces(
    server: SimulatedRelay, extra: dict[str, str], options: dict[str, str], sender: str
) -> None:
    relay = Relay(options_for(server, **options), clock=lambda: NOW)
    await relay.send(replace(HELLO, extra=extra))
    assert server.received[0].envelope_from == sender
    await relay.close()


async def test_the_sender_of_the_options_signs_what_names_none(server: SimulatedRelay) -> None:
    relay = Relay(options_for(server, sender="Поддержка <help@почта.рф>"), clock=lambda: NOW)
    await relay.send(replace(HELLO, sender=""))
    assert server.received[0].envelope_from == "help@xn--80a1acny.xn--p1ai"
    await relay.close()


async def test_a_local_part_outside_ascii_goes_by_smtputf8(server: SimulatedRelay, relay: Relay) -> None:
    await relay.send(replace(HELLO, address="иван@example.ru"))
    assert server.received[0].rcpt_to == ("иван@example.ru",)


S = Stage
REFUSALS = [
    (S.RCPT, "450 4.2.1 Greylisted, try again in 5 minutes", "450 4.2.1", True, False, timedelta(minutes=5)),
    (S.RCPT, "451 4.7.1 Please retry after 90 seconds", "451 4.7.1", True, False, timedelta(seconds=90)),
    (S.RCPT, "452 4.2.2 Mailbox full", "452 4.2.2", True, False, None),
    (S.RCPT, "550 5.1.1 No such user", "550 5.1.1", False, True, None),
    (S.RCPT, "550 5.1.10 Null MX", "550 5.1.10", False, True, None),
    (S.RCPT, "550 5.2.1 Mailbox disabled", "550 5.2.1", False, True, None),
    (S.RCPT, "552 5.2.2 Mailbox full", "552 5.2.2", False, False, None),
    (S.RCPT, "550 5.7.1 Spam", "550 5.7.1", False, False, None),
    (S.RCPT, "550 No such user", "550", False, False, None),
    (S.RCPT, "530 5.7.0 Authentication required", "530 5.7.0", True, False, None),
    (S.RCPT, "421 4.7.0 Closing", "421 4.7.0", True, False, None),
    (S.DATA, "554 5.6.0 Bad content", "554 5.6.0", False, False, None),
    (S.DATA, "550 5.1.1 No such user after all", "550 5.1.1", False, True, None),
    (S.DATA, "451 4.3.0 Later", "451 4.3.0", True, False, None),
    (S.DATA, "452 4.3.1 Try again in 2 hours", "452 4.3.1", True, False, timedelta(hours=2)),
    (S.MAIL, "550 5.7.1 Sender suspended", "550 5.7.1", True, False, None),
    (S.MAIL, "552 5.3.4 Too big", "552 5.3.4", False, False, None),
    (S.MAIL, "553 5.1.8 Bad sender domain", "553 5.1.8", True, False, None),
]


@pytest.mark.parametrize("stage, answer, code, retryable, dead, wait", REFUSALS)
async def test_refusals(
    server: SimulatedRelay,
    relay: Relay,
    stage: Stage,
    answer: str,
    code: str,
    retryable: bool,
    dead: bool,
    wait: timedelta | None,
) -> None:
    server.script([answer], stage=cast("Literal['mail', 'rcpt', 'data']", stage.value))
    lost = await refused(relay)
    assert (lost.code, lost.retryable, lost.address_dead, lost.retry_after) == (code, retryable, dead, wait)
    assert lost.exchange.splitlines()[-1].partition(": ")[2] == answer
    assert not lost.uncertain
    await relay.send(HELLO)


def test_while_connecting_nothing_is_the_recipients_fault() -> None:
    for code, text in ((554, "5.7.1 You are blocked"), (535, "5.7.8 Bad password"), (550, "5.1.1 what")):
        lost = failure(Stage.CONNECT, code, text)
        assert (lost.retryable, lost.address_dead) == (True, False)


def test_a_servers_words_are_kept_on_one_line() -> None:
    lost = failure(Stage.RCPT, 550, "5.7.1 no\r\nX-Evil: \x00" + "z" * 2000)
    assert lost.detail.startswith("no X-Evil: zzz")
    assert len(lost.detail) <= 500


async def test_a_script_for_one_recipient(server: SimulatedRelay, relay: Relay) -> None:
    server.script(["550 5.1.1 Unknown"], to="gone@example.ru", stage="rcpt")
    await relay.send(HELLO)
    assert (await refused(relay, replace(HELLO, address="gone@example.ru"))).address_dead
    assert server.to("gone@example.ru") == []


async def test_a_kept_connection_the_relay_closed_is_replaced(server: SimulatedRelay, relay: Relay) -> None:
    await relay.send(HELLO)
    server.disconnect()
    await relay.send(HELLO)
    assert (len(server.received), server.connections) == (2, 2)


async def test_a_kept_connection_the_relay_is_about_to_close_is_replaced_once(
    server: SimulatedRelay, relay: Relay
) -> None:
    await relay.send(HELLO)
    server.script(["421 4.4.2 Idle too long"], stage="mail")
    await relay.send(HELLO)
    server.script(["421 4.3.2 Shutting down"] * 2, stage="mail")
    assert (await refused(relay)).retryable
    assert len(server.received) == 2


async def test_a_fresh_connection_is_not_replaced(server: SimulatedRelay, relay: Relay) -> None:
    server.script(["421 4.3.2 Shutting down"], stage="mail")
    assert (await refused(relay)).code == "421 4.3.2"
    assert server.connections == 1


@pytest.mark.parametrize("play", [DROP, HANG])
async def test_no_answer_to_the_content_is_uncertain_and_never_sent_again(server: SimulatedRelay, play: str) -> None:
    relay = Relay(options_for(server, data_timeout=0.2), clock=lambda: NOW)
    await relay.send(HELLO)
    server.script([play])
    lost = await refused(relay)
    assert (lost.code, lost.retryable, lost.uncertain) == ("", True, True)
    assert lost.detail == "connection lost after the message was handed over"
    assert len(server.received) == 2
    await relay.send(HELLO)
    assert len(server.received) == 3
    await relay.close()


async def test_a_connection_lost_before_the_content_is_certain(server: SimulatedRelay, relay: Relay) -> None:
    server.script([DROP], stage="rcpt")
    lost = await refused(relay)
    assert (lost.retryable, lost.uncertain) == (True, False)
    assert server.received == []


@pytest.mark.parametrize("stage", ["mail", "rcpt"])
async def test_a_time_out_before_the_content_is_certain(server: SimulatedRelay, stage: Any) -> None:
    relay = Relay(options_for(server, timeout=0.2), clock=lambda: NOW)
    server.script([HANG], stage=stage)
    lost = await refused(relay)
    assert (lost.retryable, lost.uncertain) == (True, False)
    assert server.received == []
    await relay.send(HELLO)
    await relay.close()


class StubbornServer:
    """Speaks up to the 354; of the content it reads `appetite` bytes, says `word`, and then waits, leaves or reads.

    Who leaves with octets unread takes his words with him unless they were read: it stays until they are `heard`.
    """

    def __init__(
        self,
        *,
        appetite: int = 0,
        word: bytes = b"",
        then: Literal["wait", "leave", "read"] = "wait",
        greets: bool = True,
    ) -> None:
        self.appetite, self.word, self.then, self.greets = appetite, word, then, greets
        self.port = 0
        self.tail = b""
        self.heard = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[StubbornServer]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._over = asyncio.Event()
        try:
            yield self
        finally:
            self._over.set()
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.greets:
                writer.write(b"220 x\r\n")
                for _ in ("EHLO", "MAIL", "RCPT"):
                    await reader.readline()
                    writer.write(b"250 ok\r\n")
                await reader.readline()
                writer.write(b"354 go on\r\n")
                while self.appetite > 0 and (data := await reader.read(min(self.appetite, 65536))):
                    self.appetite -= len(data)
                    self.tail = (self.tail + data)[-5:]
                writer.write(self.word)
                await writer.drain()
                if self.word and self.then == "leave":
                    await self.heard.wait()
                while self.then == "read" and await reader.read(65536):
                    pass
            if self.then == "wait":
                await self._over.wait()
        finally:
            writer.transport.abort()


BIG = replace(HELLO, text=("x" * 70 + "\n") * 200_000)


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param({"greets": False}, id="never greets"),
        pytest.param({}, id="stops reading in the content"),
        pytest.param({"appetite": 100_000, "then": "leave"}, id="breaks off in the content"),
    ],
)
async def test_a_mail_whose_final_dot_was_never_written_is_certainly_not_sent(behaviour: dict[str, Any]) -> None:
    async with StubbornServer(**behaviour).open() as server:
        relay = Relay(RelayOptions(port=server.port, timeout=0.1, data_timeout=0.2), clock=lambda: NOW)
        lost = await refused(relay, BIG)
        assert (lost.retryable, lost.uncertain) == (True, False)
        assert server.tail != b"\r\n.\r\n"
        await relay.close()


@pytest.mark.parametrize("then", ["leave", "read"])
async def test_a_refusal_in_the_middle_of_the_content_is_heard(
    monkeypatch: pytest.MonkeyPatch, then: Literal["leave", "read"]
) -> None:
    async with StubbornServer(appetite=100_000, word=b"552 5.3.4 Too big\r\n", then=then).open() as server:
        read = SMTPProtocol.data_received

        def listen(protocol: SMTPProtocol, data: bytes) -> None:
            read(protocol, data)
            if server.word in data:
                server.heard.set()

        monkeypatch.setattr(SMTPProtocol, "data_received", listen)
        relay = Relay(RelayOptions(port=server.port, timeout=1, data_timeout=1), clock=lambda: NOW)
        lost = await refused(relay, BIG)
        assert (lost.code, lost.retryable, lost.uncertain) == ("552 5.3.4", False, False)
        await relay.close()


async def test_patience_covers_the_worst_relay_there_is(server: SimulatedRelay) -> None:
    relay = Relay(options_for(server, timeout=0.1, data_timeout=0.3), clock=lambda: NOW)
    assert relay.patience == pytest.approx(1.2)
    server.script([HANG])
    async with asyncio.timeout(relay.patience):
        assert (await refused(relay)).uncertain
    assert RelayOptions().data_timeout == 300


async def test_a_send_cancelled_while_it_waits_for_a_connection_has_handed_over_nothing(
    server: SimulatedRelay,
) -> None:
    relay = Relay(options_for(server, connections=1), clock=lambda: NOW)
    server.script([HANG])
    first = asyncio.ensure_future(relay.send(HELLO))
    await server.wait(1)
    second = asyncio.ensure_future(relay.send(replace(HELLO, address="anna@example.ru")))
    await asyncio.sleep(0)
    for sending in (second, first):
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert server.commands == ["MAIL", "RCPT", "DATA"]
    await relay.send(HELLO)
    await relay.close()


async def test_waiting_for_a_connection_is_not_counted(server: SimulatedRelay) -> None:
    relay = Relay(options_for(server, connections=1, timeout=0.05), clock=lambda: NOW)
    server.script([slow(0.8), ACCEPT])
    first, second = await asyncio.gather(relay.send(HELLO), relay.send(HELLO))
    assert (first.code, second.code) == ("250", "250")
    await relay.close()


async def test_a_slow_relay_is_waited_for(server: SimulatedRelay, relay: Relay) -> None:
    server.script([slow(0.05), ACCEPT])
    assert (await relay.send(HELLO)).code == "250"


async def test_nobody_there(server: SimulatedRelay) -> None:
    await server.stop()
    relay = Relay(options_for(server), clock=lambda: NOW)
    lost = await refused(relay)
    assert lost.retryable
    assert lost.detail.startswith("cannot connect: ")


async def test_a_cancelled_send_leaves_no_half_spoken_connection(server: SimulatedRelay, relay: Relay) -> None:
    server.script([HANG])
    sending = asyncio.ensure_future(relay.send(HELLO))
    await server.wait(1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert (await relay.send(HELLO)).code == "250"
    assert server.connections == 2


async def test_signing_in() -> None:
    server = SimulatedRelay(username="otklik", password="correct horse")
    await server.start()
    right = Relay(options_for(server, username="otklik", password="correct horse"), clock=lambda: NOW)
    wrong = Relay(options_for(server, username="otklik", password="secret guess"), clock=lambda: NOW)
    assert (await right.send(HELLO)).code == "250"
    assert await right.check() == f"127.0.0.1:{server.port}, no TLS, signed in, SIZE 33554432"
    lost = await refused(wrong)
    assert (lost.code, lost.retryable, lost.address_dead) == ("535 5.7.8", True, False)
    assert "secret guess" not in f"{lost!r}{lost.exchange}{lost.detail}{wrong.options!r}"
    with pytest.raises(SendFailed, match="535"):
        await wrong.check()
    await right.close()
    await server.stop()


async def test_starttls_is_demanded_and_the_certificate_checked(
    server: SimulatedRelay, certificate: tuple[Path, Path]
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    secure = SimulatedRelay(tls=context)
    await secure.start()
    given = options_for(secure, host="localhost", tls="starttls")
    trusting = Relay(replace(given, ca_file=str(certificate[0])), clock=lambda: NOW)
    assert (await trusting.send(HELLO)).code == "250"
    assert "TLSv1." in await trusting.check()
    doubting = await refused(Relay(given, clock=lambda: NOW))
    assert doubting.retryable
    assert "certificate verify failed" in doubting.detail
    careless = Relay(replace(given, verify=False), clock=lambda: NOW)
    assert (await careless.send(HELLO)).code == "250"
    stripped = await refused(Relay(options_for(server, tls="starttls"), clock=lambda: NOW))
    assert stripped.retryable
    assert server.received == []
    await trusting.close()
    await careless.close()
    await secure.stop()


async def test_the_journal_is_written_before_the_answer(tmp_path: Path) -> None:
    journal = tmp_path / "sent.jsonl"
    server = SimulatedRelay(journal=journal, clock=lambda: NOW)
    await server.start()
    server.script(["451 4.7.1 later", DROP])
    relay = Relay(options_for(server), clock=lambda: NOW)
    await refused(relay)
    assert len(journal.read_text("utf-8").splitlines()) == 1
    await refused(relay)
    await relay.send(HELLO)
    lines = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    assert [line["answer"][:3] for line in lines] == ["451", "", "250"]
    assert {line["message_id"] for line in lines} == {"d1@help.example.ru"}
    await relay.close()
    await server.stop()


async def test_the_relay_as_a_process_of_its_own(tmp_path: Path) -> None:
    journal = tmp_path / "sent.jsonl"
    command = ["-m", "channels.testing", "--port", "0", "--journal", str(journal), "--answer", "451 4.7.1 later"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    try:
        assert process.stdout is not None
        port = int((await process.stdout.readline()).rsplit(b":", 1)[1])
        relay = Relay(RelayOptions(port=port), clock=lambda: NOW)
        assert (await refused(relay)).code == "451 4.7.1"
        await relay.send(HELLO)
        await relay.close()
        assert len(journal.read_text("utf-8").splitlines()) == 2
    finally:
        process.kill()
        await process.wait()
