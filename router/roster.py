"""One organisation snapshot prepared for many questions: staff sorted, recurring answers kept with their reasons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from router.calendar import Calendar
from router.deadlines import Promise, agreement_for, promise
from tickets.organisation import Agreement, Group, Member, Organisation
from tickets.priority import Priority
from tickets.reason import Decided

TOP_LINE = 9
"""The highest support line."""


class Roster:
    """The staff of one snapshot by centre, group and line, in the order ties are broken: name, then id.

    What is kept is bounded by the snapshot: one answer for each centre, intake mailbox and customer in it.
    """

    def __init__(self, organisation: Organisation) -> None:
        self.organisation = organisation
        self._first: dict[str, Group] = {}
        self._present: dict[tuple[str, int], tuple[Member, ...]] = {}
        self._agreements: dict[str, tuple[Agreement | None, Decided]] = {}
        self._promised: tuple[datetime | None, dict[tuple[str, Priority, Calendar, str], Promise]] = (None, {})
        self.intake = {
            mailbox: Decided("centre", code, "centre", "centre_intake", {"intake": mailbox})
            for mailbox, code in organisation.by_intake.items()
        }
        for group in organisation.groups.values():
            known = self._first.get(group.centre)
            if known is None or _lowest_line(group) < _lowest_line(known):
                self._first[group.centre] = group
            for member in sorted(group.members, key=lambda each: (each.name, each.id)):
                if not member.away:
                    key = (group.code, member.line)
                    self._present[key] = (*self._present.get(key, ()), member)

        self._answers = {
            centre: Decided("group", group.code, "group", "group_first", {"group": group.name})
            for centre, group in self._first.items()
        }

    def first_group(self, centre: str) -> Decided:
        """The group of a centre that answers first: the one with the lowest line, of equals the one listed first."""
        return self._answers.get(centre) or Decided("group", None, "group", "group_none")

    def agreement(self, customer: str) -> tuple[Agreement | None, Decided]:
        """As `agreement_for`, remembered for the customers of the snapshot."""
        known = self._agreements.get(customer)
        if known is None:
            known = agreement_for(customer, self.organisation)
            if customer in self.organisation.customers:
                self._agreements[customer] = known
        return known

    def promise(
        self, agreement: Agreement | None, priority: Priority, calendar: Calendar, missing: str, start: datetime
    ) -> Promise:
        """As `promise`, remembered while tickets of the same moment are decided: a group of them has one."""
        # one value of both, for threads that ask about different moments
        at, made = self._promised
        if at != start:
            _, made = self._promised = (start, {})
        key = (agreement.code if agreement else "", priority, calendar, missing)
        known = made.get(key)
        if known is None:
            known = made[key] = promise(agreement, priority, calendar, missing, start)
        return known

    def present(self, group: str, line: int) -> tuple[Member, ...]:
        """Those of a group's line who are not away."""
        return self._present.get((group, line), ())

    def least_loaded(self, group: str, line: int, load: Mapping[str, int]) -> Member | None:
        """Who of a group has the fewest open tickets on `line`, or on the next line up where anybody is.

        `load` counts open tickets by member id; who is not in it has none.
        """
        for number in range(line, TOP_LINE + 1):
            if people := self._present.get((group, number)):
                chosen, fewest = people[0], load.get(people[0].id, 0)
                for each in people[1:]:
                    if (count := load.get(each.id, 0)) < fewest:
                        chosen, fewest = each, count
                return chosen
        return None


def _lowest_line(group: Group) -> int:
    return min((member.line for member in group.members), default=TOP_LINE + 1)
