"""The queue of staff: which tickets a page shows, in what order, and how many there are.

Open tickets are few beside all that ever came, so they are filtered and sorted as they are. Lists that reach into the
past go by the search index, whose tokens hold the properties too (`storage.search`), newest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    text,
    true,
    tuple_,
)

from storage.cells import Row
from storage.tables import messages, people, tickets
from storage.tables_console import readings, ticket_tags
from storage.types import Instant, Key
from tickets.status import OPEN

OPEN_TICKETS = text("tickets.status IN ('new', 'in_progress', 'waiting')")
"""Spelt as the partial indexes spell it: a bound parameter would keep both databases from using them."""

MOST_COUNTED = 99
"""Above it a count is told as «99+»."""

SHOWN = (
    "id", "number", "subject", "status", "type", "category", "priority", "customer", "contact_id", "centre", "line",
    "team", "assignee_id", "agreement", "channel", "created_at", "updated_at", "respond_by", "resolve_by",
    "responded_at", "resolved_at", "closed_at", "paused_at", "snoozed_until", "merged_into_id", "version",
)  # fmt: skip
"""Columns of a row of the queue; the decision stays where it is, it is long."""


class Order(StrEnum):
    """How a list of open tickets is sorted."""

    DEADLINE = "deadline"
    NEWEST = "newest"
    OLDEST = "oldest"
    UPDATED = "updated"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tickets are meant; empty fields do not filter. `None` among `assignees` and "" among `groups` and
    `customers` are tickets without one. `snoozed` is `no`, `yes` or `any`."""

    statuses: frozenset[str] = OPEN
    centres: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    assignees: tuple[UUID | None, ...] = ()
    priorities: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    snoozed: str = "no"
    late: bool = False

    @property
    def only_open(self) -> bool:
        """Whether no finished ticket is meant."""
        return bool(self.statuses) and self.statuses <= OPEN


@dataclass(frozen=True, slots=True)
class Totals:
    """How many open tickets there are by group of the queue; at most `most` of each are counted where that is told."""

    late: int = 0
    today: int = 0
    later: int = 0
    paused: int = 0

    @property
    def all(self) -> int:
        """All of them."""
        return self.late + self.today + self.later + self.paused


def due() -> ColumnElement[datetime | None]:
    """The deadline that is next: the one to answer by until somebody answered, then the one to resolve by."""
    unanswered = and_(tickets.c.responded_at.is_(None), tickets.c.respond_by.is_not(None))
    return case((unanswered, tickets.c.respond_by), else_=tickets.c.resolve_by)


