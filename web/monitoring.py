"""`/metrics`: figures for Prometheus, which are nobody else's business."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from web.api.problem import Problem
from web.proxies import forwarded, is_loopback

Page = Callable[[str], Awaitable[tuple[bytes, str]]]
"""The figures in the form an `Accept` header asks for: octets and content type."""


class Monitoring:
    """Serves the page to whom it concerns.

    With a `token` that is whoever sends it. Without one it is this machine, or on a listener of its own (`open`)
    whoever reaches that. What a proxy handed on is no caller on this machine, even where the proxy runs on it.
    """

    def __init__(self, page: Page, *, token: str = "", open: bool = False) -> None:
        self._page = page
        self.token = token
        self._open = open

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [web.get("/metrics", self.metrics)]

    async def metrics(self, request: web.Request) -> web.Response:
        """The figures."""
        self._admit(request)
        body, content_type = await self._page(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    def _admit(self, request: web.Request) -> None:
        if self.token:
            kind, _, given = request.headers.get("Authorization", "").partition(" ")
            if kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.token.encode()):
                return
            detail = "send `Authorization: Bearer TOKEN` with the token of [metrics] in the settings"
            raise Problem(401, "No valid token", detail, headers={"WWW-Authenticate": 'Bearer realm="otklik metrics"'})
        if not self._open and (not is_loopback(request.remote) or forwarded(request)):
            raise Problem(403, "Not from here", "metrics are for this machine; see [metrics] in the settings")
