"""What a bounce says: the delivery status report of RFC 3464, and the free text of systems that write none.

The report is read first and believed. Without one, a mail that calls itself a bounce (null sender, a mailer daemon, a
known subject) is searched for the addresses and codes of a failure: by the headers of Exim, Gmail and Mail.ru, by
flufl.bounce, and by phrases in English, Russian and some other languages.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

from channels.email import body, headers
from channels.email.body import Content
from channels.email.headers import Fields
from channels.email.parse import Mail, Part
from tickets.message import Bounce

_MAX_SEARCHED = 30_000
_MAX_RECIPIENTS = 100

_DAEMON = re.compile(
    r"(?:mailer[-_.]?daemon|mail[-_.]?daemon|postmaster|mdaemon|mail[-_ ]?delivery|mailerdaemon|"
    r"microsoftexchange[0-9a-f]+|bounce|noreply-?bounce|mta-?daemon|mailsystem|root)[^@]*(?:@|$)",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"undeliver|non[- ]?deliver|delivery (?:status|failure|failed|has failed|problem|error|report|reports|notification|"
    r"unsuccessful|incomplete|delayed|final|temporar)|"
    r"deliver(?:y|ed)? (?:to|of) .{0,80}(?:fail|delay)|returned (?:mail|message|to sender)|"
    r"return(?:ed|ing) .{0,30}mail|"
    r"mail (?:delivery|system|could not|not delivered|rejected|failure|error|undeliverable)|"
    r"(?:message|mail|e-mail) .{0,40}(?:could not be|not be|cannot be|was not|not) (?:sent|delivered)|"
    r"failure notice|failure delivery|failed delivery|bounced|warning: (?:message|could not)|rejected|"
    r"user unknown|nondeliverable|could not send|unable to deliver|undelivered|message delayed|delivery delay|"
    r"message status|delayed mail|^warning\b|delivery$|"
    r"не (?:удалось|удаётся|удается|может быть|могло быть|было?) (?:доставлен|доставить)|не доставлен|недоставлен|"
    r"сообщение не доставлено|письмо не доставлено|ошибка доставки|отчет о (?:не)?доставке|отчёт о (?:не)?доставке|"
    r"невозможно доставить|возврат (?:письма|почты|сообщения)|уведомление о (?:состоянии|статусе) доставки|"
    r"доставка .{0,40}(?:задерж|отлож|невозможна)|"
    r"nicht zustellbar|unzustellbar|zustellung|non remis|échec de|entrega|配信|returned mail|mancato recapito|"
    r"niet bezorg|onbestelbaar",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"could ?n[o']t be delivered|not be delivered|cannot be delivered|was not delivered|not delivered|undeliver|"
    r"delivery (?:has )?fail|failed to deliver|fail(?:ed|ure)|unable to deliver|permanent(?:ly)? (?:fatal )?error|"
    r"user unknown|unknown user|no such user|unknown recipient|recipient (?:address )?rejected|mailbox (?:is )?(?:full|"
    r"unavailable|not found)|does(?: not|n't) exist|quota|returned to sender|unrouteable|host unknown|rejected|refused|"
    r"transcript of session|bounc|not reach|did not reach|"
    r"не может быть доставлено|не (?:удалось|удаётся|удается) доставить|не было доставлено|не доставлено|"
    r"невозможно доставить|недоставленн|ящик .{0,30}(?:переполнен|не существует|отключ|заблокирован)|"
    r"(?:пользователь|адресат|адрес|получатель) .{0,60}не (?:найден|существует|зарегистрирован)|"
    r"zugestellt|unzustellbar|n'a pas pu|no se pudo|配信",
    re.IGNORECASE,
)
_STRONG = re.compile(
    r"(?:could|can|was|were)(?: ?not|n't) (?:be )?delivered to|delivery to the following recipients? failed|"
    r"(?:не может быть доставлено|не (?:удалось|удаётся|удается) доставить|не было доставлено)",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"(?:message|mail|delivery|it) .{0,80}(?:delayed|has been delayed|not yet been delivered)|will (?:be )?(?:retry|"
    r"retried|continue to (?:be )?t?r?y?|keep trying)|could not be delivered (?:for|within) .{1,30}(?:still|yet)|"
    r"this is a warning (?:message )?only|you do not need to re-?send|delivery attempts will continue|"
    r"not yet been delivered|has not yet|попытки .{0,40}(?:продолж|будут)|доставка .{0,60}(?:отложена|задержана|"
    r"задерживается)|будет повторен|повторные попытки",
    re.IGNORECASE,
)
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<![\d.\-:/])([45]\d\d)(?:[ -]|$)(?!\d)", re.MULTILINE)
_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&*+/=?^_{|}~.\-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,252}[A-Za-z0-9])?")
_TEMPORARY_WORDS = re.compile(
    r"mailbox (?:is )?full|over ?quota|quota exceeded|temporar|timed? ?out|try again|переполнен|временн", re.IGNORECASE
)
_RETURNED = re.compile(
    r"^[ \t>]*(?:-{3,}.{0,60}(?:original|returned|unsent|copy|следу|headers|message).{0,80}|"
    r"(?:Received|Return-Path|Message-Id|X-Mailer|MIME-Version|DKIM-Signature):.*|"
    r".{0,40}(?:original message|copy of (?:the|your) message|headers? of).{0,60}:)[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_RETURNED_TYPES = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers", "text/rfc822"}
)
_SENT_ID = re.compile(r"^[ \t>]*Message-Id:\s*<([^<>\s]{1,900})>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A bounce, and what it was recognised by: `report`, `header`, `detector` or `text`."""

    bounce: Bounce
    by: str

    @property
    def delayed(self) -> bool:
        """The mail is still being tried."""
        return self.bounce.action == "delayed"

    @property
    def delivered(self) -> bool:
        """Not a failure at all: somebody asked for a receipt of delivery."""
        return self.bounce.action in ("delivered", "relayed", "expanded")


