"""Merging, splitting and linking tickets, and choosing a ticket's customer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import quote

from aiohttp import web

from desk.change import NoSuchTicket, Refused
from desk.merge import KINDS
from desk.ticket_desk import TicketDesk
from desk.visitor import Visitor
from tickets.role import Right
from web.console.forms import key_in_path, key_of, posted, see, text_of
from web.console.gate import Gate
from web.console.ticket_view import TicketView
from web.look.page import Look

Row = dict[str, Any]

MOST_CUSTOMERS = 50


class TogetherPages:
    """What concerns more than one ticket."""

    def __init__(self, desk: TicketDesk, look: Look, gate: Gate) -> None:
        self._desk = desk
        self._look = look
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/tickets/{number}/together", self._together),
            web.post("/tickets/{number}/merge", self._merge),
            web.post("/tickets/{number}/unmerge", self._unmerge),
            web.get("/tickets/{number}/split", self._choose),
            web.post("/tickets/{number}/split", self._split),
            web.post("/tickets/{number}/links", self._link),
            web.post("/tickets/{number}/links/{link}/drop", self._unlink),
            web.get("/tickets/{number}/customer", self._customers),
        ]

    async def _together(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        return await self._draw(request, visitor, "console/ticket_together.html.j2")

    async def _draw(
        self, request: web.Request, visitor: Visitor, template: str, status: int = 200, **more: Any
    ) -> web.Response:
        number = request.match_info["number"]
        rows, organisation = await self._desk.page(number, visitor, whole=True)
        context = TicketView(rows, organisation, self._desk.site, visitor, self._desk.clock.now()).context()
        said: Row = {"refused": "", "other": request.query.get("with", ""), "kinds": KINDS, "chosen": (), "subject": ""}
        return self._look.render(request, template, status, **(context | said | more))

    async def _merge(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        form = await posted(request)
        number, other = request.match_info["number"], text_of(form, "other").strip()
        work = partial(self._desk.merge, number, visitor, other, follow=text_of(form, "follow") == "1")
        return await self._done(request, visitor, work, "ticket.told.merged", other, undo="unmerge")

    async def _unmerge(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        work = partial(self._desk.unmerge, request.match_info["number"], visitor)
        return await self._done(request, visitor, work, "ticket.told.unmerged", "")

    async def _link(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        form = await posted(request)
        other = text_of(form, "other").strip()
        work = partial(self._desk.link, request.match_info["number"], visitor, other, text_of(form, "kind"))
        return await self._done(request, visitor, work, "ticket.told.saved", other)

    async def _unlink(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        work = partial(self._desk.unlink, request.match_info["number"], visitor, key_in_path(request, "link"))
        return await self._done(request, visitor, work, "ticket.told.saved", "")

    async def _done(
        self,
        request: web.Request,
        visitor: Visitor,
        work: Callable[[], Awaitable[Row]],
        told: str,
        other: str,
        undo: str = "",
    ) -> web.Response:
        """To the ticket the work ended at; a number nobody has is a mistake of the form, not of the address."""
        number = request.match_info["number"]
        # a wrong number in the address is a missing page, whatever the form says
        await self._desk.exists(number)
        try:
            row = await work()
        except (Refused, NoSuchTicket) as error:
            refused = error.code if isinstance(error, Refused) else "no_ticket"
            page = "console/ticket_together.html.j2"
            return await self._draw(request, visitor, page, 422, refused=refused or "other", other=other)
        response = see(f"/tickets/{quote(row['number'])}")
        self._look.tell(response, told, undo=f"/tickets/{quote(number)}/{undo}" if undo else "")
        return response

    async def _choose(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        return await self._draw(request, visitor, "console/ticket_split.html.j2")

    async def _split(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        form = await posted(request)
        number = request.match_info["number"]
        ids = [key for key in (key_of(str(value)) for value in form.getall("message", [])) if key is not None]
        subject = text_of(form, "subject")
        try:
            new = await self._desk.split(number, visitor, ids, subject, tell=text_of(form, "tell") == "1")
        except Refused as error:
            chosen = [key.hex for key in ids]
            page = "console/ticket_split.html.j2"
            return await self._draw(
                request, visitor, page, 422, refused=error.code or "other", chosen=chosen, subject=subject
            )
        response = see(f"/tickets/{quote(new['number'])}")
        self._look.tell(response, "ticket.told.split", number=new["number"])
        return response

    async def _customers(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        wanted = request.query.get("q", "").strip()[:100]
        organisation = await self._desk.organisation()
        found = [
            each
            for each in sorted(organisation.customers.values(), key=lambda c: c.name)
            if wanted.casefold() in f"{each.name} {each.code}".casefold()
        ]
        return await self._draw(
            request,
            visitor,
            "console/ticket_customer.html.j2",
            wanted=wanted,
            customers=found[:MOST_CUSTOMERS],
            left_out=max(0, len(found) - MOST_CUSTOMERS),
        )
