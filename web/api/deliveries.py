"""The ledger over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from aiohttp import web

from desk.guard import Guard
from desk.ledger import Ledger, NoSuchDelivery, NotMoved
from storage.ledger import Filter
from tickets.delivery import DeliveryState
from web.api import catalogue, queries
from web.api.access import Access, Caller
from web.api.idempotency import OnceOnly
from web.api.language import language_of
from web.api.problem import Problem
from web.api.requests import Settlement, body_of
from web.api.serving import answer, key_in_path, route, shown, worded


class Deliveries:
    """The handlers of `/api/v1/deliveries`."""

    def __init__(self, ledger: Ledger, access: Access, once: OnceOnly) -> None:
        self._ledger = ledger
        self._access = access
        self._once = once

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [
            route(catalogue.LIST_DELIVERIES, self._access, self.list),
            route(catalogue.SHOW_DELIVERY, self._access, self.show),
            route(catalogue.RETRY_DELIVERY, self._access, self.retry),
            route(catalogue.SETTLE_DELIVERY, self._access, self.settle),
        ]

    async def list(self, request: web.Request, caller: Caller, query: queries.DeliveryQuery) -> web.Response:
        """Deliveries with their attempts, newest first."""
        language = language_of(request)
        wanted = Filter(
            state=DeliveryState(query.state) if query.state else None,
            channel=query.channel,
            provider=query.provider,
            person=query.person,
            dead=query.dead,
            before=queries.before(query.cursor),
            limit=query.limit,
            within=caller.within,
        )
        items, cursor = await self._ledger.listing(wanted, language, ticket=query.ticket)
        return shown(request, {"items": items, "next": cursor}, headers=worded(language))

    async def show(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """One delivery with its text as sent and what was said at each attempt."""
        language = language_of(request)
        delivery = key_in_path(request, "delivery")
        return shown(request, await self._shown(delivery, caller, language), headers=worded(language))

    async def retry(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """Queue a delivery again that failed or expired; 409 where somebody would get it twice."""
        delivery = key_in_path(request, "delivery")

        async def make(guard: Guard) -> None:
            await self._ledger.retry(delivery, caller.actor, guard=guard)

        return await self._change(request, caller, delivery, make)

    async def settle(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """Say what became of a delivery that is unknown."""
        delivery = key_in_path(request, "delivery")
        state = DeliveryState((await body_of(request, Settlement)).state)

        async def make(guard: Guard) -> None:
            await self._ledger.settle(delivery, state, caller.actor, guard=guard)

        return await self._change(request, caller, delivery, make)

    async def _change(
        self, request: web.Request, caller: Caller, delivery: UUID, make: Callable[[Guard], Awaitable[None]]
    ) -> web.Response:
        language = language_of(request)

        async def show() -> web.Response:
            return answer(await self._shown(delivery, caller, language), headers=worded(language))

        try:
            return await self._once.change(request, caller, Guard(caller.within), make, show)
        except NoSuchDelivery as error:
            raise Problem(404, "No such delivery", str(error)) from None
        except NotMoved as error:
            raise Problem(409, "Not moved", str(error)) from None

    async def _shown(self, delivery: UUID, caller: Caller, language: str) -> dict[str, Any]:
        try:
            return await self._ledger.show(delivery, language, within=caller.within)
        except NoSuchDelivery as error:
            raise Problem(404, "No such delivery", str(error)) from None
