"""Who is speaking: a person, or a program that is never answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tickets.message import InboundMessage

Reader = Callable[..., InboundMessage]
Writer = Callable[..., bytes]


@pytest.mark.parametrize(
    "lines",
    [
        {},
        {"Auto_Submitted": b"no"},
        {"Subject": "Автоответчик не работает".encode()},
        {"Subject": "Автоответ не уходит клиентам".encode()},
        {"Subject": b"Out of office printer is broken"},
        {"Subject": b"Undelivered mail from yesterday"},
        {"Subject": b"Fwd: Undelivered Mail Returned to Sender"},
        {"Subject": b"delivery failed, please help"},
        {"Precedence": b"first-class"},
        {"X_Auto_Response_Suppress": b"DR, RN, NRN"},
        {"From": b"Postmaster Ivan <p.ivanov@example.ru>"},
    ],
)
def test_people(message: Reader, mail: Writer, lines: dict[str, bytes]) -> None:
    found = message(mail(b"It could not be delivered: user unknown. What now?", **lines), mail_from="anna@example.ru")
    assert found.kind == "human"
    assert found.acknowledge


@pytest.mark.parametrize(
    "lines, kind, because",
    [
        ({"Auto_Submitted": b"auto-replied"}, "auto_reply", "auto_submitted:auto-replied"),
        ({"Auto_Submitted": b"auto-generated; x=1"}, "auto_reply", "auto_submitted:auto-generated"),
        ({"X_Autoreply": b"yes"}, "auto_reply", "header:x-autoreply"),
        ({"X_Auto_Response_Suppress": b"All"}, "auto_reply", "response_suppressed"),
        ({"Precedence": b"auto_reply"}, "auto_reply", "precedence:auto_reply"),
        ({"Return_Path": b"<>"}, "auto_reply", "null_sender"),
        ({"Subject": "Автоответ: Принтер".encode()}, "auto_reply", "automatic_subject"),
        ({"Subject": "Автоматический ответ: Принтер".encode()}, "auto_reply", "automatic_subject"),
        ({"Subject": b"Automatic reply: Printer"}, "auto_reply", "automatic_subject"),
        ({"Subject": b"Out of office: back on Monday", "Auto_Submitted": b"auto-replied"}, "out_of_office", None),
        ({"Subject": "Нет на месте: Принтер".encode(), "In_Reply_To": b"<1@x>"}, "out_of_office", "absence_subject"),
        ({"List_Id": b"<news.example.ru>"}, "mailing_list", "header:list-id"),
        ({"Precedence": b"bulk"}, "mailing_list", "precedence:bulk"),
    ],
)
def test_programs(message: Reader, mail: Writer, lines: dict[str, bytes], kind: str, because: str | None) -> None:
    found = message(mail(b"Text", **lines))
    assert found.kind == kind
    assert because is None or because in found.kind_because
    assert not found.acknowledge


def test_the_words_of_an_automatic_reply_tell_absence(message: Reader, mail: Writer) -> None:
    found = message(mail("Я в отпуске до 5 июня".encode(), Auto_Submitted=b"auto-replied"))
    assert found.kind == "out_of_office"


def report(kind: bytes, machine: bytes, returned: bytes = b"Message-ID: <our@desk.example>\r\nSubject: x\r\n") -> bytes:
    return (
        b"Content-Type: multipart/report; report-type=" + kind + b"; boundary=edge\r\n"
        b"From: MAILER-DAEMON@mx.example.ru\r\nSubject: Report\r\nTo: desk@desk.example\r\n\r\n"
        b"--edge\r\n\r\nSorry.\r\n--edge\r\nContent-Type: message/" + kind + b"\r\n\r\n" + machine + b"\r\n"
        b"--edge\r\nContent-Type: message/rfc822\r\n\r\n" + returned + b"\r\n\r\n--edge--\r\n"
    )


def status(action: bytes, code: bytes) -> bytes:
    return (
        b"Reporting-MTA: dns; mx.example.ru\r\n\r\nFinal-Recipient: rfc822; anna@example.ru\r\nAction: "
        + action + b"\r\nStatus: " + code + b"\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    "action, code, kind, permanent",
    [
        (b"failed", b"5.1.1", "bounce", True),
        (b"failed", b"4.4.7", "bounce", False),
        (b"delayed", b"4.4.1", "delivery_delay", False),
    ],
)
def test_delivery_status_reports(message: Reader, action: bytes, code: bytes, kind: str, permanent: bool) -> None:
    found = message(report(b"delivery-status", status(action, code)), mail_from="")
    assert found.kind == kind
    assert found.bounce is not None
    assert found.bounce.recipients == ("anna@example.ru",)
    assert (found.bounce.action, found.bounce.status) == (action.decode(), code.decode())
    assert found.bounce.permanent is permanent
    assert found.bounce.original_message_id == "our@desk.example"
    assert found.refs.message_ids[0] == "our@desk.example"
    assert not found.acknowledge


def test_a_report_of_success_is_no_bounce(message: Reader) -> None:
    found = message(report(b"delivery-status", status(b"delivered", b"2.0.0")), mail_from="")
    assert (found.kind, found.bounce) == ("auto_reply", None)


def test_complaints_and_receipts(message: Reader) -> None:
    assert message(report(b"feedback-report", b"Feedback-Type: abuse\r\n"), mail_from="").kind == "feedback_report"
    receipt = report(b"disposition-notification", b"Disposition: manual-action/MDN-sent-manually; displayed\r\n")
    assert message(receipt, mail_from="").kind == "read_receipt"


@pytest.mark.parametrize(
    "sender, subject, body, recipients, permanent",
    [
        (
            "mailer-daemon@corp.mail.ru",
            "Mail failure.",
            (
                "Письмо, отправленное вами, не может быть доставлено одному или нескольким адресатам:\n"
                "anna@example.ru\nПользователь не найден: 550 5.1.1 user not found\n"
            ),
            ("anna@example.ru",),
            True,
        ),
        (
            "mailer-daemon@yandex.ru",
            "Недоставленное сообщение",
            (
                "Пожалуйста, не отвечайте на это сообщение. Ваше письмо не было доставлено: anna@example.ru\n"
                "Ящик получателя переполнен (452 4.2.2)\n"
            ),
            ("anna@example.ru",),
            False,
        ),
        (
            "MAILER-DAEMON@mx.example.ru",
            "failure notice",
            (
                "Hi. This is the qmail-send program at mx.example.ru.\n"
                "I'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
                "<anna@example.ru>:\nSorry, no mailbox here by that name. (#5.1.1)\n"
            ),
            ("anna@example.ru",),
            True,
        ),
    ],
)
def test_bounces_without_a_report(
    message: Reader, mail: Writer, sender: str, subject: str, body: str, recipients: tuple[str, ...], permanent: bool
) -> None:
    raw = mail(body.encode(), From=sender.encode(), Subject=subject.encode())
    found = message(raw, mail_from="")
    assert found.kind == "bounce"
    assert found.bounce is not None
    assert found.bounce.recipients == recipients
    assert found.bounce.permanent is permanent


def test_exim_names_the_failed_recipient_in_a_field(message: Reader, mail: Writer) -> None:
    raw = mail(b"A message that you sent could not be delivered", X_Failed_Recipients=b"anna@example.ru",
               From=b"Mail Delivery System <Mailer-Daemon@mx.example.ru>")  # fmt: skip
    found = message(raw, mail_from="")
    assert found.bounce is not None
    assert found.bounce.recipients == ("anna@example.ru",)
    assert found.kind_because == ("bounce_header",)
