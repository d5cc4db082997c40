"""Messages and files as they came: to be saved, never to be run."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any

import pytest

from gateway import assemble

TICKETS = "/api/v1/tickets"
FILE = b"<script>alert(1)</script>"


@pytest.fixture
async def mailed(api: Any) -> dict[str, Any]:
    """A ticket made by a mail with HTML and a file."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "irina@sibtrans.example", "nsk@otklik.example", "Принтер"
    mail["Message-ID"] = "<m1@sibtrans.example>"
    mail.set_content("Не печатает")
    mail.add_alternative(
        '<p onclick="x()">Не <b>печатает</b><script>alert(1)</script><img src="http://x.example/">', "html"
    )
    mail.add_attachment(FILE, maintype="text", subtype="html", filename='счёт "№ 5".html')
    raw = mail.as_bytes()
    message = assemble.mail_reader(api.program.settings)(
        raw, channel="email", account="smtp", external_id="1", received_at=api.clock.now(),
        mail_from="irina@sibtrans.example", rcpt_to=("nsk@otklik.example",),
    )  # fmt: skip
    accepted = await api.program.intake.accept(message, raw)
    ticket: dict[str, Any] = (await api("GET", f"{TICKETS}/{accepted.number}")).body
    return ticket | {"raw": raw}


def is_for_saving(headers: Any) -> None:
    """No browser shows or runs it."""
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"].startswith("attachment; ")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert headers["Cache-Control"] == "no-store"


async def test_a_message_as_it_came(api: Any, mailed: dict[str, Any]) -> None:
    [message] = mailed["messages"]
    answer = await api("GET", f"{TICKETS}/{mailed['number']}/messages/{message['id']}/raw")
    assert (answer.status, answer.body.encode()) == (200, mailed["raw"])
    is_for_saving(answer.headers)
    assert f'filename="{message["id"]}.eml"' in answer.headers["Content-Disposition"]


async def test_the_html_of_a_message_is_harmless(api: Any, mailed: dict[str, Any]) -> None:
    [message] = mailed["messages"]
    answer = await api("GET", f"{TICKETS}/{mailed['number']}/messages/{message['id']}/html")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "печатает" in answer.body
    for bad in ("<script", "onclick", "x.example"):
        assert bad not in answer.body
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_file(api: Any, mailed: dict[str, Any]) -> None:
    [file] = mailed["messages"][0]["attachments"]
    answer = await api("GET", f"{TICKETS}/{mailed['number']}/attachments/{file['id']}")
    assert (answer.status, answer.body.encode()) == (200, FILE)
    is_for_saving(answer.headers)
    disposition = answer.headers["Content-Disposition"]
    assert "\r" not in disposition
    assert "filename*=UTF-8''%D1%81%D1%87%D1%91%D1%82" in disposition


async def test_what_is_not_there(api: Any, mailed: dict[str, Any]) -> None:
    other = await api.make()
    [message] = mailed["messages"]
    [file] = message["attachments"]
    stated = other["messages"][0]["id"]
    for path in (
        f"{mailed['number']}/messages/{'0' * 32}/raw",
        f"{mailed['number']}/messages/nothing/raw",
        f"{other['number']}/messages/{message['id']}/raw",
        f"{other['number']}/messages/{message['id']}/html",
        f"{other['number']}/attachments/{file['id']}",
        f"{mailed['number']}/attachments/{'0' * 32}",
        f"{other['number']}/messages/{stated}/html",
        f"OTK-26-999999/messages/{message['id']}/raw",
    ):
        answer = await api("GET", f"{TICKETS}/{path}")
        assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json"), path


async def test_our_own_words_have_no_raw_bytes(api: Any, mailed: dict[str, Any]) -> None:
    await api("POST", f"{TICKETS}/{mailed['number']}/comments", {"text": "Едем", "public": True})
    said = (await api("GET", f"{TICKETS}/{mailed['number']}")).body["messages"][-1]
    answer = await api("GET", f"{TICKETS}/{mailed['number']}/messages/{said['id']}/raw")
    assert answer.status == 404
    assert "nothing is kept" in answer.body["detail"]
