"""The page of a ticket: what it shows, to whom, and what the log knows of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from storage.bulk import insert_rows
from storage.tables_mail import delivery_reports


async def test_a_page_shows_what_is_known_of_a_ticket(console: Any) -> None:
    accepted = await console.mail("Добрый день!\nПринтер не печатает", subject="Принтер <b>5</b>")
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}")
    assert page.status == 200
    for words in (accepted.number, "Принтер <b>5</b>", "Ирина Петрова", "irina@sibtrans.example", "Новая", "Почему так",
                  "Оповещения", "История", "Ответить письмом", "Принтер не печатает"):  # fmt: skip
        assert words in page.text, words
    assert "<b>5</b>" not in page.html, "what others wrote is text"


async def test_nobody_sees_it_without_login_and_seeing_is_logged(console: Any) -> None:
    accepted = await console.mail()
    stranger = await console.browser()
    stranger.cookies.clear()
    page = await stranger.get(f"/tickets/{accepted.number}")
    assert (page.status, page.leads_to[:7]) == (303, "/login?")
    browser = await console.browser("k.orlov")
    await browser.get(f"/tickets/{accepted.number.lower()}")
    (entry,) = await console.logged(action="ticket.viewed")
    assert (entry["who"], entry["object"]) == ("staff:k.orlov", accepted.number)


async def test_a_missing_ticket_is_a_missing_page(console: Any) -> None:
    browser = await console.browser()
    for path in ("/tickets/OTK-26-999999", "/tickets/x", "/tickets/OTK-26-999999/messages/1/raw"):
        assert (await browser.get(path)).status == 404, path


@pytest.mark.parametrize("role, sees, writes", [("agent", True, True), ("lead", True, True), ("auditor", False, False)])
async def test_what_a_role_sees_and_may(console: Any, role: str, sees: bool, writes: bool) -> None:
    accepted = await console.mail()
    browser = await console.browser("x.y", role)
    page = await browser.get(f"/tickets/{accepted.number}")
    assert page.status == 200
    assert ("irina@sibtrans.example" in page.text) is sees
    assert ("i•••@sibtrans.example" in page.text) is not sees
    assert ('id="composer"' in page.html) is writes
    view = await console.ticket(accepted.number)
    raw = await browser.get(f"/tickets/{accepted.number}/messages/{view['messages'][0]['id']}/raw")
    assert raw.status == (200 if sees else 403)
    if not writes:
        answer = await browser.post(f"/tickets/{accepted.number}/status", at="/account", status="in_progress")
        assert answer.status == 403
        assert (await console.ticket(accepted.number))["status"] == "new"


async def test_a_stale_page_changes_nothing_and_says_what_changed(console: Any) -> None:
    accepted = await console.mail()
    here = f"/tickets/{accepted.number}"
    anna, boris = await console.browser("a.lebedeva", name="Анна Лебедева"), await console.browser("b.volkov")
    page = await boris.get(here)
    stale = {"csrf": page.field("csrf"), "seen": page.field("seen")}
    assert (await anna.post(f"{here}/status", at=here, status="in_progress")).status == 303
    refused = await boris.ask("POST", f"{here}/status", data={**stale, "status": "resolved"})
    assert refused.status == 409
    assert "заявку изменили" in refused.text
    assert "«В работе»" in refused.text
    assert (await console.ticket(accepted.number))["status"] == "in_progress"
    again = await boris.ask(
        "POST", f"{here}/status", data={**stale, "seen": refused.field("seen"), "status": "resolved"}
    )
    assert again.status == 303


async def test_a_second_window_of_the_same_person_may_be_stale_too(console: Any) -> None:
    accepted = await console.mail()
    here = f"/tickets/{accepted.number}"
    anna = await console.browser(name="Анна Лебедева")
    second = await anna.get(here)
    stale = {"csrf": second.field("csrf"), "seen": second.field("seen")}
    assert (await anna.post(f"{here}/status", at=here, status="in_progress")).status == 303
    refused = await anna.ask("POST", f"{here}/status", data={**stale, "status": "rejected", "comment": "Не наше"})
    assert (refused.status, "заявку изменили" in refused.text) == (409, True)
    assert (await console.ticket(accepted.number))["status"] == "in_progress"
    other = await anna.ask("POST", f"{here}/classify", data={**stale, "category": "принтеры"})
    assert other.status == 303, "the status is not what this form touches"
    category = await anna.ask("POST", f"{here}/classify", data={**stale, "category": "кассы"})
    assert category.status == 409
    assert (await anna.ask("POST", f"{here}/classify", data={**stale, "impact": "high"})).status == 303
    assert (await anna.ask("POST", f"{here}/classify", data={**stale, "urgency": "high"})).status == 409
    assert (await anna.ask("POST", f"{here}/assign", data={**stale, "group": "l2"})).status in (303, 422)


async def test_an_answer_of_ones_own_from_another_window_is_shown_before_the_next(console: Any) -> None:
    accepted = await console.mail()
    anna = await console.browser(name="Анна Лебедева")
    second = await anna.get(f"/tickets/{accepted.number}?mode=reply")
    assert (await anna.answer(accepted.number, "Мастер выехал")).status == 303
    where = f"/tickets/{accepted.number}/messages"
    overtaken = await anna.send(where, second, mode="reply", text="Выезжаем")
    assert overtaken.status == 409
    assert "Мастер выехал" in overtaken.text
    assert overtaken.text.count("Выезжаем") >= 1, "what was typed is there"
    assert (await anna.send(where, overtaken, mode="reply", text="Выезжаем", anyway="yes")).status == 303


@pytest.mark.parametrize("status", ["closed", "nonsense"])
async def test_illegal_moves_are_greyed_and_refused(console: Any, status: str) -> None:
    accepted = await console.mail()
    here = f"/tickets/{accepted.number}"
    browser = await console.browser()
    assert "сначала «Решена»" in (await browser.get(here)).text
    refused = await browser.post(f"{here}/status", at=here, status=status)
    assert refused.status in (400, 422)
    assert (await console.ticket(accepted.number))["status"] == "new"


async def test_a_question_needs_words_and_goes_to_the_author(console: Any) -> None:
    accepted = await console.mail()
    here = f"/tickets/{accepted.number}"
    browser = await console.browser()
    assert (await browser.post(f"{here}/status", at=here, status="waiting", comment=" ")).status == 422
    assert (await browser.post(f"{here}/status", at=here, status="waiting", comment="Какая модель?")).status == 303
    assert (await console.ticket(accepted.number))["messages"][-1]["text"] == "Какая модель?"


async def test_priority_follows_impact_and_urgency_and_the_terms_follow_it(console: Any) -> None:
    accepted = await console.mail()
    here = f"/tickets/{accepted.number}"
    before = await console.ticket(accepted.number)
    browser = await console.browser()
    changed = await browser.post(f"{here}/classify", at=here, impact="high", urgency="high", category="Касса <b>")
    assert changed.status == 303
    after = await console.ticket(accepted.number)
    assert (after["priority"], after["category"]) == ("critical", "Касса <b>")
    assert after["resolve_by"] < before["resolve_by"]
    decided = {d["field"]: d["rule"] for d in after["decision"]}
    assert (decided["impact"], decided["priority"]) == ("manual", "matrix")
    same = await browser.post(f"{here}/classify", at=here, impact="high", urgency="high")
    assert (same.status, "Так уже и есть" in same.text) == (422, True)
    customer = await browser.post(f"{here}/classify", at=here, customer="нет такого")
    assert customer.status == 422


async def test_a_ticket_is_given_away_and_taken(console: Any) -> None:
    accepted = await console.mail()
    here = f"/tickets/{accepted.number}"
    organisation = await console.program.read.organisation()
    member = next(iter(organisation.members.values()))
    browser = await console.browser(member.login)
    assert (await browser.post(f"{here}/assign", at=here, assignee="")).status == 303
    assert (await console.ticket(accepted.number))["assignee"] is None
    assert "Взять себе" in (await browser.get(here)).text
    assert (await browser.post(f"{here}/assign", at=here, assignee=member.login)).status == 303
    assert (await console.ticket(accepted.number))["assignee"] == member.login
    assert (await browser.post(f"{here}/assign", at=here, assignee="nobody")).status == 422


async def test_scripts_get_the_strip_alone_and_the_composer_is_never_in_it(console: Any) -> None:
    accepted = await console.mail()
    here = f"/tickets/{accepted.number}"
    browser = await console.browser()
    page = await browser.get(here)
    form = {"csrf": page.field("csrf"), "seen": page.field("seen"), "status": "in_progress"}
    fragment = await browser.ask("POST", f"{here}/status", data=form, headers={"HX-Request": "true"})
    assert fragment.status == 200
    assert fragment.html.lstrip().startswith('<div id="properties">')
    assert "В работе" in fragment.text
    assert '<textarea id="text"' not in fragment.html
    live = await browser.get(f"{here}/live?seen={page.field('seen')}", headers={"HX-Request": "true"})
    assert live.status == 200
    assert 'hx-swap-oob="true"' in live.html
    assert "<textarea" not in live.html
    anna = await console.browser("k.orlov")
    await anna.answer(accepted.number, "Едем")
    news = await browser.get(f"{here}/live?seen={page.field('seen')}", headers={"HX-Request": "true"})
    assert "1 новость на заявке" in news.words


async def test_a_long_conversation_is_folded_in_the_middle(console: Any) -> None:
    accepted = await console.mail("самое первое")
    to = (console.reply_address(accepted.ticket_id),)
    for n in range(14):
        await console.mail(f"сообщение номер {n}", rcpt_to=to)
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}")
    assert "Ещё 5 сообщений" in page.words
    assert "самое первое" in page.text
    assert "сообщение номер 13" in page.text
    assert "сообщение номер 3" not in page.text
    assert "сообщение номер 3" in (await browser.get(f"/tickets/{accepted.number}?all=1")).text


async def test_the_same_mail_twice_is_shown_once_and_said_so(console: Any) -> None:
    fields = "Message-ID: <same@x.example>\r\nDate: Wed, 18 Nov 2026 11:59:00 +0300"
    raw = f"From: irina@sibtrans.example\r\nSubject: x\r\n{fields}\r\n\r\nДва раза\r\n".encode()
    accepted = await console.mail(raw=raw, rcpt_to=("support@otklik.example",))
    await console.mail(raw=b"Received: from x\r\n" + raw, rcpt_to=("nsk@otklik.example",))
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}")
    assert "Пришло 2 раза, показано один раз" in page.words
    assert "nsk@otklik.example" in page.text


async def test_the_raw_source_is_text_and_its_viewing_is_logged(console: Any) -> None:
    accepted = await console.mail("<script>alert(1)</script>")
    browser = await console.browser()
    view = await console.ticket(accepted.number)
    here = f"/tickets/{accepted.number}/messages/{view['messages'][0]['id']}"
    source = await browser.get(f"{here}/source")
    assert "<script>alert(1)</script>" in source.text
    assert "<script>alert" not in source.html
    raw = await browser.get(f"{here}/raw")
    assert raw.body.startswith("From: Ирина".encode())
    assert raw.headers["Content-Disposition"].startswith("attachment;")
    assert {e["action"] for e in await console.logged(object=accepted.number)} >= {
        "ticket.raw_viewed",
        "ticket.raw_taken",
    }


async def test_mail_that_came_back_though_the_mailbox_exists_is_told_beside_it(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    assert "вернул" not in (await browser.get(f"/tickets/{accepted.number}")).text
    for permanent, kind in ((False, "bounce"), (False, "bounce"), (True, "bounce"), (False, "delivery_delay")):
        row = {
            **{name: uuid4() for name in ("id", "delivery_id", "message_id")},
            "site": "OTK", "attempt": 1, "kind": kind, "at": console.clock.now(), "recipient": "irina@sibtrans.example",
            "address": "irina@sibtrans.example", "status": "4.2.2", "permanent": permanent, "proof": "return_path",
            "moved": True,
        }  # fmt: skip
        await console.program.opened.write(lambda c, row=row: insert_rows(c, delivery_reports, [row]))
    assert "2 письма вернулись, последнее" in (await browser.get(f"/tickets/{accepted.number}")).words
