"""A ticket on a terminal: everything at a glance, within the width, whatever others wrote."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channels.testing import SimulatedRelay
from desk.printout import columns, delivery_text, ticket_text
from storage.ledger import Filter
from tickets.message import Attachment
from tickets.status import Status

ZONE = "Europe/Moscow"


async def a_full_ticket(office: Any, relay: SimulatedRelay) -> str:
    """Two failed tries before the acknowledgement, a comment of each kind, a dead letter and a refusal."""
    number: str = await office.receive(
        "Здравствуйте!\n\nС утра не печатает принтер в приёмной, горит красная лампа.",
        attachments=(Attachment("2", "фото лампы.jpg", "image/jpeg", 482_113, "0" * 64),),
    )
    relay.script(["451 4.7.1 Greylisted, try again later", "421 4.3.0 Busy"], to="irina@romashka.example")
    for _ in range(3):
        await office.deliver(relay)
        office.clock.move(seconds=35)
    await office.ticketing.status(number, Status.IN_PROGRESS, "anna")
    await office.deliver(relay)
    await office.ticketing.comment(number, "Опять третий этаж, картридж есть", "anna", public=False)
    office.clock.move(minutes=20)
    await office.ticketing.comment(number, "Заменили узел закрепления. Проверьте, пожалуйста.", "anna", public=True)
    relay.script(["550 5.2.2 Mailbox full"], to="irina@romashka.example")
    await office.deliver(relay)
    return number


async def test_a_ticket_in_russian(office: Any, relay: SimulatedRelay) -> None:
    view = await office.ticket(await a_full_ticket(office, relay))
    text = ticket_text(view, "ru", ZONE).replace("\u00a0", " ")
    for piece in (
        "OTK-26-000001  Принтер",
        "В работе · обычный",
        "Ирина Власова · irina@romashka.example",
        "ООО «Ромашка»",
        "23 ноября, 10:00, почта · время московское",
        "Переписка",
        "файл фото лампы.jpg · 482 КБ",
        "✎ Анна Соколова · служба поддержки · внутренний комментарий",
        "Почему так",
        "почтовый домен romashka.example записан за заказчиком ООО «Ромашка»",
        "Оповещения",
        "Приняли заявку → автору: Ирина Власова",
        "451 4.7.1   сервер просит подождать",
        "ящик переполнен",
        "итог: приёмник отказал насовсем",
        "История",
        "Новая → В работе · anna",
    ):
        assert piece in text, piece


async def test_a_ticket_in_english(office: Any, relay: SimulatedRelay) -> None:
    view = await office.ticket(await a_full_ticket(office, relay), "en")
    text = ticket_text(view, "en", ZONE).replace("\u00a0", " ")
    for piece in ("Why so", "In progress · normal", "the server asks to wait", "internal comment", "Moscow time"):
        assert piece in text
    ours = text.partition("Why so")[0].partition("Conversation")[0]
    assert "Приоритет" not in ours


@pytest.mark.parametrize("width", [60, 80, 100, 140])
async def test_no_line_is_wider_than_the_terminal(office: Any, relay: SimulatedRelay, width: int) -> None:
    view = await office.ticket(await a_full_ticket(office, relay))
    for line in ticket_text(view, "ru", ZONE, width).splitlines():
        assert columns(line) <= width, line


async def test_colour_only_repeats_the_words(office: Any, relay: SimulatedRelay) -> None:
    view = await office.ticket(await a_full_ticket(office, relay))
    coloured = ticket_text(view, "ru", ZONE, colour=True)
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == ticket_text(view, "ru", ZONE)


async def test_deadlines_that_are_over_say_so(office: Any) -> None:
    number = await office.receive()
    view = await office.ticket(number)
    at = office.clock.now()
    assert "просрочено" not in ticket_text(view, "ru", ZONE, now=at)
    assert ticket_text(view, "ru", ZONE, now=at + timedelta(days=30)).count("просрочено") == 2
    await office.ticketing.status(number, Status.WAITING, "anna", "Какая модель?")
    assert "часы стоят" in ticket_text(await office.ticket(number), "ru", ZONE, now=at + timedelta(days=30))


async def test_a_delivery_by_itself(office: Any, relay: SimulatedRelay) -> None:
    number = await a_full_ticket(office, relay)
    items, _ = await office.ledger.listing(Filter(dead=True), "ru")
    text = delivery_text(await office.ledger.show(UUID(items[0]["id"]), "ru"), "ru", ZONE).replace("\u00a0", " ")
    for piece in (number, "Ответ → автору", items[0]["id"], "не доставлено", "ящик переполнен", "Текст", "Заменили"):
        assert piece in text
    waiting = await office.receive()
    items, _ = await office.ledger.listing(Filter(), "ru", ticket=waiting)
    text = delivery_text(await office.ledger.show(UUID(items[0]["id"]), "ru"), "ru", ZONE)
    assert "текста ещё нет" in text


HOSTILE = st.text(st.characters(codec="utf-8"), max_size=300)


async def test_what_others_write_cannot_move_the_cursor(office: Any, relay: SimulatedRelay) -> None:
    view = await office.ticket(await a_full_ticket(office, relay))

    @given(HOSTILE, HOSTILE)
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    def holds(one: str, other: str) -> None:
        evil = view | {"subject": one, "contact": view["contact"] | {"name": other}}
        evil["messages"] = [
            m | {"text": one, "reply_text": "", "from": {"kind": "email", "value": other, "name": one}}
            for m in view["messages"]
        ]
        evil["notifications"] = [n | {"to": {"person": one, "role": "author"}} for n in view["notifications"]]
        text = ticket_text(evil, "ru", ZONE)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
        assert all(columns(line) <= 100 for line in text.split("\n"))

    holds()


async def test_long_messages_are_cut(office: Any) -> None:
    number = await office.receive("\n".join(f"строка {n}" for n in range(1, 201)))
    text = ticket_text(await office.ticket(number), "ru", ZONE)
    assert "строка 40" in text
    assert "строка 41" not in text
    assert "… ещё строк: 160" in text
