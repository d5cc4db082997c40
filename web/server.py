"""The HTTP listener."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from desk.change import NoSuchTicket
from storage.errors import StorageUnavailable
from web.api.problem import Problem, busy
from web.console.gate import TurnedAway
from web.look.page import Look
from web.look.refusal import Refusal
from web.traffic import TRACE, Limits, TooSlow, Traffic

log = structlog.get_logger(__name__)


LOOK = web.AppKey("look", Look)
"""Where the middleware finds what draws error pages; without it every error is a problem document."""

_PROGRAMS = ("/api/", "/hooks/", "/healthz", "/readyz", "/metrics", "/openapi.json")
"""Addresses programs call: they are told of errors by problem documents, everybody else by pages."""


class _NotAnIncident(logging.Filter):
    """Requests that are no HTTP, and clients that leave early.

    The library answers such a request with 400, but logs it with a traceback and with the stranger's bytes.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError):
            return True
        log.info("request_malformed", error=type(error).__name__)
        return False


_library_log = logging.getLogger(f"{__name__}.library")
_library_log.addFilter(_NotAnIncident())


class HttpServer:
    """Serves routes; `stop` lets running requests finish. `max_body`, in bytes, stands in for a `traffic`."""

    def __init__(
        self,
        host: str,
        port: int,
        routes: list[web.RouteDef],
        *,
        max_body: int | None = None,
        look: Look | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self.traffic = traffic or Traffic(Limits() if max_body is None else Limits(body=max_body))
        limits = self.traffic.limits
        self._application = web.Application(
            client_max_size=limits.body, middlewares=[self.traffic.middleware, problems]
        )
        if look is not None:
            self._application[LOOK] = look
        self._application.add_routes(routes)
        self._application.on_response_prepare.append(self.traffic.prepared)
        self._runner = web.AppRunner(
            self._application,
            access_log=None,
            handle_signals=False,
            logger=_library_log,
            keepalive_timeout=limits.idle,
            max_line_size=limits.header,
            max_field_size=limits.header,
            max_headers=limits.headers,
        )
        self._listening: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken or not ours.
        """
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._welcome, self._host, self._port, backlog=512)

    def _welcome(self) -> asyncio.BaseProtocol:
        """Who converses with a new client."""
        server = self._runner.server
        if server is None or self.connections >= self.traffic.limits.connections:
            self.traffic.turned_away += 1
            return _TooMany()
        return server()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._runner.server.connections) if self._runner.server is not None else 0

    @property
    def listening(self) -> bool:
        """Whether the door is open."""
        return self._listening is not None and self._listening.is_serving()

    @property
    def port(self) -> int:
        """The port really listened on.

        Raises:
            RuntimeError: the server was not started.
        """
        if self._listening is None or not self._listening.sockets:
            raise RuntimeError("the HTTP listener is not started")
        return int(self._listening.sockets[0].getsockname()[1])

    def limit(self, limits: Limits) -> None:
        """Change what clients may ask; `header`, `headers` and `idle` are fixed when the server is made."""
        self.traffic.limits = limits
        # the library offers no other way to change it afterwards; each request takes it from there
        self._application._client_max_size = limits.body

    def close(self) -> None:
        """Take no new connections; those there are go on."""
        if self._listening is not None:
            self._listening.close()

    async def stop(self, grace: float = 10.0) -> None:
        """Take no new connections, finish what is under way within `grace` seconds; streams without an end are cut."""
        self.close()
        # a client whose connection was taken just now is still heard
        await asyncio.sleep(0)
        self.traffic.end_streams()
        self._runner._shutdown_timeout = grace
        await self._runner.cleanup()


_NO_ROOM = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class _TooMany(asyncio.Protocol):
    """Says that there is no room and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client too many."""
        door = cast("asyncio.Transport", transport)
        door.write(_NO_ROOM)
        door.close()


@web.middleware
async def problems(request: web.Request, handler: Any) -> web.StreamResponse:
    """Every error as a problem document or a page, never a traceback."""
    if "%00" in request.raw_path:
        look = _look(request)
        return (
            look.error(request, 400)
            if look
            else Problem(400, "Bad address", "it holds a NUL character (%00)").response()
        )
    try:
        return await handler(request)  # type: ignore[no-any-return]
    except Exception as error:
        look = _look(request)
        if look is None:
            return _problem_of(error, request)
        try:
            return _page_of(error, request, look)
        except web.HTTPException:
            raise
        except Exception as worse:
            # the page itself cannot be drawn: templates of this version are broken
            return _problem_of(worse, request)


def _look(request: web.Request) -> Look | None:
    """What draws an error for whoever called this address; None for programs."""
    return None if request.path.startswith(_PROGRAMS) else request.app.get(LOOK)


def _page_of(error: Exception, request: web.Request, look: Look) -> web.StreamResponse:
    """The page somebody sees in place of what failed.

    Raises:
        HTTPException: it is an answer that is no error.
    """
    match error:
        case TurnedAway():
            return error.response
        case Refusal():
            return look.error(request, error.status, key=error.key, back=error.back, facts=error.facts)
        case Problem():
            return look.error(request, error.status, headers=error.headers)
        case NoSuchTicket():
            return look.error(request, 404)
        case StorageUnavailable():
            return look.error(request, 503, headers={"Retry-After": "30"})
        case web.HTTPException() if error.status >= 400:
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            return look.error(request, error.status, headers=allow)
        case web.HTTPException():
            raise error
        case TooSlow():
            return look.error(request, 408)
        case ConnectionError() | HttpProcessingError() | web.RequestPayloadError():
            return look.error(request, 400)
        case ValueError() | LookupError() | AssertionError() | RuntimeError() if _of_the_form(error):
            return look.error(request, 400)
    return look.error(request, 500, incident=_incident(error, request))


def _problem_of(error: Exception, request: web.Request) -> web.StreamResponse:
    """What a client is told of an error.

    Raises:
        HTTPException: it is an answer that is no error.
    """
    match error:
        case Problem():
            return error.response()
        case TurnedAway():
            return error.response
        case NoSuchTicket():
            return Problem(404, "No such ticket", str(error)).response()
        case StorageUnavailable():
            return busy().response()
        case web.HTTPRequestEntityTooLarge():
            return Problem(413, "Too large", "the body is larger than this server takes").response()
        case web.HTTPMethodNotAllowed() if request.method == "OPTIONS":
            # RFC 9110, section 9.3.7; other origins are told nothing, so browsers let their pages do nothing here
            allowed = ", ".join(sorted({*error.allowed_methods, "OPTIONS"}))
            return web.Response(status=204, headers={"Allow": allowed})
        case web.HTTPException() if error.status >= 400:
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            what = f"{request.method} {request.path[:200]}"
            return Problem(error.status, error.reason, what, headers=allow).response()
        case web.HTTPException():
            raise error
        case ConnectionError():
            # the client left in the middle of its request; nobody is there to be answered
            return Problem(400, "Incomplete request", "the connection broke before the end of the body").response()
        case TooSlow():
            return Problem(408, "Too slow", "the body did not come in time; send it again").response()
        case HttpProcessingError() | web.RequestPayloadError():
            return Problem(400, "Bad request body", "it is not coded as its headers say").response()
        case ValueError() | LookupError() | AssertionError() | RuntimeError() if _of_the_form(error):
            return Problem(400, "Bad request body", "it is not the form its headers say").response()
    quote = f"nothing you sent is at fault; quote {_incident(error, request)}"
    return Problem(500, "Something broke here", quote).response()


def _of_the_form(error: Exception) -> bool:
    """Whether a form is at fault: a boundary that lacks, an unknown charset or transfer coding, stray octets, or a
    charset whose characters no page and no database can hold (`unicode_escape`, `utf-7`)."""
    if isinstance(error, UnicodeEncodeError):
        return error.reason == "surrogates not allowed"
    step = error.__traceback__
    while step is not None:
        frame = step.tb_frame
        if frame.f_code is web.BaseRequest.post.__code__ or frame.f_globals.get("__name__") == "aiohttp.multipart":
            return True
        step = step.tb_next
    return False


def _incident(error: Exception, request: web.Request) -> str:
    """Log what broke; returns the id to quote, which leads to it in the log.

    The address is left out: that of a page may be a secret, and what stands in it a person's.
    """
    resource = request.match_info.route.resource
    log.error("request_failed", method=request.method, route=resource.canonical if resource else "", exc_info=error)
    return str(request.get(TRACE, ""))
