"""What becomes of a message: a ticket, another receipt, a line on an old ticket, or an entry in quarantine."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from channels.base import NotAcceptedNow
from desk.change import Actor
from desk.intake import DifferentContent, Given, Misstated, Taken
from storage.database import open_database
from tickets.address import Address, AddressKind
from tickets.message import Accepted, Attachment, InboundMessage, MessageKind, Refs, Unreadable
from tickets.status import Status

BOSS = Actor("staff:a.sokolova", "Анна Соколова")

# ---- the same again -------------------------------------------------------------------------------------------------


async def test_the_same_external_id_with_the_same_bytes_is_the_same_ticket(desk: Any) -> None:
    message = desk.mail(external_id="key-1", fresh=False)
    first = await desk.take(message)
    again = await desk.take(dataclasses.replace(message))
    assert (again.number, again.ticket_id, again.message_id) == (first.number, first.ticket_id, first.message_id)
    assert (first.joined, again.joined) == (False, True)
    assert await desk.count("tickets") == await desk.count("receipts") == 1


async def test_the_same_external_id_with_other_bytes_is_refused_and_nothing_is_kept(desk: Any) -> None:
    await desk.take(desk.mail(external_id="key-1", fresh=False), b"one")
    with pytest.raises(DifferentContent):
        await desk.take(desk.mail(external_id="key-1", fresh=False), b"two")
    assert await desk.count("tickets") == await desk.count("receipts") == await desk.count("blobs") == 1
    assert await desk.count("quarantine") == 0


async def test_an_external_id_counts_within_its_channel_and_account_alone(desk: Any) -> None:
    one = await desk.take(desk.mail(external_id="key-1", fresh=False, account="a"))
    other = await desk.take(desk.mail(external_id="key-1", fresh=False, account="b"))
    assert one.number != other.number


@pytest.mark.parametrize(
    "window, later, joined",
    [
        (timedelta(hours=24), timedelta(hours=24), True),
        (timedelta(hours=24), timedelta(hours=24, seconds=1), False),
        # neither Message-ID nor Date: monitors send identical alarms, so only what comes close together is one
        (timedelta(minutes=10), timedelta(minutes=10), True),
        (timedelta(minutes=10), timedelta(minutes=10, seconds=1), False),
        (timedelta(0), timedelta(0), False),
    ],
    ids=str,
)
async def test_the_same_content_joins_within_its_window(
    desk: Any, window: timedelta, later: timedelta, joined: bool
) -> None:
    content = {"digest": b"d" * 32, "window": window, "text": "ALARM"}
    first = await desk.take(desk.mail(**content))
    desk.clock.at += later
    second = await desk.take(desk.mail(**content))
    assert second.joined is joined
    assert (second.number == first.number) is joined
    shown = await desk.ticket(first.number)
    assert [m["receipts"] for m in shown["messages"]] == [2 if joined else 1]
    assert await desk.count("receipts") == 2, "a joined receipt is counted, never dropped"


async def test_one_content_on_two_accounts_is_one_ticket_whose_bytes_are_kept_once(desk: Any) -> None:
    content = {"digest": b"d" * 32, "text": "одно письмо на два наших адреса"}
    first = await desk.take(desk.mail(**content, to="support@otklik.example"), b"raw")
    second = await desk.take(desk.mail(**content, to="nsk@otklik.example", account="imap"), b"raw")
    assert second.number == first.number
    assert [(b["refs"], b["bytes"]) for b in await desk.rows("blobs")] == [(2, b"raw")]


@pytest.mark.parametrize("window", [timedelta(hours=24), timedelta(0)], ids=str)
async def test_one_content_twice_in_one_group(desk: Any, window: timedelta) -> None:
    content = {"digest": b"d" * 32, "window": window, "text": "одно и то же"}
    one, two = await desk.take_together(desk.mail(**content), desk.mail(**content))
    joins = bool(window)
    assert (one.joined, two.joined) == (False, joins)
    assert (one.number == two.number) is joins
    assert one.number
    assert await desk.count("tickets") == (1 if joins else 2)
    assert await desk.count("receipts") == 2


async def test_one_idempotency_key_twice_in_one_group(desk: Any) -> None:
    message = desk.mail(external_id="key-1", fresh=False)
    answers = await asyncio.gather(*(desk.take(dataclasses.replace(message)) for _ in range(5)))
    assert len({a.number for a in answers}) == 1
    assert sorted(a.joined for a in answers) == [False, True, True, True, True]
    assert await desk.count("receipts") == 1


async def test_two_mails_of_a_new_sender_in_one_group_make_one_person(desk: Any) -> None:
    await desk.take_together(desk.mail("Anna@Sibtrans.example"), desk.mail("anna@sibtrans.example"))
    assert await desk.count("tickets") == 2
    assert await desk.count("people") == await desk.count("addresses") == 1


# ---- finding the ticket ---------------------------------------------------------------------------------------------

TIES = ["token", "our_message_id", "number"]


@pytest.mark.parametrize("tie", TIES)
async def test_the_author_is_appended(desk: Any, tie: str) -> None:
    first = await desk.take(desk.mail())
    second = await desk.take(desk.reply(first, tie, text="Ошибка 50.2"))
    assert second.number == first.number
    shown = await desk.ticket(first.number)
    assert [m["text"] for m in shown["messages"]][1] == "Ошибка 50.2"
    assert all(m["public"] for m in shown["messages"])
    replied = [h for h in shown["history"] if h["what"] == "author_replied"]
    assert [h["by"] for h in replied] == ["author"]
    assert replied[0]["because"]
    told = [n for n in shown["notifications"] if n["event"] == "author_replied"]
    assert [n["to"]["role"] for n in told] == ["assignee"]


async def test_the_author_is_appended_by_reference_to_an_own_earlier_mail(desk: Any) -> None:
    first = await desk.take(desk.mail(message_id="first@home"))
    second = await desk.take(desk.mail(refs=Refs(message_ids=("unknown@home", "first@home")), message_id="second@home"))
    third = await desk.take(desk.mail(refs=Refs(message_ids=("second@home",))))
    assert first.number == second.number == third.number


async def test_a_reply_finds_its_ticket_within_one_group(desk: Any) -> None:
    first, second = await desk.take_together(
        desk.mail(message_id="first@home"), desk.mail(refs=Refs(message_ids=("first@home",)))
    )
    assert first.number == second.number != ""
    assert len((await desk.ticket(first.number))["messages"]) == 2


@pytest.mark.parametrize("tie", TIES)
async def test_a_stranger_is_linked_for_review_and_never_appended(desk: Any, tie: str) -> None:
    first = await desk.take(desk.mail())
    second = await desk.take(desk.reply(first, tie, sender="eve@evil.example", name="Ева"))
    assert second.number not in ("", first.number)
    assert len((await desk.ticket(first.number))["messages"]) == 1
    shown = await desk.ticket(second.number)
    assert [(link["number"], link["kind"]) for link in shown["links"]] == [(first.number, "review")]
    assert first.number in shown["links"][0]["because"]
    linked = [h for h in shown["history"] if h["what"] == "linked"]
    assert [(h["by"], h["new"]) for h in linked] == [("router", first.number)]
    assert shown["status"] == "new"


async def test_a_stranger_who_refers_to_a_mail_of_the_author_is_linked(desk: Any) -> None:
    first = await desk.take(desk.mail(message_id="first@home"))
    second = await desk.take(desk.mail("eve@evil.example", refs=Refs(message_ids=("first@home",))))
    assert second.number != first.number
    assert [link["number"] for link in (await desk.ticket(second.number))["links"]] == [first.number]


async def test_a_forged_token_ties_nothing(desk: Any) -> None:
    first = await desk.take(desk.mail())
    token = desk.reply(first).refs.tokens[0]
    forged = token[:-1] + ("a" if token[-1] != "a" else "b")
    second = await desk.take(desk.mail(refs=Refs(tokens=(forged,))))
    assert second.number != first.number
    assert (await desk.ticket(second.number))["links"] == []


async def test_nobody_is_a_stranger_to_nobody(desk: Any) -> None:
    """Mails without a sender share one nameless person; that makes none of them the author of another's ticket."""
    first = await desk.take(desk.mail(sender=""))
    second = await desk.take(desk.mail(sender="", refs=Refs(numbers=(first.number,))))
    assert second.number != first.number


