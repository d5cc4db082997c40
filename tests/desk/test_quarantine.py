"""Quarantine: what was taken and kept becomes one ticket, once it can be read, however often it is replayed."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from channels.email.read import read
from desk import arrival
from desk.intake import Given
from desk.quarantine import NoSuchEntry
from desk.submission import message_of
from storage.quarantine import Filter
from tickets.message import InboundMessage, Unreadable

MAIL = """\
From: =?utf-8?b?0JjRgNC40L3QsA==?= <irina@romashka.example>
To: help@otklik.example
Subject: Printer
Message-ID: <1@romashka.example>
Date: Mon, 23 Nov 2026 10:00:00 +0300
Content-Type: text/plain; charset=utf-8

Не печатает
""".replace("\n", "\r\n").encode()
ENVELOPE = {"mail_from": "irina@romashka.example", "rcpt_to": ["help@otklik.example"], "peer": "192.0.2.1"}


async def held(office: Any, raw: bytes = MAIL, *, channel: str = "email", reason: str = "reader_failed") -> UUID:
    """Something is put into quarantine."""
    entry = Unreadable(channel, "smtp", reason, office.clock.now(), "ValueError", ENVELOPE)
    return UUID((await office.intake.accept(entry, raw)).quarantine_id)


def never(raw: bytes, **_: Any) -> InboundMessage | Unreadable:
    """The reader of yesterday."""
    return Unreadable("email", "smtp", "parse_error", datetime.fromisoformat("2026-11-23T07:00:00Z"), "still broken")


async def test_an_entry_is_shown_with_its_bytes(office: Any) -> None:
    entry = await held(office)
    shown = await office.quarantine.show(entry)
    assert shown["state"] == "held"
    assert (shown["reason"], shown["detail"]) == ("reader_failed", "ValueError")
    assert (shown["size"], shown["replays"], shown["ticket"]) == (len(MAIL), 0, None)
    assert shown["envelope"] == ENVELOPE
    assert await office.quarantine.raw(entry) == MAIL


async def test_lists_are_newest_first_and_page_by_cursor(office: Any) -> None:
    entries = [await held(office, MAIL + str(n).encode()) for n in range(3)]
    first, cursor = await office.quarantine.listing(Filter(limit=2))
    rest, end = await office.quarantine.listing(Filter(limit=2, before=UUID(cursor)))
    assert [e["id"] for e in first + rest] == [e.hex for e in reversed(entries)]
    assert end is None
    assert await office.quarantine.listing(Filter(channel="api")) == ([], None)


async def test_a_replay_makes_the_ticket_and_queues_the_acknowledgement(office: Any) -> None:
    entry = await held(office)
    office.queued.clear()
    replayed = await office.quarantine.replay(entry, read)
    assert (replayed.number, replayed.already) == ("OTK-26-000001", False)
    shown = await office.quarantine.show(entry)
    assert (shown["state"], shown["ticket"], shown["replays"]) == ("replayed", "OTK-26-000001", 1)
    ticket = await office.ticket("OTK-26-000001")
    assert ticket["messages"][0]["text"].strip() == "Не печатает"
    assert ticket["customer"]["id"] == "romashka"
    assert ("received", "author", "queued") in await office.told("OTK-26-000001")
    assert office.queued
    assert await office.quarantine.listing(Filter(state="held")) == ([], None)


async def test_replaying_twice_gives_the_same_ticket(office: Any) -> None:
    entry = await held(office)
    first = await office.quarantine.replay(entry, read)
    second = await office.quarantine.replay(entry, read)
    assert (second.number, second.already) == (first.number, True)
    assert len((await office.reading.tickets(_all()))[0]) == 1


async def test_two_people_replaying_at_once_make_one_ticket(office: Any) -> None:
    entry = await held(office)
    answers = await asyncio.gather(*(office.quarantine.replay(entry, read) for _ in range(5)))
    assert {a.number for a in answers} == {"OTK-26-000001"}
    assert len((await office.reading.tickets(_all()))[0]) == 1


async def test_a_replay_in_vain_is_counted_and_says_why(office: Any) -> None:
    entry = await held(office)
    for count in (1, 2):
        replayed = await office.quarantine.replay(entry, never)
        assert (replayed.number, replayed.why) == ("", "parse_error: still broken")
        shown = await office.quarantine.show(entry)
        assert (shown["state"], shown["replays"], shown["reason"]) == ("held", count, "parse_error")
    assert (await office.quarantine.replay(entry, read)).number == "OTK-26-000001"


async def test_a_mail_that_came_by_another_way_meanwhile_joins_it(office: Any) -> None:
    entry = await held(office)
    message = read(
        MAIL, account="smtp", external_id="x", received_at=office.clock.now(), mail_from="", rcpt_to=("a@b.example",)
    )
    number = (await office.intake.accept(message, MAIL)).number
    assert (await office.quarantine.replay(entry, read)).number == number


async def test_a_bug_of_ours_keeps_the_entry_held(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = await held(office)
    with monkeypatch.context() as broken:
        broken.setattr(arrival.Desk, "file", lambda *_: 1 / 0)
        replayed = await office.quarantine.replay(entry, read)
    assert replayed.why.startswith("intake_error: ZeroDivisionError")
    assert (await office.quarantine.show(entry))["state"] == "held"
    assert (await office.quarantine.replay(entry, read)).number == "OTK-26-000001"


async def test_what_was_found_out_about_the_sender_outlives_a_bug_of_ours(
    office: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = read(
        MAIL, account="smtp", external_id="x", received_at=office.clock.now(), mail_from="", rcpt_to=("a@b.example",)
    )
    assert isinstance(message, InboundMessage)
    message.authenticity = {"verdict": "fail", "by": "us"}
    with monkeypatch.context() as broken:
        broken.setattr(arrival.Desk, "file", lambda *_: 1 / 0)
        entry = UUID((await office.intake.accept(message, MAIL)).quarantine_id)
    ticket = await office.ticket((await office.quarantine.replay(entry, read)).number)
    assert ticket["messages"][0]["authenticity"] == message.authenticity


BODY = {"contact": {"kind": "email", "value": "oleg@romashka.example", "name": "Олег"}, "subject": "VPN", "text": "Нет"}


async def test_a_submission_is_replayed_under_its_idempotency_key(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = json.dumps(BODY | {"impact": "high", "group": "msk-network"}).encode()

    def submitted() -> InboundMessage:
        return message_of(
            account="portal",
            idempotency_key="k-1",
            **BODY["contact"],  # type: ignore[arg-type]
            subject="VPN",
            text="Нет",
            language="",
            received_at=office.clock.now(),
            envelope={"by": "api:portal"},
        )

    with monkeypatch.context() as broken:
        broken.setattr(arrival.Desk, "file", lambda *_: 1 / 0)
        taken = await office.intake.take(submitted(), raw, Given(by="api:portal"))
    entry = UUID(taken.accepted.quarantine_id)
    replayed = await office.quarantine.replay(entry, read)
    ticket = await office.ticket(replayed.number)
    assert (ticket["subject"], ticket["channel"], ticket["group"], ticket["impact"]) == (
        "VPN",
        "api",
        "msk-network",
        "high",
    )
    assert ticket["history"][0]["by"] == "api:portal"
    again = await office.intake.take(submitted(), raw, Given(by="api:portal"))
    assert (again.accepted.number, again.accepted.joined) == (replayed.number, True)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"contact": 1}', b'{"contact": {"kind": "email"}}', b"\xff"])
async def test_what_is_no_submission_is_refused_in_words(office: Any, raw: bytes) -> None:
    entry = await held(office, raw, channel="api")
    replayed = await office.quarantine.replay(entry, read)
    assert replayed.number == ""
    assert "no ticket as the API takes it" in replayed.why


async def test_a_channel_nobody_reads_says_so(office: Any) -> None:
    entry = await held(office, channel="pager")
    assert "nothing here reads the channel pager" in (await office.quarantine.replay(entry, read)).why


async def test_nobodys_entry(office: Any) -> None:
    for question in (office.quarantine.show, office.quarantine.raw):
        with pytest.raises(NoSuchEntry):
            await question(uuid4())
    with pytest.raises(NoSuchEntry):
        await office.quarantine.replay(uuid4(), read)


def _all() -> Any:
    from storage.tickets import Filter as Tickets

    return Tickets()
