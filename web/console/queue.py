"""The queue: its page, single rows and news of it as fragments, and the search field of the frame."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from aiohttp import web

from desk.queue import Queue
from desk.queue_filter import QueueFilter
from desk.saved_views import SavedView
from desk.search import parse
from tickets.clock import Clock
from tickets.organisation import Organisation
from tickets.role import Right
from web.console import queue_context
from web.console.forms import key_of
from web.console.gate import Gate
from web.console.queue_bulk import presets
from web.look.page import Look

PAGE = "console/queue.html.j2"
MOST_ROWS = 60
"""Rows of one request for rows."""


class QueuePages:
    """`/queue` and what belongs to it."""

    def __init__(self, queue: Queue, look: Look, gate: Gate, clock: Clock) -> None:
        self._queue = queue
        self._look = look
        self._gate = gate
        self._clock = clock
        self._choices = queue_context.Choices()

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/", self._home),
            web.get("/queue", self._show),
            web.get("/queue/rows", self._rows),
            web.get("/queue/fresh", self._fresh),
            web.get("/search", self._search),
        ]

    async def _home(self, request: web.Request) -> web.Response:
        raise web.HTTPSeeOther("/queue")

    async def _show(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        asked = QueueFilter.read(request.query.items())
        if any(not value for name, value in request.query.items() if name not in ("after", "view")):
            # a form of the filter menu: its address without the fields left empty
            raise web.HTTPSeeOther(asked.address(view=request.query.get("view", "")))
        after, chosen = request.query.get("after", ""), request.query.get("view", "")

        def beside(saved: Sequence[SavedView], organisation: Organisation) -> list[QueueFilter]:
            return [link.filter for link in queue_context.sidebar(asked, chosen, saved, organisation).all]

        done = key_of(request.query.get("done", ""))
        page = await self._queue.page(asked, visitor, beside, after=after, done=done)
        side = queue_context.sidebar(asked, chosen, page.saved, page.organisation)
        for link, count in zip(side.all, page.counts, strict=True):
            link.count = count
        context = queue_context.context(page, asked, side, visitor, after=after, choices=self._choices)
        until = presets(self._clock.now(), visitor.zone)
        return self._look.render(request, PAGE, presets=until, **context)

    async def _rows(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        numbers = [number[:24] for number in request.query.getall("n", [])][:MOST_ROWS]
        rows = await self._queue.rows(numbers, visitor, parse(request.query.get("q", "")))
        return self._look.render(
            request,
            "console/queue_rows.html.j2",
            rows=rows,
            may_tick=visitor.may(Right.TICKETS_WRITE),
        )

    async def _fresh(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        asked = QueueFilter.read(request.query.items())
        try:
            since = datetime.fromisoformat(request.query.get("at", ""))
        except ValueError:
            raise web.HTTPBadRequest from None
        if since.tzinfo is None or not 2000 <= since.year < 3000:
            raise web.HTTPBadRequest
        count = await self._queue.news(asked, visitor, since)
        here = asked.address(view=request.query.get("view", "")[:32])
        return self._look.render(request, "console/queue_fresh.html.j2", n=count, here_address=here)

    async def _search(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        typed = request.query.get("q", "")
        query = parse(typed)
        if query.exact and await self._queue.rows([query.number], visitor):
            raise web.HTTPSeeOther(f"/tickets/{quote(query.number, safe='')}")
        if not query.typed:
            raise web.HTTPSeeOther("/queue")
        raise web.HTTPSeeOther(QueueFilter.read([("q", query.typed), ("status", "any")]).address())