async def test_the_authors_other_spelling_is_the_author(desk: Any) -> None:
    first = await desk.take(desk.mail("Irina@Sibtrans.example"))
    second = await desk.take(desk.reply(first, "number", sender="irina@SIBTRANS.example"))
    assert second.number == first.number


async def test_a_number_and_the_address_of_staff_prove_nothing(desk: Any) -> None:
    """Both can be guessed, and a From field is easily written."""
    first = await desk.take(desk.mail())
    second = await desk.take(desk.reply(first, "number", sender="g.titov@otklik.example"))
    assert second.number != first.number
    assert [link["kind"] for link in (await desk.ticket(second.number))["links"]] == ["review"]


async def test_an_address_is_acknowledged_only_so_often_within_an_hour(desk: Any) -> None:
    """A forged sender must not be flooded through us, nor two desks thank each other for ever (RFC 3834, section 2)."""
    most, proved = desk.site.caps.verified, {"authenticity": {"verdict": "pass", "by": "us"}}
    numbers = [(await desk.take(desk.mail(subject=f"Сбой {n}", **proved))).number for n in range(most + 2)]
    told = [(await desk.ticket(number))["notifications"][0] for number in numbers]
    assert {n["event"] for n in told} == {"received"}
    assert [n["state"] for n in told] == ["queued"] * most + ["suppressed"] * 2
    assert told[-1]["deliveries"][0]["reason"] == "cap_reached"
    desk.clock.move(hours=1)
    later = await desk.ticket((await desk.take(desk.mail(subject="Снова", **proved))).number)
    assert later["notifications"][0]["state"] == "queued"


