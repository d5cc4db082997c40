"""The search index is filled behind intake's back: a duty of its own reads the event log and gathers words.

Intake writes nothing for it. The duty runs on one node at a time, follows the log by a cursor kept in the database, and
writes the words of whatever changed; after a stop or a crash it goes on from there. While mail pours in it holds back,
because the same processor answers the door; tickets are then found by their words some seconds later.

Tickets made before there was an index are walked through once, newest first; `otklik search reindex` walks through all
of them anew. Now and then the open tickets are compared with what is known of them, so that nothing stays forgotten
that became visible too late for the cursor.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from desk import event_log as log_followers
from desk import stems
from desk.queue import WALK
from desk.queue_filter import facets_of
from storage import duties, event_log, search
from storage.database import Connection, Database
from storage.errors import StorageError
from tickets.clock import Clock

log = structlog.get_logger(__name__)

DUTY = "search"
LOG = "search.log"
"""Name under which the place in the event log is kept."""

BATCH = 25
"""Tickets whose words are gathered and written at once: some milliseconds of the writer."""

BUSY = 100
"""Events since the last look beyond which the duty holds back."""

MOST = 10 * BUSY
"""Events read at once."""

PATIENCE = 30
"""Looks it holds back for at most."""

SWEEP = 60
"""Looks between two comparisons of the open tickets with what is known of them."""

_BEGINNING = UUID(int=0)
_END = UUID(int=(1 << 128) - 1)


def entry_of(ticket: dict[str, Any]) -> dict[str, Any]:
    """The row of the index for a ticket as `storage.search.gather` gives it."""
    fields = [ticket["subject"], ticket["number"], ticket["contact"], ticket["customer_name"] or "", ticket["category"]]
    for message in ticket["messages"]:
        fields.append(message["sender_name"])
        if message["direction"] == "in":
            fields.append(message["sender_value"])
        if message["subject"] != ticket["subject"]:
            fields.append(message["subject"])
        fields.append(message["reply_text"] or message["text"])
    fields += [*ticket["addresses"], *ticket["files"], *ticket["tags"]]
    words = stems.text_of(dict.fromkeys(fields), facets_of(ticket, ticket["tags"]))
    return {"ticket_id": ticket["id"], "version": ticket["version"], "words": words}


class SearchIndex:
    """Gathers and writes the words of tickets."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def put(self, ids: Sequence[UUID], *, and_then: Callable[[Connection], None] | None = None) -> int:
        """Write the words of some tickets anew, and in the same transaction whatever else; returns how many."""
        found = await self._database.read(lambda c: search.gather(c, ids)) if ids else []
        entries = await asyncio.to_thread(lambda: [entry_of(ticket) for ticket in found])

        def write(connection: Connection) -> int:
            search.put(connection, entries)
            if and_then is not None:
                and_then(connection)
            return len(entries)

        return await self._database.write(write, name="search.put")

    async def walk(self, batch: int = BATCH) -> int:
        """Write the words of the next tickets of the walk from the newest to the oldest; 0 when it is over."""
        place = await self._database.read(lambda c: event_log.place(c, WALK))
        if place == _BEGINNING:
            return 0
        ids = await self._database.read(lambda c: search.ids_before(c, place or _END, batch))
        now = self._clock.now()
        last = ids[-1] if ids else _BEGINNING
        await self.put(ids, and_then=lambda c: event_log.keep_place(c, WALK, last, now))
        return len(ids)

    async def walk_again(self) -> None:
        """Begin the walk anew; what is known stays until it is written over."""
        now = self._clock.now()
        await self._database.write(lambda c: event_log.keep_place(c, WALK, _END, now), name="search.walk")


