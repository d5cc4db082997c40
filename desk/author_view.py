"""A ticket as its author may see it: public messages, what we sent them, and what is expected of whom by when.

Nothing internal is in it: no comments among staff, no logins, no codes of operators, no addresses in full.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from desk import mask
from desk.deadlines import CLOSE_DUE
from desk.portal_links import Opened
from desk.site import Site
from tickets.delivery import DeliveryState, notification_state
from tickets.event import Event, Role
from tickets.organisation import Organisation
from tickets.reason import Suppression
from tickets.status import OPEN, Status

Row = dict[str, Any]

_HIDDEN = frozenset({DeliveryState.EXPIRED.value})
_SILENT = frozenset({Suppression.OWN_ACTION.value, Suppression.DUPLICATE.value, Suppression.OUTDATED.value})
_WORDS_OF_AUTHOR = frozenset({"confirmed", "reopened", "withdrawn"})


@dataclass(frozen=True, slots=True)
class Step:
    """One of the four steps: `name` is its phrase, `state` done, current or ahead; `at` when, `until` by when."""

    name: str
    state: str
    at: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """What now, by when, what must I do. `said` is our word on the occasion, `by` the next promised moment."""

    kind: str
    said: str = ""
    said_language: str = ""
    by: datetime | None = None
    late: bool = False
    close_at: datetime | None = None
    open_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One notification to the author: about what, by which way, whether it arrived."""

    event: str
    channel: str
    address: str
    state: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AuthorView:
    """The whole page. `messages` are rows for people, oldest first; `may` the verbs that make sense now."""

    number: str
    subject: str
    status: str
    created_at: datetime
    zone: str
    centre: str
    steps: tuple[Step, ...]
    panel: Panel
    messages: tuple[Row, ...]
    told: tuple[Told, ...]
    rating: Row | None
    may: frozenset[str]
    expires_at: datetime
    version: int


def view(
    rows: dict[str, Any], page: Opened, rating: Row | None, organisation: Organisation, site: Site, now: datetime
) -> AuthorView:
    """The page of a ticket; `rows` as `storage.tickets.everything` gives them."""
    ticket = rows["ticket"]
    centre = organisation.centres.get(ticket["centre"])
    public = [m for m in rows["messages"] if m["public"]]
    panel = _panel(rows, public, site, now)
    return AuthorView(
        number=ticket["number"],
        subject=ticket["subject"],
        status=ticket["status"],
        created_at=ticket["created_at"],
        zone=centre.zone if centre else site.zone,
        centre=centre.name if centre else "",
        steps=_steps(ticket, rows["events"], panel),
        panel=panel,
        messages=tuple(_message(m, rows["attachments"], site) for m in public),
        told=_told(rows, page.person_id),
        rating=rating,
        may=_may(ticket, panel),
        expires_at=page.expires_at,
        version=ticket["version"],
    )


# ---- what now -----------------------------------------------------------------------------------------------------


def _panel(rows: dict[str, Any], public: list[Row], site: Site, now: datetime) -> Panel:
    ticket = rows["ticket"]
    status = Status(ticket["status"])
    said = _said_with_move(rows["events"], public, status)
    words, language = (said["text"], said["language"]) if said else ("", "")
    if status in (Status.NEW, Status.IN_PROGRESS):
        unanswered = status is Status.NEW and ticket["responded_at"] is None
        by = ticket["respond_by"] if unanswered and ticket["respond_by"] else ticket["resolve_by"]
        kind = "new" if unanswered else "working"
        return Panel(kind, by=by, late=by is not None and by <= now)
    if status is Status.WAITING:
        return Panel("waiting", words, language)
    if status is Status.RESOLVED:
        close_at = ticket["alarm_at"] if ticket["alarm"] == CLOSE_DUE else None
        return Panel("resolved", words, language, close_at=close_at)
    if status is Status.REJECTED:
        return Panel("rejected", words, language)
    merged = ticket["merged_into_id"] is not None
    until = (ticket["closed_at"] or now) + site.follow_up_after
    last = next((e["what"] for e in reversed(rows["events"]) if e["what"] in _WORDS_OF_AUTHOR), "")
    kind = {"withdrawn": "withdrawn", "confirmed": "confirmed"}.get(last, "closed")
    return Panel(kind, open_until=until if now <= until and not merged else None)