@pytest.mark.parametrize("tie", TIES[:2])
async def test_staff_on_a_ticket_write_an_internal_note(desk: Any, tie: str) -> None:
    first = await desk.take(desk.mail())
    desk.clock.move(minutes=1)
    note = desk.reply(first, tie, sender="g.titov@otklik.example", text="Это картридж, я видел")
    second = await desk.take(note)
    assert second.number == first.number
    shown = await desk.ticket(first.number)
    assert [m["public"] for m in shown["messages"]] == [True, False]
    assert [(h["what"], h["by"]) for h in shown["history"]][-1] == ("note_added", "staff:g.titov")
    assert [n["event"] for n in shown["notifications"]] == ["received", "assigned"], "the author hears nothing of it"


# ---- machines -------------------------------------------------------------------------------------------------------

MACHINES = [kind for kind in MessageKind if kind not in (MessageKind.HUMAN, MessageKind.SPAM)]


@pytest.mark.parametrize("kind", MACHINES, ids=str)
async def test_automatic_mail_becomes_a_ticket_and_is_never_acknowledged(desk: Any, kind: MessageKind) -> None:
    taken = await desk.take(desk.mail(kind=kind, kind_because=("Auto-Submitted",)))
    shown = await desk.ticket(taken.number)
    [received] = [n for n in shown["notifications"] if n["event"] == "received"]
    assert received["state"] == "suppressed"
    [way] = received["deliveries"]
    assert (way["state"], way["reason"]) == ("suppressed", "automatic_mail")
    assert way["because"]
    assert shown["history"][0]["by"] == f"machine:{kind.value}"


async def test_a_mail_without_a_sender_has_nobody_to_tell(desk: Any) -> None:
    taken = await desk.take(desk.mail(sender=""))
    [received] = [n for n in (await desk.ticket(taken.number))["notifications"] if n["event"] == "received"]
    assert received["deliveries"][0]["reason"] == "no_address"


