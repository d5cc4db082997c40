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

from channels.email import (
    automatic,
    body,
    charset,
    digest,
    files,
    forward,
    headers,
    html,
    language,
    parse,
    record,
    reply,
)
from channels.email.body import Content
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

    `addresses` are mailboxes we send from, `message_id_domains` the domains of our Message-IDs, and `intake` the
    mailboxes people write to us at; all folded.
    """

    addresses: frozenset[str] = frozenset()
    message_id_domains: frozenset[str] = frozenset()
    intake: frozenset[str] = frozenset()


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
    found = files.attachment(parse.parse(raw), part)
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
    envelope_sender = (mail_from or "").strip().strip("<>").strip()
    if not envelope_sender and not any(name in fields for name in _HEAD_FIELDS):
        return Unreadable(channel, account, "not_mail", received_at, "no header field of a mail and no envelope sender")
    null_sender = _is_null(mail_from, fields)
    said = record.of(mail, envelope_sender, rcpt_to)
    sender, subject, text = said.sender, said.subject, said.text
    judged = automatic.classify(
        mail,
        said.content,
        sender=sender.value,
        subject=subject,
        text=text,
        null_sender=null_sender,
        is_own=_own(sender, said.message_id, own),
        recipients=frozenset(fold(r.value) for r in (*said.recipients, *said.cc)) if null_sender else frozenset(),
        intake=own.intake,
    )
    if judged.kind is MessageKind.HUMAN and said.files:
        from channels.email import fax

        if fax.calls_itself_fax(sender.value, subject, said.files):
            judged = automatic.Judgement(MessageKind.AUTO_REPLY, ("fax_form",))
    if not text and judged.kind is MessageKind.HUMAN and said.files:
        # Forwarded as a file, without a word: what is forwarded is what is meant.
        text = record.forwarded_text(mail, said.content)
    linked = list(dict.fromkeys([*said.answers, *reversed(said.thread)]))
    if judged.about:
        linked = [judged.about, *(each for each in linked if each != judged.about)]
    extra: dict[str, object] = {}
    if judged.kind in (MessageKind.FEEDBACK_REPORT, MessageKind.READ_RECEIPT):
        extra["report"] = dict(judged.told)
    if said.answers:
        extra["in_reply_to"] = list(said.answers)
    if said.thread:
        extra["references"] = list(said.thread)
    if b"reply-to" in fields:
        extra["reply_to"] = list(said.reply_to)
    forwarded = forward.original(mail, said.content, subject, said.text) if judged.kind is MessageKind.HUMAN else None
    if forwarded is not None:
        extra["forwarded"] = forwarded.as_json()
    reply_text = reply.strip_quotes(said.fresh) if said.fresh else ""
    return InboundMessage(
        channel=channel,
        account=account,
        external_id=external_id,
        sender=sender,
        recipients=said.recipients,
        cc=said.cc,
        subject=subject,
        text=text,
        reply_text=reply_text,
        html=_html(mail, said.content) if want_html else "",
        language=language.detect(reply_text or subject),
        message_id=said.message_id,
        refs=Refs(
            _tokens(fields, rcpt_to, said.recipients, text),
            tuple(linked),
            # Each one costs whoever routes the message a locked ticket.
            find_numbers(subject)[:_MAX_NUMBERS] if "-" in subject else (),
        ),
        attachments=said.files,
        kind=judged.kind,
        kind_because=judged.because,
        sent_at=said.sent_at,
        received_at=received_at,
        digest=digest.digest(sender.value, said.date, said.message_id, subject, said.text, said.files),
        window=digest.window(said.date, said.message_id),
        bounce=judged.bounce,
        defects=tuple(dict.fromkeys(mail.defects))[:_MAX_DEFECTS],
        extra=extra,
    )


def _is_null(mail_from: str | None, fields: headers.Fields) -> bool:
    """Whether the return path is empty (RFC 5321 4.5.5); without an envelope Return-Path tells, the last one added."""
    if mail_from is not None:
        return mail_from.strip() in ("", "<>")
    given = fields.get(b"return-path")
    return given is not None and given[0].replace(b" ", b"") in (b"<>", b"")


def _own(sender: Address, message_id: str, own: OwnMail) -> str:
    if own.addresses and fold(sender.value) in own.addresses:
        return "own_address"
    if own.message_id_domains:
        # People of our own domain write mail too: only an identifier of our making counts.
        found = _OWN_ID.fullmatch(message_id)
        if found and fold(found[1]) in own.message_id_domains:
            return "own_message_id"
    return ""


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
