"""The ledger over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, TypeVar

from aiohttp import web

from desk.change import Actor
from desk.ledger import Ledger, NoSuchDelivery, NotMoved
from storage.ledger import Filter
from tickets.delivery import DeliveryState
from web.api import parameters
from web.api.access import Access
from web.api.problem import Problem
from web.api.requests import Settlement, read
from web.api.tickets import answer, language_of

T = TypeVar("T")


class Deliveries:
    """The handlers of `/api/v1/deliveries`."""

    def __init__(self, ledger: Ledger, access: Access) -> None:
        self._ledger = ledger
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [
            web.get("/api/v1/deliveries", self.list),
            web.get("/api/v1/deliveries/{id}", self.show),
            web.post("/api/v1/deliveries/{id}/retry", self.retry),
            web.post("/api/v1/deliveries/{id}/settle", self.settle),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Deliveries with their attempts, newest first."""
        await self._access.caller(request, "deliveries:read")
        wanted = _filter(request)
        items, cursor = await self._ledger.listing(
            wanted, language_of(request), ticket=request.query.get("ticket", "")[:40]
        )
        return answer({"items": items, "next": cursor})

    async def show(self, request: web.Request) -> web.Response:
        """One delivery with its text as sent and what was said at each attempt."""
        await self._access.caller(request, "deliveries:read")
        return answer(await self._shown(request))

    async def retry(self, request: web.Request) -> web.Response:
        """Queue a delivery again that failed or expired; 409 where somebody would get it twice."""
        caller = await self._access.caller(request, "deliveries:write")
        delivery = parameters.key(request.match_info["id"], "delivery")
        await _refusing(self._ledger.retry(delivery, Actor(f"api:{caller}", caller)))
        return answer(await self._shown(request))

    async def settle(self, request: web.Request) -> web.Response:
        """Say what became of a delivery that is unknown."""
        caller = await self._access.caller(request, "deliveries:write")
        delivery = parameters.key(request.match_info["id"], "delivery")
        wanted = read(await request.read(), Settlement)
        state = DeliveryState(wanted.state)
        await _refusing(self._ledger.settle(delivery, state, Actor(f"api:{caller}", caller)))
        return answer(await self._shown(request))

    async def _shown(self, request: web.Request) -> dict[str, Any]:
        delivery = parameters.key(request.match_info["id"], "delivery")
        return await _refusing(self._ledger.show(delivery, language_of(request)))


async def _refusing(work: Awaitable[T]) -> T:
    try:
        return await work
    except NoSuchDelivery as error:
        raise Problem(404, "No such delivery", str(error)) from None
    except NotMoved as error:
        raise Problem(409, "Not moved", str(error)) from None


def _filter(request: web.Request) -> Filter:
    query = request.query
    state = query.get("state", "")
    dead = query.get("dead", "false")
    if state and state not in set(DeliveryState):
        raise parameters.bad("state", f"one of {', '.join(DeliveryState)}")
    if dead not in ("true", "false"):
        raise parameters.bad("dead", "true or false")
    return Filter(
        state=DeliveryState(state) if state else None,
        channel=query.get("channel", "")[:80].replace("\x00", ""),
        provider=query.get("provider", "")[:80].replace("\x00", ""),
        person=query.get("person", "")[:320].replace("\x00", ""),
        dead=dead == "true",
        before=parameters.cursor(query.get("cursor", "")),
        limit=parameters.limit(query.get("limit", "50")),
    )
