"""Quarantine over HTTP."""

from __future__ import annotations

from aiohttp import web

from desk.quarantine import NoSuchEntry, Quarantine, Read
from storage.quarantine import HELD, REPLAYED, Filter
from web.api import parameters
from web.api.access import Access
from web.api.problem import Problem
from web.api.tickets import answer

_RAW_HEADERS = {
    "Content-Type": "application/octet-stream",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "no-store",
}
"""Bytes of strangers are downloaded, never shown: no browser may run what is in them."""


class QuarantineEntries:
    """The handlers of `/api/v1/quarantine`; `read` makes messages of raw mail."""

    def __init__(self, quarantine: Quarantine, read: Read, access: Access) -> None:
        self._quarantine = quarantine
        self._read = read
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [
            web.get("/api/v1/quarantine", self.list),
            web.get("/api/v1/quarantine/{id}", self.show),
            web.get("/api/v1/quarantine/{id}/raw", self.raw),
            web.post("/api/v1/quarantine/{id}/replay", self.replay),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Entries, newest first."""
        await self._access.caller(request, "quarantine:read")
        query = request.query
        state = query.get("state", "")
        if state and state not in (HELD, REPLAYED):
            raise parameters.bad("state", f"{HELD} or {REPLAYED}")
        wanted = Filter(
            state=state,
            channel=query.get("channel", "")[:80].replace("\x00", ""),
            before=parameters.cursor(query.get("cursor", "")),
            limit=parameters.limit(query.get("limit", "50")),
        )
        items, cursor = await self._quarantine.listing(wanted)
        return answer({"items": items, "next": cursor})

    async def show(self, request: web.Request) -> web.Response:
        """One entry."""
        await self._access.caller(request, "quarantine:read")
        entry = parameters.key(request.match_info["id"], "quarantine entry")
        try:
            return answer(await self._quarantine.show(entry))
        except NoSuchEntry as error:
            raise _missing(error) from None

    async def raw(self, request: web.Request) -> web.Response:
        """The bytes as they came, as a file to save."""
        await self._access.caller(request, "quarantine:read")
        entry = parameters.key(request.match_info["id"], "quarantine entry")
        try:
            octets = await self._quarantine.raw(entry)
        except NoSuchEntry as error:
            raise _missing(error) from None
        name = {"Content-Disposition": f'attachment; filename="{entry.hex}.bin"'}
        return web.Response(body=octets, headers=_RAW_HEADERS | name)

    async def replay(self, request: web.Request) -> web.Response:
        """Read the bytes again: 200 with the ticket, 409 where they still make none."""
        await self._access.caller(request, "quarantine:write")
        entry = parameters.key(request.match_info["id"], "quarantine entry")
        try:
            replayed = await self._quarantine.replay(entry, self._read)
            if not replayed.number:
                raise Problem(409, "Still no ticket", replayed.why)
            return answer(await self._quarantine.show(entry))
        except NoSuchEntry as error:
            raise _missing(error) from None


def _missing(error: NoSuchEntry) -> Problem:
    return Problem(404, "No such quarantine entry", str(error))
