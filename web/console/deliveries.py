"""Deliveries: how the providers fare, what did not arrive and why, and what a person does about it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any
from uuid import UUID

from aiohttp import web

from desk import mask, typed
from desk.change import NoSuchTicket
from desk.delivery_desk import DeliveryDesk
from desk.ledger import NoSuchDelivery, NotMoved
from desk.visitor import Visitor
from storage.delivery_page import TABS
from storage.ledger import Filter
from tickets.delivery import DeliveryState
from tickets.role import Right
from web.console.forms import key_in_path, key_of, posted, see, text_of
from web.console.gate import Gate
from web.look.page import Look, local
from web.look.refusal import Refusal

Row = dict[str, Any]

PAGE = "console/deliveries.html.j2"
PER_PAGE = 50


class DeliveryPages:
    """`/deliveries`."""

    def __init__(self, desk: DeliveryDesk, look: Look, gate: Gate) -> None:
        self._desk = desk
        self._look = look
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/deliveries", self._list),
            web.post("/deliveries/bulk", self._bulk),
            web.get("/deliveries/{delivery}", self._one),
            web.post("/deliveries/{delivery}/retry", self._retry),
            web.post("/deliveries/{delivery}/settle", self._settle),
            web.post("/deliveries/{delivery}/address", self._readdress),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.DELIVERIES_READ)
        return await self._draw(request, visitor)

    async def _draw(self, request: web.Request, visitor: Visitor, status: int = 200, **more: Any) -> web.Response:
        query = request.query
        tab = query.get("tab", "trouble")
        if tab not in TABS:
            tab = "trouble"
        ticket = query.get("ticket", "").strip()[:24]
        before = query.get("before", "")
        wanted = Filter(
            channel=_clean(query.get("channel", "")),
            provider=_clean(query.get("provider", "")),
            person=_clean(query.get("person", "")) if visitor.may(Right.ADDRESSES_SEE) else "",
            before=key_of(before) if before else None,
            limit=PER_PAGE,
        )
        narrowed = bool(ticket or wanted.person)
        today = tab in ("all", "suppressed") and not narrowed
        try:
            rows, cursor = await self._desk.listing(tab, wanted, ticket=ticket, today=today)
        except NoSuchTicket:
            rows, cursor = [], None
        shown = key_of(query.get("open", ""))
        opened = await self._opened(shown, visitor) if shown and any(row["id"] == shown for row in rows) else None
        providers = await self._desk.providers()
        said: Row = {
            "tab": tab,
            "tabs": list(TABS),
            "rows": [_shown(row, visitor) for row in rows],
            "next": cursor or "",
            "opened": opened,
            "totals": await self._desk.totals(),
            "providers": providers,
            "filters": {
                "channel": wanted.channel,
                "provider": wanted.provider,
                "person": wanted.person,
                "ticket": ticket,
            },
            "channels": sorted({p["channel"] for p in providers}),
            "forecast": None,
            "chosen": [],
            "refused": "",
            "writes": visitor.may(Right.DELIVERIES_WRITE),
            "sees": visitor.may(Right.ADDRESSES_SEE),
        }
        return self._look.render(request, PAGE, status, **(said | more))

    async def _one(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.DELIVERIES_READ)
        return await self._draw_one(request, visitor)

    async def _draw_one(
        self, request: web.Request, visitor: Visitor, status: int = 200, *, refused: bool = False
    ) -> web.Response:
        delivery = key_in_path(request, "delivery")
        opened = await self._opened(delivery, visitor)
        if opened is None:
            raise Refusal(404)
        await self._gate.saw(visitor, "delivery.viewed", delivery.hex, {"ticket": opened["ticket"]})
        return self._look.render(
            request,
            "console/delivery.html.j2",
            status,
            one=opened,
            action=await self._desk.action(delivery),
            refused=refused,
            writes=visitor.may(Right.DELIVERIES_WRITE),
            sees=visitor.may(Right.ADDRESSES_SEE),
        )

    async def _opened(self, delivery: UUID, visitor: Visitor) -> Row | None:
        """One delivery with its text and attempts, as this reader may see it."""
        try:
            found = await self._desk.ledger.show(delivery, visitor.language)
        except NoSuchDelivery:
            return None
        if not visitor.may(Right.ADDRESSES_SEE):
            found["address"] = mask.address(found["address"])
            # what a server says names the mailbox as often as not
            found["attempts"] = [{**each, "exchange": "", "detail": ""} for each in found["attempts"]]
        return found

    # ---- moves ----------------------------------------------------------------------------------------------------

    async def _retry(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.DELIVERIES_WRITE)
        delivery = key_in_path(request, "delivery")
        return await self._moved(request, visitor, self._desk.retry(delivery, visitor), "deliveries.told.retried")

    async def _settle(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.DELIVERIES_WRITE)
        form = await posted(request)
        state = text_of(form, "state")
        if state not in set(DeliveryState):
            raise Refusal(400)
        work = self._desk.settle(key_in_path(request, "delivery"), DeliveryState(state), visitor)
        return await self._moved(request, visitor, work, "deliveries.told.settled")

    async def _readdress(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.DELIVERIES_WRITE)
        form = await posted(request)
        work = self._desk.readdress(key_in_path(request, "delivery"), text_of(form, "address")[:320], visitor)
        return await self._moved(request, visitor, work, "deliveries.told.readdressed")

    async def _moved(self, request: web.Request, visitor: Visitor, work: Awaitable[Any], told: str) -> web.Response:
        try:
            await work
        except NoSuchDelivery:
            raise Refusal(404) from None
        except NotMoved:
            return await self._draw_one(request, visitor, 409, refused=True)
        response = see(local(request.query.get("back", ""), f"/deliveries/{key_in_path(request, 'delivery').hex}"))
        self._look.tell(response, told)
        return response

    async def _bulk(self, request: web.Request) -> web.Response:
        """First say what a retry of the ticked would do; once that was read, do it and count."""
        visitor = await self._gate.staff(request, Right.DELIVERIES_WRITE)
        form = await posted(request)
        ids = [key for key in (key_of(str(each)) for each in form.getall("delivery", [])) if key is not None]
        if not ids:
            return see(local(text_of(form, "back"), "/deliveries"))
        if text_of(form, "do") != "retry":
            forecast = await self._desk.forecast(ids)
            return await self._draw(request, visitor, forecast=forecast, chosen=[key.hex for key in ids])
        done, left = await self._desk.retry_some(ids, visitor)
        response = see(local(text_of(form, "back"), "/deliveries"))
        if left:
            self._look.tell(response, "deliveries.told.some", n=done, left=left)
        else:
            self._look.tell(response, "deliveries.told.bulk", n=done)
        return response


def _shown(row: Row, visitor: Visitor) -> Row:
    seen = visitor.may(Right.ADDRESSES_SEE)
    return {**row, "id": row["id"].hex, "address": row["address"] if seen else mask.address(row["address"])}


def _clean(text: str) -> str:
    return typed.lines(text).strip()[:200]
