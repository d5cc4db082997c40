"""`/live`: news for open pages as server-sent events (HTML standard, section 9.2, "Server-sent events").

The stream ends when the session does, when the program stops, and when the page is too slow to follow; the browser
comes back with `Last-Event-ID` and is told what it missed.
"""

from __future__ import annotations

import json
import time

import structlog
from aiohttp import web

from desk.news import News, NewsDesk
from tickets.role import Right
from web.console.gate import Gate

log = structlog.get_logger(__name__)

MOST_STREAMS = 12
"""Streams of one user at a time; a browser opens one a tab."""

PING = 5.0
"""Seconds without news after which a sign of life is sent; the page calls itself cut off after ten."""

ASK = 15.0
"""Seconds between two looks whether the session still lives."""


class LivePages:
    """The stream."""

    def __init__(self, news: NewsDesk, gate: Gate) -> None:
        self._news = news
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The address."""
        return [web.get("/live", self._stream)]

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        if self._news.watchers_of(visitor.user_id) >= MOST_STREAMS:
            return web.Response(status=429, headers={"Retry-After": "30", "Cache-Control": "no-store"})
        number = request.query.get("ticket", "")[:24]
        last = request.headers.get("Last-Event-ID", request.query.get("after", ""))[:64]
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
                "X-Content-Type-Options": "nosniff",
            }
        )
        watcher = await self._news.watch(visitor.user_id, visitor.name or visitor.login, number, last)
        try:
            await response.prepare(request)
            await response.write(b"retry: 2000\n\n" + encoded(News("ping")))
            asked = time.monotonic()
            while True:
                one = await watcher.next(PING)
                if one is None:
                    break
                if time.monotonic() - asked > ASK:
                    asked = time.monotonic()
                    if not await self._gate.alive(visitor):
                        break
                await response.write(encoded(one))
            await response.write_eof()
        except ConnectionError:
            # the page was closed
            log.debug("stream_left")
        finally:
            self._news.leave(watcher, number)
        return response


def encoded(one: News) -> bytes:
    r"""An event of the stream.

    >>> encoded(News("ticket", {"number": "OTK-26-000001"}, "0a"))
    b'id: 0a\nevent: ticket\ndata: {"number":"OTK-26-000001"}\n\n'
    """
    lines = [f"id: {one.id}"] if one.id else []
    lines += [f"event: {one.name}", f"data: {json.dumps(dict(one.facts), separators=(',', ':'))}"]
    return ("\n".join(lines) + "\n\n").encode()
