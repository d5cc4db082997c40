"""What the gateway would make of raw mail: the answer to `otklik inspect`. No database, no network, nothing stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from channels.email import charset
from channels.email.read import OwnMail, body_message, read
from tickets.address import Address
from tickets.message import Attachment, InboundMessage, Unreadable

Form = Literal["mail", "text", "html"]

_WORDS: dict[str, dict[str, str]] = {
    "ru": {
        "no_sign_of_a_program": "нет признаков автоматического письма: пишет человек",
        "bare_body": "тело письма без заголовка: считаем, что пишет человек",
        "bounce_report": "в письме есть отчёт о доставке (RFC 3464)",
        "bounce_header": "заголовок письма называет адрес, которому не доставлено",
        "bounce_detector": "текст имеет вид известного отказа в доставке",
        "bounce_text": "почтовая система пишет, что письмо не доставлено",
        "delivered_report": "отчёт о состоявшейся доставке (RFC 3464)",
        "feedback_report": "жалоба на спам в форме отчёта (RFC 5965)",
        "complaint_form": "жалоба на спам по форме почтовой службы",
        "disposition_notification": "уведомление о прочтении (RFC 8098)",
        "receipt_text": "письмо говорит только о том, что другое прочитано",
        "noreply_sender": "на адрес отправителя просят не отвечать",
        "own_address": "письмо отправлено с нашего собственного адреса",
        "own_message_id": "Message-ID составлен нами: вернулось наше письмо",
        "auto_submitted": "поле Auto-Submitted: {value} (RFC 3834)",
        "null_sender": "пустой обратный путь: отвечать некому (RFC 5321)",
        "header": "поле {value} ставят программы",
        "response_suppressed": "отправитель просит не слать автоматических ответов (X-Auto-Response-Suppress)",
        "precedence": "поле Precedence: {value}",
        "automatic_subject": "тема автоматического ответа",
        "absence_subject": "тема сообщения об отсутствии",
        "block_list": "отправитель в списке нежелательных: {value}",
        "dnsbl": "адрес отправившего сервера в чёрном списке {value}",
        "spam_header": "доверенный сервер пометил письмо как спам: поле {value}",
        "spam_filter": "фильтр считает письмо спамом: {value}",
        "virus": "в письме найден вирус: {value}",
        "fax": "факс от шлюза из настроек: отвечать звонившему",
        "fax_form": "письмо факсового шлюза, которого нет в настройках: почтовый ящик шлюза не читает никто",
        "fax_gateway": "факсовый шлюз прислал письмо без страниц",
        "fax_unproven": "адрес факсового шлюза, но кто прислал письмо на самом деле, не подтверждено",
        "no_sender": "адреса отправителя нет: подтверждать некому",
    },
    "en": {
        "no_sign_of_a_program": "no sign of an automatic mail: a person writes",
        "bare_body": "a body without a header: taken for a person's",
        "bounce_report": "the mail holds a delivery status report (RFC 3464)",
        "bounce_header": "a header field names the address that failed",
        "bounce_detector": "the text has the form of a known bounce",
        "bounce_text": "a mail system says that a mail was not delivered",
        "delivered_report": "a report of a delivery that succeeded (RFC 3464)",
        "feedback_report": "a spam complaint in the form of a report (RFC 5965)",
        "complaint_form": "a spam complaint in a mail service's own form",
        "disposition_notification": "a read receipt (RFC 8098)",
        "receipt_text": "the mail says nothing but that another one was read",
        "noreply_sender": "the sender's address asks for no answers",
        "own_address": "sent from an address of our own",
        "own_message_id": "the Message-ID is of our making: our own mail came back",
        "auto_submitted": "field Auto-Submitted: {value} (RFC 3834)",
        "null_sender": "null return path: there is nobody to answer (RFC 5321)",
        "header": "the field {value} is set by programs",
        "response_suppressed": "the sender asks for no automatic answers (X-Auto-Response-Suppress)",
        "precedence": "field Precedence: {value}",
        "automatic_subject": "the subject of an automatic answer",
        "absence_subject": "the subject of an absence notice",
        "block_list": "the sender is on the block list: {value}",
        "dnsbl": "the address of the sending server is on the list {value}",
        "spam_header": "a trusted server marked the mail as spam: field {value}",
        "spam_filter": "the filter takes the mail for spam: {value}",
        "virus": "a virus was found in the mail: {value}",
        "fax": "a fax from a gateway of the settings: the caller is to be answered",
        "fax_form": "the mail of a fax gateway that is not in the settings: nobody reads its mailbox",
        "fax_gateway": "a fax gateway sent a mail without pages",
        "fax_unproven": "a fax gateway's address, but nothing shows that the mail is from there",
        "no_sender": "no sender address: there is nobody to acknowledge to",
    },
}
LANGUAGES = tuple(_WORDS)


def inspect_file(
    path: Path,
    *,
    mail_from: str | None = None,
    as_: Form | str = "mail",
    language: str = "ru",
    own: OwnMail = OwnMail(),  # noqa: B008 - frozen
    now: datetime | None = None,
) -> dict[str, Any]:
    """One file as the document of `otklik inspect --json`.

    `mail_from` is the envelope sender: "" or "<>" the null sender, None if nobody knows. `as_` says what the file
    holds: a whole mail (an mbox `From ` line before it is left out), or a bare body. `language` is that of `because`.
    `now` stands for the time of arrival; without one, the file's own time does.

    Raises:
        OSError: the file cannot be read.
        ValueError: `as_` or `language` is none of those known.
    """
    if language not in _WORDS:
        raise ValueError(f"reasons are worded in {', '.join(_WORDS)}, not in {language!r}")
    if as_ not in ("mail", "text", "html"):
        raise ValueError(f"a file is read as mail, text or html, not as {as_!r}")
    raw = path.read_bytes()
    received_at = now or datetime.fromtimestamp(path.stat().st_mtime, UTC)
    found: InboundMessage | Unreadable
    if as_ == "mail":
        found = read(
            without_mbox_line(raw), account="", external_id=path.name, received_at=received_at, mail_from=mail_from,
            own=own, want_html=True,
        )  # fmt: skip
    else:
        found = body_message(charset.decode(raw)[0], is_html=as_ == "html", received_at=received_at)
    document = {"file": str(path), "sha256": hashlib.sha256(raw).hexdigest()}
    document["file"] = charset.clean(document["file"].encode("utf-8", "replace").decode())
    return {**document, **_described(found, language)}


def inspect_paths(
    paths: Iterable[Path], *, mail_from: str | None = None, as_: Form | str = "mail", language: str = "ru"
) -> Iterator[dict[str, Any]]:
    """Every file, folders with all below them in sorted order."""
    for path in paths:
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        for file in files:
            yield inspect_file(file, mail_from=mail_from, as_=as_, language=language)


def without_mbox_line(raw: bytes) -> bytes:
    """The mail behind an mbox `From ` line (RFC 4155), or the bytes as they are."""
    if raw.startswith((b"From ", b">From ")) and b":" not in raw.partition(b" ")[0]:
        return raw.partition(b"\n")[2]
    return raw


def in_words(code: str, language: str) -> str:
    """A code of `InboundMessage.kind_because` as a sentence."""
    name, _, value = code.partition(":")
    return _WORDS[language].get(name, code).format(value=value)


def _described(found: InboundMessage | Unreadable, language: str) -> dict[str, Any]:
    if isinstance(found, Unreadable):
        return {
            "message": None,
            "kind": None,
            "acknowledge": False,
            "because": [],
            "bounce": None,
            "quarantine": found.reason,
        }
    because = list(found.kind_because)
    if not found.sender.value:
        because.append("no_sender")
    bounce = found.bounce
    return {
        "message": _message(found),
        "kind": found.kind.value,
        "acknowledge": found.acknowledge,
        "because": [in_words(code, language) for code in because],
        "bounce": None
        if bounce is None
        else {
            "recipients": list(bounce.recipients),
            "action": bounce.action,
            "status": bounce.status,
            "permanent": bounce.permanent,
            "original_message_id": bounce.original_message_id,
        },
        "quarantine": None,
    }


def _message(found: InboundMessage) -> dict[str, Any]:
    return {
        "message_id": found.message_id,
        "in_reply_to": list(found.extra.get("in_reply_to", ())),
        "references": list(found.extra.get("references", ())),
        "subject": found.subject,
        "from": _address(found.sender),
        "to": [_address(one) for one in found.recipients],
        "cc": [_address(one) for one in found.cc],
        "date": found.sent_at.isoformat() if found.sent_at else None,
        "text": found.text,
        "reply_text": found.reply_text,
        "html": found.html,
        "language": found.language,
        "attachments": [_attachment(one) for one in found.attachments],
        "defects": list(found.defects),
    }


def _address(address: Address) -> dict[str, str]:
    return {"name": address.name, "address": address.value}


def _attachment(attachment: Attachment) -> dict[str, Any]:
    return {
        "name": attachment.name,
        "content_type": attachment.content_type,
        "size": attachment.size,
        "sha256": attachment.sha256,
        "inline": attachment.inline,
        "content_id": attachment.content_id,
    }
