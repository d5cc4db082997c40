"""The author's page as a dialogue: what it says in every state, and what each button does."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tickets.status import Status

CLOSING = re.compile(r"закроем заявку в[о]? [а-яё]+, (\d+ [а-яё]+), в (\d\d:\d\d)")


def panel(page: Any) -> str:
    return page.one("section.panel")


class TestStates:
    async def test_new(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        page = await browser.get(desk.link(ticket))
        assert page.status == 200
        assert page.one("h1") == "Касса № 5 не печатает чек"
        assert f"Заявка {ticket['number']} от 20 ноября" in page.text
        assert [li.text(strip=True) for li in page.tree.css("ol.steps .step-words")] == [
            "Приняли", "Работаем", "Проверите вы", "Закроем",
        ]  # fmt: skip
        assert page.one("ol.steps li[aria-current=step] .step-words") == "Приняли"
        assert "Приняли, скоро ответим" in panel(page)
        assert "От вас сейчас ничего не нужно" in panel(page)
        assert "Время новосибирское" in panel(page)

    async def test_in_progress_with_its_deadline_in_words(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.IN_PROGRESS)
        page = await browser.get(desk.link(ticket))
        assert "Работаем над вашей заявкой" in panel(page)
        assert re.search(r"Сделаем до: .*\d\d:\d\d\. Дальше попросим вас проверить", panel(page))
        assert page.one("ol.steps li[aria-current=step]").startswith("Работаем с 12:40")

    async def test_a_missed_promise_is_owned_up_to(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.IN_PROGRESS)
        desk.clock.move(days=30)
        assert "и не успели. Работаем дальше" in panel(await browser.get(desk.link(ticket)))

    async def test_waiting_holds_the_question_and_the_field(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.WAITING, "Какая модель кассы?")
        page = await browser.get(desk.link(ticket))
        assert "Нужен ваш ответ Какая модель кассы?" in panel(page)
        assert len(page.tree.css("section.panel textarea[name=text]")) == 1
        assert len(page.tree.css("textarea[name=text]")) == 1
        answered = await browser.press(page, "/reply", {"text": "Модель 5"})
        assert "Работаем над вашей заявкой" in panel(answered)
        assert (await desk.row(ticket["number"]))["status"] == "in_progress"

    async def test_resolved_asks_and_says_what_silence_means(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        desk.clock.move(hours=3)
        await desk.status(ticket["number"], Status.RESOLVED, "Заменили отрезчик.")
        page = await browser.get(desk.link(ticket))
        assert "Починили. Проверьте, пожалуйста, всё ли работает Заменили отрезчик." in panel(page)
        closing = CLOSING.search(panel(page))
        assert closing is not None
        assert closing.groups() == ("25 ноября", "18:00"), "five days of a calendar that knows no weekend"
        assert "ещё 14 дней" in panel(page)
        assert page.one("ol.steps li[aria-current=step]") == "Проверяете вы до 25 ноября"

    async def test_rejected_says_why(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.REJECTED, "Этой кассой занимается её изготовитель.")
        page = await browser.get(desk.link(ticket))
        assert "Не возьмём эту заявку Этой кассой занимается её изготовитель." in panel(page)
        assert page.form("/reply") is not None

    async def test_closed_can_be_rated_and_opened_until_a_date(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        for status in (Status.RESOLVED, Status.CLOSED):
            await desk.status(ticket["number"], status)
        page = await browser.get(desk.link(ticket))
        assert "Не позже: 4 декабря, 12:40, время новосибирское" in panel(page)
        assert page.form("/reply") is None
        desk.clock.move(days=15)
        late = await browser.get(desk.link(ticket))
        assert late.form("/reopen") is None
        assert "открыть эту заявку уже нельзя" in panel(late)

    @pytest.mark.parametrize("language, words", [("en", "We have it and will answer soon"), ("ru", "скоро ответим")])
    async def test_both_languages(self, desk: Any, browser: Any, language: str, words: str) -> None:
        ticket = await desk.ticket()
        page = await browser.get(desk.link(ticket), **{"Accept-Language": language})
        assert words in panel(page)
        assert f'<html lang="{language}"' in page.html


class TestWhatIsShown:
    async def test_public_messages_and_nothing_internal(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.comment(ticket["number"], "Секрет: у них истёк договор", public=False)
        await desk.comment(ticket["number"], "Выезжаем <b>сегодня</b> {{ 7*7 }}", public=True)
        page = await browser.get(desk.link(ticket))
        assert "Секрет" not in page.html
        assert "p.lebedev" not in page.html
        assert "Выезжаем <b>сегодня</b> {{ 7*7 }}" in page.text
        assert "Вы в письме" in page.text

    async def test_what_we_sent_without_codes_and_whole_addresses(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.comment(ticket["number"], "Выезжаем", public=True)
        page = await browser.get(desk.link(ticket))
        sent = page.one("section.sent")
        assert "Приняли заявку" in sent
        assert "Наш ответ" in sent
        assert "отправляем" in sent
        assert "i•••@sibtrans.example" in sent
        assert "irina@" not in page.html

    async def test_older_messages_are_folded(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        for n in range(5):
            await desk.comment(ticket["number"], f"Новость {n}", public=True)
        page = await browser.get(desk.link(ticket))
        assert "Показать ещё 3 сообщения, с 12:40" in page.one("details.earlier > summary")
        assert len(page.tree.css("article.message")) == 6

    async def test_hostile_words_stay_words(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket(subject="<script>alert(1)</script>", text='"><img src=x onerror=alert(1)>')
        page = await browser.get(desk.link(ticket))
        assert page.one("h1") == "<script>alert(1)</script>"
        assert not page.tree.css("img, script:not([src])")

    async def test_news_while_the_page_is_open(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        link = desk.link(ticket)
        page = await browser.get(link)
        news = page.tree.css("[hx-get]")[0].attributes["hx-get"]
        assert (await browser.get(news)).status == 204
        await desk.comment(ticket["number"], "Выезжаем", public=True)
        told = await browser.get(news)
        assert told.status == 200
        assert "По заявке есть новости" in told.text


class TestConfirming:
    async def test_yes_it_works(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.RESOLVED)
        done = await browser.press(await browser.get(desk.link(ticket)), "/confirm")
        assert "Спасибо, закрыли заявку" in panel(done)
        assert (await desk.row(ticket["number"]))["status"] == "closed"
        assert (await desk.history(ticket["number"]))[-2:] == [
            ("author", "confirmed", None, None),
            ("author", "status", "resolved", "closed"),
        ]
        assert ("closed", "author", "irina@sibtrans.example", "own_action") in await desk.told(ticket["number"])

    async def test_no_still_broken(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.RESOLVED)
        back = await browser.press(await browser.get(desk.link(ticket)), "/object")
        assert "Вернули в работу. Что осталось не так?" in back.text
        assert back.form("/reply") is not None
        assert (await desk.row(ticket["number"]))["status"] == "in_progress"
        assert (await desk.history(ticket["number"]))[-2:] == [
            ("author", "reopened", None, None),
            ("author", "status", "resolved", "in_progress"),
        ]
        assert [t[:2] for t in await desk.told(ticket["number"])][-1][0] == "reopened", "staff hear of it"

    async def test_a_press_that_comes_too_late_changes_nothing(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.RESOLVED)
        page = await browser.get(desk.link(ticket))
        await desk.status(ticket["number"], Status.IN_PROGRESS)
        before = await desk.history(ticket["number"])
        answer = await browser.press(page, "/confirm")
        assert "Заявка уже изменилась" in answer.text
        assert await desk.history(ticket["number"]) == before

    async def test_the_same_press_twice_is_one(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.RESOLVED)
        page = await browser.get(desk.link(ticket))
        await browser.press(page, "/confirm")
        once = await desk.history(ticket["number"])
        assert (await browser.press(page, "/confirm")).status == 200
        assert await desk.history(ticket["number"]) == once

    async def test_rating_the_last_word_counts(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.RESOLVED)
        closed = await browser.press(await browser.get(desk.link(ticket)), "/confirm")
        assert "Выберите оценку" in (await browser.press(closed, "/rate", {"score": "9"})).text
        rated = await browser.press(closed, "/rate", {"score": "5", "comment": "Быстро"})
        assert "Ваша оценка: 5 из 5" in panel(rated)
        await browser.press(closed, "/rate", {"score": "2", "comment": "Снова сломалось"})
        (row,) = await desk.rows("ratings")
        assert (row["score"], row["comment"]) == (2, "Снова сломалось")
        assert [e for e in await desk.history(ticket["number"]) if e[1] == "rated"] == [
            ("author", "rated", None, "5"),
            ("author", "rated", "5", "2"),
        ]

    async def test_opening_again(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        for status in (Status.RESOLVED, Status.CLOSED):
            await desk.status(ticket["number"], status)
        page = await browser.get(desk.link(ticket))
        assert "Открыли снова" in (await browser.press(page, "/reopen")).text
        assert (await desk.row(ticket["number"]))["status"] == "in_progress"

    async def test_not_for_ever(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        for status in (Status.RESOLVED, Status.CLOSED):
            await desk.status(ticket["number"], status)
        page = await browser.get(desk.link(ticket))
        desk.clock.move(days=14, seconds=1)
        assert "Заявка уже изменилась" in (await browser.press(page, "/reopen")).text
        assert (await desk.row(ticket["number"]))["status"] == "closed"

    @pytest.mark.parametrize("status", [Status.NEW, Status.IN_PROGRESS, Status.WAITING])
    async def test_withdrawing(self, desk: Any, browser: Any, status: Status) -> None:
        ticket = await desk.ticket()
        if status is not Status.NEW:
            await desk.status(ticket["number"], status, "Что за касса?")
        page = await browser.get(desk.link(ticket))
        assert "Отозвать заявку? Работу остановим, переписка останется." in page.text
        gone = await browser.press(page, "/withdraw")
        assert "Вы отозвали заявку" in panel(gone)
        assert (await desk.history(ticket["number"]))[-3:] == [
            ("author", "withdrawn", None, None),
            ("author", "status", status.value, "rejected"),
            ("author", "status", "rejected", "closed"),
        ]
        assert "withdrawn" in {t[0] for t in await desk.told(ticket["number"])}


class TestClosingBySilence:
    async def test_the_clock_closes_when_it_was_said_and_not_before(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.RESOLVED)
        due = (await desk.row(ticket["number"]))["alarm_at"]
        desk.clock.at = due
        desk.clock.move(seconds=-1)
        await desk.clock_round()
        assert (await desk.row(ticket["number"]))["status"] == "resolved"
        desk.clock.move(seconds=1)
        await desk.clock_round()
        assert (await desk.row(ticket["number"]))["status"] == "closed"
        assert (await desk.history(ticket["number"]))[-1] == ("clock", "status", "resolved", "closed")
        assert ("closed", "author", "irina@sibtrans.example", "queued") in await desk.told(ticket["number"])

    async def test_not_when_the_author_objected(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.RESOLVED)
        await browser.press(await browser.get(desk.link(ticket)), "/object")
        desk.clock.move(days=60)
        await desk.clock_round()
        assert (await desk.row(ticket["number"]))["status"] == "in_progress"

    async def test_not_when_the_author_wrote(self, desk: Any, browser: Any) -> None:
        ticket = await desk.ticket()
        await desk.status(ticket["number"], Status.RESOLVED)
        await browser.press(await browser.get(desk.link(ticket)), "/reply", {"text": "Не работает"})
        desk.clock.move(days=60)
        await desk.clock_round()
        assert (await desk.row(ticket["number"]))["status"] == "in_progress"


class TestMerged:
    async def test_a_ticket_that_goes_on_as_another_is_not_opened_again_but_can_be_written_to(
        self, desk: Any, browser: Any
    ) -> None:
        first, second = await desk.ticket(), await desk.ticket(subject="Касса № 5, второе письмо")
        before = await browser.get(desk.link(second))
        await desk.merge(second["number"], first["number"])
        page = await browser.get(desk.link(second))
        assert "Продолжаем работать по другой заявке" in panel(page)
        assert [page.form(f"/{verb}") for verb in ("reopen", "rate", "withdraw")] == [None, None, None]
        told = await desk.told(second["number"])
        for verb in ("reopen", "object", "withdraw", "confirm"):
            address = f"{desk.link(second)}/{verb}"
            assert (await browser.post(address, before.hidden("/reply"))).status < 400
        assert (await desk.row(second["number"]))["status"] == "closed"
        assert await desk.told(second["number"]) == told, "nobody is sent to a ticket on which nothing can be done"
        await browser.press(page, "/reply", {"text": "Всё ещё не печатает"})
        assert [m["reply_text"] for m in await desk.rows("messages") if m["ticket_id"] == first["id"]][1:] == [
            "Всё ещё не печатает"
        ]
        shown = await browser.get(desk.link(second))
        assert "Всё ещё не печатает" in shown.text, "what was filed there is the author's own word"
        await desk.comment(first["number"], "Едем к вам", public=True)
        await desk.comment(first["number"], "Опять этот кабель", public=False)
        shown = await browser.get(desk.link(second))
        assert "Едем к вам" in shown.text
        assert "Опять этот кабель" not in shown.text

    async def test_and_strangers_words_stay_on_the_other(self, desk: Any, browser: Any) -> None:
        first = await desk.ticket("oleg@globex.example", "Касса стоит", text="Тайна Олега")
        second = await desk.ticket(subject="Касса № 5, второе письмо")
        await desk.merge(second["number"], first["number"])
        page = await browser.get(desk.link(second))
        await browser.press(page, "/reply", {"text": "Всё ещё не печатает"})
        shown = await browser.get(desk.link(second))
        assert "Всё ещё не печатает" in shown.text
        assert "Тайна Олега" not in shown.text

    async def test_nobody_rates_what_goes_on_elsewhere(self, desk: Any, browser: Any) -> None:
        first, second = await desk.ticket(), await desk.ticket(subject="Касса № 5, второе письмо")
        before = await browser.get(desk.link(second))
        await desk.merge(second["number"], first["number"])
        fields = before.hidden("/reply") | {"score": "5", "comment": "Быстро"}
        await browser.post(f"{desk.link(second)}/rate", fields)
        assert await desk.rows("ratings") == []
