"""Deadlines: which agreement holds, in whose hours its minutes run, and when they are over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from router.calendar import Calendar, OutOfReach
from tickets.organisation import Agreement, Organisation
from tickets.priority import Priority
from tickets.reason import Decided

DEFAULT = "default"
"""The code of the agreement and of the calendar used where none is named."""

ALWAYS = Calendar.around_the_clock("24x7")
"""Counts when the settings have no calendar to count in."""

Promise = tuple[datetime | None, datetime | None, tuple[Decided, ...]]
"""`(respond_by, resolve_by, reasons)`."""

_NO_AGREEMENT = tuple(
    Decided(field, None, "deadline", "deadline_no_agreement") for field in ("respond_by", "resolve_by")
)


def agreement_for(customer_code: str, organisation: Organisation) -> tuple[Agreement | None, Decided]:
    """The customer's own agreement, else the one with the code "default", else none."""
    customer = organisation.customers.get(customer_code)
    facts: dict[str, object] = {}
    if customer is not None and customer.agreement:
        own = organisation.agreements.get(customer.agreement)
        if own is not None:
            named = {"customer": customer.name, "agreement": own.name}
            return own, Decided("agreement", own.code, "agreement", "agreement_customer", named)
        facts["missing"] = customer.agreement
    common = organisation.agreements.get(DEFAULT)
    if common is not None:
        facts["agreement"] = common.name
        return common, Decided("agreement", common.code, "agreement", "agreement_default", facts)
    return None, Decided("agreement", None, "agreement", "agreement_none", facts)


class Calendars:
    """The calendars of the settings by name; those without a zone work in the zone of the centre that uses them."""

    def __init__(self, named: Mapping[str, Calendar]) -> None:
        self._named = dict(named)
        self._local: dict[tuple[str, str], Calendar] = {}

    def choose(self, agreement: Agreement | None, centre_code: str, organisation: Organisation) -> tuple[Calendar, str]:
        """The agreement's calendar, else the centre's, else "default", else around the clock.

        The second value is the name that was looked for in vain, "" when the first choice was there.
        """
        centre = organisation.centres.get(centre_code)
        wanted = (agreement.calendar if agreement else "") or (centre.calendar if centre else "") or DEFAULT
        found = self._named.get(wanted)
        missing = "" if found is not None else wanted
        calendar = found or self._named.get(DEFAULT, ALWAYS)
        if calendar.zone:
            return calendar, missing
        key = (calendar.code, centre.zone if centre else "")
        local = self._local.get(key)
        if local is None:
            try:
                local = calendar.in_zone(key[1] or "UTC")
            except ValueError:
                local = calendar.in_zone("UTC")
            self._local[key] = local
        return local, missing


def promise(
    agreement: Agreement | None, priority: Priority, calendar: Calendar, missing: str, start: datetime
) -> Promise:
    """What is promised to a ticket whose clock starts at `start`, UTC.

    `missing` names a calendar the settings lack, for the reasons. A deadline the calendar can never reach, or for
    which the agreement promises no minutes, is None and says so.
    """
    if agreement is None:
        return None, None, _NO_AGREEMENT
    target = agreement.targets.get(priority.value)
    facts = {"agreement": agreement.name, "priority": priority.value}
    respond_by, respond_why = _due("respond_by", target.respond if target else 0, facts, calendar, missing, start)
    resolve_by, resolve_why = _due("resolve_by", target.resolve if target else 0, facts, calendar, missing, start)
    return respond_by, resolve_by, (respond_why, resolve_why)


def _due(
    name: str, minutes: int, common: Mapping[str, object], calendar: Calendar, missing: str, start: datetime
) -> tuple[datetime | None, Decided]:
    if minutes <= 0:
        return None, Decided(name, None, "deadline", "deadline_no_target", common)
    facts = {**common, "minutes": minutes, "calendar": calendar.code, "zone": calendar.zone}
    if missing:
        facts["missing"] = missing
    try:
        due = calendar.add_working(start, minutes)
    except OutOfReach:
        return None, Decided(name, None, "deadline", "deadline_too_far", facts)
    local = facts["local"] = calendar.local(due).isoformat()
    return due, Decided(name, local, "deadline", "deadline", facts)


def shift(deadline: datetime, paused_at: datetime, resumed_at: datetime, calendar: Calendar) -> datetime:
    """Where a deadline stands after a pause: the working time left at the pause is given back from the resume on.

    A deadline missed before the pause stays missed; a pause never brings a deadline nearer.

    >>> from datetime import UTC
    >>> at = lambda hour: datetime(2026, 11, 20, hour, tzinfo=UTC)
    >>> shift(at(15), at(10), at(12), ALWAYS) == at(17)
    True
    """
    if deadline <= paused_at or resumed_at <= paused_at:
        return deadline
    return max(deadline, calendar.add(resumed_at, calendar.working_between(paused_at, deadline)))
