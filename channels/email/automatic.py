"""Who is speaking: a person, or a program that must never be answered (RFC 3834).

Order: reports about our own mail first (bounce, delay, complaint, read receipt), then our own mail coming back, then
automatic answers, then lists. Only what a header, an envelope or a fixed form says counts; a person who writes the word
"автоответ" in a sentence stays a person.
"""

from __future__ import annotations

import re

from channels.email import bounce, headers
from channels.email.body import Content
from channels.email.bounce import parts_of
from channels.email.parse import Mail
from tickets.message import Bounce, MessageKind

Kind = MessageKind

_ABSENT = re.compile(
    r"\s*(?:(?:re|fw|fwd|aw|ответ|на)\s*:\s*)*(?:"
    r"out of (?:the )?office|out-of-office|ooo\b|away from (?:my|the) (?:office|mail|desk)|"
    r"on (?:vacation|holiday|leave)\b|"
    r"нет на месте|вне офиса|отсутству(?:ю|ет) (?:на (?:рабочем )?месте|в офисе)|(?:я )?в отпуске|"
    r"отсутствие на рабочем месте|abwesenheit|absence\b|absent du bureau|fuera de (?:la )?oficina|urlaub)",
    re.IGNORECASE,
)
_AUTOMATIC = re.compile(
    r"\s*(?:(?:re|fw|fwd|aw|ответ|на)\s*:\s*)*\[?\s*(?:"
    r"auto(?:matic|mated)?[ -]?(?:reply|response|answer|responder|ack(?:nowledg\w+)?)|autoreply|auto:|"
    r"автоответ(?:чик)?|автоматический ответ|автоматическое уведомление о получении|"
    r"automatische antwort|automatisch antwoord|réponse automatique|respuesta automática|risposta automatica)"
    r"\s*(?:[\]:.\-–—(]|$)",
    re.IGNORECASE,
)
_ABSENCE_WORDS = re.compile(
    r"out of (?:the )?office|on (?:annual |sick |parental |maternity )?(?:leave|vacation)|away from|"
    r"(?:am|be) (?:currently )?(?:away|out|unavailable)|limited access to (?:my )?e?-?mail|will (?:be back|return) on|"
    r"в отпуск|отсутству|нахожусь в (?:отпуске|командировке)|в командировке|на больничном|вернусь|буду на (?:рабочем )?"
    r"месте|нет на (?:рабочем )?месте",
    re.IGNORECASE,
)
_MACHINE_FIELDS = (b"x-autoreply", b"x-autorespond", b"x-autoreply-from", b"x-mail-autoreply", b"x-auto-reply")
_LIST_FIELDS = (b"list-id", b"list-post", b"list-unsubscribe", b"mailing-list", b"x-mailing-list", b"list-help")


def classify(
    mail: Mail,
    content: Content,
    *,
    sender: str,
    subject: str,
    text: str,
    null_sender: bool,
    is_own: str,
    recipients: frozenset[str],
) -> tuple[MessageKind, tuple[str, ...], Bounce | None]:
    """The kind of a mail, the codes of why, and what a bounce says.

    `is_own` is the code of what makes it our own mail ("" if nothing does). A code may carry a value after its first
    colon: `auto_submitted:auto-replied`.
    """
    fields = mail.root.fields
    verdict = bounce.read_report(mail, content) if content.reports else None
    reported = parts_of(content, "feedback-report") or parts_of(content, "disposition-notification")
    claimed = bounce.claims(sender, null_sender, fields, mail.root.params.get("report-type"))
    if verdict is None and claimed and not reported:
        verdict = bounce.search(mail, content, sender, subject, text, recipients)
    if verdict is not None and not verdict.delivered:
        kind = Kind.DELIVERY_DELAY if verdict.delayed else Kind.BOUNCE
        return kind, (f"bounce_{verdict.by}",), verdict.bounce
    if parts_of(content, "feedback-report"):
        return Kind.FEEDBACK_REPORT, ("feedback_report",), None
    if subject.lower().startswith("complaint about message from ") and any(
        part.type == "message/rfc822" for part in content.files
    ):
        return Kind.FEEDBACK_REPORT, ("complaint_form",), None
    if parts_of(content, "disposition-notification"):
        return Kind.READ_RECEIPT, ("disposition_notification",), None
    if is_own:
        return Kind.OWN, (is_own,), None
    because = _automatic(mail, subject, null_sender)
    if verdict is not None:
        because = (*because, "delivered_report")
    if because:
        absent = _ABSENT.match(subject) or _ABSENCE_WORDS.search(subject) or _ABSENCE_WORDS.search(text[:1500])
        return (Kind.OUT_OF_OFFICE if absent else Kind.AUTO_REPLY), because, None
    if _ABSENT.match(subject) and (":" in subject[:60] or len(subject) < 40) and b"in-reply-to" in fields:
        return Kind.OUT_OF_OFFICE, ("absence_subject",), None
    listed = _listed(mail)
    if listed:
        return Kind.MAILING_LIST, listed, None
    return Kind.HUMAN, ("no_sign_of_a_program",), None


def _automatic(mail: Mail, subject: str, null_sender: bool) -> tuple[str, ...]:
    fields = mail.root.fields
    codes = []
    given = fields.get(b"auto-submitted")
    if given:
        value = _token(given[0])
        if value and value != "no":
            codes.append(f"auto_submitted:{value}")
    if null_sender:
        codes.append("null_sender")
    codes += [
        f"header:{name.decode()}"
        for name in _MACHINE_FIELDS
        if name in fields and _token(fields[name][0]) not in ("no", "false", "0")
    ]
    given = fields.get(b"x-auto-response-suppress")
    if given:
        wishes = {wish.strip() for wish in headers.text_of(given[0]).lower().split(",")}
        if wishes & {"all", "autoreply"}:
            codes.append("response_suppressed")
    given = fields.get(b"precedence")
    if given and _token(given[0]) in ("auto_reply", "auto-reply", "junk"):
        codes.append(f"precedence:{_token(given[0])}")
    if _AUTOMATIC.match(subject):
        codes.append("automatic_subject")
    return tuple(codes)


def _listed(mail: Mail) -> tuple[str, ...]:
    fields = mail.root.fields
    codes = [f"header:{name.decode()}" for name in _LIST_FIELDS if name in fields]
    given = fields.get(b"precedence")
    if given and _token(given[0]) in ("list", "bulk"):
        codes.append(f"precedence:{_token(given[0])}")
    return tuple(codes)


def _token(value: bytes) -> str:
    text = headers.text_of(value[:200]).lower().partition(";")[0].partition("(")[0].split()
    return text[0] if text else ""
