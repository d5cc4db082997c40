"""From claimed deliveries to texts: the context of each is read, rendered once and kept for every try."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from channels.base import OutMessage
from outbound.render import Renderer, RenderFailed, text_of
from outbound.token import ReplyTokens, address
from tickets.event import Event
from tickets.organisation import Organisation
from tickets.reason import Decided

log = structlog.get_logger(__name__)

Row = dict[str, Any]
Wording = Callable[[Any, str], str]

_TYPED_BY_A_PERSON = frozenset({Event.PUBLIC_COMMENT.value})


@dataclass(frozen=True, slots=True)
class Voice:
    """As whom we speak: `sender` is the From address, `mailbox` the one replies go to, `domain` that of Message-IDs."""

    site_name: str
    sender: str
    mailbox: str
    domain: str
    name: str = ""
    url: str = ""
    zone: str = "Europe/Moscow"
    signature: Mapping[str, str] = field(default_factory=dict)


class Preparer:
    """Renders deliveries. `words` puts a reason into words; it is the router's, handed in."""

    def __init__(self, renderer: Renderer, tokens: ReplyTokens, voice: Voice, words: Wording) -> None:
        self._renderer = renderer
        self._tokens = tokens
        self._voice = voice
        self._words = words

    def body(self, delivery: Row, context: Row, organisation: Organisation, now: datetime) -> Row:
        """The text and envelope of a delivery, as they will be stored: `id`, `subject`, `text`, `html`, `envelope`.

        Raises:
            RenderFailed: no text can be made.
        """
        note, ticket, event = context["notification"], context["ticket"], context["event"]
        voice = self._voice
        language = delivery["language"]
        centre = organisation.centres.get(ticket["centre"])
        customer = organisation.customers.get(ticket["customer"])
        assignee = organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
        said = context["said"]
        first = context["first"]
        to_author = note["role"] == "author"
        comment = (said["reply_text"] or said["text"]) if said and note["event"] != "received" else ""
        rendered = self._renderer.render(
            text_of(note["event"], note["role"]),
            language=language,
            centre=ticket["centre"],
            customer=ticket["customer"],
            context={
                "ticket": {
                    "number": ticket["number"],
                    "subject": ticket["subject"],
                    "text": (first["reply_text"] or first["text"]) if first else "",
                    "status": ticket["status"],
                    "type": ticket["type"],
                    "priority": ticket["priority"],
                    "centre_name": centre.name if centre else "",
                    "customer_name": customer.name if customer else "",
                    "contact_name": ticket["contact_name"],
                    "assignee_name": assignee.name if assignee else "",
                    "respond_by": ticket["respond_by"],
                    "resolve_by": ticket["resolve_by"],
                    "created_at": ticket["created_at"],
                    "url": "",
                },
                "event": {
                    "old": event["old"] or "",
                    "new": event["new"] or "",
                    "comment": comment,
                    "author": said["sender_name"] if said else "",
                    "reasons": [
                        self._words(Decided.from_json(d).reason, language)
                        for d in ticket["decision"]
                        if not to_author and d["value"] and d["code"] != "default"
                    ],
                },
                "recipient": {"name": note["name"], "role": note["role"], "language": language},
                "site": {"name": voice.site_name, "url": voice.url, "signature": voice.signature.get(language, "")},
                "zone": centre.zone if centre else voice.zone,
                "now": now,
            },
        )
        if rendered.problem:
            log.error("own_template_failed", problem=rendered.problem)
        ticket_id: UUID = ticket["id"]
        automatic = note["event"] not in _TYPED_BY_A_PERSON
        return {
            "id": delivery["id"],
            "subject": rendered.subject,
            "text": rendered.text,
            "html": rendered.html,
            "envelope": {
                "name": note["name"],
                "message_id": self._tokens.message_id(ticket_id, delivery["id"], voice.domain),
                "sender": f"{voice.name} <{voice.sender}>" if voice.name else voice.sender,
                "reply_to": address(voice.mailbox, self._tokens.sign(ticket_id)) if to_author else "",
                "in_reply_to": context["thread"][-1] if context["thread"] and to_author else "",
                "references": context["thread"][-10:] if to_author else [],
                "automatic": automatic,
                "auto_submitted": "auto-replied" if note["event"] == "received" else "auto-generated",
            },
        }


def out_message(delivery: Row) -> OutMessage:
    """A delivery with its text, as a sender takes it."""
    envelope = delivery["envelope"] or {}
    return OutMessage(
        id=delivery["id"].hex,
        channel=delivery["channel"],
        address=delivery["address"],
        subject=delivery["subject"] or "",
        text=delivery["text"] or "",
        html=delivery["html"] or "",
        name=envelope.get("name", ""),
        language=delivery["language"],
        message_id=envelope.get("message_id", ""),
        sender=envelope.get("sender", ""),
        reply_to=envelope.get("reply_to", ""),
        in_reply_to=envelope.get("in_reply_to", ""),
        references=tuple(envelope.get("references", ())),
        automatic=envelope.get("automatic", True),
        extra={"auto_submitted": envelope.get("auto_submitted", "auto-generated")},
    )


__all__ = ["Preparer", "RenderFailed", "Voice", "out_message"]
