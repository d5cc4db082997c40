"""What every request passes first and last: its id, its true client, patience with its body, a count, a line of log.

The outermost middleware. A handler finds the id of the request in `request[TRACE]`; the client finds it in the
header `X-Request-Id` and may quote it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web

from tickets import trace as traces
from tickets.key import new_key
from tickets.measure import Count, Histograms
from tickets.trace import Trail, untold
from web.proxies import Proxies

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

TRACE = web.RequestKey("trace", str)
"""Where the id of a request is found."""

NO_ROUTE = "none"
"""The route of a request that leads nowhere."""


class TooSlow(web.RequestPayloadError):
    """The body did not come in time."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a client may ask of the server. Sizes in bytes, times in seconds.

    `idle` bounds the wait for the header of the next request, and so how long a connection may stay silent; `arrival`
    the time its body may take. `header` is the longest single header field or request line.
    """

    body: int = 10_000_000
    header: int = 8_190
    headers: int = 100
    connections: int = 1000
    idle: float = 75.0
    arrival: float = 300.0


class Traffic:
    """The middleware and what it has counted since the program began."""

    def __init__(
        self,
        limits: Limits = Limits(),
        proxies: Proxies | None = None,
        *,
        trail: Trail = untold,
        personal: bool = False,
    ) -> None:
        self.limits = limits
        self.proxies = proxies or Proxies()
        self.trail = trail
        self.personal = personal
        self.requests: Count = Count()
        self.seconds = Histograms()
        self.in_flight = 0
        self.turned_away = 0
        self.streams: set[asyncio.Task[Any]] = set()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Count, time and name a request."""
        begun = time.perf_counter()
        key = new_key()
        traces.begin(key)
        trace = key.hex
        structlog.contextvars.bind_contextvars(trace=trace)
        request = self.proxies.seen(request)
        request[TRACE] = trace
        self.in_flight += 1
        status = 500
        size = 0
        patience = self._patience(request) if request.body_exists and not request.content.is_eof() else None
        try:
            response: web.StreamResponse = await handler(request)
            status, size = response.status, _size(response)
            if not response.prepared:
                response.headers["X-Request-Id"] = trace
        except web.HTTPException as answer:
            status, size = answer.status, _size(answer)
            answer.headers["X-Request-Id"] = trace
            raise
        except asyncio.CancelledError:
            # the client left, or the program stops in the middle of a stream
            status = 499
            raise
        else:
            return response
        finally:
            if patience is not None:
                patience.cancel()
            self.in_flight -= 1
            self._note(request, status, size, time.perf_counter() - begun, trace)

    def _note(self, request: web.Request, status: int, size: int, seconds: float, trace: str) -> None:
        method = request.method if request.method in METHODS else "other"
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else NO_ROUTE
        self.requests[route, method, str(status)] += 1
        self.seconds.add((route, method), seconds)
        facts: dict[str, str | int | float | None] = {"remote": request.remote} if self.personal else {}
        self.trail(
            "http_request",
            trace,
            method=method,
            route=route,
            status=status,
            bytes=size,
            ms=round(seconds * 1000, 1),
            **facts,
        )

    def _patience(self, request: web.Request) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self.limits.arrival, _lose, request)

    async def prepared(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Remember who answers in a stream without an end, so that it does not hold up the stop of the program.

        Which library of which version serves is nobody's business.
        """
        response.headers["Server"] = "otklik"
        if type(response) is web.StreamResponse:
            task = asyncio.current_task()
            if task is not None:
                self.streams.add(task)
                task.add_done_callback(self.streams.discard)

    def end_streams(self) -> None:
        """Cut what has no end of its own; browsers connect again by themselves."""
        for task in tuple(self.streams):
            task.cancel()


def _lose(request: web.Request) -> None:
    if not request.content.is_eof():
        request.content.set_exception(TooSlow("the body did not come in time"))


def _size(response: web.StreamResponse) -> int:
    if response.prepared:
        return response.body_length
    body = getattr(response, "body", None)
    return len(body) if isinstance(body, bytes | bytearray) else 0
