"""News for live pages: one look at the event log for everybody who watches, handed on to each.

Nobody watching, nothing is looked at. What is handed on are names and small facts, never a text: a page asks for what
it shows by itself, with its own rights.

| event | facts | when |
|---|---|---|
| `ticket` | `number`, `version`, `what`, `by` | something happened to a ticket |
| `tickets` | `number`, `version`, `what` | its place in lists may have changed; once a look for each ticket |
| `deliveries` | `number`, `version` | a delivery of a watched ticket changed; without `number`: other trouble |
| `quarantine` | `n` | what is held changed |
| `counts` | `queue`, `deliveries`, `quarantine`, `spam` | the numbers beside the sections changed |
| `presence` | `number`, `names` | who else has the ticket open, on this node |
| `ping` | nothing | nothing else for some seconds |
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from desk.event_log import Follower
from storage import event_log, news, queue
from storage.database import Connection, Database
from storage.errors import StorageError

log = structlog.get_logger(__name__)

MOST_WAITING = 500
"""News a slow watcher may be behind; then it is cut off, comes back and reads anew."""

MOST_REPLAYED = 500
"""News told again to one who comes back."""

COUNT_EVERY = 10.0
"""Seconds between two counts of everything."""

INTEREST = 60.0
"""Seconds for which counting goes on after somebody asked for the numbers."""

_PLACES = frozenset({
    "received", "status", "assigned", "group", "centre", "priority", "customer", "snoozed", "woken", "merged", "split",
    "unmerged", "author_replied", "reopened", "withdrawn", "deadline_missed",
})  # fmt: skip
"""What may change a ticket's place in a list."""


@dataclass(frozen=True, slots=True)
class News:
    """One thing to be told; `id` is the place in the event log after it, where it came from there."""

    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""


class Watcher:
    """One open page: `next` gives its news in order."""

    def __init__(self, user_id: UUID, name: str, ticket: UUID | None) -> None:
        self.user_id = user_id
        self.name = name
        self.ticket = ticket
        self._news: asyncio.Queue[News | None] = asyncio.Queue(MOST_WAITING)

    def tell(self, one: News) -> None:
        """Hand something on; a watcher too far behind is cut off."""
        try:
            self._news.put_nowait(one)
        except asyncio.QueueFull:
            self.close()

    def close(self) -> None:
        """Let `next` end; what was not heard yet is dropped, the page reads it anew."""
        while not self._news.empty():
            self._news.get_nowait()
        self._news.put_nowait(None)

    async def next(self, patience: float) -> News | None:
        """The next news, a `ping` if none came in time, None when it is over."""
        try:
            async with asyncio.timeout(patience):
                return await self._news.get()
        except TimeoutError:
            return News("ping")