@pytest.mark.parametrize("tie", ["token", "our_message_id"])
@pytest.mark.parametrize("status", [Status.WAITING, Status.RESOLVED])
async def test_a_bounce_of_ours_is_put_on_its_ticket_and_changes_nothing_else(
    desk: Any, tie: str, status: Status
) -> None:
    first = await desk.take(desk.mail())
    await desk.ticketing.status(first.number, status, BOSS, "Какая модель?")
    before = await desk.ticket(first.number)
    bounce = desk.reply(first, tie, sender="mailer-daemon@relay.example", kind=MessageKind.BOUNCE)
    assert (await desk.take(bounce)).number == first.number
    after = await desk.ticket(first.number)
    assert after["status"] == before["status"] == status.value
    assert after["notifications"] == before["notifications"]
    assert [m["public"] for m in after["messages"]][-1] is False
    assert (after["history"][-1]["what"], after["history"][-1]["by"]) == ("machine_wrote", "machine:bounce")


async def test_a_machine_that_knows_only_a_number_is_a_stranger(desk: Any) -> None:
    first = await desk.take(desk.mail())
    bounce = desk.reply(first, "number", sender="mailer-daemon@relay.example", kind=MessageKind.BOUNCE)
    assert (await desk.take(bounce)).number != first.number


async def test_the_authors_out_of_office_notice_does_not_put_the_ticket_back_to_work(desk: Any) -> None:
    first = await desk.take(desk.mail())
    await desk.ticketing.status(first.number, Status.WAITING, BOSS, "Какая модель?")
    notice = desk.reply(first, kind=MessageKind.OUT_OF_OFFICE)
    assert (await desk.take(notice)).number == first.number
    assert (await desk.ticket(first.number))["status"] == "waiting"


# ---- an answer puts a ticket back to work ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", [[Status.WAITING], [Status.RESOLVED], [Status.RESOLVED, Status.CLOSED],
                                  [Status.REJECTED], [Status.REJECTED, Status.CLOSED]], ids=str)  # fmt: skip
async def test_the_authors_answer_reopens(desk: Any, path: list[Status]) -> None:
    first = await desk.take(desk.mail())
    before = await desk.ticket(first.number)
    for status in path:
        await desk.ticketing.status(first.number, status, BOSS, "Какая модель?")
    desk.clock.move(hours=3)
    answered = await desk.take(desk.reply(first, "token"))
    assert answered.number == first.number
    after = await desk.ticket(first.number)
    assert after["status"] == "in_progress"
    assert after["closed_at"] is None
    moved = after["history"][-1]
    assert (moved["what"], moved["by"], moved["old"], moved["new"]) == (
        "status", "author", path[-1].value, "in_progress",
    )  # fmt: skip
    assert moved["because"]
    # sibtrans has the 24x7 agreement, so three hours of standstill are three hours
    then = datetime.fromisoformat(before["resolve_by"])
    assert datetime.fromisoformat(after["resolve_by"]) == then + timedelta(hours=3)
    [row] = await desk.rows("tickets")
    assert row["alarm_at"] is not None, "the clock runs again"
    assert row["resolved_at"] is None


@pytest.mark.parametrize("status", [Status.NEW, Status.IN_PROGRESS])
async def test_an_answer_to_a_ticket_at_work_leaves_it_so(desk: Any, status: Status) -> None:
    first = await desk.take(desk.mail())
    if status is Status.IN_PROGRESS:
        await desk.ticketing.status(first.number, status, BOSS)
    before = await desk.ticket(first.number)
    await desk.take(desk.reply(first, "token"))
    after = await desk.ticket(first.number)
    assert (after["status"], after["resolve_by"]) == (status.value, before["resolve_by"])


