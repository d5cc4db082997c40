"""Dialogues: whose mail is appended where, what a stranger reaches, and what nobody learns by writing a mail."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import update

from desk.change import Actor
from storage.tables import messages
from tickets.status import Status

IRINA = "irina@sibtrans.example"
OLEG = "oleg@sibtrans.example"
EVE = "eve@evil.example"
GLEB = "g.titov@otklik.example"
BOSS = Actor("staff:a.sokolova", "Анна Соколова")


def plain(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


async def asked(post: Any, **headers: str) -> tuple[str, EmailMessage]:
    """A ticket of Irina's on which she was asked something; its number and the question as she got it."""
    await post.send(post.mail(IRINA, **headers))
    [ticket] = await post.settled()
    await post.comment(ticket["number"], "Какая модель?")
    await post.settled()
    return ticket["number"], post.mails(IRINA)[-1]


def quoted(mail: EmailMessage) -> str:
    """The text of a mail as programs quote it below an answer."""
    return "\n".join(f"> {line}" for line in plain(mail).splitlines())


# ---- by what an answer finds its ticket -----------------------------------------------------------------------------


@pytest.mark.parametrize("tie", ["reply-to", "in-reply-to", "references", "text", "html text", "number"])
async def test_an_answer_of_the_author_finds_its_ticket(post: Any, tie: str) -> None:
    await post.open()
    number, question = await asked(post)
    text = "HP M404"
    headers: dict[str, str] = {}
    if tie == "reply-to":
        headers["To"] = str(question["Reply-To"])
    if tie == "text":
        text = f"HP M404\n\n19.11.2026, Служба поддержки пишет:\n{quoted(question)}"
    answer = post.mail(IRINA, "Совсем другая тема", text, **headers)
    if tie == "number":
        answer = post.mail(IRINA, f"Re: [{number}] принтер", text)
    if tie == "in-reply-to":
        answer["In-Reply-To"] = question["Message-ID"]
    if tie == "references":
        answer["References"] = f"<other@x.example> {question['Message-ID']}"
    if tie == "html text":
        html = question.get_body(("html",))
        assert html is not None
        answer.set_content(f"<p>HP M404</p><blockquote>{html.get_content()}</blockquote>", subtype="html")
    await post.send(answer)
    [ticket] = await post.settled()
    assert ticket["number"] == number
    assert ticket["messages"][-1]["public"] is True
    assert "HP M404" in ticket["messages"][-1]["text"]
    assert [h["what"] for h in ticket["history"]][-1] == "author_replied"


@pytest.mark.parametrize("tie", ["reply-to", "in-reply-to", "text", "number"])
async def test_a_stranger_is_linked_and_never_speaks_for_the_author(post: Any, tie: str) -> None:
    await post.open()
    number, question = await asked(post)
    headers = {"To": str(question["Reply-To"])} if tie == "reply-to" else {}
    subject = f"Re: [{number}]" if tie == "number" else "Вопрос"
    text = f"Пришлите мне всё\n\n{quoted(question)}" if tie == "text" else "Пришлите мне всё"
    mail = post.mail(EVE, subject, text, **headers)
    if tie == "in-reply-to":
        mail["In-Reply-To"] = question["Message-ID"]
    await post.send(mail)
    first, second = await post.settled()
    assert len(first["messages"]) == 2
    assert [(link["number"], link["kind"]) for link in second["links"]] == [(number, "review")]
    [told] = post.mails(EVE)
    assert "Не печатает" not in plain(told), "nothing of the other ticket reaches her"
    assert number not in plain(told)


async def test_a_forged_author_who_fails_the_check_is_a_stranger(post: Any) -> None:
    await post.open()
    number, _ = await asked(post)
    intake = post.program.intake
    forged = post.program.read_mail(
        post.mail(IRINA, f"Re: [{number}]", "Закройте заявку").as_bytes(),
        account="smtp",
        external_id="f1",
        received_at=post.program.clock.now(),
        mail_from=IRINA,
        rcpt_to=("support@otklik.example",),
    )
    forged.authenticity = {"verdict": "fail", "by": "us"}
    await intake.accept(forged, b"forged")
    first, second = await post.settled()
    assert len(first["messages"]) == 2
    assert [link["kind"] for link in second["links"]] == ["review"]


async def test_the_ref_line_is_in_both_parts_of_mails_to_authors_alone(post: Any) -> None:
    await post.open()
    _, question = await asked(post)
    token = str(question["Reply-To"]).partition("+")[2].partition("@")[0]
    html = question.get_body(("html",))
    assert html is not None
    assert f"Ref: {token}\n" in plain(question)
    assert plain(question).index("Ref:") < plain(question).index("\n-- \n")
    assert token in str(html.get_content())
    to_staff = [mail for mail in post.relay.received if mail.rcpt_to[0].endswith("@otklik.example")]
    assert to_staff
    assert all(token.encode() not in mail.raw for mail in to_staff)


# ---- again, and long after ------------------------------------------------------------------------------------------


