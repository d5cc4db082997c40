"""Every call of the API in one table: what the program serves, checks and describes is read from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from web.api import answers, queries, requests

Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call.

    `answers` are the shapes of good answers by status (None: bytes or a page, of `media`). `refusals` are the statuses
    this call may be refused with besides those of its kind (see `refusals_of`). `tagged` answers bear an ETag,
    `conditional` changes honour If-Match, `keyed` ones an Idempotency-Key; `worded` answers have reasons in words.
    """

    id: str
    method: Method
    path: str
    tag: str
    summary: str
    scope: str = ""
    description: str = ""
    query: type = queries.NoQuery
    body: type | None = None
    example: Any = None
    answers: Mapping[int, type | None] = field(default_factory=dict)
    media: str = "application/json"
    refusals: tuple[int, ...] = ()
    keyed: bool = False
    tagged: bool = False
    conditional: bool = False
    worded: bool = False


_API = "/api/v1"

TICKETS, DELIVERIES, QUARANTINE, PROGRAM = "tickets", "deliveries", "quarantine", "program"

LIST_TICKETS = Operation(
    "list_tickets", "GET", f"{_API}/tickets", TICKETS, "Tickets, newest first", "tickets:read",
    query=queries.TicketQuery, answers={200: answers.TicketPage}, tagged=True,
)  # fmt: skip
CREATE_TICKET = Operation(
    "create_ticket", "POST", f"{_API}/tickets", TICKETS, "Make a ticket", "tickets:write",
    "What is stated is taken; what is left out is the router's to decide. `201` is sent after the commit. The same "
    "Idempotency-Key and body again, byte for byte and at any time: 200 and the ticket there is. 202: it was kept, "
    "but makes no ticket before staff have looked at it.",
    body=requests.NewTicket,
    example={
        "contact": {"kind": "email", "value": "irina@sibtrans.example", "name": "Ирина Власова"},
        "subject": "Срочно: не печатает принтер",
        "text": "С утра не печатает принтер на складе.",
    },
    answers={201: answers.Ticket, 200: answers.Ticket, 202: answers.KeptInQuarantine}, keyed=True, worded=True,
)  # fmt: skip
SHOW_TICKET = Operation(
    "show_ticket", "GET", f"{_API}/tickets/{{number}}", TICKETS, "One ticket with everything that hangs on it",
    "tickets:read", "`number` may be given without its prefix and year where only one ticket has these digits.",
    answers={200: answers.Ticket}, refusals=(404,), tagged=True, worded=True,
)  # fmt: skip
CHANGE_STATUS = Operation(
    "change_status", "POST", f"{_API}/tickets/{{number}}/status", TICKETS, "Move a ticket along its life cycle",
    "tickets:write", "`waiting` and `rejected` need a comment: the author reads it.",
    body=requests.StatusChange, example={"status": "waiting", "comment": "Какая модель принтера?"},
    answers={200: answers.Ticket}, refusals=(404, 409), keyed=True, conditional=True, worded=True,
)  # fmt: skip
ADD_COMMENT = Operation(
    "add_comment", "POST", f"{_API}/tickets/{{number}}/comments", TICKETS, "Write on a ticket", "tickets:write",
    "A public comment goes to the author, an internal one to nobody.",
    body=requests.Comment, example={"text": "Едем к вам.", "public": True},
    answers={201: answers.Ticket}, refusals=(404,), keyed=True, conditional=True, worded=True,
)  # fmt: skip
ASSIGN = Operation(
    "assign", "POST", f"{_API}/tickets/{{number}}/assign", TICKETS, "Give a ticket to somebody", "tickets:write",
    "A login, a group and a centre, at least one of them; an empty login takes the ticket from everybody.",
    body=requests.Assignment, example={"assignee": "d.volkov"},
    answers={200: answers.Ticket}, refusals=(404,), keyed=True, conditional=True, worded=True,
)  # fmt: skip
MESSAGE_RAW = Operation(
    "message_raw", "GET", f"{_API}/tickets/{{number}}/messages/{{id}}/raw", TICKETS, "A message as it came, to save",
    "tickets:read", answers={200: None}, media="application/octet-stream", refusals=(404,),
)  # fmt: skip
MESSAGE_HTML = Operation(
    "message_html", "GET", f"{_API}/tickets/{{number}}/messages/{{id}}/html", TICKETS,
    "The HTML of a message, sanitised", "tickets:read",
    "Nothing in it runs or loads. Show it in a sandboxed frame all the same.",
    answers={200: None}, media="text/html", refusals=(404,),
)  # fmt: skip
ATTACHMENT = Operation(
    "attachment", "GET", f"{_API}/tickets/{{number}}/attachments/{{id}}", TICKETS, "A file of a message, to save",
    "tickets:read", answers={200: None}, media="application/octet-stream", refusals=(404,),
)  # fmt: skip
LIST_DELIVERIES = Operation(
    "list_deliveries", "GET", f"{_API}/deliveries", DELIVERIES, "Deliveries with their tries, newest first",
    "deliveries:read", query=queries.DeliveryQuery, answers={200: answers.DeliveryPage}, refusals=(404,), tagged=True,
    worded=True,
)  # fmt: skip
SHOW_DELIVERY = Operation(
    "show_delivery", "GET", f"{_API}/deliveries/{{id}}", DELIVERIES, "One delivery with its text and what was said",
    "deliveries:read", answers={200: answers.DeliveryTold}, refusals=(404,), tagged=True, worded=True,
)  # fmt: skip
RETRY_DELIVERY = Operation(
    "retry_delivery", "POST", f"{_API}/deliveries/{{id}}/retry", DELIVERIES,
    "Send a delivery again that came to nothing", "deliveries:write", "409 where somebody would get it twice.",
    answers={200: answers.DeliveryTold}, refusals=(404, 409), keyed=True, worded=True,
)  # fmt: skip
SETTLE_DELIVERY = Operation(
    "settle_delivery", "POST", f"{_API}/deliveries/{{id}}/settle", DELIVERIES,
    "Say what became of a delivery that is unknown", "deliveries:write",
    body=requests.Settlement, example={"state": "sent"},
    answers={200: answers.DeliveryTold}, refusals=(404, 409), keyed=True, worded=True,
)  # fmt: skip
LIST_QUARANTINE = Operation(
    "list_quarantine", "GET", f"{_API}/quarantine", QUARANTINE, "What no message could be made of, newest first",
    "quarantine:read", query=queries.QuarantineQuery, answers={200: answers.QuarantinePage}, tagged=True,
)  # fmt: skip
SHOW_QUARANTINE = Operation(
    "show_quarantine", "GET", f"{_API}/quarantine/{{id}}", QUARANTINE, "One entry", "quarantine:read",
    answers={200: answers.QuarantineEntry}, refusals=(404,), tagged=True,
)  # fmt: skip
QUARANTINE_RAW = Operation(
    "quarantine_raw", "GET", f"{_API}/quarantine/{{id}}/raw", QUARANTINE, "The bytes of an entry as they came, to save",
    "quarantine:read", answers={200: None}, media="application/octet-stream", refusals=(404,),
)  # fmt: skip
REPLAY_QUARANTINE = Operation(
    "replay_quarantine", "POST", f"{_API}/quarantine/{{id}}/replay", QUARANTINE, "Read the bytes of an entry again",
    "quarantine:write", "200 with the ticket it became; 409 where it still makes none.",
    answers={200: answers.QuarantineEntry}, refusals=(404, 409), keyed=True,
)  # fmt: skip
DESCRIPTION = Operation(
    "description", "GET", "/openapi.json", PROGRAM, "This description", answers={200: None}, tagged=True,
)  # fmt: skip
READABLE = Operation(
    "readable", "GET", f"{_API}/docs", PROGRAM, "This description for people", query=queries.PageQuery,
    answers={200: None}, media="text/html",
)  # fmt: skip
ALIVE = Operation(
    "alive", "GET", "/healthz", PROGRAM, "Whether the process answers", answers={200: None},
)  # fmt: skip
READY = Operation(
    "ready", "GET", "/readyz", PROGRAM, "Whether the program can work", answers={200: None, 503: None},
)  # fmt: skip

OPERATIONS = (
    LIST_TICKETS, CREATE_TICKET, SHOW_TICKET, CHANGE_STATUS, ADD_COMMENT, ASSIGN, MESSAGE_RAW, MESSAGE_HTML, ATTACHMENT,
    LIST_DELIVERIES, SHOW_DELIVERY, RETRY_DELIVERY, SETTLE_DELIVERY,
    LIST_QUARANTINE, SHOW_QUARANTINE, QUARANTINE_RAW, REPLAY_QUARANTINE,
    DESCRIPTION, READABLE, ALIVE, READY,
)  # fmt: skip


def refusals_of(operation: Operation) -> tuple[int, ...]:
    """Every status with a problem document this call may be answered with, in order."""
    found = set(operation.refusals)
    if operation in (DESCRIPTION, READABLE):
        found.add(400)
    if operation.scope:
        found |= {400, 401, 403, 429, 503}
    if operation.body is not None:
        found |= {408, 413, 415, 422}
    if operation.keyed:
        found |= {409, 422}
    if operation.conditional:
        found |= {412, 428}
    return tuple(sorted(found))
