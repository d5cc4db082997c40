"""What is done to a ticket, who is told of it, and what it does to the promises."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from desk.change import NoSuchTicket, Refused
from desk.clock import DeadlineClock
from storage.tables import tickets
from tickets.status import MOVES, IllegalMove, Status

S = Status

PATHS: dict[Status, tuple[Status, ...]] = {
    S.NEW: (),
    S.IN_PROGRESS: (S.IN_PROGRESS,),
    S.WAITING: (S.WAITING,),
    S.RESOLVED: (S.RESOLVED,),
    S.CLOSED: (S.RESOLVED, S.CLOSED),
    S.REJECTED: (S.REJECTED,),
}
"""How a new ticket gets into each status."""

EVENTS = {S.RESOLVED: "resolved", S.CLOSED: "closed"}


async def standing(office: Any, status: Status) -> str:
    """The number of a ticket in a status."""
    number: str = await office.receive()
    for step in PATHS[status]:
        await office.ticketing.status(number, step, "anna", "Потому что")
    return number


def at(text: str | None) -> datetime:
    assert text is not None
    return datetime.fromisoformat(text)


# ---- status -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("old", list(S))
async def test_every_move_is_legal_or_refused(office: Any, old: Status) -> None:
    for new in S:
        number = await standing(office, old)
        before = await office.told(number)
        if new not in MOVES[old]:
            with pytest.raises(IllegalMove, match=f"{old} cannot become {new}"):
                await office.ticketing.status(number, new, "anna", "Потому что")
            assert (await office.ticket(number))["status"] == old
            assert await office.told(number) == before
            continue
        await office.ticketing.status(number, new, "anna", "Потому что")
        ticket = await office.ticket(number)
        assert ticket["status"] == new
        told = await office.told(number)
        assert told[len(before) :] == [(EVENTS.get(new, "status_changed"), "author", "queued")]
        last = ticket["history"][-1]
        assert (last["what"], last["by"], last["old"], last["new"]) == ("status", "staff:anna", old, new)


@pytest.mark.parametrize("new", [S.WAITING, S.REJECTED])
async def test_a_question_and_a_refusal_need_words(office: Any, new: Status) -> None:
    number = await office.receive()
    with pytest.raises(Refused, match="in a comment: the author reads it"):
        await office.ticketing.status(number, new, "anna", "  ")
    assert (await office.ticket(number))["status"] == "new"


async def test_the_comment_of_a_move_stands_in_the_conversation(office: Any) -> None:
    number = await office.receive()
    await office.ticketing.status(number, S.WAITING, "anna", "Какая модель?")
    last = (await office.ticket(number))["messages"][-1]
    assert (last["direction"], last["public"], last["text"]) == ("out", True, "Какая модель?")


async def test_closing_and_reopening(office: Any) -> None:
    number = await standing(office, S.CLOSED)
    assert (await office.ticket(number))["closed_at"] == office.clock.now().isoformat()
    await office.ticketing.status(number, S.IN_PROGRESS, "anna")
    assert (await office.ticket(number))["closed_at"] is None


async def test_nobodys_number_and_nobodys_login(office: Any) -> None:
    number = await office.receive()
    with pytest.raises(NoSuchTicket, match="OTK-26-000099"):
        await office.ticketing.status("OTK-26-000099", S.RESOLVED, "anna")
    with pytest.raises(Refused, match="nobody with the login 'ghost'; known: anna, boris"):
        await office.ticketing.status(number, S.RESOLVED, "ghost")


@pytest.mark.parametrize("spelling", ["OTK-26-000001", "otk-26-000001", "1", "000001", "#1", "№1", " 1 "])
async def test_digits_alone_are_understood(office: Any, spelling: str) -> None:
    await office.receive()
    await office.ticketing.status(spelling, S.IN_PROGRESS, "anna")
    assert (await office.ticket(spelling))["status"] == "in_progress"


# ---- comments -----------------------------------------------------------------------------------------------------


async def test_a_public_comment_goes_to_the_author(office: Any) -> None:
    number = await office.receive()
    before = len(await office.told(number))
    await office.ticketing.comment(number, "Выезжаем", "anna", public=True)
    assert (await office.told(number))[before:] == [("public_comment", "author", "queued")]
    ticket = await office.ticket(number)
    assert (ticket["messages"][-1]["text"], ticket["messages"][-1]["public"]) == ("Выезжаем", True)
    assert ticket["messages"][-1]["from"]["name"] == "Анна Соколова"


async def test_an_internal_comment_goes_to_nobody(office: Any) -> None:
    number = await office.receive()
    before = await office.told(number)
    await office.ticketing.comment(number, "Картридж есть", "anna", public=False)
    assert await office.told(number) == before
    assert (await office.ticket(number))["messages"][-1]["public"] is False


@pytest.mark.parametrize("text", ["", " \n\t "])
async def test_an_empty_comment_is_refused(office: Any, text: str) -> None:
    number = await office.receive()
    with pytest.raises(Refused, match="empty"):
        await office.ticketing.comment(number, text, "anna", public=True)
    assert len((await office.ticket(number))["messages"]) == 1


# ---- assignment ---------------------------------------------------------------------------------------------------


async def test_giving_a_ticket_to_a_person_takes_their_group_along(office: Any) -> None:
    number = await office.receive()
    before = len(await office.told(number))
    await office.ticketing.assign(number, "anna", assignee="boris")
    ticket = await office.ticket(number)
    assert (ticket["assignee"], ticket["group"], ticket["line"]) == ("boris", "msk-network", 2)
    assert (await office.told(number))[before:] == [("assigned", "assignee", "queued")]
    fields = {d["field"]: d for d in ticket["decision"]}
    assert fields["assignee"]["because"] == "так решил человек: staff:anna"


async def test_who_takes_a_ticket_is_not_told_of_it(office: Any) -> None:
    number = await office.receive()
    before = len(await office.told(number))
    await office.ticketing.assign(number, "boris", assignee="boris")
    assert (await office.told(number))[before:] == [("assigned", "assignee", "suppressed")]


async def test_giving_a_ticket_to_another_group_takes_it_from_its_assignee(office: Any) -> None:
    number = await office.receive()
    assert (await office.ticket(number))["assignee"] == "anna"
    before = len(await office.told(number))
    await office.ticketing.assign(number, "anna", group="msk-network")
    ticket = await office.ticket(number)
    assert (ticket["assignee"], ticket["group"]) == (None, "msk-network")
    assert (await office.told(number))[before:] == [("assigned", "group", "queued")]


async def test_taking_a_ticket_from_everybody(office: Any) -> None:
    number = await office.receive()
    await office.ticketing.assign(number, "anna", assignee="")
    assert (await office.ticket(number))["assignee"] is None


@pytest.mark.parametrize(
    "given, why",
    [
        ({}, "say whom"),
        ({"assignee": "ghost"}, "login 'ghost'"),
        ({"group": "nowhere"}, "no group 'nowhere'; known: msk-support, msk-network"),
        ({"centre": "spb"}, "no centre 'spb'; known: msk, vvo"),
    ],
)
async def test_assigning_to_what_is_not_there(office: Any, given: dict[str, str], why: str) -> None:
    number = await office.receive()
    before = await office.ticket(number)
    with pytest.raises(Refused, match=why):
        await office.ticketing.assign(number, "anna", **given)
    assert await office.ticket(number) == before


# ---- promises -----------------------------------------------------------------------------------------------------


async def test_deadlines_stand_still_while_the_author_is_asked(office: Any) -> None:
    number = await office.receive()
    promised = at((await office.ticket(number))["resolve_by"])
    office.clock.move(hours=1)
    await office.ticketing.status(number, S.WAITING, "anna", "Какая модель?")
    office.clock.move(hours=2)
    assert at((await office.ticket(number))["resolve_by"]) == promised
    await office.ticketing.status(number, S.IN_PROGRESS, "anna")
    # 24 November 17:00 in Moscow and two working hours: one till 18:00, one the next morning
    assert promised.isoformat() == "2026-11-24T14:00:00+00:00"
    assert at((await office.ticket(number))["resolve_by"]).isoformat() == "2026-11-25T07:00:00+00:00"


async def test_a_night_of_waiting_costs_nobody_anything(office: Any) -> None:
    number = await office.receive()
    promised = at((await office.ticket(number))["resolve_by"])
    office.clock.at = datetime.fromisoformat("2026-11-23T19:00:00+03:00")
    await office.ticketing.status(number, S.WAITING, "anna", "Какая модель?")
    office.clock.at = datetime.fromisoformat("2026-11-24T08:00:00+03:00")
    await office.ticketing.status(number, S.IN_PROGRESS, "anna")
    assert at((await office.ticket(number))["resolve_by"]) == promised


async def alarms(office: Any, clock: DeadlineClock, number: str, until: timedelta, step: timedelta) -> list[Any]:
    """Deadline events raised while time passes: what, which and how long after the ticket came."""
    came = office.clock.now()
    while office.clock.now() - came < until:
        office.clock.at += step
        await clock.round()
    return [
        (e["what"], e["new"], at(e["at"]) - came)
        for e in (await office.ticket(number))["history"]
        if e["what"].startswith("deadline")
    ]


async def test_each_deadline_is_told_of_once_near_and_once_missed(office: Any, alarm_clock: DeadlineClock) -> None:
    number = await office.receive()
    raised = await alarms(office, alarm_clock, number, timedelta(days=3), timedelta(minutes=30))
    # respond within 4 working hours, a quarter of the term before: 1 h; resolve within 16, 2 h before at the most
    assert raised == [
        ("deadline_near", "respond", timedelta(hours=3)),
        ("deadline_missed", "respond", timedelta(hours=4)),
        ("deadline_near", "resolve", timedelta(hours=29)),
        ("deadline_missed", "resolve", timedelta(hours=31)),
    ]
    told = [(event, role) for event, role, _ in await office.told(number) if event.startswith("deadline")]
    assert told[:1] == [("deadline_near", "assignee")]
    assert told.count(("deadline_missed", "assignee")) == 2


async def test_an_answer_in_time_silences_the_first_deadline(office: Any, alarm_clock: DeadlineClock) -> None:
    number = await office.receive()
    await office.ticketing.comment(number, "Смотрим", "anna", public=True)
    raised = await alarms(office, alarm_clock, number, timedelta(hours=30), timedelta(minutes=30))
    assert [(what, which) for what, which, _ in raised] == [("deadline_near", "resolve")]


@pytest.mark.parametrize("status", [S.WAITING, S.RESOLVED, S.REJECTED])
async def test_no_alarm_while_the_clock_stands(office: Any, alarm_clock: DeadlineClock, status: Status) -> None:
    number = await standing(office, status)
    assert await alarms(office, alarm_clock, number, timedelta(days=5), timedelta(hours=6)) == []


async def test_what_was_missed_while_nobody_looked_is_not_called_near(office: Any, alarm_clock: DeadlineClock) -> None:
    number = await office.receive()
    office.clock.move(days=10)
    for _ in range(4):
        await alarm_clock.round()
    events = [e for e in (await office.ticket(number))["history"] if e["what"].startswith("deadline")]
    assert [(e["what"], e["new"]) for e in events] == [("deadline_missed", "respond"), ("deadline_missed", "resolve")]


async def break_alarm(office: Any, number: str) -> str:
    """Have the ticket's alarm name a deadline that it does not have, longer due than any other; returns its id."""
    long_due = office.clock.now() - timedelta(days=100)
    values = {"alarm": "respond_near", "alarm_at": long_due, "respond_by": None}
    this = tickets.c.number == number
    await office.database.write(lambda c: c.execute(update(tickets).where(this).values(values)) and None)
    key: UUID = await office.database.read(lambda c: c.execute(select(tickets.c.id).where(this)).scalar_one())
    return key.hex


async def test_tickets_whose_alarm_always_fails_keep_no_other_waiting(
    office: Any, alarm_clock: DeadlineClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desk.clock.BATCH", 2)
    broken = {await break_alarm(office, await office.receive(f"Сломано {n}")) for n in range(5)}
    sound = [await office.receive(f"Цело {n}") for n in range(3)]
    office.clock.move(days=10)
    for raised in (2 * len(sound), 0):
        with capture_logs() as logs:
            assert await alarm_clock.round() == raised
        failed = [line["ticket"] for line in logs if line["event"] == "deadline_event_failed"]
        assert sorted(failed) == sorted(broken), "each is tried once a round, and again in the next"
    for number in sound:
        events = [e["new"] for e in (await office.ticket(number))["history"] if e["what"] == "deadline_missed"]
        assert events == ["respond", "resolve"]
