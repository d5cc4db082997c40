"""The router: from the facts about a message to where its ticket goes, with a reason for each field.

What the caller states wins over everything. Otherwise, in this order:

- customer: a rule, the sender's mailbox, mail domain or phone number, whom this person was tied to before, none
- type, category, impact, urgency: a rule, for urgency the words of the message, the default
- centre: the one of a stated group or assignee, the mailbox written to, a rule, the customer's, the default one
- priority: the matrix of impact and urgency
- group: the one of a stated assignee, a rule, the customer's if it is one of the centre, the first of the centre
- line: the stated assignee's, a rule, 2 for what is critical where the group has a second line, else 1
- assignee: of those on this line who are not away the least loaded, else on the next line up, else nobody
- deadlines: the agreement of the customer or the default one, in its own hours or the centre's

Of several rules that set one field the first that holds is heard. A rule that names a centre, group or customer the
organisation does not have is passed over there, and the reason says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from router.calendar import Calendar
from router.deadlines import Calendars, agreement_for, promise
from router.probe import Probe, parents, unicode_domain
from router.roster import Roster
from router.rules import Rule
from router.urgency import urgency_of
from tickets.address import fold
from tickets.organisation import Agreement, Customer, Member, Organisation
from tickets.priority import MATRIX, Level, Priority
from tickets.reason import Decided
from tickets.routing import Decision, Facts

_RANK = {Level.LOW: 0, Level.MEDIUM: 1, Level.HIGH: 2}
_VIP_FLOOR = Level.MEDIUM
_CRITICAL_LINE = 2

_DEFAULTS = {
    name: Decided(name, value, "default", "default")
    for name, value in (("type", "incident"), ("category", None), ("impact", "medium"), ("urgency", "medium"))
}
_NO_CUSTOMER = Decided("customer", None, "customer", "customer_unknown")
_NO_CENTRE = Decided("centre", None, "centre", "centre_none")
_FIRST_LINE = Decided("line", "1", "line", "line_first")
_CRITICAL = Decided("line", str(_CRITICAL_LINE), "line", "line_critical")
_NO_GROUP = Decided("assignee", None, "assignee", "assignee_no_group")

_Hits = dict[str, tuple[str, Rule, str]]
"""Field to value, the rule that set it, and the phrase it found."""


class Router:
    """Decides; holds the settings it decides by and, between calls, the sorted staff of the last organisation seen.

    `matrix` may hold only the cells that differ from the usual ones. Safe to share between threads.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        calendars: Mapping[str, Calendar],
        matrix: Mapping[tuple[Level, Level], Priority] = MATRIX,
    ) -> None:
        self._rules = tuple((rule, tuple(rule.then.given().items())) for rule in rules)
        self._naming = tuple(rule for rule in rules if rule.then.customer is not None)
        self._calendars = Calendars(calendars)
        self._cells = {
            (impact, urgency): (
                priority,
                Decided(
                    "priority",
                    priority.value,
                    "matrix",
                    "matrix",
                    {"impact": impact.value, "urgency": urgency.value},
                ),
            )
            for (impact, urgency), priority in {**MATRIX, **matrix}.items()
        }
        self._roster = Roster(Organisation())

    def decide(self, facts: Facts, now: datetime) -> Decision:
        """Where a new ticket goes. `now` is the instant deadlines are counted from, UTC."""
        organisation = facts.organisation
        roster = self._roster
        if roster.organisation is not organisation:
            roster = self._roster = Roster(organisation)
        reasons: list[Decided] = []
        say = reasons.append
        passed: dict[str, dict[str, str]] = {}

        domain = unicode_domain(facts.sender_value.rpartition("@")[2]) if "@" in facts.sender_value else ""
        intake = tuple([fold(mailbox) for mailbox in facts.intake])
        probe = Probe(facts.channel, intake, facts.sender_value, domain, facts.subject, facts.text)
        customer_code, why = self._customer(facts, probe, passed)
        say(why)
        customer = organisation.customers.get(customer_code)
        probe.customer = customer_code
        probe.vip = customer is not None and customer.vip
        hits = self._hits(probe)

        kind, why = _stated_or_ruled("type", facts.type, hits)
        say(why)
        category, why = _stated_or_ruled("category", facts.category, hits)
        say(why)
        impact, why = _impact(facts, hits, probe.vip)
        say(why)
        urgency, why = _urgency(facts, hits, probe)
        say(why)
        priority, why = self._cells[impact, urgency]
        say(why)

        stated = organisation.members.get(facts.assignee) if facts.assignee else None
        centre, why = _centre(facts, intake, hits, customer, stated, roster, passed)
        say(why)
        group, why = _group(facts, hits, customer, stated, centre, roster, passed)
        say(why)
        line, assignee, line_why, assignee_why = _people(facts, hits, stated, group, priority, roster)
        say(line_why)
        say(assignee_why)

        agreement, why = roster.agreement(customer_code)
        say(why)
        calendar, missing = self._calendars.choose(agreement, centre, organisation)
        respond_by, resolve_by, dues = roster.promise(agreement, priority, calendar, missing, now)
        reasons += dues
        if passed:
            reasons = [_with_passed(each, passed) for each in reasons]
        return Decision(
            kind,
            category,
            impact,
            urgency,
            priority,
            customer_code,
            centre,
            group,
            line,
            assignee,
            agreement.code if agreement else "",
            respond_by,
            resolve_by,
            tuple(reasons),
        )

    def deadlines(
        self, priority: Priority, customer_code: str, centre_code: str, organisation: Organisation, start: datetime
    ) -> tuple[datetime | None, datetime | None, tuple[Decided, ...]]:
        """`(respond_by, resolve_by, reasons)` by another priority; `start` is when the ticket's clock started, UTC."""
        agreement, _ = agreement_for(customer_code, organisation)
        calendar, missing = self._calendars.choose(agreement, centre_code, organisation)
        return promise(agreement, priority, calendar, missing, start)

    def priority(self, impact: Level, urgency: Level) -> Priority:
        """What the matrix makes of impact and urgency."""
        return self._cells[impact, urgency][0]

    def calendar_for(self, customer_code: str, centre_code: str, organisation: Organisation) -> Calendar:
        """The calendar in which a ticket's minutes run: its agreement's, else its centre's, else the default one."""
        agreement: Agreement | None = agreement_for(customer_code, organisation)[0]
        return self._calendars.choose(agreement, centre_code, organisation)[0]

    def _hits(self, probe: Probe) -> _Hits:
        hits: _Hits = {}
        for rule, given in self._rules:
            found = rule.when.held(probe)
            if found is not None:
                for name, value in given:
                    if name not in hits:
                        hits[name] = (value, rule, found)
        return hits

    def _customer(self, facts: Facts, probe: Probe, passed: dict[str, dict[str, str]]) -> tuple[str, Decided]:
        if facts.customer:
            return facts.customer, Decided("customer", facts.customer, "given", "given")
        organisation = facts.organisation
        for rule in self._naming:
            found = rule.when.held(probe)
            if found is not None and rule.then.customer:
                if rule.then.customer in organisation.customers:
                    return rule.then.customer, _ruled("customer", (rule.then.customer, rule, found))
                passed["customer"] = {"rule": rule.name, "value": rule.then.customer}
                break
        code, by, seen = _recognise(facts, probe.domain)
        customer = organisation.customers.get(code)
        if customer is None:
            return "", _NO_CUSTOMER
        told: dict[str, Any] = {"customer": customer.name}
        if seen:
            told[by] = seen
        if not facts.verified:
            told["verified"] = False
        return code, Decided("customer", code, "customer", f"customer_{by}", told)


