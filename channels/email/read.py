"""Raw mail to message: the one door between the bytes of a mail and the rest of Otklik.

`read` is total. Any bytes give a message or an `Unreadable` that says why; a mistake in this package ends as
`Unreadable("parse_error")` with the bytes kept by the caller, never as an exception. Time and memory are bounded by the
limits of the modules it calls; the text of attachments is never looked at.

HTML is not sanitised on intake: it is made from the raw bytes when somebody wants to see it (`html_of`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from channels.email import automatic, body, charset, digest, forward, headers, html, language, parse, reply, report
from channels.email.body import Content
from channels.email.date import instant
from channels.email.parse import Mail
from tickets.address import Address, AddressKind, fold
from tickets.message import Attachment, InboundMessage, MessageKind, Refs, Unreadable
from tickets.number import find_numbers

TOKEN = re.compile(r"[a-z0-9]{1,4}-[a-z2-7]{26,60}")
"""A reply token: key id, hyphen, lower-case base32. Only its shape: who sent it is told by its signature."""

_ADDRESS_TOKEN = re.compile(r"\+((?:b\.)?[a-z0-9]{1,4}-[a-z2-7]{26,60})@", re.IGNORECASE)
_OWN_ID = re.compile(r"[a-z0-9]{1,4}-[a-z2-7]{26,60}(?:\.[a-z2-7]{26})?@(.+)", re.IGNORECASE)
_TOKEN_TAIL = re.compile(r"-[a-z2-7]{26,60}(?![a-z2-7])")
_MAX_TOKENS = 20
_MAX_SUBJECT = 2000
_MAX_DEFECTS = 20
_MAX_NUMBERS = 5
_HEAD_FIELDS = (
    b"from",
    b"subject",
    b"date",
    b"to",
    b"message-id",
    b"received",
    b"content-type",
    b"mime-version",
    b"return-path",
    b"sender",
)


@dataclass(frozen=True, slots=True)
class OwnMail:
    """What our own mail looks like.

    `addresses` are mailboxes we send from and `message_id_domains` the domains of our Message-IDs, both folded.
    """

    addresses: frozenset[str] = frozenset()
    message_id_domains: frozenset[str] = frozenset()


def read(
    raw: bytes,
    *,
    channel: str = "email",
    account: str,
    external_id: str,
    received_at: datetime,
    mail_from: str | None = None,
    rcpt_to: Sequence[str] = (),
    own: OwnMail = OwnMail(),
    want_html: bool = False,
) -> InboundMessage | Unreadable:
    """Make a message of a raw mail.

    `mail_from` and `rcpt_to` are the envelope (RFC 5321): "" or "<>" is the null sender, None an envelope nobody knows.
    `recipients` of the message are those of the To field, and after them the envelope's that no field names. With
    `want_html` the message has sanitised HTML; without, `html` is empty.

    Reasons of an `Unreadable`: `empty`; `not_mail` (no header field, and no envelope sender either); `parse_error`.
    """
    try:
        return _read(raw, channel, account, external_id, received_at, mail_from, rcpt_to, own, want_html)
    except Exception as error:
        # Totality is the contract: a bug here may cost a look by a person, never a mail.
        detail = charset.clean(f"{type(error).__name__}: {error}")[:500]
        return Unreadable(channel, account, "parse_error", received_at, detail)


def html_of(raw: bytes) -> str:
    """The sanitised HTML of a mail, empty where it has none. Pictures inside it are `cid:` references."""
    try:
        mail = parse.parse(raw)
        return _html(mail, body.sort(mail))
    except Exception:
        return ""


def attachment_bytes(raw: bytes, part: str) -> tuple[bytes, Attachment]:
    """Decode one file of a mail by its MIME path, as `Attachment.part` names it.

    Raises:
        LookupError: the mail has no such part.
    """
    found = body.attachment(parse.parse(raw), part)
    if found is None:
        raise LookupError(f"the mail has no part {part!r}")
    return found


def _read(
    raw: bytes,
    channel: str,
    account: str,
    external_id: str,
    received_at: datetime,
    mail_from: str | None,
    rcpt_to: Sequence[str],
    own: OwnMail,
    want_html: bool,
) -> InboundMessage | Unreadable:
    if not raw or raw.isspace():
        return Unreadable(channel, account, "empty", received_at)
    mail = parse.parse(raw)
    fields = mail.root.fields
    defects = mail.defects
    envelope_sender = (mail_from or "").strip().strip("<>").strip()
    if not envelope_sender and not any(name in fields for name in _HEAD_FIELDS):
        return Unreadable(channel, account, "not_mail", received_at, "no header field of a mail and no envelope sender")
    null_sender = _is_null(mail_from, fields)

    sender = _sender(fields, envelope_sender, defects)
    subject = headers.text_of(fields[b"subject"][0], defects)[:_MAX_SUBJECT] if b"subject" in fields else ""
    date = mail.root.first(b"date")
    sent_at = instant(date) if date else None
    if sent_at is None:
        defects.append("date_unreadable" if date else "date_missing")
    message_ids = headers.identifiers(fields[b"message-id"]) if b"message-id" in fields else []
    message_id = message_ids[0] if message_ids else ""
    if not message_id:
        defects.append("message_id_missing")

    content = body.sort(mail)
    text, fresh = _texts(mail, content)
    files = body.attachments(mail, content) if content.files else ()
    recipients, cc = _recipients(fields, rcpt_to, defects)
    judged = automatic.classify(
        mail,
        content,
        sender=sender.value,
        subject=subject,
        text=text,
        null_sender=null_sender,
        is_own=_own(sender, message_id, own),
        recipients=frozenset(fold(r.value) for r in (*recipients, *cc)) if null_sender else frozenset(),
    )
    answers = headers.identifiers(fields[b"in-reply-to"]) if b"in-reply-to" in fields else []
    thread = headers.identifiers(fields[b"references"]) if b"references" in fields else []
    linked = list(dict.fromkeys([*answers, *reversed(thread)]))
    if judged.about:
        linked = [judged.about, *(each for each in linked if each != judged.about)]
    extra: dict[str, object] = {}
    if judged.kind in (MessageKind.FEEDBACK_REPORT, MessageKind.READ_RECEIPT):
        extra["report"], original = report.about(mail, content)
        if original:
            linked = list(dict.fromkeys([original, *linked]))
    if answers:
        extra["in_reply_to"] = answers
    if thread:
        extra["references"] = thread
    if b"reply-to" in fields:
        extra["reply_to"] = [address for _, address in headers.mailboxes(fields[b"reply-to"]) if address]
    forwarded = forward.original(mail, content, subject, text) if judged.kind is MessageKind.HUMAN else None
    if forwarded is not None:
        extra["forwarded"] = forwarded.as_json()
    reply_text = reply.strip_quotes(fresh) if fresh else ""
    return InboundMessage(
        channel=channel,
        account=account,
        external_id=external_id,
        sender=sender,
        recipients=recipients,
        cc=cc,
        subject=subject,
        text=text,
        reply_text=reply_text,
        html=_html(mail, content) if want_html else "",
        language=language.detect(reply_text or subject),
        message_id=message_id,
        refs=Refs(
            _tokens(fields, rcpt_to, recipients, text),
            tuple(linked),
            # Each one costs whoever routes the message a locked ticket.
            find_numbers(subject)[:_MAX_NUMBERS] if "-" in subject else (),
        ),
        attachments=files,
        kind=judged.kind,
        kind_because=judged.because,
        sent_at=sent_at,
        received_at=received_at,
        digest=digest.digest(sender.value, date, message_id, subject, text, files),
        window=digest.window(date, message_id),
        bounce=judged.bounce,
        defects=tuple(dict.fromkeys(defects))[:_MAX_DEFECTS],
        extra=extra,
    )


def _is_null(mail_from: str | None, fields: headers.Fields) -> bool:
    """Whether the return path is empty (RFC 5321 4.5.5); without an envelope Return-Path tells, the last one added."""
    if mail_from is not None:
        return mail_from.strip() in ("", "<>")
    given = fields.get(b"return-path")
    return given is not None and given[0].replace(b" ", b"") in (b"<>", b"")


def _sender(fields: headers.Fields, envelope_sender: str, defects: list[str]) -> Address:
    given = fields.get(b"from")
    boxes = headers.mailboxes(given, defects) if given else []
    if given and len(given) > 1:
        defects.append("from_repeated")
    if not given:
        defects.append("from_missing")
    name = boxes[0][0] if boxes else ""
    for box_name, address in boxes:
        if address:
            return Address(AddressKind.EMAIL, address, box_name)
    if given:
        defects.append("from_without_address")
    for field in (b"sender", b"reply-to", b"return-path"):
        for box_name, address in headers.mailboxes(fields.get(field)):
            if address:
                return Address(AddressKind.EMAIL, address, name or box_name)
    if "@" in envelope_sender:
        return Address(AddressKind.EMAIL, charset.clean(envelope_sender), name)
    return Address(AddressKind.EMAIL, "", name)


def _recipients(
    fields: headers.Fields, rcpt_to: Sequence[str], defects: list[str]
) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    email = AddressKind.EMAIL
    to = [Address(email, a, n) for n, a in headers.mailboxes(fields.get(b"to"), defects) if a]
    copied = headers.mailboxes(fields[b"cc"], defects) if b"cc" in fields else ()
    cc = tuple(Address(email, a, n) for n, a in copied if a)
    if rcpt_to:
        named = {fold(one.value) for one in (*to, *cc)}
        to.extend(Address(email, charset.clean(r.strip("<>"))) for r in rcpt_to if fold(r.strip("<>")) not in named)
    return tuple(to), cc


def _own(sender: Address, message_id: str, own: OwnMail) -> str:
    if own.addresses and fold(sender.value) in own.addresses:
        return "own_address"
    if own.message_id_domains:
        # People of our own domain write mail too: only an identifier of our making counts.
        found = _OWN_ID.fullmatch(message_id)
        if found and fold(found[1]) in own.message_id_domains:
            return "own_message_id"
    return ""


def _texts(mail: Mail, content: Content) -> tuple[str, str]:
    """The whole text, and the text to take the reply from: history the HTML itself marks is left out of it."""
    whole: list[str] = []
    fresh: list[str] = []
    for part in content.shown:
        text = body.text(mail, part)
        new = text
        if part.type == "text/html":
            text, new = html.to_text(text)
        if text.strip():
            whole.append(text.strip("\n"))
            fresh.append(new if new.strip() else text if len(content.shown) == 1 else "")
    joined = "\n\n".join(whole)
    return joined, "\n\n".join(piece for piece in fresh if piece) or joined


def _html(mail: Mail, content: Content) -> str:
    return "<hr>".join(html.sanitise(body.text(mail, part)) for part in content.htmls[:20])


def _tokens(
    fields: headers.Fields, rcpt_to: Sequence[str], recipients: tuple[Address, ...], text: str
) -> tuple[str, ...]:
    """Everything of the shape of a reply token: in the envelope, in recipient fields, then in the text."""
    found: list[str] = []
    for address in (*rcpt_to, *(r.value for r in recipients)):
        if "+" in address:
            found += _ADDRESS_TOKEN.findall(address)
    for name in (b"cc", b"delivered-to", b"x-original-to", b"envelope-to"):
        for value in fields.get(name, ())[:10]:
            if b"+" in value:
                found += _ADDRESS_TOKEN.findall(value[:20_000].decode("latin-1"))
    for tail in _TOKEN_TAIL.finditer(text):
        begin = tail.start()
        key = text[max(0, begin - 4) : begin]
        while key and not ((key.isascii() and key.isalnum() and key.islower()) or key.isdigit()):
            key = key[1:]
        if key:
            found.append(key + tail[0])
        if len(found) > _MAX_TOKENS:
            break
    return tuple(dict.fromkeys(token.lower() for token in found))[:_MAX_TOKENS]


def body_message(source: str, *, is_html: bool, received_at: datetime) -> InboundMessage:
    """A message of a bare body, as if a mail without a header had carried it."""
    source = charset.clean(source).replace("\r\n", "\n").replace("\r", "\n")
    text, fresh = html.to_text(source) if is_html else (source, source)
    message = InboundMessage(
        channel="email",
        account="",
        external_id="",
        sender=Address(AddressKind.EMAIL, ""),
        recipients=(),
        subject="",
        text=text,
        received_at=received_at,
        html=html.sanitise(source) if is_html else "",
        kind_because=("bare_body",),
    )
    reply_text = reply.strip_quotes(fresh if fresh.strip() else text)
    return replace(message, reply_text=reply_text, language=language.detect(reply_text))