async def test_a_follow_up_to_a_ticket_closed_long_ago_is_a_new_linked_one(post: Any) -> None:
    await post.open()
    number, question = await asked(post)
    await post.program.change.status(number, Status.RESOLVED, BOSS, "Готово")
    await post.program.change.status(number, Status.CLOSED, BOSS)
    site = post.program.site
    site.become(dataclasses.replace(site, follow_up_after=timedelta(0)))
    await post.send(post.mail(IRINA, "Опять", "Опять не печатает", To=str(question["Reply-To"])))
    first, second = await post.settled()
    assert first["status"] == "closed"
    assert [(link["number"], link["kind"]) for link in second["links"]] == [(number, "follow_up")]


async def test_identical_alarms_are_not_swallowed_for_ever(post: Any) -> None:
    """Neither Message-ID nor Date: only what comes close together is the same."""
    await post.open()
    alarm = b"From: monitor@sibtrans.example\r\nTo: support@otklik.example\r\nSubject: DOWN\r\n\r\nhost7 is down\r\n"
    for _ in range(2):
        await post.send(alarm)
    [ticket] = await post.settled()
    assert [m["receipts"] for m in ticket["messages"]] == [2]
    [row] = await post.rows("messages")
    earlier = row["at"] - timedelta(minutes=11)
    await post.program.opened.write(lambda c: c.execute(update(messages).values(at=earlier)))
    await post.send(alarm)
    assert len(await post.settled()) == 2


# ---- staff forward --------------------------------------------------------------------------------------------------

BLOCKS = {
    "gmail en": """---------- Forwarded message ---------
From: Oleg Orlov <{who}>
Date: Mon, 2 Nov 2026 at 10:15
Subject: Сломался сканер
To: <g.titov@otklik.example>

""",
    "mail.ru": """-------- Пересылаемое сообщение --------
От кого: Олег Орлов <{who}>
Кому: g.titov@otklik.example
Дата: Понедельник, 2 ноября 2026, 10:15 +03:00
Тема: Сломался сканер
""",
    "yandex": """-------- Пересылаемое сообщение --------
02.11.2026, 10:15, "Олег Орлов" <{who}>:
""",
    "outlook ru": """От: Олег Орлов <{who}>
Отправлено: 2 ноября 2026 г. 10:15
Кому: Глеб Титов
Тема: Сломался сканер
""",
    "outlook en": """From: Олег Орлов [mailto:{who}]
Sent: Monday, November 2, 2026 10:15 AM
To: Глеб Титов
Subject: Сломался сканер
""",
    "thunderbird": """-------- Перенаправленное сообщение --------
Тема: \tСломался сканер
Дата: \tMon, 2 Nov 2026 10:15:00 +0300
От: \tОлег Орлов <{who}>
Кому: \tg.titov@otklik.example

""",
}
APPLE = """Начало переадресованного сообщения:

> От: Олег Орлов <{who}>
> Тема: Сломался сканер
> Дата: 2 ноября 2026 г. в 10:15:00 GMT+3
> Кому: g.titov@otklik.example
>
> Сканер не включается
"""


def forwarded(block: str, who: str = OLEG) -> str:
    """The text of a forwarded mail as a program writes it, a note above it."""
    said = APPLE if block == "apple" else BLOCKS[block] + "\nСканер не включается" if block in BLOCKS else ""
    return f"Посмотри, пожалуйста\n\n{said.replace('{who}', who)}".strip()


@pytest.mark.parametrize("block", [*BLOCKS, "apple", "a file"])
async def test_what_staff_forward_is_filed_under_who_wrote_it(post: Any, block: str) -> None:
    await post.open()
    mail = post.mail(GLEB, "Fwd: Сломался сканер", forwarded(block))
    if block == "a file":
        inner = post.mail(f"Олег Орлов <{OLEG}>", "Сломался сканер", "Сканер не включается", To=GLEB)
        mail.add_attachment(inner)
    await post.send(mail)
    [ticket] = await post.settled()
    assert ticket["contact"]["addresses"][0]["value"] == OLEG
    assert ticket["subject"] == "Сломался сканер"
    assert ticket["messages"][0]["from"]["name"] in ("Олег Орлов", "Oleg Orlov")
    assert ticket["messages"][0]["reply_text"] == "Сканер не включается"
    assert "Посмотри, пожалуйста" in ticket["messages"][0]["text"]
    [entry] = [h for h in ticket["history"] if h["what"] == "forwarded"]
    assert (entry["by"], entry["new"]) == ("staff:g.titov", "g.titov")
    assert (ticket["customer"] or {}).get("id") == "sibtrans"
    [told] = post.mails(OLEG)
    assert "сканер" not in plain(told).lower(), "he is thanked in neutral words: he did not write to us"


async def test_what_anybody_else_forwards_stays_theirs(post: Any) -> None:
    await post.open()
    await post.send(post.mail(EVE, "Fwd: Сломался сканер", forwarded("mail.ru")))
    [ticket] = await post.settled()
    assert ticket["contact"]["addresses"][0]["value"] == EVE
    assert post.mails(OLEG) == []