def _recognise(facts: Facts, domain: str) -> tuple[str, str, str]:
    """`(customer code, how, by what)`; an empty code when nothing fits."""
    organisation, sender = facts.organisation, facts.sender_value
    if facts.sender_kind == "phone":
        if code := organisation.by_phone.get(sender):
            return code, "phone", sender
    elif code := organisation.by_address.get(sender):
        return code, "address", sender
    elif domain:
        spelled = facts.sender_value.rpartition("@")[2]
        for parent in parents(domain) if domain == spelled else (*parents(domain), *parents(spelled)):
            if code := organisation.by_domain.get(parent):
                return code, "domain", parent
    if facts.known_customer in organisation.customers:
        return facts.known_customer, "known", ""
    return "", "", ""


def _ruled(name: str, hit: tuple[str, Rule, str]) -> Decided:
    value, rule, found = hit
    told = {"position": rule.position, "found": found} if found else {"position": rule.position}
    return Decided(name, value, rule.name, "rule", told)


def _stated_or_ruled(name: str, stated: str, hits: _Hits) -> tuple[str, Decided]:
    if stated:
        return stated, Decided(name, stated, "given", "given")
    if hit := hits.get(name):
        return hit[0], _ruled(name, hit)
    decided = _DEFAULTS[name]
    return decided.value or "", decided


def _impact(facts: Facts, hits: _Hits, vip: bool) -> tuple[Level, Decided]:
    if facts.impact is not None:
        return facts.impact, Decided("impact", facts.impact.value, "given", "given")
    value, why = _stated_or_ruled("impact", "", hits)
    impact = Level(value)
    if vip and _RANK[impact] < _RANK[_VIP_FLOOR]:
        told = {"was": impact.value, "impact": _VIP_FLOOR.value}
        return _VIP_FLOOR, Decided("impact", _VIP_FLOOR.value, "vip", "vip", told)
    return impact, why


