"""What a ticket is about, changed by a person: type, category, impact, urgency, customer. Terms follow the priority."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from desk import deadlines, typed
from desk.change import Actor, Changes, Refused
from router.deadlines import agreement_for
from storage import tickets
from tickets.priority import Level, Priority
from tickets.reason import Reason

Row = dict[str, Any]

_SAVED = (
    *("type", "category", "impact", "urgency", "priority", "customer", "agreement", "decision"),
    *("respond_by", "resolve_by", "paused_at", "alarm", "alarm_at", "alarmed"),
)
_LONGEST = {"type": 40, "category": 80}


@dataclass(frozen=True, slots=True)
class Properties:
    """What is to be changed; None leaves a field as it is, an empty text clears it."""

    type: str | None = None
    category: str | None = None
    impact: Level | None = None
    urgency: Level | None = None
    customer: str | None = None


def classify(changes: Changes, number: str, wanted: Properties, actor: Actor) -> Row:
    """Change what a ticket is about. A new priority or customer gives it new terms, counted from when it came.

    Raises:
        NoSuchTicket: the number is nobody's.
        Refused: nothing would change, a value does not exist, or the ticket was merged into another.
    """
    ticket = changes.living(number)
    given = _checked(changes, wanted)
    news = {name: value for name, value in given.items() if ticket[name] != value}
    if not news:
        raise Refused("it is so already", "same")
    promised = (ticket["priority"], ticket["customer"])
    reason = Reason("manual", "given", {"by": actor.label})
    for name, value in news.items():
        changes.event(ticket, actor, name, ticket[name] or None, value or None, None, [reason])
        ticket[name] = value
        changes.decided(ticket, name, value or None, reason)
    matrix = Reason("matrix", "matrix", {"impact": ticket["impact"], "urgency": ticket["urgency"]})
    if "impact" in news or "urgency" in news:
        old, ticket["priority"] = ticket["priority"], _priority(changes, ticket)
        changes.decided(ticket, "priority", ticket["priority"], matrix)
        if old != ticket["priority"]:
            changes.event(ticket, actor, "priority", old, ticket["priority"], None, [matrix])
    if promised != (ticket["priority"], ticket["customer"]):
        _promise(changes, ticket, *promised)
    ticket["updated_at"] = changes.now
    tickets.save(changes.connection, ticket, _SAVED)
    return ticket


def _checked(changes: Changes, wanted: Properties) -> dict[str, str]:
    given: dict[str, str] = {}
    for each in fields(wanted):
        value = getattr(wanted, each.name)
        if value is None:
            continue
        clean = typed.line(str(value))
        if len(clean) > _LONGEST.get(each.name, 200):
            raise Refused(f"the {each.name} is longer than {_LONGEST.get(each.name, 200)} characters", "too_long")
        given[each.name] = clean
    if given.get("type") == "":
        raise Refused("every ticket has a type", "unknown_value")
    if given.get("customer") and given["customer"] not in changes.organisation.customers:
        raise Refused(f"there is no customer {given['customer']!r}", "unknown_value")
    return given


def _priority(changes: Changes, ticket: Row) -> str:
    return changes.site.router.priority(Level(ticket["impact"]), Level(ticket["urgency"])).value


def _promise(changes: Changes, ticket: Row, old_priority: str, old_customer: str) -> None:
    """New terms, moved on by as much working time as the old ones had been."""
    router, organisation = changes.site.router, changes.organisation
    started = ticket["created_at"]
    before = router.deadlines(Priority(old_priority), old_customer, ticket["centre"], organisation, started)
    respond_by, resolve_by, dues = router.deadlines(
        Priority(ticket["priority"]), ticket["customer"], ticket["centre"], organisation, started
    )
    agreement, _ = agreement_for(ticket["customer"], organisation)
    ticket["agreement"] = agreement.code if agreement else ""
    old_calendar = router.calendar_for(old_customer, ticket["centre"], organisation)
    calendar = router.calendar_for(ticket["customer"], ticket["centre"], organisation)
    for name, was, now in (("respond_by", before[0], respond_by), ("resolve_by", before[1], resolve_by)):
        stood = ticket[name]
        if now is not None and stood is not None and was is not None and stood > was:
            ticket[name] = calendar.add(now, old_calendar.working_between(was, stood))
        else:
            ticket[name] = now
    kept = [d for d in ticket["decision"] if d["field"] not in ("respond_by", "resolve_by")]
    ticket["decision"] = [*kept, *(d.as_json() for d in dues)]
    # what was said of the old terms says nothing of the new ones
    ticket["alarmed"] = ""
    deadlines.set_alarm(ticket, changes.site, deadlines.calendar_of(changes.site, organisation, ticket), started)