@pytest.mark.parametrize("days, follows", [(14, False), (15, True)])
async def test_a_ticket_closed_long_ago_is_followed_up_by_a_new_one(desk: Any, days: int, follows: bool) -> None:
    first = await desk.take(desk.mail())
    await desk.ticketing.status(first.number, Status.RESOLVED, BOSS, "Сделано")
    await desk.ticketing.status(first.number, Status.CLOSED, BOSS)
    desk.clock.move(days=days)
    second = await desk.take(desk.reply(first, "token", text="Опять"))
    assert (second.number != first.number) is follows
    assert (await desk.ticket(first.number))["status"] == ("closed" if follows else "in_progress")
    if follows:
        [link] = (await desk.ticket(second.number))["links"]
        assert (link["number"], link["kind"]) == (first.number, "follow_up")
        assert first.number in link["because"]


# ---- routing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sender, to, centre, group, customer, respond_by",
    [
        # Wednesday 12:00 in Moscow, 16:00 in Novosibirsk, 19:00 in Vladivostok
        ("i@sibtrans.example", "support@otklik.example", "msk", "msk-support", "sibtrans", "2026-11-18T11:00:00+00:00"),
        ("i@obmash.example", "nsk@otklik.example", "nsk", "nsk-support", "obmash", "2026-11-19T04:00:00+00:00"),
        ("i@dalryba.example", "shared@else.example", "vvo", "vvo-support", "dalryba", "2026-11-19T03:00:00+00:00"),
        ("i@nobody.example", "shared@else.example", "msk", "msk-support", None, "2026-11-20T07:00:00+00:00"),
        ("i@moskabel.example", "support@otklik.example", "msk", "msk-network", "moskabel", None),
    ],
)  # fmt: skip
async def test_where_a_mail_goes_and_why(
    desk: Any, sender: str, to: str, centre: str, group: str, customer: str | None, respond_by: str | None
) -> None:
    taken = await desk.take(desk.mail(sender, to=to, subject="Вопрос", text="Здравствуйте"))
    shown = await desk.ticket(taken.number, "en")
    assert (shown["centre"], shown["group"]) == (centre, group)
    assert (shown["customer"] or {}).get("id") == customer
    assert shown["assignee"]
    assert respond_by is None or shown["respond_by"] == respond_by
    english = {d["field"]: d["because"] for d in shown["decision"]}
    russian = {d["field"]: d["because"] for d in (await desk.ticket(taken.number, "ru"))["decision"]}
    assert {"customer", "centre", "group", "line", "assignee", "priority", "respond_by"} <= set(english) == set(russian)
    for field, words in english.items():
        assert words, field
        assert russian[field], field
        assert words != russian[field], field


async def test_the_work_is_shared_evenly_within_one_group_and_over_many(desk: Any) -> None:
    together = await desk.take_together(*(desk.mail("a@romashka.example", text="?") for _ in range(4)))
    alone = [await desk.take(desk.mail("b@romashka.example", text="?")) for _ in range(4)]
    logins = [(await desk.ticket(taken.number))["assignee"] for taken in (*together, *alone)]
    assert sorted(logins[:4]) == ["a.sokolova", "d.volkov", "e.morozova", "j.carter"]
    assert sorted(logins[4:]) == ["a.sokolova", "d.volkov", "e.morozova", "j.carter"]


async def test_the_assignee_is_alerted_with_reasons_in_the_ledger(desk: Any) -> None:
    taken = await desk.take(desk.mail("i@obmash.example", to="nsk@otklik.example"))
    shown = await desk.ticket(taken.number)
    [alert] = [n for n in shown["notifications"] if n["event"] == "assigned"]
    assert alert["state"] == "queued"
    assert alert["deliveries"][0]["address"].endswith("@otklik.example")
    [assigned] = [h for h in shown["history"] if h["what"] == "assigned"]
    assert assigned["new"] == shown["assignee"]
    assert assigned["because"]


async def test_a_person_is_tied_to_the_customer_found_once(desk: Any) -> None:
    await desk.take(desk.mail("irina@sibtrans.example"))
    assert [p["customer"] for p in await desk.rows("people")] == ["sibtrans"]


