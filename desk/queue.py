"""The queue as a page of it is asked for: rows in groups, counts of views, what is new since one looked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from datetime import time as wall_time
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from desk import queue_cursor, queue_row
from desk.away import Away, what_came
from desk.bulk import Report, reported
from desk.queue_filter import QueueFilter, facets
from desk.queue_row import QueueRow, Rows
from desk.reading import Reading
from desk.saved_views import SavedView, seen_by
from desk.search import Query
from desk.site import Site
from desk.visitor import Visitor
from storage import event_log, queue, search, tickets
from storage import tags as tag_rows
from storage.database import Connection, Database
from storage.queue import Totals, Wanted
from tickets.clock import Clock
from tickets.organisation import Organisation
from tickets.status import OPEN

PAGE = 50
"""Rows of a page."""

COUNTS_LIVE = 5.0
"""Seconds for which counts of views are remembered for a reader."""

_CANDIDATES = (PAGE + 10, 200)
"""How many the index is asked for at first, and then: mostly all of the first are shown."""
_ROUNDS = 12

NOTHING = Query("")
"""What nobody looked for."""

WALK = "search.walk"
"""How far back the words of older tickets have been gathered (`storage.event_log.place`)."""


Beside = Callable[[Sequence[SavedView], Organisation], Sequence[QueueFilter]]
"""The filters whose counts stand beside a page, of the saved views its reader sees."""


@dataclass(slots=True)
class QueuePage:
    """A page of the queue.

    `totals` are of the whole list and None where it reaches into the past; `more` is the cursor of the next page;
    `exact` is a ticket whose number was typed. `indexed_since` is None once every ticket can be found by its words,
    else the moment from which on they can. `counts` are those of the filters beside it, -1 where one reaches into the
    past or looks for words. `report` is what became of the action the address names.
    """

    rows: list[QueueRow]
    totals: Totals | None
    more: str = ""
    exact: QueueRow | None = None
    indexed_since: datetime | None = None
    organisation: Organisation = field(default_factory=Organisation)
    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    saved: list[SavedView] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    report: tuple[str, Report] | None = None
    away: Away | None = None


class Queue:
    """Answers what the page of the queue asks, in one look at the database each; nothing here changes a ticket."""

    def __init__(self, database: Database, site: Site, clock: Clock, reading: Reading) -> None:
        self._database = database
        self._site = site
        self._clock = clock
        self._reading = reading
        self._remembered: dict[UUID, tuple[float, tuple[QueueFilter, ...], list[int]]] = {}
        self._tags: tuple[float, list[str]] = (0.0, [])

    async def page(
        self, asked: QueueFilter, visitor: Visitor, beside: Beside, *, after: str = "", done: UUID | None = None
    ) -> QueuePage:
        """The page of a filter that begins after a cursor; `done` is an action to be accounted for."""
        now = self._clock.now()
        place = queue_cursor.decode(after)

        def query(connection: Connection) -> QueuePage:
            organisation = self._reading.current(connection)
            wanted = asked.wanted(organisation, visitor.member, visitor.zone)
            page = _Question(connection, self._site, organisation, visitor, now).page(asked, wanted, place)
            page.saved = seen_by(connection, visitor)
            page.counts = self._counts(connection, beside(page.saved, organisation), organisation, visitor, now)
            page.tags = self._used(connection)
            page.report = reported(connection, done, visitor.user_id) if done is not None else None
            page.away = what_came(connection, visitor, now) if not asked.narrows and not after else None
            return page

        return await self._database.read(query)

    async def rows(self, numbers: Sequence[str], visitor: Visitor, looked_for: Query = NOTHING) -> list[QueueRow]:
        """Single rows as they are now, whatever the filter; numbers nobody has are left out. What was looked for is
        marked as on the page they belong to."""
        now = self._clock.now()

        def query(connection: Connection) -> list[QueueRow]:
            question = _Question(connection, self._site, self._reading.current(connection), visitor, now)
            rows = question.rows(queue.ids_of(connection, numbers))
            question.mark(rows, looked_for)
            return rows

        return await self._database.read(query)

    async def news(self, asked: QueueFilter, visitor: Visitor, since: datetime) -> int:
        """How many tickets of a filter came since a moment."""
        now = self._clock.now()

        def query(connection: Connection) -> int:
            wanted = asked.wanted(self._reading.current(connection), visitor.member, visitor.zone)
            if not wanted.only_open or not asked.query.empty:
                return 0
            return queue.came_since(connection, wanted, now, since, queue.MOST_COUNTED + 1)

        return await self._database.read(query)

    def forget_counts(self, visitor: Visitor) -> None:
        """Count anew next time: this reader has just changed something."""
        self._remembered.pop(visitor.user_id, None)

    def _counts(
        self,
        connection: Connection,
        views: Sequence[QueueFilter],
        organisation: Organisation,
        visitor: Visitor,
        now: datetime,
    ) -> list[int]:
        key, clock = tuple(views), time.monotonic()
        known = self._remembered.get(visitor.user_id)
        if known is not None and known[0] > clock and known[1] == key:
            return known[2]
        meant = [view.wanted(organisation, visitor.member, visitor.zone) for view in views]
        countable = [n for n, one in enumerate(meant) if one.only_open and views[n].query.empty]
        found = [-1] * len(views)
        for n, count in zip(countable, queue.counts(connection, [meant[n] for n in countable], now), strict=True):
            found[n] = count
        if len(self._remembered) > 500:
            self._remembered.clear()
        self._remembered[visitor.user_id] = (clock + COUNTS_LIVE, key, found)
        return found

    def _used(self, connection: Connection) -> list[str]:
        """The tags used most, for menus; remembered for a minute."""
        if time.monotonic() > self._tags[0]:
            self._tags = (time.monotonic() + 60.0, tag_rows.used(connection))
        return self._tags[1]


class _Question:
    """One page of one reader, on one connection."""

    def __init__(
        self, connection: Connection, site: Site, organisation: Organisation, visitor: Visitor, now: datetime
    ) -> None:
        self._connection = connection
        self._organisation = organisation
        self._visitor = visitor
        self._now = now
        self._evening = evening_of(now, visitor.zone)
        self._rows = Rows(site, organisation, now, self._evening)

    def page(self, asked: QueueFilter, wanted: Wanted, place: list[Any] | None) -> QueuePage:
        looked_for = asked.query
        page = QueuePage([], None, organisation=self._organisation, at=self._now)
        if looked_for.typed and looked_for.empty:
            # nothing in it can be looked for: that is not everything
            return page
        if looked_for.empty and wanted.only_open:
            ids, more = queue.open_page(self._connection, wanted, asked.order, self._now, place, PAGE)
            page.rows = self.rows(ids)
            page.more = queue_cursor.encode(more) if more else ""
            page.totals = queue.totals(self._connection, wanted, self._now, self._evening)
            return page
        if looked_for.number and place is None:
            found = tickets.find(self._connection, looked_for.number)
            page.exact = self.rows([found["id"]])[0] if found else None
        terms = [*looked_for.terms, *facets(wanted)]
        if looked_for.terms or (_narrow(wanted) and looked_for.empty):
            ids, below = self._searched(terms, wanted, place)
            page.more = queue_cursor.encode([below]) if below else ""
            page.indexed_since = self._indexed_since()
        elif looked_for.empty:
            last = place[0] if place and isinstance(place[0], UUID) else None
            ids = queue.newest(self._connection, wanted, self._now, last, PAGE + 1)
            page.more = queue_cursor.encode([ids[PAGE - 1]]) if len(ids) > PAGE else ""
            ids = ids[:PAGE]
        else:
            ids = []
        page.rows = self.rows([key for key in ids if page.exact is None or key != page.exact.id])
        self.mark([*page.rows, *([page.exact] if page.exact is not None else [])], looked_for)
        return page

    def _searched(
        self, terms: list[search.Term], wanted: Wanted, place: list[Any] | None
    ) -> tuple[list[UUID], int | None]:
        """Tickets the index names and the filter lets through, newest first, and the position the next page is below.

        The index is a moment behind and knows no snoozes, so what it names is looked at again.
        """
        below = place[0] if place and isinstance(place[0], int) else None
        found: list[UUID] = []
        for turn in range(_ROUNDS):
            most = _CANDIDATES[turn > 0]
            some = search.candidates(self._connection, terms, below=below, most=most)
            through = queue.filtered(self._connection, [key for _, key in some], wanted, self._now) if some else set()
            for position, key in some:
                if key in through:
                    found.append(key)
                    if len(found) > PAGE:
                        return found[:PAGE], below
                below = position
            if len(some) < most:
                return found, None
        return found, below

    def rows(self, ids: Sequence[UUID]) -> list[QueueRow]:
        """Rows with everything that stands beside them, in a fixed number of questions."""
        rows = [self._rows.row(ticket) for ticket in queue.by_ids(self._connection, ids)]
        if not rows:
            return []
        ids = [row.id for row in rows]
        last = queue.last_words(self._connection, ids)
        read = queue.read_at(self._connection, self._visitor.user_id, ids)
        tags = tag_rows.of_all(self._connection, ids)
        own = self._visitor.actor.label
        for row in rows:
            row.tags = tags.get(row.id, [])
            message = last.get(row.id)
            if message is not None:
                row.said = queue_row.said(message, own)
                seen = read.get(row.id)
                row.unread = row.said.by != "you" and (seen is None or message["at"] > seen)
        return rows

    def mark(self, rows: list[QueueRow], looked_for: Query) -> None:
        """Show where in each ticket the words are that were looked for."""
        if not looked_for.marked or not rows:
            return
        texts = queue.texts_of(self._connection, [row.id for row in rows])
        for row in rows:
            row.found = queue_row.excerpt(iter(texts.get(row.id, ())), looked_for.marked)

    def _indexed_since(self) -> datetime | None:
        place = event_log.place(self._connection, WALK)
        if place is None or not place.int:
            return None if place is not None else self._now
        return datetime.fromtimestamp(event_log.moment_of(place), UTC)


def _narrow(wanted: Wanted) -> bool:
    """Whether a filter lets so few tickets through that walking back through all of them would take long."""
    wide = replace(wanted, statuses=frozenset(), snoozed="any")
    return wide != Wanted(statuses=frozenset(), snoozed="any") or len(wanted.statuses - OPEN) > 1


def evening_of(now: datetime, zone: str) -> datetime:
    """The midnight that ends the reader's day."""
    local = now.astimezone(ZoneInfo(zone))
    return datetime.combine(local.date() + timedelta(days=1), wall_time(0), local.tzinfo).astimezone(UTC)