def claims(sender: str, null_sender: bool, fields: Fields, report_type: bytes | None = None) -> bool:
    """Whether a mail calls itself a bounce, so that its text is worth a search."""
    if b"x-failed-recipients" in fields or b"x-mailru-failed-recipients" in fields:
        return True
    return null_sender or _DAEMON.match(sender) is not None or (report_type or b"").lower() == b"delivery-status"


def read_report(mail: Mail, content: Content) -> Verdict | None:
    """The delivery status report of a mail (RFC 3464, RFC 6533), if it has one that names a recipient or a status."""
    for part in content.reports:
        if not part.type.endswith("delivery-status"):
            continue
        verdict = _status(body.payload(mail, part)[:200_000])
        if verdict is not None:
            returned = _returned_id(mail, content)
            return Verdict(_with_id(verdict, returned), "report")
    return None


def _status(data: bytes) -> Bounce | None:
    recipients: dict[str, None] = {}
    actions: list[str] = []
    statuses: list[str] = []
    diagnostics = ""
    for block in re.split(rb"\r?\n[ \t]*\r?\n", data)[: _MAX_RECIPIENTS + 1]:
        fields, _ = headers.split_fields(block.strip(b"\r\n"))
        named = _typed(fields, b"final-recipient") or _typed(fields, b"original-recipient")
        action = headers.text_of(fields.get(b"action", [b""])[0]).lower().partition(" ")[0]
        found = _STATUS.search(headers.text_of(fields.get(b"status", [b""])[0]))
        diagnostic = headers.text_of(fields.get(b"diagnostic-code", [b""])[0])
        if not (named or action or found):
            continue
        if named:
            recipients[named] = None
        if action:
            actions.append(action)
        status = found[0] if found else ""
        better = _STATUS.search(diagnostic)
        if better and (not status or (status.endswith(".0.0") and better[1] == status[0])):
            status = better[0]
        if status:
            statuses.append(status)
        diagnostics = diagnostics or diagnostic
    if not (recipients or statuses):
        return None
    action = next((a for a in ("failed", "delayed", "relayed", "expanded", "delivered") if a in actions), "")
    status = statuses[0] if statuses else ""
    if not action:
        action = "delayed" if status[:1] == "4" else "delivered" if status[:1] == "2" else "failed"
    return Bounce(tuple(recipients), action, status, _is_permanent(action, status, diagnostics))


def _is_permanent(action: str, status: str, words: str) -> bool:
    if action == "delayed" or action in ("delivered", "relayed", "expanded"):
        return False
    if status[:1] in ("4", "5"):
        return status[0] == "5"
    code = _REPLY_CODE.search(words)
    return not (code and code[1][0] == "4")


def _typed(fields: Fields, name: bytes) -> str:
    """The address of a typed recipient field: `rfc822; anna@example.ru`."""
    values = fields.get(name)
    if not values:
        return ""
    text = headers.text_of(values[0])
    kind, semicolon, address = text.partition(";")
    if not semicolon:
        address = kind
    elif kind.strip().lower() in ("x400", "unknown", "x-local"):
        return ""
    found = _MAILBOX.search(address)
    return found[0] if found else ""


