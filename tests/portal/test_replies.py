"""What an author writes on the page: one message for one form, with its files, kept as it came."""

from __future__ import annotations

import io
from typing import Any

import pytest

from storage import blobs
from tickets.status import Status

REFUSED = [
    ("nothing at all", "  ", [], "Напишите что-нибудь"),
    ("an empty file", "Вот", [("пусто.txt", b"")], "Файл «пусто.txt» пустой"),
    ("a program", "Вот", [("virus.exe", b"MZ\x90\x00")], "Файл «virus.exe» — программа"),
    ("six files", "Вот", [(f"{n}.txt", b"x") for n in range(6)], "Не больше 5 файлов за раз"),
]


async def messages(desk: Any, ticket: Any) -> list[dict[str, Any]]:
    return [m for m in await desk.rows("messages") if m["ticket_id"] == ticket["id"] and m["channel"] == "web"]


async def test_a_reply_becomes_a_message_of_the_author(desk: Any, browser: Any) -> None:
    ticket = await desk.ticket()
    page = await browser.get(desk.link(ticket))
    answer = await browser.press(page, "/reply", {"text": "Приезжайте\r\nпосле обеда"})
    assert "Сообщение принято" in answer.text
    assert "Вы на этой странице" in answer.text
    (message,) = await messages(desk, ticket)
    assert message["text"] == message["reply_text"] == "Приезжайте\nпосле обеда"
    assert (message["direction"], message["public"], message["sender_value"]) == ("in", True, "irina@sibtrans.example")
    assert (await desk.history(ticket["number"]))[-1] == ("author", "author_replied", None, None)
    assert "author_replied" in {t[0] for t in await desk.told(ticket["number"])}, "staff hear of it"


async def test_files_come_along_and_the_bytes_are_kept(desk: Any, browser: Any) -> None:
    ticket = await desk.ticket()
    page = await browser.get(desk.link(ticket))
    photo = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
    answer = await browser.press(
        page, "/reply", {"text": "Вот фото"}, [("чек №5.png", photo), ("журнал.txt", b"log\n")]
    )
    assert "чек №5.png" in answer.text
    (message,) = await messages(desk, ticket)
    files = [a for a in await desk.rows("attachments") if a["message_id"] == message["id"]]
    assert [(f["name"], f["size"], f["content_type"]) for f in files] == [
        ("чек №5.png", len(photo), "image/png"),
        ("журнал.txt", 4, "text/plain"),
    ]
    raw = await desk.program.opened.read(lambda c: blobs.fetch(c, message["raw_sha256"]))
    assert raw is not None
    assert photo in raw
    link = next(a.attributes["href"] for a in answer.tree.css("a.attachment") if "чек" in a.text())
    async with browser.session.get(browser.base + link) as download:
        assert await download.read() == photo
        assert download.headers["Content-Disposition"].startswith("attachment")
    assert (
        await browser.get(f"{desk.link(await desk.ticket(subject='Другая'))}/files/{files[0]['id'].hex}")
    ).status == 404


@pytest.mark.parametrize("name, text, files, words", REFUSED, ids=[case[0] for case in REFUSED])
async def test_what_cannot_be_taken_says_why_and_keeps_the_text(
    desk: Any, browser: Any, name: str, text: str, files: Any, words: str
) -> None:
    ticket = await desk.ticket()
    answer = await browser.press(await browser.get(desk.link(ticket)), "/reply", {"text": text}, files)
    assert answer.status == 422
    assert words in answer.one(".field-error")
    assert answer.one("textarea[name=text]") == text.strip()
    assert await messages(desk, ticket) == []


async def test_the_same_form_twice_is_one_message(desk: Any, browser: Any) -> None:
    ticket = await desk.ticket()
    page = await browser.get(desk.link(ticket))
    for _ in range(3):
        # every time with another boundary, as browsers do
        answer = await browser.press(page, "/reply", {"text": "Приезжайте"}, [("a.txt", b"1")])
        assert answer.status == 200
    assert len(await messages(desk, ticket)) == 1


async def test_another_text_in_the_same_form_is_another_message(desk: Any, browser: Any) -> None:
    ticket = await desk.ticket()
    page = await browser.get(desk.link(ticket))
    for text in ("Приезжайте", "Нет, завтра"):
        await browser.press(page, "/reply", {"text": text})
    assert [m["text"] for m in await messages(desk, ticket)] == ["Приезжайте", "Нет, завтра"]


async def test_the_same_words_in_another_form_are_another_message(desk: Any, browser: Any) -> None:
    ticket = await desk.ticket()
    for _ in range(2):
        await browser.press(await browser.get(desk.link(ticket)), "/reply", {"text": "Приезжайте"})
    assert len(await messages(desk, ticket)) == 2


@pytest.mark.parametrize("status", [Status.WAITING, Status.RESOLVED, Status.REJECTED])
async def test_a_reply_puts_the_ticket_back_to_work(desk: Any, browser: Any, status: Status) -> None:
    ticket = await desk.ticket()
    await desk.status(ticket["number"], status, "Скажите модель.")
    await browser.press(await browser.get(desk.link(ticket)), "/reply", {"text": "Модель 5"})
    assert (await desk.row(ticket["number"]))["status"] == "in_progress"


async def test_hostile_bodies_are_answered(desk: Any, browser: Any) -> None:
    ticket = await desk.ticket()
    link = desk.link(ticket)
    hidden = (await browser.get(link)).hidden("/reply")
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    for body, headers, status in (
        (b"", boundary, 400),
        (b"--x\r\n", boundary, 400),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\n\r\n--x--", boundary, 400),
        (b"\x00" * 1000, boundary, 400),
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"a=" + b"x" * 30_000_000, {"Content-Type": "application/x-www-form-urlencoded"}, 413),
    ):
        answer = await browser.post(f"{link}/reply", io.BytesIO(body), headers=headers)
        assert answer.status == status, body[:40]
    nul = await browser.press(await browser.get(link), "/reply", {"text": "a\x00b\ud7ff"})
    assert nul.status == 200
    (message,) = await messages(desk, ticket)
    assert message["text"] == "ab\ud7ff"
    assert hidden["nonce"]