# ---- what a program states ------------------------------------------------------------------------------------------

STATED = {
    "centre": ("vvo", "centre", "vvo"),
    "group": ("nsk-support", "group", "nsk-support"),
    "customer": ("globex", "customer", {"id": "globex", "name": "Globex Trading Ltd"}),
    "assignee": ("g.titov", "assignee", "g.titov"),
}


def stating(field: str, value: str) -> Given:
    """What a caller states who states one thing."""
    return Given(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("field", STATED)
async def test_what_is_stated_is_so(desk: Any, field: str) -> None:
    stated, shown_as, shown_value = STATED[field]
    message = desk.mail()
    taken = await desk.intake.take(message, b"raw", stating(field, stated))
    shown = await desk.ticket(taken.accepted.number)
    assert shown[shown_as] == shown_value
    reasons = {d["field"]: d for d in shown["decision"]}
    assert (reasons[field]["rule"], reasons[field]["code"]) == ("given", "given")


@pytest.mark.parametrize("field", STATED)
async def test_what_is_stated_must_exist(desk: Any, field: str) -> None:
    with pytest.raises(Misstated) as refused:
        await desk.intake.take(desk.mail(), b"raw", stating(field, "нет-такого"))
    assert refused.value.field == field
    assert "нет-такого" in str(refused.value)
    assert await desk.count("tickets") == await desk.count("quarantine") == await desk.count("blobs") == 0


async def test_a_mistake_of_one_harms_nobody_else_in_the_group(desk: Any) -> None:
    wrong = desk.intake.take(desk.mail(), b"1", Given(centre="нет"))
    right = desk.intake.take(desk.mail(), b"2", Given(centre="vvo"))
    answers = await asyncio.gather(wrong, right, return_exceptions=True)
    assert isinstance(answers[0], Misstated)
    assert isinstance(answers[1], Taken)
    assert answers[1].accepted.number


# ---- numbers --------------------------------------------------------------------------------------------------------


async def test_numbers_of_a_rush_are_unique(desk: Any) -> None:
    taken = await asyncio.gather(*(desk.take(desk.mail()) for _ in range(30)))
    assert len({a.number for a in taken}) == 30


async def test_numbers_that_come_one_at_a_time_have_no_gaps(desk: Any) -> None:
    taken = [await desk.take(desk.mail()) for _ in range(4)]
    assert [a.number for a in taken] == [f"OTK-26-{n:06d}" for n in range(1, 5)]


async def test_a_refused_group_leaves_no_gap(desk: Any) -> None:
    await desk.take(desk.mail())
    await asyncio.gather(desk.take(desk.mail()), desk.take(desk.mail(text=3)), desk.take(desk.mail()))
    last = await desk.take(desk.mail())
    assert last.number == "OTK-26-000004"


@pytest.mark.parametrize(
    "zone, at, number",
    [
        ("Europe/Moscow", datetime(2026, 12, 31, 20, 59, 59, tzinfo=UTC), "OTK-26-000002"),
        ("Europe/Moscow", datetime(2026, 12, 31, 21, 0, 0, tzinfo=UTC), "OTK-27-000001"),
        ("Asia/Vladivostok", datetime(2026, 12, 31, 14, 0, 0, tzinfo=UTC), "OTK-27-000001"),
        ("America/Anchorage", datetime(2027, 1, 1, 8, 59, 59, tzinfo=UTC), "OTK-26-000002"),
    ],
    ids=str,
)
async def test_the_year_of_a_number_turns_in_the_zone_of_the_site(
    make_desk: Callable[..., Any], zone: str, at: datetime, number: str
) -> None:
    desk = make_desk()
    desk = make_desk(site=dataclasses.replace(desk.site, zone=zone), clock=desk.clock)
    assert (await desk.take(desk.mail())).number == "OTK-26-000001"
    desk.clock.at = at
    assert (await desk.take(desk.mail())).number == number


async def test_two_sites_count_for_themselves(make_desk: Callable[..., Any]) -> None:
    one = make_desk()
    other = make_desk(site=dataclasses.replace(one.site, prefix="NSK"))
    assert [(await d.take(d.mail())).number for d in (one, other, one)] == [
        "OTK-26-000001", "NSK-26-000001", "OTK-26-000002",
    ]  # fmt: skip


# ---- nothing is lost ------------------------------------------------------------------------------------------------


async def test_what_cannot_be_read_is_kept_with_its_bytes(desk: Any) -> None:
    raw = bytes(range(256))
    entry = Unreadable("email", "smtp", "no_headers", desk.clock.now(), "not a mail", {"mail_from": "a@b"})
    taken = await desk.take(entry, raw)
    assert (taken.number, taken.joined) == ("", False)
    [row] = await desk.rows("quarantine")
    assert row["id"].hex == taken.quarantine_id
    assert (row["reason"], row["detail"], row["envelope"], row["state"]) == (
        "no_headers", "not a mail", {"mail_from": "a@b"}, "held",
    )  # fmt: skip
    assert [b["bytes"] for b in await desk.rows("blobs")] == [raw]


async def test_a_message_we_stumble_over_goes_to_quarantine_and_its_neighbours_are_unharmed(desk: Any) -> None:
    broken = desk.mail(text=3, extra={"envelope": {"mail_from": "a@b"}})
    good = [desk.mail() for _ in range(4)]
    answers = await asyncio.gather(
        *(desk.take(m) for m in good[:2]),
        desk.intake.accept(broken, b"broken bytes"),
        *(desk.take(m) for m in good[2:]),
    )
    assert [bool(a.number) for a in answers] == [True, True, False, True, True]
    [row] = await desk.rows("quarantine")
    assert (row["reason"], row["id"].hex) == ("intake_error", answers[2].quarantine_id)
    assert row["detail"]
    assert row["envelope"] == {"mail_from": "a@b"}
    assert b"broken bytes" in [b["bytes"] for b in await desk.rows("blobs")]
    assert await desk.count("tickets") == 4


async def test_an_answer_that_cannot_be_made_costs_neither_the_ticket_nor_its_neighbours(desk: Any) -> None:
    def show(rows: dict[str, Any]) -> str:
        if rows["ticket"]["subject"] == "unlucky":
            raise KeyError("a word is missing")
        return f"shown {rows['ticket']['number']}"

    mails = [desk.mail(subject=subject) for subject in ("lucky", "unlucky", "lucky too")]
    taken = await asyncio.gather(*(desk.intake.take(m, m.subject.encode(), Given(), show) for m in mails))
    assert [each.shown for each in taken] == [
        f"shown {taken[0].accepted.number}",
        None,
        f"shown {taken[2].accepted.number}",
    ]
    assert all(each.accepted.number for each in taken)
    assert (await desk.count("tickets"), await desk.count("quarantine")) == (3, 0)


async def test_what_made_no_new_ticket_is_not_shown(desk: Any) -> None:
    message = desk.mail(external_id="key-1", fresh=False)
    first = await desk.intake.take(message, b"raw", Given(), lambda rows: "shown")
    again = await desk.intake.take(dataclasses.replace(message), b"raw", Given(), lambda rows: "shown")
    assert (first.shown, again.shown, again.accepted.joined) == ("shown", None, True)


HOSTILE = {
    "NUL": "до\x00после",
    "half a surrogate pair": "до\ud800после",
    "control characters": "\x01\x02\x1b[31m\x7f\x85\u2028",
    "outside the BMP": "\U0001f5a8\U0010ffff",
    "ten thousand characters": "ж" * 10_000,
    "right to left override": "\u202egpj.exe",
    "SQL": "'; DROP TABLE tickets; --",
    "format": "%s {0} {{x}} $1 :name ?",
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_whatever_stands_in_a_message_it_is_taken_or_kept(desk: Any, name: str) -> None:
    text = HOSTILE[name]
    mailbox = Address(AddressKind.EMAIL, text, text)
    places: dict[str, dict[str, Any]] = {
        **{each: {each: text} for each in ("text", "reply_text", "subject", "message_id", "name", "language")},
        "sender": {"sender": text + "@evil.example"},
        "recipient": {"recipients": (mailbox,)},
        "envelope": {"extra": {"envelope": {"mail_from": text, "rcpt_to": [text]}}},
        "external_id": {"external_id": text, "fresh": False},
        "account": {"account": text},
        "attachment": {"attachments": (Attachment("1", text, "text/plain", 1, "00" * 32, content_id=text),)},
        "content_type": {"attachments": (Attachment("1", "a", text, 1, "00" * 32),)},
        "refs": {"refs": Refs((text,), (text,), (text,))},
        "authenticity": {"authenticity": {"spf": text}},
    }
    for place, given in places.items():
        taken = await desk.intake.accept(desk.mail(**given), place.encode())
        assert bool(taken.number) != bool(taken.quarantine_id), place
        if taken.number:
            await desk.ticket(taken.number)
    assert {row["reason"] for row in await desk.rows("quarantine")} <= {"intake_error"}
    assert {b["bytes"] for b in await desk.rows("blobs")} == {place.encode() for place in places}


async def test_a_database_that_is_away_means_not_now(desk: Any) -> None:
    await desk.database.close()
    with pytest.raises(NotAcceptedNow):
        await desk.take(desk.mail())


async def test_two_hundred_at_once_are_all_answered(desk: Any) -> None:
    same = {"digest": b"s" * 32, "text": "одно и то же"}
    messages: list[InboundMessage | Unreadable] = []
    for n in range(50):
        messages.append(desk.mail(f"p{n % 7}@romashka.example"))
        messages.append(desk.mail(**same))
        messages.append(desk.mail(f"p{n % 7}@romashka.example", message_id=f"t{n}@x", refs=Refs((), (f"t{n - 1}@x",))))
        messages.append(Unreadable("email", "smtp", "no_headers", desk.clock.now()))
    answers: list[Accepted] = await asyncio.gather(*(desk.take(m) for m in messages))
    assert len(answers) == 200
    assert sum(bool(a.quarantine_id) for a in answers) == 50 == await desk.count("quarantine")
    assert sum(a.joined for a in answers) == 49
    assert await desk.count("receipts") == 150
    assert await desk.count("messages") == 101
    numbers = {a.number for a in answers if a.number}
    assert len(numbers) == await desk.count("tickets")
    assert sorted(numbers) == [f"OTK-26-{n:06d}" for n in range(1, len(numbers) + 1)]
    # seven authors and irina
    assert await desk.count("people") == 8


# ---- many nodes -----------------------------------------------------------------------------------------------------


# one process writes to SQLite
@pytest.mark.parametrize("laid_out_url", ["postgresql"], indirect=True)
async def test_two_nodes_take_the_mails_of_one_new_sender(
    desk: Any, make_desk: Callable[..., Any], laid_out_url: str
) -> None:
    """Nobody's mail ends in quarantine because another node met its sender in the same moment."""
    second = await open_database(laid_out_url)
    try:
        other = make_desk(second)
        for n in range(10):
            sender = f"new{n}@romashka.example"
            key = {"external_id": f"key-{n}", "fresh": False, "digest": b"", "text": "та же заявка"}
            content = {"digest": bytes([n]) * 32, "text": "то же письмо"}
            answers = await asyncio.gather(
                desk.take(desk.mail(sender)),
                other.take(other.mail(sender)),
                desk.take(desk.mail(sender, **key)),
                other.take(other.mail(sender, **key)),
                desk.take(desk.mail(sender, **content)),
                other.take(other.mail(sender, **content)),
            )
            assert all(a.number for a in answers)
            assert answers[2].number == answers[3].number
            assert answers[4].number == answers[5].number
        assert await desk.count("quarantine") == 0
        assert await desk.count("people") == 10
        assert await desk.count("tickets") == 40
    finally:
        await second.close()