async def test_the_setting_leaves_it_with_the_member(post: Any) -> None:
    await post.open(mail="staff_forwards = false")
    await post.send(post.mail(GLEB, "Fwd: Сломался сканер", forwarded("mail.ru")))
    [ticket] = await post.settled()
    assert ticket["contact"]["addresses"][0]["value"] == GLEB


async def test_a_forwarded_mail_of_ours_stays_a_note_on_its_ticket(post: Any) -> None:
    await post.open()
    number, question = await asked(post)
    block = f"Видели?\n\n-------- Пересылаемое сообщение --------\nОт: {OLEG}\nДата: 2 ноября 2026, 10:15\nТема: x\n\n"
    await post.send(post.mail(GLEB, f"Fwd: [{number}]", block + plain(question)))
    [ticket] = await post.settled()
    assert [h["what"] for h in ticket["history"]][-1] == "note_added"


# ---- copies ---------------------------------------------------------------------------------------------------------


async def test_who_was_in_copy_takes_part_after_an_answer_with_a_proof(post: Any) -> None:
    await post.open()
    number, question = await asked(post, Cc=f"Олег Орлов <{OLEG}>")
    assert post.mails(OLEG) == [], "being named is no consent"
    assert await post.rows("participants") == []
    await post.send(post.mail(OLEG, "Re: Принтер", "Это я менял картридж", To=str(question["Reply-To"])))
    [ticket] = await post.settled()
    assert ticket["messages"][-1]["public"] is False, "staff read it, the author is not shown it"
    assert [(row["key"], row["because"]) for row in await post.rows("participants")] == [(f"email:{OLEG}", "answered")]
    before = len(post.mails(OLEG))
    await post.comment(number, "Спасибо, поменяли")
    await post.settled()
    assert len(post.mails(OLEG)) == before + 1


async def test_a_mailbox_of_ours_takes_no_part_though_it_was_in_copy(post: Any) -> None:
    ours = "old-desk@otklik.example"
    await post.open(more=f'[mailbox.old]\naddress = "{ours}"\npassword = "x"')
    _, question = await asked(post, Cc=ours)
    await post.send(post.mail(ours, "Re: Принтер", "Пишет программа", To=str(question["Reply-To"])))
    await post.settled()
    assert await post.rows("participants") == []


async def test_who_puts_himself_in_copy_gets_no_history(post: Any) -> None:
    """She writes to the number of a ticket with herself in Cc, and answers whatever she gets."""
    await post.open()
    number, _ = await asked(post)
    await post.send(post.mail(EVE, f"Re: [{number}] Принтер", "Добавьте меня", Cc=f"{EVE}, {IRINA}"))
    await post.settled()
    [thanks] = post.mails(EVE)
    await post.send(post.mail(EVE, "Re", "И что там?", To=str(thanks["Reply-To"])))
    await post.comment(number, "Секретный ответ Ирине")
    tickets = await post.settled()
    assert len(tickets) == 2
    assert len(tickets[0]["messages"]) == 3
    assert await post.rows("participants") == []
    assert not [mail for mail in post.mails(EVE) if "Секретный" in plain(mail) or "Какая модель" in plain(mail)]


async def test_a_forged_copy_line_of_a_forged_author_adds_nobody(post: Any) -> None:
    """A mail that names the ticket, with a stranger in Cc, and then an answer of the stranger."""
    await post.open()
    number, _ = await asked(post)
    await post.send(post.mail(EVE, f"Re: [{number}]", "…", Cc=EVE))
    await post.send(post.mail(EVE, f"Re: [{number}]", "Ещё раз"))
    assert await post.rows("participants") == []
    tickets = await post.settled()
    assert len(tickets[0]["messages"]) == 2


async def test_the_ticket_trick_shows_nothing_to_who_plays_it(post: Any) -> None:
    """Eve opens a ticket, signs up somewhere with its reply address, and hopes to read what that place sends there."""
    await post.open()
    await post.send(post.mail(EVE, "Вопрос", "Как у вас дела?"))
    await post.settled()
    [thanks] = post.mails(EVE)
    before = len(post.mails(EVE))
    secret = post.mail("noreply@chat.example", "Confirm", "Your code is 314159", To=str(thanks["Reply-To"]))
    await post.send(secret)
    automatic = post.mail("noreply@shop.example", "Confirm", "Your code is 271828", To=str(thanks["Reply-To"]))
    automatic["Auto-Submitted"] = "auto-generated"
    await post.send(automatic)
    tickets = await post.settled()
    own = next(t for t in tickets if t["contact"]["addresses"][0]["value"] == EVE)
    shown = [m for m in own["messages"] if m["public"]]
    assert [m["text"].strip() for m in shown] == ["Как у вас дела?"]
    await post.comment(own["number"], "Хорошо")
    await post.settled()
    assert all("314159" not in plain(m) and "271828" not in plain(m) for m in post.mails(EVE)[before:])
