"""Answering and commenting: what leaves, once; who is warned; what is kept; what can be taken back."""

from __future__ import annotations

import asyncio
import email
import email.policy
from typing import Any

import pytest

from tests.eventually import eventually

SECRET = "это видят только сотрудники"


async def test_an_answer_goes_to_the_author_by_mail_and_waits_eight_seconds(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    answer = await browser.answer(accepted.number, "Перезагрузите принтер")
    assert answer.status == 303
    view = await console.ticket(accepted.number)
    said = view["messages"][-1]
    assert (said["text"], said["public"], said["direction"]) == ("Перезагрузите принтер", True, "out")
    assert answer.leads_to == f"/tickets/{accepted.number}#m-{said['id']}"
    note = next(n for n in view["notifications"] if n["event"] == "public_comment")
    (way,) = note["deliveries"]
    assert (way["address"], way["state"]) == ("irina@sibtrans.example", "queued")
    assert way["due_at"] == "2026-11-18T09:00:08+00:00"
    page = await browser.get(f"/tickets/{accepted.number}")
    assert "Ответ принят, отправляем" in page.text
    assert "в очереди" in page.text
    assert [e["who"] for e in await console.logged(action="ticket.answered")] == ["staff:a.lebedeva"]


async def test_an_internal_comment_reaches_nobody_outside(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}?mode=comment")
    before = await console.told(accepted.number)
    answer = await browser.send(f"/tickets/{accepted.number}/messages", page, mode="comment", text=SECRET)
    assert answer.status == 303
    assert await console.told(accepted.number) == before
    assert (await console.ticket(accepted.number))["messages"][-1]["public"] is False


async def test_the_same_form_twice_is_one_answer(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}?mode=reply")
    where = f"/tickets/{accepted.number}/messages"
    first, second = await asyncio.gather(*(browser.send(where, page, mode="reply", text="Едем") for _ in range(2)))
    assert first.status == second.status == 303
    assert [m["text"] for m in (await console.ticket(accepted.number))["messages"] if m["direction"] == "out"] == [
        "Едем"
    ]


async def test_a_form_sent_many_times_at_once_takes_its_file_along_once_and_leaves_no_draft(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    here = f"/tickets/{accepted.number}"
    page = await browser.get(f"{here}?mode=reply")
    files = [("act.txt", b"signed", "text/plain")]
    sent = [browser.send(f"{here}/messages", page, mode="reply", text="Едем", files=files) for _ in range(5)]
    assert {answer.status for answer in await asyncio.gather(*sent)} == {303}
    view = await console.ticket(accepted.number)
    (said,) = (m for m in view["messages"] if m["direction"] == "out")
    assert [a["name"] for a in said["attachments"]] == ["act.txt"]
    again = await browser.get(f"{here}?mode=reply")
    assert "Едем</textarea>" not in again.html, "what was said is no draft"
    assert "/draft/files/" not in again.html


async def test_a_form_sent_again_with_other_words_is_asked_to_be_sent_once_more(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    here = f"/tickets/{accepted.number}"
    page = await browser.get(f"{here}?mode=reply")
    assert (await browser.send(f"{here}/messages", page, mode="reply", text="Едем")).status == 303
    again = await browser.send(f"{here}/messages", page, mode="reply", text="Едем к двум")
    assert again.status == 422
    assert "Новый текст ещё не отправлен" in again.text
    assert "Едем к двум</textarea>" in again.html
    assert (await browser.send(f"{here}/messages", again, mode="reply", text="Едем к двум")).status == 303
    said = [m["text"] for m in (await console.ticket(accepted.number))["messages"] if m["direction"] == "out"]
    assert said == ["Едем", "Едем к двум"]


async def test_a_form_of_another_ticket_says_nothing_here(console: Any) -> None:
    one, other = await console.mail(), await console.mail(subject="Другая", text="Другая беда")
    browser = await console.browser()
    page = await browser.get(f"/tickets/{one.number}?mode=reply")
    assert (await browser.send(f"/tickets/{one.number}/messages", page, mode="reply", text="Едем")).status == 303
    strange = await browser.send(f"/tickets/{other.number}/messages", page, mode="reply", text="Едем")
    assert strange.status in (409, 422)
    assert len((await console.ticket(other.number))["messages"]) == 1


async def test_a_status_goes_along_and_the_author_is_told_once(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    assert (await browser.answer(accepted.number, "Какая модель?", status="waiting")).status == 303
    view = await console.ticket(accepted.number)
    assert view["status"] == "waiting"
    assert [n for n in await console.told(accepted.number) if n[1] == "author"][-1][0] == "status_changed"
    assert sum(n[1] == "author" for n in await console.told(accepted.number)) == 2


@pytest.mark.parametrize("text", ["", "   \n\t"])
async def test_nothing_is_not_sent_and_says_why(console: Any, text: str) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    answer = await browser.answer(accepted.number, text)
    assert answer.status == 422
    assert "Напишите что-нибудь" in answer.text
    assert len((await console.ticket(accepted.number))["messages"]) == 1


async def test_whoever_is_overtaken_reads_first_and_may_send_anyway(console: Any) -> None:
    accepted = await console.mail()
    anna, boris = await console.browser("a.lebedeva"), await console.browser("b.volkov")
    page = await boris.get(f"/tickets/{accepted.number}?mode=reply")
    await anna.answer(accepted.number, "Уже едем")
    where = f"/tickets/{accepted.number}/messages"
    warned = await boris.send(where, page, mode="reply", text="Ждите")
    assert warned.status == 409
    assert "Уже едем" in warned.text
    assert "Отправить всё равно" in warned.text
    assert ">\nЖдите</textarea>" in warned.html, "what was typed is still there"
    sent = await boris.send(where, page, mode="reply", text="Ждите", anyway="yes")
    assert sent.status == 303
    assert (await console.ticket(accepted.number))["messages"][-1]["text"] == "Ждите"


async def test_after_the_page_was_drawn_anew_the_same_answer_goes(console: Any) -> None:
    accepted = await console.mail()
    anna, boris = await console.browser("a.lebedeva"), await console.browser("b.volkov")
    page = await boris.get(f"/tickets/{accepted.number}?mode=reply")
    await anna.answer(accepted.number, "Уже едем")
    where = f"/tickets/{accepted.number}/messages"
    warned = await boris.send(where, page, mode="reply", text="Ждите")
    assert (await boris.send(where, warned, mode="reply", text="Ждите")).status == 303


async def test_an_answer_can_be_taken_back_until_it_leaves(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}?mode=reply")
    nonce = page.field("nonce")
    await browser.send(f"/tickets/{accepted.number}/messages", page, mode="reply", text="Решили", status="resolved")
    assert (await console.ticket(accepted.number))["status"] == "resolved"
    undone = await browser.post(f"/tickets/{accepted.number}/undo/{nonce}", at=f"/tickets/{accepted.number}")
    assert undone.status == 303
    view = await console.ticket(accepted.number)
    assert view["status"] == "new"
    assert view["resolve_by"] is not None
    assert view["messages"][-1]["public"] is False, "its author never sees it"
    assert [n["state"] for n in view["notifications"] if n["event"] == "resolved"] == ["suppressed"]
    page = await browser.get(f"/tickets/{accepted.number}")
    assert ">\nРешили</textarea>" in page.html, "the text is a draft again"
    again = await browser.post(f"/tickets/{accepted.number}/undo/{nonce}", at=f"/tickets/{accepted.number}")
    assert (again.status, "уже взят назад" in again.text) == (409, True)


async def test_nobody_takes_back_what_another_said(console: Any) -> None:
    accepted = await console.mail()
    anna, boris = await console.browser("a.lebedeva"), await console.browser("b.volkov")
    page = await anna.get(f"/tickets/{accepted.number}?mode=reply")
    await anna.send(f"/tickets/{accepted.number}/messages", page, mode="reply", text="Едем")
    undone = await boris.post(
        f"/tickets/{accepted.number}/undo/{page.field('nonce')}", at=f"/tickets/{accepted.number}"
    )
    assert undone.status == 409
    assert (await console.ticket(accepted.number))["messages"][-1]["public"] is True


async def test_what_is_begun_is_kept_by_ticket_user_and_mode(console: Any) -> None:
    accepted = await console.mail()
    anna, boris = await console.browser("a.lebedeva"), await console.browser("b.volkov")
    page = await anna.get(f"/tickets/{accepted.number}?mode=reply")
    where = f"/tickets/{accepted.number}/draft"
    moved = await anna.send(where, page, mode="reply", text="Зелёная собака", to="comment")
    assert moved.leads_to == f"/tickets/{accepted.number}?mode=comment#composer"
    page = await anna.get(moved.leads_to)
    assert 'class="composer internal"' in page.html
    assert "Зелёная собака" not in page.html
    assert ">\nЗелёная собака</textarea>" in (await anna.get(f"/tickets/{accepted.number}?mode=reply")).html
    assert "Зелёная собака" not in (await boris.get(f"/tickets/{accepted.number}?mode=reply")).html


async def test_a_preview_is_word_for_word_what_is_sent(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}?mode=reply")
    form = {"csrf": page.field("csrf"), "mode": "reply", "text": "Выключите & <включите> {{ 7*7 }}"}
    preview = await browser.ask("POST", f"/tickets/{accepted.number}/preview", data=form)
    assert preview.status == 200
    await browser.answer(accepted.number, form["text"])
    view = await console.ticket(accepted.number)
    (way,) = next(n for n in view["notifications"] if n["event"] == "public_comment")["deliveries"]
    assert way["text"] is None, "the text is made when it leaves"
    assert form["text"] in preview.text
    assert f"[{accepted.number}] Ответ: Принтер" in preview.text


async def test_where_the_author_cannot_be_reached_the_button_says_why(console: Any) -> None:
    browser = await console.browser()
    form = {
        "channel": "phone",
        "contact": "+7 913 000-00-07",
        "name": "Пётр",
        "subject": "Касса",
        "text": "Не включается",
    }
    made = await browser.post("/tickets/new", at="/tickets/new", **form)
    page = await browser.get(made.leads_to + "?mode=reply")
    assert "Нет адреса для этого канала" in page.text
    assert "Ответить письмом" not in page.text


@pytest.mark.parametrize("duties", [["http", "worker"]])
async def test_files_go_along_in_the_mail(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}?mode=reply")
    picture = b"\x89PNG\r\n" + bytes(range(256))
    files = [("схема «печь».png", picture, "image/png"), ("a%0D%0ABcc: x@y.txt", b"<script>", "text/html")]
    sent = await browser.send(f"/tickets/{accepted.number}/messages", page, files, mode="reply", text="Вот схема")
    assert sent.status == 303, sent.words
    console.clock.move(seconds=9)
    console.program.worker.wake()
    mail = await eventually(lambda: next((m for m in console.relay.received if "Вот схема" in _text(m.raw)), None))
    parsed = email.message_from_bytes(mail.raw, policy=email.policy.default)
    sent_files = {part.get_filename(): part.get_content() for part in parsed.iter_attachments()}
    assert sent_files["схема «печь».png"] == files[0][1]
    assert len(sent_files) == 2
    assert parsed["Bcc"] is None
    assert await console.whole() == []


async def test_files_are_kept_when_an_answer_is_refused(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}?mode=reply")
    where = f"/tickets/{accepted.number}/messages"
    refused = await browser.send(where, page, [("акт.pdf", b"%PDF", "application/pdf")], mode="reply", text="")
    assert refused.status == 422
    assert "акт.pdf" in refused.text
    sent = await browser.send(where, refused, mode="reply", text="Вот акт")
    assert sent.status == 303
    (file,) = (await console.ticket(accepted.number))["messages"][-1]["attachments"]
    assert (file["name"], file["sha256"]) == ("акт.pdf", console.digest(b"%PDF"))
    got = await browser.get(f"/tickets/{accepted.number}/files/{file['id']}")
    assert got.body == b"%PDF"
    assert await console.whole() == []


async def test_files_that_are_too_big_are_refused_and_the_text_is_kept(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}?mode=reply")
    where = f"/tickets/{accepted.number}/messages"
    big = [(f"{n}.bin", bytes(60_000), "application/octet-stream") for n in range(2)]
    refused = await browser.send(where, page, big, mode="reply", text="Вот архив")
    assert refused.status == 422
    assert "слишком большие" in refused.text
    assert ">\nВот архив</textarea>" in refused.html
    assert await console.whole() == []


async def test_a_form_without_its_token_does_nothing(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    page = await browser.get(f"/tickets/{accepted.number}?mode=reply")
    for forged in ("", "x", page.field("csrf")[:-1]):
        answer = await browser.send(f"/tickets/{accepted.number}/messages", page, csrf=forged, mode="reply", text="да")
        assert answer.status == 403
    assert len((await console.ticket(accepted.number))["messages"]) == 1


async def test_participants_get_copies_of_answers_and_of_nothing_else(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    here = f"/tickets/{accepted.number}"
    for address, status in (("oleg@sibtrans.example", 303), ("irina@sibtrans.example", 422), ("a@b.example, c@d", 422)):
        assert (await browser.post(f"{here}/copies", at=here, address=address)).status == status, address
    await browser.answer(accepted.number, "Едем")
    page = await browser.get(f"{here}?mode=comment")
    await browser.send(f"{here}/messages", page, mode="comment", text=SECRET)
    told = await console.told(accepted.number)
    assert [n for n in told if n[1] == "copy"] == [("public_comment", "copy", "queued")]
    dropped = await browser.post(f"{here}/copies/drop", at=here, key="email:oleg@sibtrans.example")
    assert dropped.status == 303
    await browser.answer(accepted.number, "Приехали")
    assert sum(n[1] == "copy" for n in await console.told(accepted.number)) == 1


async def test_a_participants_answer_is_kept_for_staff(console: Any) -> None:
    accepted = await console.mail()
    browser = await console.browser()
    await browser.post(f"/tickets/{accepted.number}/copies", at=f"/tickets/{accepted.number}", address="oleg@x.example")
    to = console.reply_address(accepted.ticket_id)
    answer = await console.mail("Я за", sender="oleg@x.example", rcpt_to=(to,))
    stranger = await console.mail("А я против", sender="eva@x.example", rcpt_to=(to,))
    assert answer.number == accepted.number
    assert stranger.number != accepted.number
    said = (await console.ticket(accepted.number))["messages"][-1]
    assert (said["text"].strip(), said["public"]) == ("Я за", False)


async def test_canned_answers_are_filled_and_keep_what_was_typed(console: Any) -> None:
    accepted = await console.mail(subject="{me}")
    lead = await console.browser("m.sokolova", "lead")
    made = await lead.post(
        "/canned", at="/canned", title="Привет", text="{author}, {number}: {subject}", shared="1", language=""
    )
    assert made.status == 303
    agent = await console.browser()
    page = await agent.get(f"/tickets/{accepted.number}?mode=reply")
    key = page.html.partition('name="canned" value="')[2][:32]
    where = f"/tickets/{accepted.number}/draft"
    filled = await agent.send(where, page, mode="reply", text="Добрый день!", canned=key)
    page = await agent.get(filled.leads_to)
    assert f"Добрый день!\n\nИрина Петрова, {accepted.number}: {{me}}</textarea>" in page.html
    refused = await agent.post("/canned", at="/canned", title="x", text="y", shared="1", language="")
    assert (refused.status, "руководители" in refused.text) == (422, True)
    own = await agent.post("/canned", at="/canned", title="Лишь для меня", text="y", language="")
    assert own.status == 303
    assert "Лишь для меня" not in (await lead.get("/canned")).text


def _text(content: bytes) -> str:
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    body = parsed.get_body(("plain",))
    return body.get_content() if body is not None else ""
