"""One row of the queue as its page shows it: what is left, what was said last, whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from desk import stems
from desk.site import Site
from router.calendar import Calendar
from tickets.organisation import Organisation
from tickets.status import OPEN, RUNNING, Status

Row = dict[str, Any]

GROUPS = ("late", "today", "later", "paused", "done")
"""Groups of the queue in their order; `done` are finished tickets, which only searches show."""

_USUAL_DAY = 480
_SNIPPET = 150
_READ = 4000


@dataclass(frozen=True, slots=True)
class Left:
    """How a ticket stands to its next deadline.

    `state` is `calm`, `near`, `late`, `paused`, `met` (finished) or "" where nothing was promised; `minutes` are
    working minutes, left or over; `day` those of a working day; `at` is the deadline, `since` when the clock stopped.
    """

    state: str = ""
    minutes: int = 0
    day: int = _USUAL_DAY
    at: datetime | None = None
    since: datetime | None = None
    answer: bool = False
    """Whether it is the deadline to answer by."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was said last: by whom (`author`, `staff`, `machine`, `you`), internally or not, and its first words."""

    by: str
    name: str
    text: str
    at: datetime
    internal: bool = False


@dataclass(slots=True)
class QueueRow:
    """A row; `found` are pieces of a text in which searched words were found, each with whether it is one of them."""

    id: UUID
    number: str
    version: int
    subject: str
    status: str
    priority: str
    channel: str
    customer: str
    contact: str
    centre: str
    group: str
    line: int
    assignee: str
    login: str
    left: Left
    part: str
    updated_at: datetime
    created_at: datetime
    snoozed_until: datetime | None
    unread: bool = False
    said: Said | None = None
    tags: list[str] = field(default_factory=list)
    found: list[tuple[str, bool]] = field(default_factory=list)


class Rows:
    """Makes rows of one page; calendars are looked up once for all of them."""

    def __init__(self, site: Site, organisation: Organisation, now: datetime, evening: datetime) -> None:
        self.site = site
        self.organisation = organisation
        self.now = now
        self.evening = evening
        self._calendars: dict[tuple[str, str], Calendar] = {}

    def row(self, ticket: Row) -> QueueRow:
        """A row without what stands in other tables."""
        organisation = self.organisation
        customer = organisation.customers.get(ticket["customer"])
        centre = organisation.centres.get(ticket["centre"])
        group = organisation.groups.get(ticket["team"])
        assignee = organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
        left = self.left(ticket)
        return QueueRow(
            id=ticket["id"],
            number=ticket["number"],
            version=ticket["version"],
            subject=ticket["subject"],
            status=ticket["status"],
            priority=ticket["priority"],
            channel=ticket["channel"],
            customer=customer.name if customer else "",
            contact=ticket["contact_name"],
            centre=centre.name if centre else ticket["centre"],
            group=group.name if group else ticket["team"],
            line=ticket["line"],
            assignee=assignee.name if assignee else "",
            login=assignee.login if assignee else "",
            left=left,
            part=self.part(ticket, left),
            updated_at=ticket["updated_at"],
            created_at=ticket["created_at"],
            snoozed_until=ticket["snoozed_until"],
        )

    def left(self, ticket: Row) -> Left:
        """How much working time is left of a ticket's next deadline, by the calendar its terms are counted in."""
        status = Status(ticket["status"])
        if status not in OPEN:
            return Left("met", since=ticket["closed_at"] or ticket["resolved_at"])
        answer = ticket["responded_at"] is None and ticket["respond_by"] is not None
        due = ticket["respond_by"] if answer else ticket["resolve_by"]
        if ticket["paused_at"] is not None or status not in RUNNING:
            return Left("paused", at=due, since=ticket["paused_at"] or ticket["updated_at"], answer=answer)
        if due is None:
            return Left()
        calendar = self._calendar(ticket["customer"], ticket["centre"])
        day = _day_minutes(calendar, calendar.local(due).date())
        if due <= self.now:
            over = calendar.working_between(due, self.now)
            return Left("late", int(over.total_seconds() // 60), day, due, answer=answer)
        rest = calendar.working_between(self.now, due)
        term = calendar.working_between(min(ticket["created_at"], due), due)
        near = rest <= min(term * self.site.near_percent / 100, self.site.near)
        return Left("near" if near else "calm", int(rest.total_seconds() // 60), day, due, answer=answer)

    def part(self, ticket: Row, left: Left) -> str:
        """The group of the queue a ticket stands in."""
        if left.state == "met":
            return "done"
        if ticket["paused_at"] is not None:
            return "paused"
        if left.state == "late":
            return "late"
        return "today" if left.at is not None and left.at < self.evening else "later"

    def _calendar(self, customer: str, centre: str) -> Calendar:
        found = self._calendars.get((customer, centre))
        if found is None:
            found = self.site.router.calendar_for(customer, centre, self.organisation)
            self._calendars[customer, centre] = found
        return found


@lru_cache(maxsize=4096)
def _day_minutes(calendar: Calendar, day: Any) -> int:
    hours = sum((end - start for start, end in calendar.hours_on(day)), timedelta(0))
    return int(hours.total_seconds() // 60) or _USUAL_DAY


def said(message: Row, own_label: str) -> Said:
    """The last message as a row tells it; `own_label` is how the reader is named in messages."""
    text = " ".join((message["reply_text"] or message["text"]).split())
    if message["direction"] == "in":
        by = "author" if message["kind"] == "human" else "machine"
    else:
        by = "you" if message["sender_value"] == own_label else "staff"
    return Said(by, message["sender_name"], text[:160], message["at"], internal=not message["public"])


def excerpt(texts: Iterator[str], marked: frozenset[str]) -> list[tuple[str, bool]]:
    """A piece of the text that holds the most of some stems, the first of equals, cut into pieces that do and do not.

    >>> excerpt(iter(["Добрый день", "Опять не печатает касса"]), frozenset({"касс"}))
    [('Опять не печатает ', False), ('касса', True)]
    """
    best, spans, most = "", [], 0
    for text in texts:
        shown = " ".join(text[:_READ].split())
        found = stems.spans(shown, marked)
        kinds = len({stem for _, stem in found})
        if kinds > most:
            best, spans, most = shown, [span for span, _ in found], kinds
        if most == len(marked):
            break
    return _cut(best, spans) if spans else []


def _cut(shown: str, spans: list[tuple[int, int]]) -> list[tuple[str, bool]]:
    start = max(spans[0][0] - _SNIPPET // 3, 0)
    start = shown.rfind(" ", 0, start) + 1 if start else 0
    end = min(start + _SNIPPET, len(shown))
    pieces: list[tuple[str, bool]] = [("…", False)] if start else []
    at = start
    for first, last in spans:
        if last > end:
            break
        pieces += [(shown[at:first], False), (shown[first:last], True)]
        at = last
    pieces.append((shown[at:end] + ("…" if end < len(shown) else ""), False))
    return [piece for piece in pieces if piece[0]]
