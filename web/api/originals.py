"""Messages and files of a ticket as they came, over HTTP: to be saved, never to be run."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from desk.attachments import Files, NoSuchFile
from desk.originals import NoOriginal, Originals
from web.api import catalogue
from web.api.access import Access, Caller
from web.api.problem import Problem
from web.api.serving import BYTES_HEADERS, key_in_path, route

_HTML_HEADERS = {**BYTES_HEADERS, "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'"}
"""Styles of a mail may colour it; there is nothing they could load."""

_ENDINGS = {"email": "eml", "api": "json"}


class TicketOriginals:
    """The handlers of what hangs on `/api/v1/tickets/{number}`."""

    def __init__(self, originals: Originals, files: Files, access: Access) -> None:
        self._originals = originals
        self._files = files
        self._access = access

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [
            route(catalogue.MESSAGE_RAW, self._access, self.raw),
            route(catalogue.MESSAGE_HTML, self._access, self.html),
            route(catalogue.ATTACHMENT, self._access, self.attachment),
        ]

    async def raw(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """A message as it came."""
        message = key_in_path(request, "message")
        try:
            octets, channel = await self._originals.raw(request.match_info["number"], message, within=caller.within)
        except NoOriginal as error:
            raise Problem(404, "No such message", str(error)) from None
        return saved(octets, f"{message.hex}.{_ENDINGS.get(channel, 'bin')}")

    async def html(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """The HTML of a message, sanitised."""
        message = key_in_path(request, "message")
        try:
            html = await self._originals.html(request.match_info["number"], message, within=caller.within)
        except NoOriginal as error:
            raise Problem(404, "No HTML", str(error)) from None
        return web.Response(text=html, content_type="text/html", charset="utf-8", headers=_HTML_HEADERS)

    async def attachment(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """A file of a message."""
        wanted = key_in_path(request, "file")
        ticket = await self._originals.ticket_id(request.match_info["number"], within=caller.within)
        try:
            file = await self._files.fetch(wanted)
        except NoSuchFile as error:
            raise Problem(404, "No such file", str(error)) from None
        if file.ticket_id != ticket:
            raise Problem(404, "No such file", str(NoSuchFile(wanted)))
        return saved(file.data, file.name)


def saved(octets: bytes, name: str) -> web.Response:
    """Bytes to save under a name (RFC 6266), whatever its sender called their type."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name)[:120]
    disposition = (
        f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name.encode('utf-8', 'replace')[:400], safe='')}"
    )
    headers = {**BYTES_HEADERS, "Content-Type": "application/octet-stream", "Content-Disposition": disposition}
    return web.Response(body=octets, headers=headers)
