"""From claimed deliveries to texts: the context of each is read, rendered once and kept for every try."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from channels.base import OutFile, OutMessage
from outbound.counts import traced
from outbound.deadline_file import CONTENT_TYPE, NAME, calendar
from outbound.portal_token import PageTokens
from outbound.render import Renderer, RenderFailed, text_of
from outbound.token import ReplyTokens, address
from tickets.event import Event
from tickets.organisation import Organisation
from tickets.proven import proven
from tickets.reason import Decided

log = structlog.get_logger(__name__)

Row = dict[str, Any]
Wording = Callable[[Any, str], str]

_NEUTRAL = {
    "web": {"ru": "заявка с сайта", "en": "a request from the web form"},
    "email": {"ru": "ваше письмо", "en": "your mail"},
}
"""Stands for a subject that must not be repeated."""

_DUE = {
    "ru": {"respond": "ответить до этого времени", "resolve": "решить до этого времени"},
    "en": {"respond": "answer by then", "resolve": "resolve by then"},
}

_TYPED_BY_A_PERSON = frozenset({Event.PUBLIC_COMMENT.value})


@dataclass(frozen=True, slots=True)
class Voice:
    """As whom we speak: `sender` is the From address, `mailbox` the one replies go to, `domain` that of Message-IDs.

    `returns` is the mailbox behind which every try gets a return path of its own; empty: the sender's is used.
    `reference` puts the reply token into texts to authors, for programs that drop every header when they answer;
    `calendar` puts deadlines into mails to assignees as a file.
    """

    site_name: str
    sender: str
    mailbox: str
    domain: str
    name: str = ""
    url: str = ""
    zone: str = "Europe/Moscow"
    signature: Mapping[str, str] = field(default_factory=dict)
    returns: str = ""
    reference: bool = True
    calendar: bool = True


class Preparer:
    """Renders deliveries. `words` puts a reason into words; it is the router's, handed in.

    A link to the author's page stands in the text that is kept as a marker, the delivery's own key; `message` puts the
    token in its place on the way out, so that who reads the ledger cannot open the page as the author.
    """

    def __init__(
        self,
        renderer: Renderer,
        tokens: ReplyTokens,
        voice: Voice,
        words: Wording,
        pages: PageTokens | None = None,
    ) -> None:
        self._renderer = renderer
        self._tokens = tokens
        self._voice = voice
        self._words = words
        self._pages = pages

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
        outside = note["role"] in ("author", "copy")
        guarded = to_author and _by_anybody(ticket, note, said)
        told = _NEUTRAL.get(ticket.get("channel", ""), _NEUTRAL["email"])
        neutral = told.get(language, told["ru"])
        comment = (said["reply_text"] or said["text"]) if said and note["event"] != "received" else ""
        rendered = self._renderer.render(
            text_of(note["event"], note["role"]),
            language=language,
            centre=ticket["centre"],
            customer=ticket["customer"],
            context={
                "ticket": {
                    "number": ticket["number"],
                    "subject": neutral if guarded else ticket["subject"],
                    "text": (first["reply_text"] or first["text"]) if first and not guarded else "",
                    "status": ticket["status"],
                    "type": ticket["type"],
                    "priority": ticket["priority"],
                    "centre_name": centre.name if centre else "",
                    "customer_name": customer.name if customer else "",
                    "contact_name": "" if guarded else ticket["contact_name"],
                    "assignee_name": assignee.name if assignee else "",
                    "respond_by": ticket["respond_by"],
                    "resolve_by": ticket["resolve_by"],
                    "created_at": ticket["created_at"],
                    "close_at": ticket["alarm_at"] if ticket["alarm"] == "close_due" else None,
                    "url": self._url(delivery, note, ticket),
                },
                "event": {
                    "old": event["old"] or "",
                    "new": event["new"] or "",
                    "comment": comment,
                    "author": said["sender_name"] if said else "",
                    "reasons": [
                        self._words(Decided.from_json(d).reason, language)
                        for d in ticket["decision"]
                        if not outside and d["value"] and d["code"] != "default"
                    ],
                },
                "recipient": {"name": "" if guarded else note["name"], "role": note["role"], "language": language},
                "site": {"name": voice.site_name, "url": voice.url, "signature": voice.signature.get(language, "")},
                "zone": centre.zone if centre else voice.zone,
                "now": now,
            },
        )
        if rendered.problem:
            log.error("own_template_failed", problem=rendered.problem)
        ticket_id: UUID = ticket["id"]
        automatic = note["event"] not in _TYPED_BY_A_PERSON
        token = self._tokens.sign(ticket_id)
        text, html = rendered.text, rendered.html
        if outside and voice.reference and note["event"] != Event.PORTAL_LINK:
            text, html = referred(text, html, token)
        return {
            "id": delivery["id"],
            "subject": rendered.subject,
            "text": text,
            "html": html,
            "envelope": {
                "name": "" if guarded else note["name"],
                "message_id": self._tokens.message_id(ticket_id, delivery["id"], voice.domain),
                "sender": f"{voice.name} <{voice.sender}>" if voice.name else voice.sender,
                "reply_to": address(voice.mailbox, token) if outside else "",
                "in_reply_to": context["thread"][-1] if context["thread"] and to_author else "",
                "references": context["thread"][-10:] if to_author else [],
                "automatic": automatic,
                "auto_submitted": "auto-replied" if note["event"] == "received" else "auto-generated",
                **self._calendar(note, ticket, delivery),
                **({"files": _files(context["files"])} if outside and context.get("files") else {}),
                **_marked(note, event),
                **traced(context),
            },
        }

    def message(self, delivery: Row) -> OutMessage:
        """A delivery with its text as a sender takes it, links complete."""
        envelope = delivery["envelope"] or {}
        pages = self._pages
        message = out_message(delivery)
        if self._voice.returns and delivery.get("number"):
            # bounces of an acknowledgement come back too: whatever is sent there is never answered
            token = self._tokens.return_path(delivery["id"], delivery["number"])
            message = replace(message, extra={**message.extra, "envelope_from": address(self._voice.returns, token)})
        if pages is None or not envelope.get("page"):
            return message
        marker = delivery["id"].hex
        if "entrance" in envelope:
            shown, sent = pages.entrance(marker), pages.entrance(pages.secret(UUID(envelope["entrance"])))
        else:
            token = pages.sign(delivery["ticket_id"], UUID(envelope["page"]), delivery["created_at"])
            shown, sent = pages.address(marker), pages.address(token)
        if not shown:
            return message
        return replace(message, text=message.text.replace(shown, sent), html=message.html.replace(shown, sent))

    def _calendar(self, note: Row, ticket: Row, delivery: Row) -> Row:
        """The deadlines of a ticket as a file for the calendar of who is to keep them."""
        if note["event"] != Event.ASSIGNED or note["role"] != "assignee" or not self._voice.calendar:
            return {}
        words = _DUE.get(delivery["language"], _DUE["ru"])
        entries = [
            (f"{ticket['id'].hex}-{name}@{self._voice.domain}", f"{ticket['number']}: {said}", ticket[f"{name}_by"])
            for name, said in words.items()
            if ticket[f"{name}_by"] is not None
        ]
        url = self._url(delivery, note, ticket)
        made = calendar(
            entries,
            stamp=delivery["created_at"],
            description=ticket["subject"][:500],
            url=url,
            version=ticket["version"],
        )
        return {"calendar": made.decode()} if made else {}

    def _url(self, delivery: Row, note: Row, ticket: Row) -> str:
        """The page of the ticket for this recipient; the author's with the marker in place of the token."""
        if self._pages is None or not self._voice.url or note["role"] == "copy":
            return ""
        if note["role"] != "author":
            return f"{self._voice.url}/tickets/{ticket['number']}"
        marker = delivery["id"].hex
        return self._pages.entrance(marker) if note["event"] == "portal_link" else self._pages.address(marker)


