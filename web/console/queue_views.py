"""Saving, renaming, sharing and dropping views of the queue."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from desk.change import Refused
from desk.queue import Queue
from desk.queue_filter import QueueFilter
from desk.saved_views import LONGEST_NAME, NoSuchView, SavedView, SavedViews
from desk.visitor import Visitor
from tickets.role import Right
from web.console.forms import key_in_path, posted, text_of
from web.console.gate import Gate
from web.look.page import Look
from web.look.refusal import Refusal

PAGE = "console/queue_view.html.j2"


class ViewPages:
    """`/queue/views`."""

    def __init__(self, views: SavedViews, queue: Queue, look: Look, gate: Gate) -> None:
        self._views = views
        self._queue = queue
        self._look = look
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/queue/views/new", self._new),
            web.post("/queue/views", self._add),
            web.get("/queue/views/{id}", self._edit),
            web.post("/queue/views/{id}", self._change),
            web.post("/queue/views/{id}/drop", self._drop),
        ]

    async def _new(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        return self._draw(request, visitor, QueueFilter.read(request.query.items()))

    async def _add(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        form = await posted(request)
        asked = _filter(form)
        name, shared = text_of(form, "name"), bool(text_of(form, "shared"))
        try:
            key = await self._views.add(visitor, name, asked, shared=shared)
        except Refused as error:
            return self._draw(request, visitor, asked, status=422, wrong=error.code, name=name, shared=shared)
        response = web.Response(status=303, headers={"Location": asked.address(view=key.hex)})
        self._look.tell(response, "queue.view.saved", name=" ".join(name.split()))
        return response

    async def _edit(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        view = await self._view(request, visitor)
        proposed = QueueFilter.read(request.query.items()) if request.query else view.filter
        return self._draw(request, visitor, proposed, view=view, name=view.name, shared=view.shared)

    async def _change(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        view = await self._view(request, visitor)
        form = await posted(request)
        asked, name, shared = _filter(form), text_of(form, "name"), bool(text_of(form, "shared"))
        try:
            await self._views.change(visitor, view.id, name=name, shared=shared, asked=asked)
        except NoSuchView:
            raise Refusal(404) from None
        except Refused as error:
            return self._draw(
                request, visitor, asked, status=422, view=view, wrong=error.code, name=name, shared=shared
            )
        response = web.Response(status=303, headers={"Location": asked.address(view=view.id.hex)})
        self._look.tell(response, "queue.view.saved", name=" ".join(name.split()))
        return response

    async def _drop(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        view = await self._view(request, visitor)
        try:
            await self._views.drop(visitor, view.id)
        except NoSuchView:
            raise Refusal(404) from None
        response = web.Response(status=303, headers={"Location": "/queue"})
        self._look.tell(response, "queue.view.dropped", name=view.name)
        return response

    async def _view(self, request: web.Request, visitor: Visitor) -> SavedView:
        wanted = key_in_path(request, "id")
        view = next((one for one in await self._views.of(visitor) if one.id == wanted and one.own), None)
        if view is None:
            raise Refusal(404)
        return view

    def _draw(
        self,
        request: web.Request,
        visitor: Visitor,
        asked: QueueFilter,
        *,
        status: int = 200,
        view: SavedView | None = None,
        wrong: str = "",
        name: str = "",
        shared: bool = False,
    ) -> web.Response:
        context: dict[str, Any] = {
            "asked": asked,
            "view": view,
            "wrong": wrong,
            "name": name,
            "shared": shared,
            "may_share": visitor.may(Right.VIEWS_SHARE),
            "longest": LONGEST_NAME,
            "back": asked.address(),
            "query": asked.address("").lstrip("?"),
        }
        return self._look.render(request, PAGE, status, **context)


def _filter(form: Any) -> QueueFilter:
    return QueueFilter.read(parse_qsl(text_of(form, "query")[:4000], keep_blank_values=False, max_num_fields=200))