def _returned_id(mail: Mail, content: Content) -> str:
    """The Message-ID of the mail that came back, from its headers in the bounce."""
    for part in content.files + content.texts:
        if part.type in _RETURNED_TYPES:
            block = body.payload(mail, part)[:65_536].lstrip(b"\r\n")
            end = min((at for at in (block.find(b"\n\n"), block.find(b"\n\r\n")) if at >= 0), default=len(block))
            fields, _ = headers.split_fields(block[:end])
            ids = headers.identifiers(fields.get(b"message-id"))
            if ids:
                return ids[0]
    return ""


def _with_id(bounce: Bounce, message_id: str) -> Bounce:
    return Bounce(bounce.recipients, bounce.action, bounce.status, bounce.permanent, message_id)


def search(mail: Mail, content: Content, sender: str, subject: str, text: str, own: frozenset[str]) -> Verdict | None:
    """A bounce without a report, found by headers, flufl.bounce and phrases; None where nothing tells of a failure.

    `own` are folded addresses that cannot be the failed recipient: the mail's own recipients.
    """
    fields = mail.root.fields
    lost = text.find("Final-Recipient:")
    if lost >= 0 and b"mime-version" not in fields:
        # A report whose MIME header was lost on the way.
        found = _status(text[max(0, lost - 200) : lost + 5000].encode())
        if found is not None:
            return Verdict(_with_id(found, _sent_id(text)), "report")
    searched = f"{subject}\n{text[:_MAX_SEARCHED]}"
    begin = _RETURNED.search(searched, len(subject) + 1)
    told = searched[: begin.start()] if begin and begin.start() > len(subject) + 60 else searched
    by = ""
    recipients: list[str] = []
    temporary = False
    for name in (b"x-failed-recipients", b"x-mailru-failed-recipients"):
        recipients += [address for _, address in headers.mailboxes(fields.get(name)) if address]
        by = by or ("header" if recipients else "")
    if not recipients:
        soft, hard = _detected(mail)
        recipients = hard or soft
        temporary = bool(soft) and not hard
        by = "detector" if recipients else ""
    named = _DAEMON.match(sender) is not None or _SUBJECT.search(subject) is not None
    failed = (_FAILED if named else _STRONG).search(told)
    if not recipients and failed:
        near = _MAILBOX.findall(told[len(subject) + 1 :])
        recipients = [a for a in dict.fromkeys(near) if a.lower() not in own and not _DAEMON.match(a)][:3]
        by = "text"
    if not by and not failed and mail.root.params.get("report-type", b"").lower() != b"delivery-status":
        return None
    status = _code(told)
    delayed = temporary or (_DELAYED.search(told) is not None and not status.startswith("5"))
    action = "delayed" if delayed else "failed"
    permanent = not delayed and not (
        status.startswith("4") or (not status and _TEMPORARY_WORDS.search(told) is not None)
    )
    returned = _returned_id(mail, content) or _sent_id(text)
    unique = tuple(dict.fromkeys(recipients))[:_MAX_RECIPIENTS]
    return Verdict(Bounce(unique, action, status, permanent, returned), by or "text")


def _sent_id(text: str) -> str:
    found = _SENT_ID.search(text[:200_000])
    return found[1] if found else ""


def _code(told: str) -> str:
    found = next((m for m in _STATUS.finditer(told) if m[1] != "2"), None)
    if found:
        return found[0]
    reply = _REPLY_CODE.search(told)
    return f"{reply[1][0]}.0.0" if reply else ""


def _detected(mail: Mail) -> tuple[list[str], list[str]]:
    """Temporarily and permanently failed recipients by flufl.bounce."""
    if len(mail.raw) > 400_000 or len(mail.leaves) > 60 or len(mail.root.fields) > 400:
        return [], []
    import email

    import flufl.bounce

    # It logs a traceback of its own before it raises.
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)
    try:
        soft, hard = flufl.bounce.all_failures(email.message_from_bytes(mail.raw))
    except Exception:
        # A second opinion may be missing; the mail has been read without it.
        return [], []
    return _addresses(soft), _addresses(hard)


def _addresses(found: object) -> list[str]:
    out = []
    for raw in sorted(found if isinstance(found, (set, frozenset)) else ()):
        match = _MAILBOX.search(raw.decode("ascii", "ignore") if isinstance(raw, bytes) else str(raw))
        if match:
            out.append(match[0])
    return out


def parts_of(content: Content, kind: str) -> list[Part]:
    """Report parts whose type ends with `kind`."""
    return [part for part in content.reports if part.type.endswith(kind)]
