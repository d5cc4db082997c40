"""Bounces in the words of many mail systems: found, tied to the address and the mail, permanent or not."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tickets.message import InboundMessage

Reader = Callable[..., InboundMessage]
Writer = Callable[..., bytes]

A = "anna@example.ru"
ID = "1234.5678@desk.example"
RETURNED = (
    f"Received: from desk.example by mx\nMessage-ID: <{ID}>\nFrom: Desk <desk@desk.example>\nTo: {A}\nSubject: x\n"
)


class Form(NamedTuple):
    """One bounce: who sends it, how it is headed, what it says, and what must be found in it."""

    name: str
    sender: str
    subject: str
    text: str
    recipients: tuple[str, ...] = (A,)
    permanent: bool = True
    kind: str = "bounce"
    id: str = ""
    status: str = ""


def _forms() -> list[Form]:
    listed = tomllib.loads((Path(__file__).parent / "bounces.toml").read_text(encoding="utf-8"))["bounce"]
    return [Form(**{**one, "recipients": tuple(one.get("recipients", [A]))}) for one in listed]


DAEMON = "Mail Delivery System <Mailer-Daemon@mx.example.org>"
FORMS = _forms()


@pytest.mark.parametrize("form", FORMS, ids=[form.name for form in FORMS])
def test_a_bounce_in_words(message: Reader, mail: Writer, form: Form) -> None:
    raw = mail(form.text.encode(), From=form.sender.encode(), Subject=form.subject.encode())
    found = message(raw, mail_from="")
    assert found.kind == form.kind
    assert found.bounce is not None
    assert found.bounce.recipients == form.recipients
    assert found.bounce.permanent is form.permanent
    assert found.bounce.action == ("delayed" if form.kind == "delivery_delay" else "failed")
    assert found.bounce.original_message_id == form.id
    if form.status:
        assert found.bounce.status == form.status
    assert not found.acknowledge


@pytest.mark.parametrize("form", FORMS, ids=[form.name for form in FORMS])
def test_the_same_words_passed_on_by_a_person_are_a_persons_mail(message: Reader, mail: Writer, form: Form) -> None:
    quoted = "\n".join("> " + line for line in form.text.split("\n"))
    words = f"Добрый день! Что это значит?\n\n{quoted}"
    found = message(mail(words.encode(), Subject=f"Fwd: {form.subject}".encode()), mail_from="anna@example.ru")
    assert found.kind == "human"
    assert found.acknowledge


def test_exchange_says_it_in_html(message: Reader, mail: Writer) -> None:
    text = (
        "<html><body><p><b>Не удалось выполнить доставку следующим получателям или спискам рассылки:</b></p>"
        f'<p><a href="mailto:{A}">{A}</a><br>Почтовый ящик получателя переполнен.</p></body></html>'
    )
    raw = mail(text.encode(), From=b"postmaster@example.org", Subject="Не удается доставить: Заявка".encode(),
               Content_Type=b"text/html; charset=utf-8", Content_Language=b"ru-RU")  # fmt: skip
    found = message(raw, mail_from="<>")
    assert found.bounce is not None
    assert found.bounce.recipients == (A,)
    assert not found.bounce.permanent


@pytest.mark.parametrize("field", ["In_Reply_To", "References", "X_Original_Message_ID"])
def test_the_mail_that_failed_may_be_named_in_a_field(message: Reader, mail: Writer, field: str) -> None:
    raw = mail(f"Delivery to the following recipient failed permanently:\n\n  {A}\n".encode(), From=DAEMON.encode(),
               Subject=b"Delivery Status Notification (Failure)", **{field: f"<{ID}>".encode()})  # fmt: skip
    found = message(raw, mail_from="")
    assert found.bounce is not None
    assert found.bounce.original_message_id == ID


@pytest.mark.parametrize(
    "text",
    [
        "I am out of the office until Monday.",
        "Спасибо, ваше письмо получено и будет рассмотрено.",
        "Thank you for contacting us. Your ticket number is 42.",
        "Заявка зарегистрирована.",
        "",
    ],
)
def test_other_answers_with_a_null_sender_are_no_bounces(message: Reader, mail: Writer, text: str) -> None:
    found = message(mail(text.encode(), Subject=b"Re: Printer"), mail_from="")
    assert found.kind in ("auto_reply", "out_of_office")
    assert found.bounce is None
    assert not found.acknowledge


def test_where_to_ask_for_help_is_no_failed_address(message: Reader, mail: Writer) -> None:
    text = "Your message could not be delivered.\n\nFor further assistance, please contact <help@example.org>\n"
    raw = mail(text.encode(), From=DAEMON.encode(), Subject=b"Undelivered Mail Returned to Sender")
    found = message(raw, mail_from="")
    assert found.bounce is not None
    assert found.bounce.recipients == ()


def test_without_words_the_returned_mail_tells_whom_it_was_for(message: Reader, mail: Writer) -> None:
    raw = mail(
        f"--b\r\n\r\nThis message could not be delivered.\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{RETURNED}\r\n"
        "--b--\r\n".encode(),
        From=DAEMON.encode(), Subject=b"Undeliverable", Content_Type=b"multipart/mixed; boundary=b",
    )  # fmt: skip
    found = message(raw, mail_from="")
    assert found.bounce is not None
    assert (found.bounce.recipients, found.bounce.original_message_id) == ((A,), ID)