class NewsDesk:
    """Looks every `every` seconds while anybody watches, and tells all."""

    def __init__(self, database: Database, *, every: float = 1.0) -> None:
        self._database = database
        self._every = every
        self._watchers: set[Watcher] = set()
        self._someone = asyncio.Event()
        self._stopping = asyncio.Event()
        self._follower: Follower | None = None
        self._marks: dict[UUID, tuple[Any, ...]] = {}
        self._trouble: tuple[Any, ...] | None = None
        self._counts: dict[str, int] = {}
        self._counted = self._asked = 0.0

    # ---- watching -------------------------------------------------------------------------------------------------

    def watchers_of(self, user_id: UUID) -> int:
        """How many pages of a user are watching."""
        return sum(watcher.user_id == user_id for watcher in self._watchers)

    async def watch(self, user_id: UUID, name: str, number: str, last: str) -> Watcher:
        """Begin to watch, a ticket in particular if one is named; `last` is the id of the last news seen before.

        Whatever happens from now on is told, though the next look comes later.
        """
        place = _place(last)

        def query(connection: Connection) -> _Begun:
            known = queue.ids_of(connection, [number]) if number else []
            missed = event_log.after(connection, place, MOST_REPLAYED) if place else []
            marks = news.delivery_marks(connection, known) if known else {}
            return _Begun(event_log.latest(connection), known, missed, marks)

        begun = await self._database.read(query)
        watcher = Watcher(user_id, name, begun.known[0] if begun.known else None)
        for one in told(begun.missed):
            watcher.tell(one)
        if self._stopping.is_set():
            watcher.close()
            return watcher
        if self._follower is None:
            self._follower = Follower(begun.latest)
        if watcher.ticket is not None:
            self._marks.setdefault(watcher.ticket, begun.marks.get(watcher.ticket, ()))
        self._watchers.add(watcher)
        if self._counts:
            watcher.tell(News("counts", dict(self._counts)))
        self._someone.set()
        self._present(watcher.ticket, number)
        return watcher

    def leave(self, watcher: Watcher, number: str = "") -> None:
        """The page was closed."""
        self._watchers.discard(watcher)
        self._present(watcher.ticket, number)

    def counts(self) -> Mapping[str, int]:
        """The numbers beside the sections, as they were counted last; empty before the first count."""
        self._asked = time.monotonic()
        self._someone.set()
        return self._counts

    def recount(self) -> None:
        """Count anew at the next look: something was just done."""
        self._counted = 0.0

    def _present(self, ticket: UUID | None, number: str) -> None:
        if ticket is None:
            return
        here = [watcher for watcher in self._watchers if watcher.ticket == ticket]
        for watcher in here:
            names = sorted({other.name for other in here if other.user_id != watcher.user_id})
            watcher.tell(News("presence", {"number": number, "names": names}))

    # ---- looking --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look until `stop`."""
        while not self._stopping.is_set():
            if not self._watchers and time.monotonic() - self._asked > INTEREST:
                self._someone.clear()
                self._follower = None
                await self._someone.wait()
                continue
            try:
                await self.look()
            except StorageError as error:
                log.warning("news_wait_for_storage", error=str(error))
            except Exception:
                log.exception("news_round_broke")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._stopping.wait()

    def stop(self) -> None:
        """End `run`, and every watcher's news."""
        self._stopping.set()
        self._someone.set()
        for watcher in list(self._watchers):
            watcher.close()

    async def look(self) -> None:
        """One look for all.

        Raises:
            StorageError: the database is away.
        """
        age = time.monotonic() - self._counted
        watched = {watcher.ticket for watcher in self._watchers if watcher.ticket is not None}
        self._marks = {key: mark for key, mark in self._marks.items() if key in watched}

        def query(connection: Connection) -> _Look:
            follower = self._follower or Follower(event_log.latest(connection))
            found = _Look(follower, follower.read(connection) if self._watchers else [])
            found.marks = news.delivery_marks(connection, watched) if watched else {}
            found.trouble = news.trouble(connection) if self._watchers else None
            counting = age > COUNT_EVERY or (found.rows and age > COUNT_EVERY / 3)
            found.counts = news.counts(connection) if counting else None
            moved = [key for key, mark in found.marks.items() if self._marks.get(key, mark) != mark]
            found.moved = news.versions(connection, moved) if moved else {}
            return found

        seen = await self._database.read(query)
        if self._follower is None:
            self._follower = seen.follower
        if seen.follower is self._follower:
            # else somebody began to watch while nobody's look was under way: it is theirs that goes on
            seen.follower.seen(seen.rows)
        for one in told(seen.rows):
            self._tell_all(one)
        for key, (number, version) in seen.moved.items():
            one = News("deliveries", {"number": number, "version": version})
            for watcher in self._watchers:
                if watcher.ticket == key:
                    watcher.tell(one)
        # a ticket somebody began to watch meanwhile keeps the mark of that moment
        self._marks |= seen.marks
        if self._trouble is not None and seen.trouble is not None and seen.trouble != self._trouble:
            self._tell_all(News("deliveries"))
        self._trouble = seen.trouble
        if seen.counts is not None:
            self._counted = time.monotonic()
            self._count(seen.counts)

    def _count(self, found: dict[str, int]) -> None:
        before, self._counts = self._counts, found
        if before == found:
            return
        self._tell_all(News("counts", dict(found)))
        if before and before["quarantine"] != found["quarantine"]:
            self._tell_all(News("quarantine", {"n": found["quarantine"]}))

    def _tell_all(self, one: News) -> None:
        for watcher in list(self._watchers):
            watcher.tell(one)


@dataclass(frozen=True, slots=True)
class _Begun:
    latest: UUID
    known: list[UUID]
    missed: list[dict[str, Any]]
    marks: dict[UUID, tuple[Any, ...]]


@dataclass(slots=True)
class _Look:
    follower: Follower
    rows: list[dict[str, Any]]
    marks: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    moved: dict[UUID, tuple[str, int]] = field(default_factory=dict)
    trouble: tuple[Any, ...] | None = None
    counts: dict[str, int] | None = None


def told(rows: list[dict[str, Any]]) -> list[News]:
    """Rows of the event log as news, in their order; `tickets` once for each ticket, by its last event."""
    found: list[News] = []
    placed: dict[str, News] = {}
    for row in rows:
        facts = {"number": row["number"], "version": row["version"], "what": row["what"]}
        found.append(News("ticket", facts | {"by": row["by"]}, row["id"].hex))
        if row["what"] in _PLACES:
            placed.pop(row["number"], None)
            placed[row["number"]] = News("tickets", facts, row["id"].hex)
    return [*found, *placed.values()]


def _place(last: str) -> UUID | None:
    try:
        return UUID(hex=last) if len(last) == 32 else None
    except ValueError:
        return None