def _said_with_move(events: list[Row], public: list[Row], status: Status) -> Row | None:
    """What we said when the ticket came to this status: the question, what was done, why not."""
    move = next((e for e in reversed(events) if e["what"] == "status" and e["new"] == status.value), None)
    if move is None or move["message_id"] is None:
        return None
    return next((m for m in public if m["id"] == move["message_id"] and m["direction"] == "out"), None)


def _steps(ticket: Row, events: list[Row], panel: Panel) -> tuple[Step, ...]:
    status = Status(ticket["status"])
    taken = Step("taken", "current" if status is Status.NEW else "done", ticket["created_at"])
    begun = next((e["at"] for e in events if e["what"] == "status" and e["new"] == Status.IN_PROGRESS.value), None)
    since = next((e["at"] for e in reversed(events) if e["what"] == "status"), begun)
    check, close = Step("check", "ahead"), Step("close", "ahead")
    match status:
        case Status.NEW:
            return taken, Step("work", "ahead"), check, close
        case Status.IN_PROGRESS:
            return taken, Step("working", "current", since), check, close
        case Status.WAITING:
            return taken, Step("asked", "current", since), check, close
        case Status.RESOLVED:
            done = Step("done", "done", ticket["resolved_at"])
            return taken, done, Step("checking", "current", until=panel.close_at), close
        case Status.REJECTED:
            return taken, Step("rejected", "current", ticket["resolved_at"])
    closed = Step("closed", "done", ticket["closed_at"])
    if panel.kind == "withdrawn":
        return taken, Step("withdrawn", "done", ticket["closed_at"])
    if ticket["resolved_at"] is None:
        return taken, closed
    checked = Step("checked" if panel.kind == "confirmed" else "unchecked", "done")
    return taken, Step("done", "done", ticket["resolved_at"]), checked, closed


def _may(ticket: Row, panel: Panel) -> frozenset[str]:
    status = Status(ticket["status"])
    if ticket["merged_into_id"] is not None:
        # it goes on as another ticket: what its author writes is filed there
        return frozenset({"reply"})
    if status in OPEN:
        return frozenset({"reply", "withdraw"})
    if status is Status.RESOLVED:
        return frozenset({"reply", "confirm", "object"})
    if status is Status.REJECTED:
        return frozenset({"reply"})
    return frozenset({"rate", "reopen"}) if panel.open_until else frozenset({"rate"})


# ---- what was said, what was sent ---------------------------------------------------------------------------------


def _message(row: Row, attachments: list[Row], site: Site) -> Row:
    ours = row["direction"] == "out"
    return {
        "id": row["id"].hex,
        "ours": ours,
        "who": (row["sender_name"] or site.name) if ours else "",
        "channel": "" if ours else row["channel"],
        "text": row["text"] if ours else row["reply_text"] or row["text"],
        "language": row["language"],
        "at": row["at"],
        "files": [
            {"id": a["id"].hex, "name": a["name"], "size": a["size"]}
            for a in attachments
            if a["message_id"] == row["id"] and not a["inline"]
        ],
    }


def _told(rows: dict[str, Any], person_id: UUID) -> tuple[Told, ...]:
    ways: dict[UUID, list[Row]] = {}
    for row in rows["deliveries"]:
        ways.setdefault(row["notification_id"], []).append(row)
    ended: dict[UUID, datetime] = {}
    for row in rows["attempts"]:
        if row["ended_at"] is not None:
            ended[row["delivery_id"]] = row["ended_at"]
    found: list[Told] = []
    for note in reversed(rows["notifications"]):
        if note["role"] != Role.AUTHOR.value or note["person_id"] != person_id or note["event"] == Event.PORTAL_LINK:
            continue
        told = [d for d in ways.get(note["id"], ()) if d["state"] not in _HIDDEN and d["reason"] not in _SILENT]
        if not told:
            continue
        best = notification_state(*[d["state"] for d in told])
        way = next(d for d in told if d["state"] == best.value)
        at = ended.get(way["id"]) or note["created_at"]
        status = _status_told(rows["events"], note) if note["event"] == Event.STATUS_CHANGED else ""
        event = f"status_{status}" if status else note["event"]
        found.append(Told(event, way["channel"], mask.address(way["address"]), best.value, way["reason"], at))
    return tuple(found)


def _status_told(events: list[Row], note: Row) -> str:
    return next((e["new"] or "" for e in events if e["id"] == note["event_id"]), "")


def reopening_days(site: Site) -> int:
    """For how many days a closed ticket can be opened again."""
    return -(-site.follow_up_after // timedelta(days=1))