def referred(text: str, html: str, token: str) -> tuple[str, str]:
    """Both parts with the token in a line of its own: above the signature, which many programs cut off an answer."""
    said, mark, signature = text.rpartition("\n-- \n")
    text = f"{said.rstrip()}\n\nRef: {token}\n{mark}{signature}" if mark else f"{text.rstrip()}\n\nRef: {token}\n"
    before, end, after = html.rpartition("</body>")
    if end:
        html = f'{before}<p style="color:#6B7577;font-size:11px;margin:16px 0 0;">Ref: {token}</p>{end}{after}'
    return text, html


def _files(rows: list[Row]) -> list[Row]:
    """The files that go along: what is said of them, and where their bytes are."""
    return [{"id": row["id"].hex, "name": row["name"], "type": row["content_type"]} for row in rows]


def _by_anybody(ticket: Row, note: Row, said: Row | None) -> bool:
    """Whether the words of a ticket may be a stranger's: who fills in a form, or writes a From field, can name any
    address.

    Nothing of what was typed into a form goes there until the address is verified. What we send by ourselves repeats
    nothing of a mail or a form whose author is not proved (`tickets.proven`).
    """
    verified = bool(ticket.get("contact_verified"))
    if note["event"] == Event.RECEIVED:
        authenticity = (said["detail"] or {}).get("authenticity", {}) if said else {}
        return not proven(ticket.get("channel", ""), authenticity, verified)
    return ticket.get("channel") == "web" and not verified


def _marked(note: Row, event: Row) -> Row:
    """Whose links are to be put into the text on its way out."""
    if note["role"] != "author" or note["person_id"] is None:
        return {}
    entrance = {"entrance": event["id"].hex} if note["event"] == "portal_link" else {}
    return {"page": note["person_id"].hex, **entrance}


def files_of(delivery: Row) -> list[UUID]:
    """The keys of the files that go along with a delivery."""
    return [UUID(file["id"]) for file in (delivery["envelope"] or {}).get("files", ())]


def with_files(message: OutMessage, delivery: Row, octets: Mapping[UUID, bytes]) -> OutMessage:
    """The message with its files; `octets` are their bytes by key.

    Raises:
        LookupError: the bytes of a file are not there any more.
    """
    files = (delivery["envelope"] or {}).get("files", ())
    more = tuple(OutFile(file["name"], file["type"], octets[UUID(file["id"])]) for file in files)
    return replace(message, files=(*message.files, *more))


def out_message(delivery: Row) -> OutMessage:
    """A delivery with its text, as a sender takes it; its files are put in by `with_files`."""
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
        files=(OutFile(NAME, CONTENT_TYPE, envelope["calendar"].encode()),) if envelope.get("calendar") else (),
    )


__all__ = ["Preparer", "RenderFailed", "Voice", "files_of", "out_message", "with_files"]
