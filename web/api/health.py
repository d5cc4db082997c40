"""Whether the program lives and can work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from web.api.serving import answer

Report = Callable[[], Awaitable[tuple[bool, dict[str, Any]]]]
"""Whether all is well, and the document that says so: `status` is "ok" or the first trouble in words."""


class Health:
    """`/healthz`: the process answers. `/readyz`: its duties and its database do too."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [web.get("/healthz", self.alive), web.get("/readyz", self.ready)]

    async def alive(self, _request: web.Request) -> web.Response:
        """The event loop turns."""
        return answer({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """Work may be sent here: 200, else 503."""
        well, document = await self._report()
        return answer(document, 200 if well else 503)
