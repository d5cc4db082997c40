"""A web form from its first look to its ticket."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from desk.attachments import Files
from gateway import assemble
from storage import context as contexts
from storage import organisation as organisations

# ---- the usual way --------------------------------------------------------------------------------------------------


async def test_a_form_that_is_sent_becomes_a_ticket(person: Any) -> None:
    page = await person.open()
    sent = await person.send(page, person.right | {"place": "Красный проспект, 17", "phone": "8 (913) 000-00-07"})
    done = await person.done(sent)
    assert "Заявка принята" in done.words
    assert "отправляем письмо на i.petrova@romashka.example" in done.words
    ticket = await person.ticket(done)
    assert ticket["number"] in done.words
    assert (ticket["subject"], ticket["channel"], ticket["status"]) == ("Касса №5 не печатает чек", "web", "new")
    assert ticket["urgency"] == "medium"
    assert ticket["contact"]["name"] == "Ирина Петрова"
    assert ticket["contact"]["addresses"] == [
        {"kind": "email", "value": "i.petrova@romashka.example", "verified": False}
    ]
    assert ticket["messages"][0]["text"].split("\n") == [
        "Касса №5 не печатает чек",
        "",
        "Насколько это мешает работе: Работать можно, но с трудом",
        "Место и оборудование: Красный проспект, 17",
        "Телефон: +79130000007",
    ]


async def test_the_receipt_leads_to_the_page_of_the_ticket_and_to_no_other(person: Any) -> None:
    done = await person.done(await person.send(await person.open()))
    path = done.search(r'class="button main" href="(/t/[^"]+)"')
    author = await person.get(path)
    assert author.status == 200
    assert "Касса №5 не печатает чек" in author.words
    assert done.headers["Cache-Control"] == "no-store"
    assert f'data-copy="https://desk.example.ru{path}"' in done.body


async def test_a_receipt_is_unguessable_and_closes_after_a_day(person: Any) -> None:
    sent = await person.send(await person.open())
    known = sent.location
    other = known[:-1] + ("a" if known[-1] != "a" else "b")
    assert (await person.get(other)).status == 404
    person.clock.at += timedelta(hours=24, seconds=1)
    gone = await person.get(known)
    assert gone.status == 404
    assert "сутки" in gone.words


async def test_files_are_kept_in_the_raw_input_and_taken_out_of_it_again(person: Any) -> None:
    sent = await person.send(
        await person.open(), files=[("фото E-17.png", person.png), ("акт.txt", b"\x00\r\n--x\r\n")]
    )
    ticket = await person.ticket(await person.done(sent))
    message = ticket["messages"][0]
    found = [(f["name"], f["content_type"], f["size"]) for f in message["attachments"]]
    assert found == [("фото E-17.png", "image/png", len(person.png)), ("акт.txt", "text/plain", 8)]
    files = Files(person.program.opened, assemble.decoders())
    fetched = [(await files.fetch(UUID(f["id"]))).data for f in message["attachments"]]
    assert fetched == [person.png, b"\x00\r\n--x\r\n"]
    raw = await person.raw(message["id"])
    assert raw.startswith(b"------form\r\n")
    assert raw.endswith(b"\r\n------form--\r\n")


async def test_consent_is_kept_word_for_word_with_its_time(person: Any) -> None:
    page = await person.open()
    await person.done(await person.send(page))
    (given,) = await person.rows("SELECT form, field, version, language FROM consents")
    assert given == {"form": "support", "field": "consent", "version": page.consent, "language": "ru"}
    (text,) = await person.rows("SELECT text FROM consent_texts")
    assert text["text"].startswith("Согласие на обработку персональных данных")
    shown = await person.get("/form/support/consent")
    assert page.consent in shown.words
    assert all(" ".join(line.split()) in shown.words for line in text["text"].split("\n") if line)


async def test_consent_to_another_wording_is_none(person: Any) -> None:
    page = await person.open()
    again = await person.send(page, consent=False, extra=[("f-consent", "0123456789abcdef")])
    assert again.status == 422
    assert "Текст согласия изменился" in again.words
    assert "checked" not in again.search(r'(<input type="checkbox" id="field-consent"[^>]*>)')


async def test_an_english_reader_gets_an_english_form_and_answer(person: Any) -> None:
    person.headers["Accept-Language"] = "en-GB,en;q=0.9"
    page = await person.open()
    assert "What happened" in page.words
    done = await person.done(await person.send(page))
    assert "We have your request" in done.words
    (told,) = await person.rows("SELECT language FROM deliveries WHERE address = 'i.petrova@romashka.example'")
    assert told["language"] == "en"
    (given,) = await person.rows("SELECT language FROM consents")
    assert given["language"] == "en"


# ---- mistakes -------------------------------------------------------------------------------------------------------


async def test_after_mistakes_everything_typed_and_chosen_is_still_there(person: Any) -> None:
    typed = {
        "hinder": "low",
        "what": "",
        "place": "Склад «Юг» <b>",
        "name": "Ирина",
        "email": "i.petrova@",
        "phone": "+7 913 000-00-07",
    }
    again = await person.send(await person.open(), typed, [("фото.png", person.png)], consent=False)
    assert again.status == 422
    assert again.title == "Ошибка: Сообщить о неисправности"
    assert "Заявка ещё не отправлена: исправьте три места" in again.words
    assert 'value="Склад «Юг» &lt;b&gt;"' in again.body
    assert 'value="+7 913 000-00-07"' in again.body
    assert 'value="low" checked' in again.body
    assert "фото.png" in again.words
    mended = await person.send(
        again, typed | {"what": "Не печатает", "email": "i@romashka.example"}, extra=[("parked", again.parked()[0])]
    )
    ticket = await person.ticket(await person.done(mended))
    (file,) = ticket["messages"][0]["attachments"]
    assert (file["name"], file["size"]) == ("фото.png", len(person.png))
    fetched = await Files(person.program.opened, assemble.decoders()).fetch(UUID(file["id"]))
    assert fetched.data == person.png
    assert await person.rows("SELECT id FROM form_files") == [], "what went with the form waits no longer"


async def test_the_summary_takes_the_focus_and_leads_to_the_fields(person: Any) -> None:
    again = await person.send(await person.open(), {"email": "i.petrova"}, consent=False)
    summary = again.search(r'(<section class="error-summary".*?</section>)')
    assert "autofocus" in summary
    assert 'tabindex="-1"' in summary
    targets = re.findall(r'href="#([^"]+)"', summary)
    assert len(targets) == 5
    for target in targets:
        if not target.endswith("-1"):
            field = again.search(rf'(<(?:input|textarea)[^>]* id="{target}"[^>]*>)')
            assert 'aria-invalid="true"' in field
            assert f'id="{target}-error"' in again.body
            assert re.search(rf'aria-describedby="[^"]*{target}-error', field)


MISTAKES = [
    ({"what": ""}, "Опишите, что случилось"),
    ({"what": "   \n "}, "Опишите, что случилось"),
    ({"name": ""}, "Напишите, как вас зовут"),
    ({"email": ""}, "Укажите адрес почты"),
    ({"email": "irina"}, "В адресе почты не хватает знака «@»"),
    ({"email": "irina@"}, "В адресе почты не хватает части после «@»"),
    ({"email": "a@localhost"}, "В адресе почты после «@» не хватает точки"),
    ({"email": "a@b.example, c@d.example"}, "Проверьте адрес почты"),
    ({"email": "a@b.example\r\nBcc: c@d.example"}, "Проверьте адрес почты"),
    ({"email": "<>"}, "В адресе почты не хватает знака «@»"),
    ({"email": "a@" + "b." * 150 + "example"}, "не больше 254 знаков"),
    ({"phone": "позвоните"}, "Проверьте номер телефона"),
    ({"phone": "12"}, "Проверьте номер телефона"),
    ({"hinder": ""}, "Выберите ответ"),
    ({"hinder": "catastrophic"}, "Выберите один из ответов"),
    ({"what": "ж" * 20_001}, "не больше 20000 знаков, а здесь 20001"),
    ({"place": "ж" * 201}, "не больше 200 знаков, а здесь 201"),
]


async def test_every_mistake_is_told_in_words_and_makes_no_ticket(person: Any) -> None:
    for wrong, words in MISTAKES:
        again = await person.send(await person.open(), person.right | wrong, proof="")
        assert again.status == 422, wrong
        assert "исправьте одно место" in again.words, wrong
        assert words in again.words, wrong
    assert await person.tickets() == 0


# ---- twice ----------------------------------------------------------------------------------------------------------


async def test_sent_twice_it_is_one_ticket(person: Any) -> None:
    page = await person.open()
    solved = await person.proof(page.nonce)
    first = await person.send(page, files=[("a.png", person.png)], proof=solved)
    second = await person.send(page, files=[("a.png", person.png)], proof=solved, boundary="another")
    late = await person.send(page, files=[("a.png", person.png)], proof=solved, wait=4000)
    assert first.status == second.status == late.status == 303
    assert first.location == second.location == late.location
    assert await person.tickets() == 1


async def test_changed_after_it_was_sent_nothing_is_lost_and_nothing_is_doubled(person: Any) -> None:
    page = await person.open()
    done = await person.done(await person.send(page))
    again = await person.send(page, person.right | {"what": "И ещё не работает сканер"}, [("b.png", person.png)])
    assert again.status == 409
    assert (await person.ticket(done))["number"] in again.words
    assert "И ещё не работает сканер" in again.body
    assert "b.png" in again.words
    assert again.nonce != page.nonce
    extra = [("parked", one) for one in again.parked()]
    other = await person.done(
        await person.send(again, person.right | {"what": "И ещё не работает сканер"}, extra=extra)
    )
    ticket = await person.ticket(other)
    assert ticket["subject"] == "И ещё не работает сканер"
    assert len(ticket["messages"][0]["attachments"]) == 1
    assert await person.tickets() == 2


async def test_an_old_page_is_renewed_with_everything_on_it(person: Any) -> None:
    page = await person.open()
    again = await person.send(page, person.right, [("a.png", person.png)], wait=25 * 3600)
    assert again.status == 422
    assert "Страница устарела" in again.words
    assert person.right["what"] in again.body
    assert again.nonce != page.nonce
    sent = await person.send(again, extra=[("parked", again.parked()[0])])
    ticket = await person.ticket(await person.done(sent))
    assert len(ticket["messages"][0]["attachments"]) == 1


@pytest.mark.parametrize("nonce", ["", "a" * 58, "ж" * 58, "x", "' OR 1=1"])
async def test_a_nonce_of_nobodys_making_makes_no_ticket(person: Any, nonce: str) -> None:
    page = await person.open()
    pairs = [("nonce", nonce), ("language", "ru"), *((f"f-{k}", v) for k, v in person.right.items())]
    again = await person.post("/form/support", [*pairs, ("f-consent", page.consent)])
    assert again.status == 422
    assert "Страница устарела" in again.words
    assert person.right["what"] in again.body
    assert await person.tickets() == 0


# ---- the confirmation ------------------------------------------------------------------------------------------------


async def acknowledgements(person: Any) -> list[tuple[str, str]]:
    rows = await person.rows(
        "SELECT d.state, d.reason FROM deliveries d JOIN notifications n ON n.id = d.notification_id "
        "WHERE n.role = 'author' ORDER BY d.id"
    )
    return [(row["state"], row["reason"]) for row in rows]


async def test_the_confirmation_says_nothing_the_writer_typed(person: Any) -> None:
    typed = person.right | {"name": "КУПИТЕ http://evil.example", "what": "Дешёвые таблетки http://evil.example"}
    await person.done(await person.send(await person.open(), typed))
    preparer = assemble.preparer(person.program.settings, await _tokens(person))

    def prepare(connection: Any) -> dict[str, Any]:
        from sqlalchemy import select

        from storage.tables_outbox import deliveries, notifications

        found = select(deliveries).join(notifications, notifications.c.id == deliveries.c.notification_id)
        row = dict(connection.execute(found.where(notifications.c.role == "author")).mappings().one())
        context = contexts.read(connection, [row["notification_id"]])[row["notification_id"]]
        return preparer.body(row, context, organisations.load(connection), person.clock.now())

    told = await person.program.opened.read(prepare)
    everything = f"{told['subject']} {told['text']} {told['html']} {told['envelope']}"
    assert "заявка с сайта" in told["subject"]
    assert "evil" not in everything
    assert "таблетки" not in everything.casefold()
    assert "КУПИТЕ" not in everything


async def test_one_address_is_confirmed_once_an_hour_whoever_names_it(person: Any) -> None:
    for number in range(3):
        await person.done(await person.send(await person.open(), person.right | {"what": f"Заявка {number}"}))
    assert await acknowledgements(person) == [
        ("queued", ""),
        ("suppressed", "cap_reached"),
        ("suppressed", "cap_reached"),
    ]
    person.clock.at += timedelta(hours=1)
    done = await person.done(await person.send(await person.open(), person.right | {"what": "Ещё одна"}))
    assert (await acknowledgements(person))[-1] == ("queued", "")
    assert "отправляем письмо" in done.words


async def test_without_a_proof_there_is_a_ticket_and_no_mail(person: Any) -> None:
    done = await person.done(await person.send(await person.open(), proof=""))
    assert await acknowledgements(person) == [("suppressed", "address_unverified")]
    assert "запишите номер" in done.words
    assert await person.tickets() == 1


async def _tokens(person: Any) -> Any:
    return await assemble.tokens(person.program.settings, person.program.opened, person.clock)
