"""The queue: groups, what a row says, filters that are the address, views, orders, pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest

from desk.queue import PAGE

At = Callable[..., datetime]


@pytest.fixture
async def day(desk: Any, at: At) -> dict[str, str]:
    """A day's queue: two late, two due today, two later, one whose clock stands still, one snoozed, one closed."""
    tickets = {
        "late": {"resolve_by": at(12), "priority": "critical", "status": "new", "assignee": ""},
        "just late": {"resolve_by": at(13, 40), "priority": "high", "status": "in_progress", "assignee": "denis"},
        "soon": {"resolve_by": at(15, 25), "priority": "critical", "status": "in_progress", "assignee": "maria"},
        "evening": {"resolve_by": at(18), "status": "in_progress", "assignee": "denis"},
        "monday": {"resolve_by": at(11, 20, days=3), "status": "new", "assignee": "denis", "centre": "brd"},
        "some day": {"resolve_by": None, "status": "new", "assignee": "maria"},
        "asked": {"resolve_by": at(18), "status": "waiting", "paused_at": at(9), "assignee": "maria"},
        "snoozed": {"resolve_by": at(18), "status": "in_progress", "snoozed_until": at(9, days=3), "assignee": "maria"},
        "closed": {"resolve_by": at(18), "status": "closed", "closed_at": at(10), "assignee": "maria"},
    }
    numbers = {}
    for subject, values in tickets.items():
        given: dict[str, Any] = {"responded_at": at(9), "respond_by": None, **values}
        numbers[subject] = await desk.ticket(subject, **given)
    return numbers


async def test_tickets_stand_in_the_groups_of_the_day_the_most_urgent_first(desk: Any, day: dict[str, str]) -> None:
    page = await (await desk.staff("maria", "lead")).get("/queue")
    assert page.status == 200
    order = ["late", "just late", "soon", "evening", "monday", "some day", "asked"]
    assert page.numbers == [day[subject] for subject in order]
    assert page.groups == ["Просрочено 2", "До конца дня 2", "Позже 2", "Часы стоят: ждём автора 1"]
    assert "7 заявок, 2 просрочены" in page.words


@pytest.mark.parametrize(
    "subject, told",
    [
        ("late", "просрочено 2 ч 05 м"),
        ("just late", "просрочено 25 м"),
        ("soon", "1 ч 20 м до 15:25"),
        ("evening", "3 ч 55 м до 18:00"),
        # Friday has 3 h 55 min until six, Monday 2 h 20 min from nine: by working hours, not by the clock on the wall
        ("monday", "6 ч 15 м до пн 11:20"),
        ("some day", "без срока"),
        ("asked", "часы стоят с 09:00"),
    ],
)
async def test_time_left_is_working_time(desk: Any, day: dict[str, str], subject: str, told: str) -> None:
    page = await (await desk.staff("maria")).get("/queue")
    assert told in page.row(day[subject]).words


async def test_a_row_tells_whose_where_and_what_was_said_last(desk: Any) -> None:
    number = await desk.mail("Касса №5", "Перезапустили,\n  не помогло")
    maria = await desk.staff("maria")
    row = (await maria.get("/queue")).row(number)
    for told in ("Касса №5", "Перезапустили, не помогло", "ООО «Ромашка»", "Ирина Петрова", "Новосибирск", "Новая"):
        assert told in row.words
    assert "не прочитано" in row.words
    await desk.program.change.comment(number, "Выезжаем", "maria", public=True)
    row = (await maria.get("/queue")).row(number)
    assert "Вы: Выезжаем" in row.words
    assert "не прочитано" not in row.words
    assert "Мария Соколова: Выезжаем" in (await (await desk.staff("denis")).get("/queue")).row(number).words


async def test_a_ticket_is_unread_until_it_was_opened_and_again_after_the_next_word(desk: Any) -> None:
    number = await desk.mail("Касса №5")
    maria = await desk.staff("maria")
    await maria.get(f"/tickets/{number}")
    desk.clock.move(minutes=1)
    assert "не прочитано" not in (await maria.get("/queue")).row(number).words
    await desk.mail(f"Re: [{number}] Касса №5", "Ещё раз")
    assert "не прочитано" in (await maria.get("/queue")).row(number).words


