"""When the next word about a deadline is due, and what a pause does to deadlines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from desk.site import Site
from router.calendar import Calendar
from router.deadlines import shift
from tickets.organisation import Organisation
from tickets.status import RUNNING, Status

STAGES = ("", "respond_near", "respond_missed", "resolve_near", "resolve_missed")
"""Deadline events in the order they can happen."""

CLOSE_DUE = "close_due"
"""The alarm of a solved ticket whose author says nothing."""

_FURTHEST = timedelta(days=3 * 366)
_EVENING = timedelta(hours=18)
"""Nothing closes later in the day, whoever works at night: people read "on Tuesday" as the day they are awake in."""


def calendar_of(site: Site, organisation: Organisation, ticket: dict[str, Any]) -> Calendar | None:
    """The calendar the ticket's promises are counted in; None where nothing was promised."""
    if ticket["respond_by"] is None and ticket["resolve_by"] is None:
        return None
    return site.router.calendar_for(ticket["customer"], ticket["centre"], organisation)


def set_alarm(ticket: dict[str, Any], site: Site, calendar: Calendar | None, since: datetime) -> None:
    """Put the next deadline event into `alarm` and `alarm_at`, leaving out what was said already (`alarmed`).

    `since` is when the clock started to run towards the deadlines. A deadline counts as close when the site's share
    of its term or the site's amount of working time is left, whichever is less.
    """
    ticket["alarm"], ticket["alarm_at"] = "", None
    if calendar is None or Status(ticket["status"]) not in RUNNING:
        return
    said = STAGES.index(ticket["alarmed"])
    for name, due, met in (
        ("respond", ticket["respond_by"], ticket["responded_at"] is not None),
        ("resolve", ticket["resolve_by"], False),
    ):
        if due is None or met:
            continue
        if STAGES.index(f"{name}_near") > said:
            near_at = _near_at(calendar, since, due, site.near_percent, site.near)
            ticket["alarm"], ticket["alarm_at"] = f"{name}_near", near_at
            return
        if STAGES.index(f"{name}_missed") > said:
            ticket["alarm"], ticket["alarm_at"] = f"{name}_missed", due
            return


@lru_cache(maxsize=256)
def _near_at(calendar: Calendar, since: datetime, due: datetime, percent: int, most: timedelta) -> datetime:
    # tickets of one group have the same few terms
    term = max(calendar.working_between(since, due), timedelta(0))
    margin = min(term * percent / 100, most)
    return min(calendar.add(since, term - margin), due) if term else due


def set_closing(ticket: dict[str, Any], site: Site, organisation: Organisation, now: datetime) -> None:
    """Let a ticket that was just solved close by itself when the last of the site's working days ends, at 18:00
    at the latest.

    The days are those of the calendar its promises would be counted in, promised or not; the day it was solved on does
    not count. One without that many working days ahead of it never closes by itself.
    """
    if not site.close_after:
        return
    calendar = site.router.calendar_for(ticket["customer"], ticket["centre"], organisation)
    midnight = calendar.local(now).replace(hour=0, minute=0, second=0, microsecond=0)
    left = site.close_after
    day = midnight
    while left and day - midnight < _FURTHEST:
        day += timedelta(days=1)
        hours = calendar.hours_on(day.date())
        if hours:
            left -= 1
        if hours and not left:
            # wall clock arithmetic within the zone: the offset of the end is its own
            ticket["alarm"], ticket["alarm_at"] = CLOSE_DUE, (day + min(hours[-1][1], _EVENING)).astimezone(UTC)


def resume(ticket: dict[str, Any], calendar: Calendar | None, now: datetime) -> None:
    """Move the deadlines by the working time they stood still, and let the clock run again."""
    paused_at = ticket["paused_at"]
    ticket["paused_at"] = None
    if paused_at is None or calendar is None:
        return
    for name in ("respond_by", "resolve_by"):
        due = ticket[name]
        if due is not None and due > paused_at:
            ticket[name] = shift(due, paused_at, now, calendar)
