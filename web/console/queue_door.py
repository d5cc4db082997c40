"""What the queue's pages are built from, put together once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from desk.bulk import Bulk
from desk.news import NewsDesk
from desk.queue import Queue
from desk.reading import Reading
from desk.saved_views import SavedViews
from desk.site import Site
from storage.database import Database
from tickets.clock import Clock
from web.console.live import LivePages
from web.console.queue import QueuePages
from web.console.queue_bulk import BulkPages
from web.console.queue_views import ViewPages
from web.console.staff_door import StaffDoor


@dataclass(frozen=True, slots=True)
class QueueDoor:
    """The queue, what is done from it, and news for every open page. `news.run` is a task of the program's."""

    database: Database
    site: Site
    clock: Clock
    reading: Reading
    staff: StaffDoor
    on_queued: Callable[[], None]
    news: NewsDesk

    def routes(self) -> list[web.RouteDef]:
        """Every address."""
        look, gate = self.staff.look, self.staff.gate
        queue = Queue(self.database, self.site, self.clock, self.reading)
        views = SavedViews(self.database, self.clock)
        bulk = Bulk(self.database, self.site, self.clock, self.on_queued)
        look.counts = lambda _reader: self.news.counts()
        return [
            *QueuePages(queue, look, gate, self.clock).routes(),
            *ViewPages(views, queue, look, gate).routes(),
            *BulkPages(bulk, queue, self.news, self.reading, look, gate, self.clock).routes(),
            *LivePages(self.news, gate).routes(),
        ]