class SearchDuty:
    """Keeps the index up with the event log, on one node at a time; looks every `every`."""

    def __init__(self, index: SearchIndex, database: Database, clock: Clock, owner: str, *, every: float = 1.0) -> None:
        self._index = index
        self._database = database
        self._clock = clock
        self._owner = owner
        self._every = every
        self._stopping = asyncio.Event()
        self._follower: log_followers.Follower | None = None
        self._waited = self._looks = self._backlog = 0
        self._held = False

    def stop(self) -> None:
        """`run` returns after the batch under way."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping.is_set():
            pause = self._every
            try:
                if await self._hold():
                    pause = await self.look()
                else:
                    # another node does it
                    self._follower = None
                    pause = self._every * 10
            except StorageError as error:
                log.warning("search_waits_for_storage", error=str(error))
            except Exception:
                log.exception("search_round_broke")
            try:
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            except TimeoutError:
                continue
        try:
            await self._database.write(lambda c: duties.let_go(c, DUTY, self._owner), name="search.let_go")
        except StorageError as error:
            log.warning("search_waits_for_storage", error=str(error))

    async def look(self) -> float:
        """One look: new events, else the walk, else the comparison; returns how long to wait for the next, in seconds.

        Raises:
            StorageError: the database is away; what was not written is found again.
        """
        follower = self._follower or await self._begin()
        self._looks += 1
        backlog = await self._database.read(lambda c: event_log.waiting(c, follower.last, MOST))
        grown, self._backlog = backlog - self._backlog, backlog
        busy = grown > BUSY or (backlog >= MOST and self._waited > 0)
        if busy and self._waited < PATIENCE:
            self._waited += 1
            return self._every
        rows = await self._database.read(lambda c: follower.read(c, most=MOST))
        if rows:
            await self._write(follower, rows, gently=busy)
            self._backlog = 0
            return self._every if len(rows) < MOST else self._every / 5
        self._waited = 0
        if await self._index.walk():
            return self._every / 10
        if self._looks % SWEEP == 0:
            recent = event_log.key_at(self._clock.now() - timedelta(hours=1))
            forgotten = await self._database.read(lambda c: search.outdated(c, recent, 10 * BATCH))
            for start in range(0, len(forgotten), BATCH):
                await self._index.put(forgotten[start : start + BATCH])
        return self._every

    async def catch_up(self) -> None:
        """Look until nothing is left to do; for the command line and for tests."""
        while True:
            self._waited = PATIENCE
            follower = self._follower or await self._begin()
            before = follower.last
            await self.look()
            place = await self._database.read(lambda c: event_log.place(c, WALK))
            if follower.last == before and place == _BEGINNING:
                return

    async def _write(self, follower: log_followers.Follower, rows: list[dict[str, Any]], *, gently: bool) -> None:
        ids = list(dict.fromkeys(row["ticket_id"] for row in rows))
        last = max(follower.last, rows[-1]["id"])
        for start in range(0, len(ids), BATCH):
            began = time.perf_counter()
            over = start + BATCH >= len(ids)
            keep = partial(event_log.keep_place, reader=LOG, key=last, now=self._clock.now())
            await self._index.put(ids[start : start + BATCH], and_then=keep if over else None)
            if gently and not over:
                # a fifth of the time at most
                await asyncio.sleep(4 * (time.perf_counter() - began))
        follower.seen(rows)

    async def _begin(self) -> log_followers.Follower:
        def place(connection: Connection) -> tuple[UUID | None, UUID]:
            return event_log.place(connection, LOG), event_log.latest(connection)

        known, newest = await self._database.read(place)
        if known is None:
            # whatever is there already is the walk's business
            now = self._clock.now()
            await self._database.write(lambda c: event_log.keep_place(c, LOG, newest, now), name="search.begin")
        self._follower = log_followers.Follower(log_followers.resumed(newest if known is None else known))
        return self._follower

    async def _hold(self) -> bool:
        # the row is written once in a while, not at every look
        if self._held and self._looks % 10:
            return True
        lease = timedelta(seconds=max(self._every * 60, 60))
        self._held = await self._database.write(lambda c: duties.hold(c, DUTY, self._owner, lease), name="search.hold")
        return self._held