def conditions(wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    """The filter as conditions on `tickets`."""
    found: list[ColumnElement[bool]] = []
    if wanted.only_open:
        found.append(OPEN_TICKETS)  # type: ignore[arg-type]
    if wanted.statuses and wanted.statuses != OPEN:
        found.append(tickets.c.status.in_(sorted(wanted.statuses)))
    for column, values in (
        (tickets.c.centre, wanted.centres),
        (tickets.c.customer, wanted.customers),
        (tickets.c.team, wanted.groups),
        (tickets.c.priority, wanted.priorities),
        (tickets.c.channel, wanted.channels),
        (tickets.c.type, wanted.types),
    ):
        if values:
            found.append(column.in_(values) if len(values) > 1 else column == values[0])
    if wanted.assignees:
        people_meant = [key for key in wanted.assignees if key is not None]
        given = tickets.c.assignee_id.in_(people_meant) if people_meant else false()
        found.append(or_(given, tickets.c.assignee_id.is_(None)) if None in wanted.assignees else given)
    found += [exists().where(ticket_tags.c.tag == tag, ticket_tags.c.ticket_id == tickets.c.id) for tag in wanted.tags]
    if wanted.since is not None:
        found.append(tickets.c.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(tickets.c.created_at < wanted.until)
    if wanted.snoozed == "no":
        found.append(tickets.c.snoozed_until.is_(None))
    elif wanted.snoozed == "yes":
        found.append(tickets.c.snoozed_until.is_not(None))
    if wanted.late:
        found.append(and_(tickets.c.paused_at.is_(None), due() < now))
    return found


def _keys(order: Order) -> list[tuple[ColumnElement[Any], bool]]:
    """What a list is sorted by, and whether downwards; the last one tells any two tickets apart."""
    nothing = literal(datetime.max.replace(year=9000, tzinfo=UTC), type_=tickets.c.resolve_by.type)
    deadline = func.coalesce(due(), nothing, type_=tickets.c.resolve_by.type)
    paused = case((tickets.c.paused_at.is_not(None), 1), else_=0)
    match order:
        case Order.DEADLINE:
            return [(paused, False), (deadline, False), (tickets.c.id, False)]
        case Order.NEWEST:
            return [(tickets.c.id, True)]
        case Order.OLDEST:
            return [(tickets.c.id, False)]
        case Order.UPDATED:
            return [(tickets.c.updated_at, True), (tickets.c.id, True)]
        case Order.PRIORITY:
            rank = case({"critical": 0, "high": 1, "normal": 2}, value=tickets.c.priority, else_=3)
            return [(rank, False), (paused, False), (deadline, False), (tickets.c.id, False)]


def open_page(
    connection: Connection, wanted: Wanted, order: Order, now: datetime, after: Sequence[Any] | None, limit: int
) -> tuple[list[UUID], Sequence[Any] | None]:
    """Keys of a page of open tickets, and the place the next page begins after; None on the last one.

    A place is the sort key of a row: a list of an integer, instant or key for each column sorted by.
    """
    keys = _keys(order)
    found = conditions(wanted, now)
    if after is not None and _fits(keys, after):
        found.append(_beyond(keys, after))
    sorting = [column.desc() if down else column for column, down in keys]
    labelled = [column.label(f"key{n}") for n, (column, _) in enumerate(keys)]
    page = connection.execute(select(*labelled).where(*found).order_by(*sorting).limit(limit + 1)).all()
    more = tuple(page[limit - 1]) if len(page) > limit else None
    return [row[-1] for row in page[:limit]], more


def _fits(keys: list[tuple[ColumnElement[Any], bool]], place: Sequence[Any]) -> bool:
    """Whether a place is one of this order; one of another begins the list anew."""
    return len(keys) == len(place) and all(
        isinstance(value, _kind(column)) for (column, _), value in zip(keys, place, strict=True)
    )


def _kind(column: ColumnElement[Any]) -> type:
    return UUID if isinstance(column.type, Key) else datetime if isinstance(column.type, Instant) else int


def _beyond(keys: list[tuple[ColumnElement[Any], bool]], after: Sequence[Any]) -> ColumnElement[bool]:
    """Rows that come after a place, in any mixture of directions."""
    if len({down for _, down in keys}) == 1 and len(keys) > 1:
        left = tuple_(*(column for column, _ in keys))
        right = tuple_(*(literal(value, type_=column.type) for (column, _), value in zip(keys, after, strict=True)))
        return left < right if keys[0][1] else left > right
    column, down = keys[0]
    return column < after[0] if down else column > after[0]  # type: ignore[no-any-return]


def by_ids(connection: Connection, ids: Sequence[UUID]) -> list[Row]:
    """Rows of the queue in the order of their keys here, with `contact_name`."""
    query = (
        select(*(tickets.c[name] for name in SHOWN), people.c.name.label("contact_name"))
        .join(people, people.c.id == tickets.c.contact_id)
        .where(tickets.c.id.in_(ids))
    )
    rows = {row["id"]: dict(row) for row in connection.execute(query).mappings()}
    return [rows[key] for key in ids if key in rows]


def ids_of(connection: Connection, numbers: Sequence[str]) -> list[UUID]:
    """Keys of tickets by their whole numbers."""
    query = select(tickets.c.id).where(tickets.c.number.in_([number.strip().upper() for number in numbers]))
    return list(connection.execute(query).scalars())


def filtered(connection: Connection, ids: Sequence[UUID], wanted: Wanted, now: datetime) -> set[UUID]:
    """Which of some tickets a filter lets through."""
    query = select(tickets.c.id).where(tickets.c.id.in_(ids), *conditions(wanted, now))
    return set(connection.execute(query).scalars())


def newest(connection: Connection, wanted: Wanted, now: datetime, below: UUID | None, limit: int) -> list[UUID]:
    """Keys of tickets, newest first, walking back through all of them: for filters that let most through."""
    found = conditions(wanted, now)
    if below is not None:
        found.append(tickets.c.id < below)
    query = select(tickets.c.id).where(*found).order_by(tickets.c.id.desc()).limit(limit)
    return list(connection.execute(query).scalars())


# ---- snoozing ------------------------------------------------------------------------------------------------------


def snoozes_over(connection: Connection, now: datetime, most: int = 100) -> list[UUID]:
    """Tickets whose snooze is over, longest over first."""
    query = select(tickets.c.id).where(tickets.c.snoozed_until <= now).order_by(tickets.c.snoozed_until).limit(most)
    return list(connection.execute(query).scalars())


# ---- counting -----------------------------------------------------------------------------------------------------


def totals(connection: Connection, wanted: Wanted, now: datetime, evening: datetime) -> Totals:
    """How many open tickets a filter lets through, by group: late, due until `evening`, due later, clock stopped."""
    running = tickets.c.paused_at.is_(None)
    deadline = due()
    late = and_(running, deadline < now)
    today = and_(running, deadline >= now, deadline < evening)
    query = select(
        func.count(),
        func.sum(case((late, 1), else_=0)),
        func.sum(case((today, 1), else_=0)),
        func.sum(case((running, 0), else_=1)),
    ).where(*conditions(wanted, now))
    everything, behind, soon, paused = (int(n or 0) for n in connection.execute(query).one())
    return Totals(behind, soon, everything - behind - soon - paused, paused)


def counts(connection: Connection, several: Sequence[Wanted], now: datetime) -> list[int]:
    """How many open tickets each of several filters lets through, in one walk over the open ones."""
    if not several:
        return []
    columns = []
    for wanted in several:
        narrow = conditions(replace(wanted, statuses=OPEN), now)[1:]
        if wanted.statuses != OPEN:
            narrow.append(tickets.c.status.in_(sorted(wanted.statuses)))
        columns.append(func.sum(case((and_(true(), *narrow), 1), else_=0)))
    row = connection.execute(select(*columns).where(OPEN_TICKETS)).one()
    return [int(n or 0) for n in row]


def came_since(connection: Connection, wanted: Wanted, now: datetime, since: datetime, most: int) -> int:
    """How many open tickets a filter lets through that were made since a moment; no more than `most` are counted."""
    some = select(tickets.c.id).where(*conditions(wanted, now), tickets.c.created_at > since).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


# ---- what stands beside a row -------------------------------------------------------------------------------------


def last_words(connection: Connection, ids: Iterable[UUID]) -> dict[UUID, Row]:
    """The last message of each ticket: direction, channel, kind, public, who, when, and the beginning of its text."""
    wanted = list(ids)
    if not wanted:
        return {}
    other = messages.alias()
    last = (
        select(other.c.id).where(other.c.ticket_id == tickets.c.id).order_by(other.c.id.desc()).limit(1)
    ).scalar_subquery()
    start = [func.substr(messages.c[name], 1, 240).label(name) for name in ("reply_text", "text")]
    names = ("ticket_id", "direction", "channel", "kind", "public", "sender_value", "sender_name", "at")
    query = (
        select(*(messages.c[name] for name in names), *start)
        .select_from(tickets)
        .join(messages, messages.c.id == last)
        .where(tickets.c.id.in_(wanted))
    )
    return {row["ticket_id"]: dict(row) for row in connection.execute(query).mappings()}


def texts_of(connection: Connection, ids: Iterable[UUID], most: int = 4000) -> dict[UUID, list[str]]:
    """The beginnings of what was said on each of some tickets, latest first."""
    said = func.coalesce(func.nullif(messages.c.reply_text, ""), messages.c.text)
    query = (
        select(messages.c.ticket_id, func.substr(said, 1, most))
        .where(messages.c.ticket_id.in_(list(ids)))
        .order_by(messages.c.ticket_id, messages.c.id.desc())
    )
    found: dict[UUID, list[str]] = {}
    for ticket_id, text_said in connection.execute(query):
        found.setdefault(ticket_id, []).append(text_said)
    return found


def read_at(connection: Connection, user_id: UUID, ids: Iterable[UUID]) -> dict[UUID, datetime]:
    """When a user last saw each of some tickets; those never seen are left out."""
    query = select(readings.c.ticket_id, readings.c.at).where(
        readings.c.user_id == user_id, readings.c.ticket_id.in_(list(ids))
    )
    return {row[0]: row[1] for row in connection.execute(query)}
