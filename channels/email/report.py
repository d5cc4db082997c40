"""Which mail of ours a complaint (RFC 5965) or a read receipt (RFC 8098) is about, and what it says of it."""

from __future__ import annotations

from channels.email import body, bounce_report, headers
from channels.email.body import Content
from channels.email.parse import Mail

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
        fields = bounce_report.first_fields(body.payload(mail, part))
        for name, key in _TOLD.items():
            if name in fields and key not in told:
                told[key] = headers.text_of(fields[name][0]).rpartition(";")[2].strip()[:320].lower()
        given = headers.identifiers(fields[b"original-message-id"]) if b"original-message-id" in fields else []
        original = original or (given[0] if given else "")
    return told, original or bounce_report.returned_id(mail, content)