async def test_nothing_anybody_wrote_becomes_markup(desk: Any) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    number = await desk.mail(evil, evil, name=evil)
    await desk.program.opened.write(lambda c: None)
    page = await (await desk.staff("maria")).get("/queue?tag=" + quote(evil) + "&centre=" + quote(evil) + "&status=any")
    assert "<script>alert" not in page.body
    assert "onerror=alert(2)>" not in page.body.replace("&gt;", "")
    row = (await (await desk.staff("denis")).get("/queue")).row(number)
    assert "&lt;script&gt;alert(1)" in row.body


FILTERS: list[tuple[str, list[str]]] = [
    ("centre=brd", ["monday"]),
    ("centre=brd&centre=nsk&priority=critical", ["late", "soon"]),
    ("assignee=me", ["soon", "some day", "asked"]),
    ("assignee=none", ["late"]),
    ("assignee=none&assignee=denis", ["late", "just late", "evening", "monday"]),
    ("assignee=maria&status=waiting", ["asked"]),
    ("assignee=somebody", []),
    ("status=new", ["late", "monday", "some day"]),
    ("status=new&status=waiting", ["late", "monday", "some day", "asked"]),
    ("priority=high", ["just late"]),
    ("snoozed=yes", ["snoozed"]),
    ("snoozed=any&assignee=me", ["soon", "snoozed", "some day", "asked"]),
    ("late=yes", ["late", "just late"]),
    ("customer=romashka&late=yes", ["late", "just late"]),
    ("customer=gastro", []),
    ("customer=none", []),
    ("group=nothing", []),
    ("channel=sms", []),
    ("since=2026-11-20&priority=high", ["just late"]),
    ("until=2026-11-19", []),
    ("since=2026-11-21", []),
    ("order=oldest&priority=critical", ["late", "soon"]),
    ("order=newest&priority=critical", ["soon", "late"]),
    ("order=priority&status=in_progress", ["soon", "just late", "evening"]),
    ("status=nonsense", []),
]


@pytest.mark.parametrize("query, shown", FILTERS, ids=[query for query, _ in FILTERS])
async def test_the_address_is_the_filter(desk: Any, day: dict[str, str], query: str, shown: list[str]) -> None:
    page = await (await desk.staff("maria")).get(f"/queue?{query}")
    assert page.status == 200
    assert page.numbers == [day[subject] for subject in shown]


async def test_lists_that_reach_into_the_past_are_newest_first(desk: Any, day: dict[str, str]) -> None:
    await desk.index()
    maria = await desk.staff("maria")
    assert (await maria.get("/queue?status=closed")).numbers == [day["closed"]]
    everything = await maria.get("/queue?status=any")
    assert everything.numbers == [day[subject] for subject in reversed(day)]
    assert (await maria.get("/queue?status=any&assignee=me&centre=nsk")).numbers == [
        day[subject] for subject in ("closed", "snoozed", "asked", "some day", "soon")
    ]
    assert (await maria.get("/queue?status=any&since=2026-11-20&until=2026-11-20&priority=high")).numbers == [
        day["just late"]
    ]


async def test_each_chip_leads_to_the_list_without_it(desk: Any, day: dict[str, str]) -> None:
    page = await (await desk.staff("maria")).get("/queue?centre=nsk&status=new&priority=critical")
    assert "Центр: Новосибирск" in page.words
    assert "Состояние: Новая" in page.words
    assert 'href="/queue?status=new&amp;priority=critical"' in page.body
    assert 'href="/queue?centre=nsk&amp;priority=critical"' in page.body


async def test_a_form_of_the_filter_menu_leads_to_an_address_without_its_empty_fields(desk: Any) -> None:
    page = await (await desk.staff("maria")).get("/queue?status=&centre=nsk&q=&since=&assignee=me")
    assert (page.status, page.leads_to) == (303, "/queue?centre=nsk&assignee=me")


async def test_a_day_that_is_none_is_told_and_does_not_filter(desk: Any, day: dict[str, str]) -> None:
    page = await (await desk.staff("maria")).get("/queue?since=gestern")
    assert "«gestern»" in page.words
    assert len(page.numbers) == 7


