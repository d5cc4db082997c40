"""The description of the API: as a document for programs, and as a page for people."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from web.api import catalogue, conditions, queries
from web.api.description import Document, describe
from web.api.reference import reference_of

if TYPE_CHECKING:
    from web.look.page import Look


class Docs:
    """`/openapi.json` and `/api/v1/docs`."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [
            web.get(catalogue.DESCRIPTION.path, self.document),
            web.get(catalogue.READABLE.path, self.page),
        ]

    @cached_property
    def _document(self) -> Document:
        return describe()

    @cached_property
    def _encoded(self) -> bytes:
        return msgspec.json.encode(self._document)

    @cached_property
    def _reference(self) -> dict[str, Any]:
        return reference_of(self._document)

    async def document(self, request: web.Request) -> web.Response:
        """The OpenAPI document."""
        if "?" in request.raw_path:
            queries.asked(request, queries.NoQuery)
        headers = {"ETag": conditions.tag(self._encoded), "Cache-Control": "no-cache"}
        if conditions.unchanged(request, headers["ETag"]):
            return web.Response(status=304, headers=headers)
        return web.Response(body=self._encoded, content_type="application/json", headers=headers)

    async def page(self, request: web.Request) -> web.Response:
        """The same for people."""
        if "?" in request.raw_path:
            queries.asked(request, queries.PageQuery)
        return self._look.render(request, "api/docs.html.j2", **self._reference)
