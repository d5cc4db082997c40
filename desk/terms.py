"""How much working time a ticket has left, as pages tell it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from desk import deadlines
from desk.site import Site
from tickets.organisation import Organisation
from tickets.status import OPEN, Status


@dataclass(frozen=True, slots=True)
class Term:
    """The term that counts now: `field` is `respond_by` or `resolve_by`, `at` when it is over.

    `state` is calm, near, late, paused or met; `minutes` are of working time, left or past.
    """

    field: str
    state: str
    at: datetime
    minutes: int


def term_of(ticket: dict[str, Any], site: Site, organisation: Organisation, now: datetime) -> Term | None:
    """The next term of a ticket; None where nothing was promised."""
    field = "respond_by" if ticket["responded_at"] is None and ticket["respond_by"] is not None else "resolve_by"
    due = ticket[field]
    calendar = deadlines.calendar_of(site, organisation, ticket)
    if due is None or calendar is None:
        return None

    def between(start: datetime, end: datetime) -> int:
        return int(calendar.working_between(start, end) / timedelta(minutes=1))

    status = Status(ticket["status"])
    if status not in OPEN:
        done = ticket["resolved_at"] or now
        met = done <= due
        return Term(field, "met" if met else "late", due, between(done, due) if met else between(due, done))
    if status is Status.WAITING:
        return Term(field, "paused", due, between(ticket["paused_at"] or now, due))
    if due <= now:
        return Term(field, "late", due, between(due, now))
    left = between(now, due)
    whole = between(ticket["created_at"], due)
    near = left <= min(whole * site.near_percent / 100, site.near / timedelta(minutes=1))
    return Term(field, "near" if near else "calm", due, left)
