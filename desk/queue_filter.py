"""The filter of the queue as its page's address says it, and what it means to the database.

| parameter | values |
|---|---|
| `status` | `open` (the default), `any`, or statuses; several add up |
| `centre`, `customer`, `group`, `type` | codes; `none` for tickets without customer or group |
| `assignee` | `me`, `none`, or logins |
| `priority`, `channel` | codes |
| `tag` | a tag; of several all must be there |
| `since`, `until` | days the ticket came on, `2026-11-20`, the last one included; in the reader's zone |
| `snoozed` | `no` (the default), `yes`, `any` |
| `late` | `yes`: overdue only |
| `q` | words, see `desk.search` |
| `order` | `deadline` (the default), `newest`, `oldest`, `updated`, `priority`; what was searched for is newest first |

A value nobody knows is kept and finds nothing, a day that is none is left out; `misread` names such days.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from desk import stems, typed
from desk.search import LONGEST_QUERY, Query, parse
from storage.queue import Order, Wanted
from storage.search import Term
from tickets.organisation import Member, Organisation
from tickets.status import OPEN, Status

Pairs = tuple[tuple[str, str], ...]

NONE = "none"
ME = "me"

SINGLE = ("since", "until", "snoozed", "late", "q", "order")
SEVERAL = ("status", "centre", "customer", "group", "assignee", "priority", "channel", "type", "tag")
FIELDS = (*SEVERAL, *SINGLE)
"""Parameters of the address that filter, in the order their chips stand in."""

_FOLDED = frozenset({"status", "priority", "channel", "tag", "since", "until", "snoozed", "late", "order"})

MOST_VALUES = 20
"""Values of one field; more are not read."""

_NOBODY = UUID(int=0)
"""Stands for an assignee who does not exist."""


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """What the address asks for, folded: values by field, each once, in a fixed order of fields."""

    values: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def read(cls, pairs: Iterable[tuple[str, str]]) -> QueueFilter:
        """From the parameters of an address; those that do not filter are passed over."""
        found: dict[str, dict[str, None]] = {}
        for name, value in pairs:
            clean = typed.line(value)[:LONGEST_QUERY]
            if name not in FIELDS or not clean:
                continue
            known = found.setdefault(name, {})
            if name in SINGLE:
                known.clear()
            if len(known) < MOST_VALUES:
                known[clean if name in ("q", "customer", "group", "centre", "type", "assignee") else clean.lower()] = (
                    None
                )
        values = {name: tuple(found[name]) for name in FIELDS if found.get(name)}
        for name, usual in (("status", ("open",)), ("snoozed", ("no",)), ("order", (Order.DEADLINE.value,))):
            if values.get(name) == usual:
                del values[name]
        if values.get("order", ("",))[0] not in set(Order):
            values.pop("order", None)
        return cls(values)

    def pairs(self) -> Pairs:
        """As parameters again."""
        return tuple((name, value) for name, values in self.values.items() for value in values)

    def address(self, path: str = "/queue", **others: str) -> str:
        """The page of this filter; `others` are further parameters."""
        query = urlencode([*((n, v) for n, v in others.items() if v), *self.pairs()])
        return f"{path}?{query}" if query else path

    def without(self, name: str, value: str = "") -> QueueFilter:
        """The same without a field, or without one of its values."""
        left = tuple(v for v in self.values.get(name, ()) if value and v != value)
        rest = {n: v for n, v in self.values.items() if n != name}
        return QueueFilter.read([(n, v) for n, values in {**rest, name: left}.items() for v in values])

    def having(self, name: str, *values: str) -> QueueFilter:
        """The same with these values of a field in place of what it had."""
        rest = [(n, v) for n, several in self.values.items() for v in several if n != name]
        return QueueFilter.read([*rest, *((name, value) for value in values)])

    def same_as(self, other: QueueFilter) -> bool:
        """Whether both show the same tickets, in whatever order."""
        mine, theirs = self.without("order"), other.without("order")
        return {n: set(v) for n, v in mine.values.items()} == {n: set(v) for n, v in theirs.values.items()}

    def one(self, name: str) -> str:
        """The value of a field that has one; empty where it has none."""
        return self.values.get(name, ("",))[0]

    @property
    def order(self) -> Order:
        """How it is sorted."""
        return Order(self.one("order") or Order.DEADLINE)

    @property
    def query(self) -> Query:
        """The words looked for."""
        return parse(self.one("q"))

    @property
    def narrows(self) -> bool:
        """Whether it is more than the plain list of open tickets."""
        return any(name != "order" for name in self.values)

    def misread(self) -> Iterator[tuple[str, str]]:
        """Days that are none, by field."""
        for name in ("since", "until"):
            if self.one(name) and _day(self.one(name)) is None:
                yield name, self.one(name)

    def wanted(self, organisation: Organisation, member: Member | None, zone: str) -> Wanted:
        """What it means to the database, for this reader."""
        statuses = self.values.get("status", ("open",))
        meant: set[str] = set()
        for status in statuses:
            meant |= OPEN if status == "open" else set(Status) if status == "any" else {status}
        since, until = _day(self.one("since")), _day(self.one("until"))
        local = ZoneInfo(zone)

        def midnight(day: date) -> datetime:
            return datetime.combine(day, time(0), local).astimezone(UTC)

        def codes(name: str) -> tuple[str, ...]:
            return tuple("" if value == NONE else value for value in self.values.get(name, ()))

        return Wanted(
            statuses=frozenset() if meant >= set(Status) else frozenset(meant),
            centres=codes("centre"),
            customers=codes("customer"),
            groups=codes("group"),
            assignees=tuple(_assignee(value, organisation, member) for value in self.values.get("assignee", ())),
            priorities=codes("priority"),
            channels=codes("channel"),
            types=codes("type"),
            tags=self.values.get("tag", ()),
            since=midnight(since) if since else None,
            until=midnight(until + timedelta(days=1)) if until else None,
            snoozed=self.one("snoozed") or ("any" if meant - OPEN or self.one("q") else "no"),
            late=self.one("late") == "yes",
        )


def facets(wanted: Wanted) -> list[Term]:
    """The filter as far as the search index knows it."""
    found: list[Term] = []

    def either(tokens: Iterable[str]) -> None:
        alternatives = tuple((token,) for token in dict.fromkeys(tokens))
        if alternatives:
            found.append(Term(alternatives))

    either(stems.facet("s", status) for status in sorted(wanted.statuses))
    for kind, values in (
        ("c", wanted.centres),
        ("k", wanted.customers),
        ("g", wanted.groups),
        ("y", wanted.priorities),
        ("h", wanted.channels),
        ("t", wanted.types),
    ):
        either(stems.facet(kind, value) for value in values)
    either(stems.facet("u", key.hex if key else "") for key in wanted.assignees)
    for tag in wanted.tags:
        either([stems.facet("x", tag)])
    either(_months(wanted.since, wanted.until))
    return found


def _months(since: datetime | None, until: datetime | None) -> list[str]:
    """The months between two moments, in UTC; none where it is open to one side, or years long."""
    if since is None or until is None or not timedelta(0) < until - since < timedelta(days=750):
        return []
    month = since.astimezone(UTC).replace(day=1)
    found = []
    while month < until:
        found.append(stems.facet("m", f"{month:%Y-%m}"))
        month = (month.replace(day=28) + timedelta(days=4)).replace(day=1)
    return found


def facets_of(ticket: dict[str, Any], tags: Iterable[str]) -> list[str]:
    """The tokens by which a ticket's properties are found; `ticket` as `storage.search.gather` gives it."""
    assignee, created = ticket["assignee_id"], ticket["created_at"]
    return [
        stems.facet("s", str(ticket["status"])),
        stems.facet("c", str(ticket["centre"])),
        stems.facet("k", str(ticket["customer"])),
        stems.facet("g", str(ticket["team"])),
        stems.facet("y", str(ticket["priority"])),
        stems.facet("h", str(ticket["channel"])),
        stems.facet("t", str(ticket["type"])),
        stems.facet("u", assignee.hex if isinstance(assignee, UUID) else ""),
        stems.facet("m", f"{created.astimezone(UTC):%Y-%m}"),
        *(stems.facet("x", tag) for tag in tags),
    ]


def _assignee(value: str, organisation: Organisation, member: Member | None) -> UUID | None:
    if value == NONE:
        return None
    if value == ME:
        return UUID(member.id) if member else _NOBODY
    found = next((m for m in organisation.members.values() if m.login == value), None)
    return UUID(found.id) if found else _NOBODY


def _day(value: str) -> date | None:
    try:
        found = date.fromisoformat(value)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 9000 else None
