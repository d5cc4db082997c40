"""Tickets over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from aiohttp import web

from desk.change import Refused
from desk.guard import Guard, Outdated
from desk.reading import Reading
from desk.ticketing import Ticketing
from storage.tickets import Filter
from tickets.status import IllegalMove, Status
from web.api import catalogue, conditions, queries
from web.api.access import Access, Caller
from web.api.idempotency import OnceOnly
from web.api.language import language_of
from web.api.problem import Problem
from web.api.requests import Assignment, Comment, StatusChange, body_of
from web.api.serving import answer, route, shown, worded


class Tickets:
    """The handlers of `/api/v1/tickets`; `if_match` demands that every change names the version it is meant for."""

    def __init__(
        self, ticketing: Ticketing, reading: Reading, access: Access, once: OnceOnly, *, if_match: bool = False
    ) -> None:
        self._ticketing = ticketing
        self._reading = reading
        self._access = access
        self._once = once
        self._if_match = if_match

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [
            route(catalogue.LIST_TICKETS, self._access, self.list),
            route(catalogue.SHOW_TICKET, self._access, self.show),
            route(catalogue.CHANGE_STATUS, self._access, self.status),
            route(catalogue.ADD_COMMENT, self._access, self.comment),
            route(catalogue.ASSIGN, self._access, self.assign),
        ]

    async def show(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """One ticket with everything that hangs on it."""
        language = language_of(request)
        document = await self._reading.ticket(request.match_info["number"], language, within=caller.within)
        return shown(request, document, version=document["version"], headers=worded(language))

    async def list(self, request: web.Request, caller: Caller, query: queries.TicketQuery) -> web.Response:
        """Tickets, newest first."""
        items, cursor = await self._reading.tickets(await self._filter(caller, query))
        return shown(request, {"items": items, "next": cursor})

    async def status(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """Move a ticket along its life cycle."""
        wanted = await body_of(request, StatusChange)
        number, status = request.match_info["number"], Status(wanted.status)

        async def make(guard: Guard) -> None:
            await self._ticketing.status(number, status, caller.actor, wanted.comment, guard=guard)

        return await self._change(request, caller, make)

    async def comment(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """Write on a ticket."""
        wanted = await body_of(request, Comment)
        number = request.match_info["number"]

        async def make(guard: Guard) -> None:
            await self._ticketing.comment(number, wanted.text, caller.actor, public=wanted.public, guard=guard)

        return await self._change(request, caller, make, 201)

    async def assign(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """Give a ticket to somebody."""
        wanted = await body_of(request, Assignment)
        number = request.match_info["number"]
        if caller.within.centre and wanted.centre not in (None, caller.within.centre):
            raise Problem(422, "Refused", f"there is no centre {wanted.centre!r}")

        async def make(guard: Guard) -> None:
            await self._ticketing.assign(
                number,
                caller.actor,
                assignee=wanted.assignee,
                group=wanted.group,
                centre=wanted.centre,
                guard=guard,
            )

        return await self._change(request, caller, make)

    async def _change(
        self, request: web.Request, caller: Caller, make: Callable[[Guard], Awaitable[None]], status: int = 200
    ) -> web.Response:
        language = language_of(request)
        number = request.match_info["number"]
        versions = conditions.wanted_versions(request, demanded=self._if_match)

        async def show() -> web.Response:
            document = await self._reading.ticket(number, language, within=caller.within)
            headers = {"ETag": f'"{document["version"]}"', **worded(language)}
            return answer(document, status, headers)

        try:
            return await self._once.change(request, caller, Guard(caller.within, versions), make, show)
        except Outdated as error:
            raise Problem(412, "Changed meanwhile", str(error)) from None
        except IllegalMove as error:
            raise Problem(409, "Illegal move", str(error)) from None
        except Refused as error:
            # what else is known is not for those who see but a part of it
            detail = str(error).partition("; known:")[0] if caller.within else str(error)
            raise Problem(422, "Refused", detail) from None

    async def _filter(self, caller: Caller, query: queries.TicketQuery) -> Filter:
        assignee: UUID | None = None
        if query.assignee:
            organisation = await self._reading.organisation()
            member = next((m for m in organisation.members.values() if m.login == query.assignee), None)
            # a login nobody has finds nothing, like any other value that matches no ticket
            assignee = UUID(member.id) if member else UUID(int=0)
        return Filter(
            statuses=tuple(dict.fromkeys(query.status)),
            centre=query.centre,
            customer=query.customer,
            assignee=assignee,
            channel=query.channel,
            q=query.q,
            since=queries.instant(query.since, "since"),
            until=queries.instant(query.until, "until"),
            before=queries.before(query.cursor),
            limit=query.limit,
            within=caller.within,
        )
