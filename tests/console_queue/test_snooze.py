"""Snooze and tags: out of the queue until a moment, back by the clock, by an answer or by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from desk.change import Actor, Changes, Refused
from desk.clock import DeadlineClock
from desk.triage import MOST_TAGS, snooze, tag, untag
from tickets.status import Status
from web.console.queue_bulk import presets

MARIA = Actor("staff:maria", "Мария Соколова")


async def act(desk: Any, verb: Any, *given: Any) -> Any:
    """One verb of triage in a transaction."""
    return await desk.program.opened.write(
        lambda c: verb(Changes(c, desk.program.site, desk.clock.now()), *given, MARIA)
    )


def clock_duty(desk: Any) -> DeadlineClock:
    return DeadlineClock(desk.program.opened, desk.program.site, desk.clock, "test")


async def test_a_snoozed_ticket_leaves_the_queue_and_comes_back_by_itself(desk: Any) -> None:
    number = await desk.mail("Касса")
    maria = await desk.staff("maria")
    form = [("t", await desk.version(number)), ("sure", "1")]
    await maria.post("/queue/bulk", *form, action="snooze:tomorrow", back="/queue")
    assert (await desk.row(number))["snoozed_until"] == datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
    assert (await maria.get("/queue")).numbers == []
    page = await maria.get("/queue?snoozed=yes")
    assert "отложена до сб 09:00" in page.row(number).words
    await maria.get(f"/tickets/{number}")
    duty = clock_duty(desk)
    desk.clock.move(hours=18)
    assert await duty.wake() == 0
    desk.clock.move(hours=2)
    assert await duty.wake() == 1
    assert await duty.wake() == 0
    assert (await desk.happened(number))[-1] == ("woken", None, "due")
    # it asks for attention as if it were new
    later = await desk.session_of(maria.user_id)
    assert "не прочитано" in (await later.get("/queue")).row(number).words


async def test_an_answer_of_its_author_brings_it_back_earlier(desk: Any) -> None:
    number = await desk.mail("Касса")
    await act(desk, snooze, number, desk.clock.now() + timedelta(days=3))
    await desk.mail(f"Re: [{number}] Касса", "Уже горит!")
    assert (await desk.row(number))["snoozed_until"] is None
    assert ("woken", None, "answered") in await desk.happened(number)
    assert (await (await desk.staff("maria")).get("/queue")).numbers == [number]


async def test_automatic_mail_does_not_bring_it_back(desk: Any) -> None:
    from tickets.message import MessageKind

    number = await desk.mail("Касса")
    await act(desk, snooze, number, desk.clock.now() + timedelta(days=3))
    await desk.mail(f"Re: [{number}] Касса", "Я в отпуске", kind=MessageKind.OUT_OF_OFFICE)
    assert (await desk.row(number))["snoozed_until"] is not None


async def test_its_terms_run_on_and_a_missed_one_is_still_told(desk: Any) -> None:
    number = await desk.mail("Касса")
    before = await desk.row(number)
    await act(desk, snooze, number, desk.clock.now() + timedelta(days=3))
    after = await desk.row(number)
    assert (after["respond_by"], after["resolve_by"], after["alarm_at"]) == (
        before["respond_by"],
        before["resolve_by"],
        before["alarm_at"],
    )


async def test_who_finishes_a_ticket_ends_its_snooze(desk: Any) -> None:
    number = await desk.mail("Касса")
    await act(desk, snooze, number, desk.clock.now() + timedelta(days=3))
    await desk.program.change.status(number, Status.RESOLVED, "maria")
    assert (await desk.row(number))["snoozed_until"] is None


async def test_it_is_brought_back_by_hand(desk: Any) -> None:
    number = await desk.mail("Касса")
    await act(desk, snooze, number, desk.clock.now() + timedelta(days=3))
    maria = await desk.staff("maria")
    form = [("t", await desk.version(number)), ("sure", "1")]
    await maria.post("/queue/bulk", *form, action="wake", back="/queue")
    assert (await desk.happened(number))[-1] == ("woken", None, "hand")
    assert (await maria.get("/queue")).numbers == [number]


REFUSED = [(timedelta(0), "past"), (timedelta(minutes=-1), "past"), (timedelta(days=367), "too_far")]


@pytest.mark.parametrize("ahead, code", REFUSED)
async def test_a_moment_that_will_not_do_is_refused(desk: Any, ahead: timedelta, code: str) -> None:
    number = await desk.mail("Касса")
    with pytest.raises(Refused) as refused:
        await act(desk, snooze, number, desk.clock.now() + ahead)
    assert refused.value.code == code


def test_the_moments_offered_are_all_to_come_and_none_twice() -> None:
    friday = datetime(2026, 11, 20, 7, 5, tzinfo=UTC)
    for hours in range(24 * 7):
        now = friday + timedelta(hours=hours)
        offered = presets(now, "Asia/Novosibirsk")
        assert all(at > now for at in offered.values())
        assert len(set(offered.values())) == len(offered) or "week" in offered
        assert {"tomorrow", "week"} <= set(offered)
    assert presets(friday, "Asia/Novosibirsk")["monday"] == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


# ---- tags ---------------------------------------------------------------------------------------------------------


async def test_tags_are_folded_told_in_the_history_and_filter(desk: Any) -> None:
    number = await desk.mail("Касса")
    await act(desk, tag, number, "  #Гарантия  ЭКРАНА ")
    assert (await desk.happened(number))[-1] == ("tagged", None, "гарантия экрана")
    maria = await desk.staff("maria")
    page = await maria.get("/queue?tag=Гарантия экрана")
    assert page.numbers == [number]
    assert "гарантия экрана" in page.row(number).words
    await act(desk, untag, number, "гарантия экрана")
    assert (await desk.happened(number))[-1] == ("untagged", "гарантия экрана", None)
    assert (await maria.get("/queue?tag=гарантия экрана")).numbers == []


async def test_a_tag_is_there_once_and_there_are_not_too_many(desk: Any) -> None:
    number = await desk.mail("Касса")
    for n in range(MOST_TAGS):
        await act(desk, tag, number, f"т{n}")
    for text, code in (("т0", "tagged"), ("ещё", "tags_full"), ("#", "tag_empty"), ("ж" * 41, "tag_long")):
        with pytest.raises(Refused) as refused:
            await act(desk, tag, number, text)
        assert refused.value.code == code
    with pytest.raises(Refused):
        await act(desk, untag, number, "нет такой")