async def test_views_tell_how_many_they_hold(desk: Any, day: dict[str, str]) -> None:
    page = await (await desk.staff("maria")).get("/queue?assignee=me")
    views = page.views()
    assert views == {
        "Все открытые": "7", "Мои": "3", "Без исполнителя": "1", "Отложенные": "1", "Новосибирск": "6", "Бердск": "1",
    }  # fmt: skip
    assert '<h1 dir="auto">Мои</h1>' in page.body


async def test_an_empty_list_names_the_filter_to_drop_or_says_that_all_is_done(desk: Any) -> None:
    maria = await desk.staff("maria")
    assert "Открытых заявок нет" in (await maria.get("/queue")).words
    page = await maria.get("/queue?centre=brd&priority=high")
    assert "Ничего не нашлось" in page.words
    assert "Убрать «Приоритет: Высокий»" in page.words


async def test_a_long_list_goes_on_without_losing_or_repeating_any(desk: Any, at: At) -> None:
    for n in range(PAGE + 7):
        # many share a deadline, some have none, some stand still
        values: dict[str, Any] = {"resolve_by": at(15 + n % 3) if n % 5 else None, "respond_by": None}
        if n % 7 == 0:
            values |= {"status": "waiting", "paused_at": at(9)}
        await desk.ticket(f"n{n}", **values)
    maria = await desk.staff("maria")
    for order in ("deadline", "newest", "oldest", "updated", "priority"):
        first = await maria.get(f"/queue?order={order}")
        assert len(first.numbers) == PAGE
        following = first.body.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
        second = await maria.get(following)
        assert len({*first.numbers, *second.numbers}) == PAGE + 7, order
        assert len(second.numbers) == 7, order
        assert 'rel="next"' not in second.body


@pytest.mark.parametrize(
    "after", ["x", "bjE", "kkkkkkkkk", "a" * 300, "bjk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "dDA", "%00"]
)
async def test_a_cursor_somebody_made_up_begins_the_list_anew(desk: Any, day: dict[str, str], after: str) -> None:
    maria = await desk.staff("maria")
    for query in ("", "&status=any", "&status=any&centre=nsk", "&order=newest"):
        page = await maria.get(f"/queue?after={after}{query}")
        assert page.status in (200, 400), (after, query)


async def test_single_rows_and_news_of_the_list_are_fragments(desk: Any, day: dict[str, str]) -> None:
    maria = await desk.staff("maria")
    rows = await maria.get(f"/queue/rows?n={day['late']}&n={day['soon']}&n=NSK-26-999999")
    assert set(rows.numbers) == {day["late"], day["soon"]}
    assert "<html" not in rows.body
    before = quote(desk.clock.now().isoformat())
    assert (await maria.get(f"/queue/fresh?at={before}")).words == ""
    desk.clock.move(minutes=5)
    await desk.mail("Ещё одна")
    await desk.mail("И ещё одна")
    fresh = await maria.get(f"/queue/fresh?at={before}&centre=nsk")
    assert fresh.words == "2 новые — показать"
    assert 'href="/queue?centre=nsk"' in fresh.body
    assert (await maria.get(f"/queue/fresh?at={before}&centre=brd")).words == ""
    assert (await maria.get("/queue/fresh?at=x")).status == 400


async def test_who_is_not_logged_in_sees_nothing(desk: Any, day: dict[str, str]) -> None:
    for path in ("/queue", "/queue/rows?n=NSK-26-000001", "/queue/fresh", "/search?q=x", "/live", "/queue/views/new"):
        page = await desk.stranger().get(path)
        assert page.status in (303, 401), path
        assert day["late"] not in page.body


async def test_an_auditor_sees_the_queue_and_has_nothing_to_tick(desk: Any, day: dict[str, str]) -> None:
    auditor = await desk.staff("auditor", "auditor")
    page = await auditor.get("/queue")
    assert len(page.numbers) == 7
    assert "data-tick" not in page.body
    answer = await auditor.post("/queue/bulk", ("t", await desk.version(day["late"])), action="spam", sure="1")
    assert answer.status == 403
    assert (await desk.row(day["late"]))["status"] == "new"


async def test_the_page_is_english_for_who_reads_english(desk: Any, day: dict[str, str]) -> None:
    maria = await desk.staff("maria", language="en")
    page = await maria.get("/queue")
    assert page.groups == ["Overdue 2", "By the end of the day 2", "Later 2", "Clock stopped: waiting for the author 1"]
    assert "7 tickets, 2 overdue" in page.words
