"""Which mail of ours a complaint (RFC 5965) or a read receipt (RFC 8098) is about, and what it says of it."""

from __future__ import annotations

from channels.email import body, headers
from channels.email.body import Content
from channels.email.headers import Fields
from channels.email.parse import Mail

_RETURNED = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
_MAX_REPORT = 65_536
_TOLD = {
    b"feedback-type": "feedback_type",
    b"original-rcpt-to": "recipient",
    b"final-recipient": "recipient",
    b"original-recipient": "recipient",
    b"disposition": "disposition",
}


def about(mail: Mail, content: Content) -> tuple[dict[str, str], str]:
    """What the report says (`feedback_type`, `recipient`, `disposition`, where it does), and the Message-ID of the mail
    it is about; empty where it names none."""
    told: dict[str, str] = {}
    original = ""
    for part in content.reports:
        if not part.type.endswith(("feedback-report", "disposition-notification")):
            continue
        fields = _fields(body.payload(mail, part))
        for name, key in _TOLD.items():
            if name in fields and key not in told:
                told[key] = headers.text_of(fields[name][0]).rpartition(";")[2].strip()[:320].lower()
        given = headers.identifiers(fields[b"original-message-id"]) if b"original-message-id" in fields else []
        original = original or (given[0] if given else "")
    for part in () if original else (*content.files, *content.texts, *content.reports):
        if part.type in _RETURNED:
            fields = _fields(body.payload(mail, part))
            given = headers.identifiers(fields[b"message-id"]) if b"message-id" in fields else []
            if given:
                return told, given[0]
    return told, original


def _fields(data: bytes) -> Fields:
    """The first block of fields."""
    block = data[:_MAX_REPORT].lstrip(b"\r\n")
    end = min((at for at in (block.find(b"\n\n"), block.find(b"\n\r\n")) if at >= 0), default=len(block))
    return headers.split_fields(block[: end + 1])[0]
