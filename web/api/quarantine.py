"""Quarantine over HTTP."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from desk.guard import Guard
from desk.quarantine import NoSuchEntry, Quarantine, Read
from storage.quarantine import Filter
from web.api import catalogue, queries
from web.api.access import Access, Caller
from web.api.idempotency import OnceOnly
from web.api.originals import saved
from web.api.problem import Problem
from web.api.serving import answer, key_in_path, route, shown


class QuarantineEntries:
    """The handlers of `/api/v1/quarantine`; `read` makes messages of raw mail."""

    def __init__(self, quarantine: Quarantine, read: Read, access: Access, once: OnceOnly) -> None:
        self._quarantine = quarantine
        self._read = read
        self._access = access
        self._once = once

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [
            route(catalogue.LIST_QUARANTINE, self._access, self.list),
            route(catalogue.SHOW_QUARANTINE, self._access, self.show),
            route(catalogue.QUARANTINE_RAW, self._access, self.raw),
            route(catalogue.REPLAY_QUARANTINE, self._access, self.replay),
        ]

    async def list(self, request: web.Request, _caller: Caller, query: queries.QuarantineQuery) -> web.Response:
        """Entries, newest first."""
        wanted = Filter(
            state=query.state or "",
            channel=query.channel,
            before=queries.before(query.cursor),
            limit=query.limit,
        )
        items, cursor = await self._quarantine.listing(wanted)
        return shown(request, {"items": items, "next": cursor})

    async def show(self, request: web.Request, _caller: Caller, _query: Any) -> web.Response:
        """One entry."""
        entry = key_in_path(request, "quarantine entry")
        try:
            return shown(request, await self._quarantine.show(entry))
        except NoSuchEntry as error:
            raise _missing(error) from None

    async def raw(self, request: web.Request, _caller: Caller, _query: Any) -> web.Response:
        """The bytes as they came, as a file to save."""
        entry = key_in_path(request, "quarantine entry")
        try:
            return saved(await self._quarantine.raw(entry), f"{entry.hex}.bin")
        except NoSuchEntry as error:
            raise _missing(error) from None

    async def replay(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """Read the bytes again: 200 with the ticket, 409 where they still make none."""
        entry = key_in_path(request, "quarantine entry")

        async def make(guard: Guard) -> None:
            replayed = await self._quarantine.replay(entry, self._read, guard=guard)
            if not replayed.number:
                raise Problem(409, "Still no ticket", replayed.why)

        async def show() -> web.Response:
            return answer(await self._quarantine.show(entry))

        try:
            return await self._once.change(request, caller, Guard(), make, show)
        except NoSuchEntry as error:
            raise _missing(error) from None


def _missing(error: NoSuchEntry) -> Problem:
    return Problem(404, "No such quarantine entry", str(error))