def _urgency(facts: Facts, hits: _Hits, probe: Probe) -> tuple[Level, Decided]:
    if facts.urgency is not None:
        return facts.urgency, Decided("urgency", facts.urgency.value, "given", "given")
    if "urgency" not in hits and (spoken := urgency_of(probe.opening)):
        level, words = spoken
        code = "words_urgent" if level is Level.HIGH else "words_calm"
        return level, Decided("urgency", level.value, "words", code, {"found": words})
    value, why = _stated_or_ruled("urgency", "", hits)
    return Level(value), why


def _centre(
    facts: Facts,
    intake: tuple[str, ...],
    hits: _Hits,
    customer: Customer | None,
    stated: Member | None,
    roster: Roster,
    passed: dict[str, dict[str, str]],
) -> tuple[str, Decided]:
    if facts.centre:
        return facts.centre, Decided("centre", facts.centre, "given", "given")
    organisation = facts.organisation
    group = organisation.groups.get(facts.group or (stated.group if stated else ""))
    if group is not None and group.centre:
        told = {"group": group.name}
        return group.centre, Decided("centre", group.centre, "centre", "centre_of_group", told)
    for mailbox in intake:
        if known := roster.intake.get(mailbox):
            return known.value or "", known
    if hit := hits.get("centre"):
        if hit[0] in organisation.centres:
            return hit[0], _ruled("centre", hit)
        passed["centre"] = {"rule": hit[1].name, "value": hit[0]}
    if customer is not None and customer.centre in organisation.centres:
        told = {"customer": customer.name}
        return customer.centre, Decided("centre", customer.centre, "centre", "centre_customer", told)
    if code := organisation.default_centre:
        return code, Decided("centre", code, "centre", "centre_default")
    return "", _NO_CENTRE


def _group(
    facts: Facts,
    hits: _Hits,
    customer: Customer | None,
    stated: Member | None,
    centre: str,
    roster: Roster,
    passed: dict[str, dict[str, str]],
) -> tuple[str, Decided]:
    if facts.group:
        return facts.group, Decided("group", facts.group, "given", "given")
    if stated is not None:
        told = {"name": stated.name}
        return stated.group, Decided("group", stated.group, "group", "group_of_assignee", told)
    groups = facts.organisation.groups
    if hit := hits.get("group"):
        if hit[0] in groups:
            return hit[0], _ruled("group", hit)
        passed["group"] = {"rule": hit[1].name, "value": hit[0]}
    if customer is not None and customer.group:
        group = groups.get(customer.group)
        if group is not None and group.centre == centre:
            told = {"customer": customer.name, "group": group.name}
            return group.code, Decided("group", group.code, "group", "group_customer", told)
    first = roster.first_group(centre)
    return first.value or "", first


def _people(
    facts: Facts, hits: _Hits, stated: Member | None, group: str, priority: Priority, roster: Roster
) -> tuple[int, str, Decided, Decided]:
    """`(line, assignee, reason of the line, reason of the assignee)`."""
    if hit := hits.get("line"):
        line, line_why = int(hit[0]), _ruled("line", hit)
    elif priority is Priority.CRITICAL and roster.present(group, _CRITICAL_LINE):
        line, line_why = _CRITICAL_LINE, _CRITICAL
    else:
        line, line_why = 1, _FIRST_LINE
    if facts.assignee:
        if stated is not None:
            told: dict[str, Any] = {"name": stated.name}
            line = stated.line
            line_why = Decided("line", str(line), "line", "line_of_assignee", told)
        return line, facts.assignee, line_why, Decided("assignee", facts.assignee, "given", "given")
    if not group:
        return line, "", line_why, _NO_GROUP
    member = roster.least_loaded(group, line, facts.load)
    if member is None:
        told = {"group": group, "line": line}
        return line, "", line_why, Decided("assignee", None, "assignee", "assignee_none", told)
    told = {"name": member.name, "open": facts.load.get(member.id, 0), "line": member.line}
    why = Decided("assignee", member.id, "assignee", "assignee_least_loaded", told)
    if member.line != line:
        up = {"wanted": line, "line": member.line}
        line, line_why = member.line, Decided("line", str(member.line), "line", "line_up", up)
    return line, member.id, line_why, why


def _with_passed(decided: Decided, passed: Mapping[str, dict[str, str]]) -> Decided:
    """The same, with the rule that was passed over because what it names does not exist."""
    if decided.field not in passed:
        return decided
    told = {**decided.facts, "ignored": passed[decided.field]}
    return Decided(decided.field, decided.value, decided.rule, decided.code, told)
