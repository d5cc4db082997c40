"""Search: what is typed finds what people wrote, in any form; the index is filled behind intake's back."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from desk.search import parse
from desk.search_index import BUSY, LOG, PATIENCE, SearchDuty, SearchIndex, entry_of
from desk.triage import tag
from storage import event_log, search
from storage.search import Term
from storage.tables import attachments, messages, tickets
from storage.tables_console import search_entries


@pytest.fixture
async def shelf(desk: Any) -> dict[str, str]:
    """Four tickets of different people."""
    numbers = {
        "till": await desk.mail("Касса №5 не печатает чек, ошибка E-17", "Перезапустили. Ещё раз: не помогло."),
        "scales": await desk.mail(
            "Подключить весы",
            "Зовите по телефону 8 (913) 200-10-20. Жду звонка",
            sender="timur@gastro.example",
            name="Тимур",
        ),
        "printer": await desk.mail("Printer is broken", "The printers do not print anything"),
        "yolka": await desk.mail("Приём платежей", "Заём не проходит, объём файла 5 МБ"),
    }
    await desk.index()
    return numbers


FOUND: list[tuple[str, list[str]]] = [
    ("касса", ["till"]),
    ("КАССЫ", ["till"]),
    ("кассой чека", ["till"]),
    ("чек касса", ["till"]),
    ('"не печатает"', ["till"]),
    ('"печатает не"', []),
    ("«ещё раз»", ["till"]),
    ("еще раз", ["till"]),
    # a phrase does not run from the subject into the text
    ('"17 перезапустили"', []),
    ("E-17", ["till"]),
    ("е17", []),
    ("ошиб*", ["till"]),
    ("пер*", ["till"]),
    ("заем", ["yolka"]),
    ("прием платежа", ["yolka"]),
    ("print", ["printer"]),
    ("printing broken", ["printer"]),
    ("не", ["yolka", "till"]),
    ("не -касса", ["yolka"]),
    ("-касса", []),
    ("timur@gastro.example", ["scales"]),
    ("TIMUR@Gastro.Example", ["scales"]),
    ("@gastro.example", ["scales"]),
    ("@romashka.example", ["yolka", "printer", "till"]),
    ("+7 913 200-10-20", ["scales"]),
    ("89132001020", ["scales"]),
    ("913 2001020", ["scales"]),
    ("200-10-20", ["scales"]),
    ("200-10-21", []),
    ("тимур весы", ["scales"]),
    ("гастроном", ["scales"]),
    ("ромашка чек", ["till"]),
    ("небывалое", []),
    ("***", []),
    ('"', []),
    ('" OR 1', []),
    ("'); DROP TABLE tickets; --", []),
    ("NEAR(a b)", []),
    ("words : касса", []),
    ("& | ! <-> :*", []),
    ("\\", []),
]


@pytest.mark.parametrize("typed, found", FOUND, ids=[typed for typed, _ in FOUND])
async def test_what_is_typed_finds(desk: Any, shelf: dict[str, str], typed: str, found: list[str]) -> None:
    page = await (await desk.staff("maria")).get(f"/queue?status=any&q={quote(typed)}")
    assert page.status == 200
    assert page.numbers == [shelf[name] for name in found]


async def test_the_field_of_the_frame_looks_among_all_and_leads_to_a_ticket_by_its_number(
    desk: Any, shelf: dict[str, str]
) -> None:
    maria = await desk.staff("maria")
    for typed, to in [
        ("касса", "/queue?status=any&q=" + quote("касса")),
        (shelf["till"].lower(), f"/tickets/{shelf['till']}"),
        ("NSK-26-009999", "/queue?status=any&q=NSK-26-009999"),
        ("  ", "/queue"),
    ]:
        page = await maria.get(f"/search?q={quote(typed)}")
        assert (page.status, page.leads_to) == (303, to)


async def test_digits_find_the_ticket_and_texts_with_them(desk: Any, shelf: dict[str, str]) -> None:
    other = await desk.mail("Про заявку 1", "см. 1")
    await desk.index()
    page = await (await desk.staff("maria")).get("/queue?status=any&q=1")
    assert page.numbers == [shelf["till"], other]
    assert page.groups == ["Заявка с этим номером 1", "Ещё найдено 1"]
    assert (await (await desk.staff("denis")).get("/queue?status=any&q=№1")).numbers[0] == shelf["till"]


async def test_words_and_filters_hold_together(desk: Any, shelf: dict[str, str]) -> None:
    maria = await desk.staff("maria")
    closed = await desk.ticket("Касса закрыта", status="closed", closed_at=desk.clock.now())
    await desk.index()
    assert (await maria.get("/queue?q=касса&status=any")).numbers == [closed, shelf["till"]]
    assert (await maria.get("/queue?q=касса")).numbers == [shelf["till"]]
    assert (await maria.get("/queue?q=касса&status=closed")).numbers == [closed]
    assert (await maria.get("/queue?q=касса&status=any&customer=gastro")).numbers == []
    assert (await maria.get("/queue?q=не&status=any&customer=romashka")).numbers == [shelf["yolka"], shelf["till"]]


async def test_what_was_found_is_marked_and_nothing_in_it_becomes_markup(desk: Any) -> None:
    said = "Раньше <b>касса</b> работала & <img src=x onerror=alert(1)> кассы стоят"
    number = await desk.mail("Тема", said + " хвост" * 80)
    await desk.index()
    row = (await (await desk.staff("maria")).get("/queue?status=any&q=кассой")).row(number)
    assert "<mark>касса</mark>" in row.body
    assert "<mark>кассы</mark>" in row.body
    assert "&lt;b&gt;" in row.body
    assert "<img" not in row.body
    assert row.words.count("хвост") < 30


@pytest.mark.parametrize("typed, marked", [("кассой", "касса"), ("1", "1")])
async def test_a_row_drawn_anew_shows_what_was_looked_for_as_before(desk: Any, typed: str, marked: str) -> None:
    number = await desk.mail("Тема", "Опять не печатает касса 1")
    await desk.index()
    maria = await desk.staff("maria")
    page = await maria.get(f"/queue?status=any&q={quote(typed)}")
    again = re.search(r'data-rows="([^"]+)"', page.body)
    assert again
    row = (await maria.get(f"{unescape(again[1])}&n={number}")).row(number)
    assert f"<mark>{marked}</mark>" in row.body
    assert row.words == page.row(number).words
    other = re.search(r'data-rows="([^"]+)"', (await maria.get("/queue")).body)
    assert other
    assert "<mark>" not in (await maria.get(f"{unescape(other[1])}&n={number}")).row(number).body


async def test_everything_said_on_a_ticket_finds_it(desk: Any) -> None:
    number = await desk.mail("Первое", "начало")
    row = await desk.row(number)
    await desk.program.change.comment(number, "Мастер выезжает", "maria", public=True)
    await desk.program.change.comment(number, "Внутри: пароль от сейфа сменить", "maria", public=False)

    def put(connection: Any) -> None:
        key = connection.execute(select(messages.c.id).where(messages.c.ticket_id == row["id"]).limit(1)).scalar_one()
        connection.execute(
            attachments.insert(),
            {
                "id": UUID(int=7), "message_id": key, "part": "1", "name": "накладная-2026.pdf", "size": 1,
                "content_type": "application/pdf", "sha256": "", "inline": False, "content_id": "",
            },
        )  # fmt: skip
        tag(_changes(desk, connection), number, "Гарантия", _actor())

    await desk.program.opened.write(put)
    await desk.index()
    maria = await desk.staff("maria")
    for typed in ("выезжает", "сейф", "накладная", "гарантия", "ирина петрова", number.rpartition("-")[2]):
        assert (await maria.get(f"/queue?status=any&q={quote(typed)}")).numbers == [number], typed
    assert (await maria.get("/queue?status=any&tag=гарантия")).numbers == [number]


def _changes(desk: Any, connection: Any) -> Any:
    from desk.change import Changes

    return Changes(connection, desk.program.site, desk.clock.now())


def _actor() -> Any:
    from desk.change import Actor

    return Actor("staff:maria", "Мария Соколова")


# ---- the duty that fills it ---------------------------------------------------------------------------------------


async def test_tickets_from_before_the_index_are_walked_through_and_the_page_says_so(desk: Any) -> None:
    numbers = [await desk.mail(f"Касса {n}") for n in range(3)]
    maria = await desk.staff("maria")
    page = await maria.get("/queue?status=any&q=касса")
    assert page.numbers == []
    assert "Слова старых заявок ещё собираются" in page.words
    await desk.index()
    page = await maria.get("/queue?status=any&q=касса")
    assert page.numbers == numbers[::-1]
    assert "ещё собираются" not in page.words


async def test_after_a_crash_it_goes_on_where_it_was_and_loses_nothing(desk: Any) -> None:
    await desk.index()
    first = await desk.mail("Касса один")
    duty = await desk.index()
    # it dies after gathering and before its place is kept: the place is where it was
    place = await desk.program.opened.read(lambda c: event_log.place(c, LOG))
    second = await desk.mail("Касса два")
    await duty.look()
    now = desk.clock.now()
    await desk.program.opened.write(lambda c: event_log.keep_place(c, LOG, place, now))
    third = await desk.mail("Касса три")
    await desk.index()
    maria = await desk.staff("maria")
    assert (await maria.get("/queue?status=any&q=касса")).numbers == [third, second, first]
    assert await _entries(desk) == 3


async def test_events_that_become_visible_late_are_not_missed(desk: Any) -> None:
    duty = await desk.index()
    numbers = [await desk.mail(f"Касса {n}") for n in range(2)]
    early = await desk.row(numbers[0])
    # as if the first one's commit had taken longer: its events are not there when the second one's are read
    from storage.tables import events

    def hide(connection: Any) -> list[dict[str, Any]]:
        query = select(events).where(events.c.ticket_id == early["id"])
        rows = [dict(row) for row in connection.execute(query).mappings()]
        connection.execute(events.delete().where(events.c.ticket_id == early["id"]))
        return rows

    hidden = await desk.program.opened.write(hide)
    await duty.look()
    assert await _entries(desk) == 1
    await desk.program.opened.write(lambda c: c.execute(events.insert(), hidden) and None)
    await duty.look()
    assert await _entries(desk) == 2


async def test_an_older_gathering_does_not_take_the_place_of_a_newer_one(desk: Any) -> None:
    number = await desk.mail("Касса")
    await desk.index()
    key = (await desk.row(number))["id"]
    stale = await desk.program.opened.read(lambda c: search.gather(c, [key]))
    await desk.program.change.comment(number, "Весы тоже", "maria", public=True)
    await desk.index()
    await desk.program.opened.write(lambda c: search.put(c, [entry_of(stale[0])]))
    found = await desk.program.opened.read(lambda c: search.candidates(c, parse("весы").terms, below=None))
    assert [ticket for _, ticket in found] == [key]


async def test_two_tickets_of_the_same_place_in_time_are_both_kept(desk: Any) -> None:
    numbers = [await desk.mail(f"Касса {n}") for n in range(2)]
    ids = [(await desk.row(number))["id"] for number in numbers]
    # all bits that make a position are equal
    twin = UUID(int=(ids[0].int >> 59 << 59) | 5)

    def same_place(connection: Any) -> None:
        connection.execute(update(messages).where(messages.c.ticket_id == ids[1]).values(ticket_id=twin))
        connection.execute(update(tickets).where(tickets.c.id == ids[1]).values(id=twin))

    await desk.program.opened.write(same_place)
    assert search.position_of(twin) == search.position_of(ids[0])
    index = SearchIndex(desk.program.opened, desk.clock)
    for _ in range(2):
        await index.put([twin, ids[0]])
        await index.put([ids[0], twin])
    found = await desk.program.opened.read(lambda c: search.candidates(c, parse("касса").terms, below=None))
    assert {key for _, key in found} == {twin, ids[0]}
    assert await _entries(desk) == 2


async def test_while_mail_pours_in_it_holds_back_and_then_catches_up(desk: Any) -> None:
    duty = await desk.index()
    reading = 0
    for _ in range(3):
        for n in range(BUSY // 2 + 1):
            await desk.mail(f"Поток {n}")
        before = await _entries(desk)
        await duty.look()
        reading += (await _entries(desk)) - before
    assert reading == 0
    # calm again: the next look takes them up
    await duty.look()
    await desk.index()
    assert await _entries(desk) == 3 * (BUSY // 2 + 1)
    assert PATIENCE < 60, "it does not hold back for more than a minute"


async def test_what_was_forgotten_is_found_by_comparison(desk: Any) -> None:
    number = await desk.mail("Касса")
    await desk.index()
    # a change whose event nobody saw
    await desk.program.opened.write(
        lambda c: (
            c.execute(update(tickets).where(tickets.c.number == number).values(version=9, subject="Весы")) and None
        )
    )
    forgotten = await desk.program.opened.read(lambda c: search.outdated(c, UUID(int=0), 10))
    assert forgotten == [(await desk.row(number))["id"]]
    duty = SearchDuty(SearchIndex(desk.program.opened, desk.clock), desk.program.opened, desk.clock, "test")
    for _ in range(61):
        await duty.look()
    found = await desk.program.opened.read(lambda c: search.candidates(c, parse("весы").terms, below=None))
    assert len(found) == 1


async def test_a_frequent_word_and_a_rare_one_are_found_on_any_page(desk: Any) -> None:
    keys = [UUID(int=(n << 80) | (7 << 76) | (2 << 62)) for n in range(1, 2401)]
    entries = [
        {"ticket_id": key, "version": 1, "words": "касс весы" if n % 400 == 5 else "касс"}
        for n, key in enumerate(keys, start=1)
    ]
    for start in range(0, len(entries), 200):
        await desk.program.opened.write(lambda c, start=start: search.put(c, entries[start : start + 200]))

    def ask(connection: Any) -> tuple[list[int], list[int]]:
        often = Term((("касс",),))
        rare = Term((("весы",),))
        found: list[int] = []
        below = None
        while some := search.candidates(connection, [often], below=below, most=700):
            found += [place for place, _ in some]
            below = found[-1]
        return found, [place for place, _ in search.candidates(connection, [rare, often], below=None)]

    found, rare = await desk.program.opened.read(ask)
    assert found == sorted((search.position_of(entry["ticket_id"]) for entry in entries), reverse=True)
    assert len(rare) == 6
    assert rare == sorted(rare, reverse=True)


async def _entries(desk: Any) -> int:
    query = select(func.count()).select_from(search_entries)
    return int(await desk.program.opened.read(lambda c: c.execute(query).scalar_one()))
