"""The HTTP listener."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from desk.change import NoSuchTicket
from storage.errors import StorageUnavailable
from web.api.problem import Problem
from web.api.tickets import busy

log = structlog.get_logger(__name__)


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
    """Serves routes; `stop` lets running requests finish."""

    def __init__(self, host: str, port: int, routes: list[web.RouteDef], *, max_body: int) -> None:
        self._host = host
        self._port = port
        application = web.Application(client_max_size=max_body, middlewares=[problems])
        application.add_routes(routes)
        self._runner = web.AppRunner(
            application, access_log=None, handle_signals=False, shutdown_timeout=10.0, logger=_library_log
        )
        self._site: web.TCPSite | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken or not ours.
        """
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, self._host, self._port, backlog=512)
        await self._site.start()

    @property
    def port(self) -> int:
        """The port really listened on."""
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Take no new connections, finish what is under way."""
        await self._runner.cleanup()


@web.middleware
async def problems(request: web.Request, handler: Any) -> web.StreamResponse:
    """Every error as a problem document, never a traceback."""
    if "%00" in request.raw_path:
        return Problem(400, "Bad address", "it holds a NUL character (%00)").response()
    try:
        return await handler(request)  # type: ignore[no-any-return]
    except Exception as error:
        return _problem_of(error, request)


def _problem_of(error: Exception, request: web.Request) -> web.StreamResponse:
    """What a client is told of an error.

    Raises:
        HTTPException: it is an answer that is no error.
    """
    match error:
        case Problem():
            return error.response()
        case NoSuchTicket():
            return Problem(404, "No such ticket", str(error)).response()
        case StorageUnavailable():
            return busy().response()
        case web.HTTPRequestEntityTooLarge():
            return Problem(413, "Too large", "the body is larger than this server takes").response()
        case web.HTTPException() if error.status >= 400:
            allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            what = f"{request.method} {request.path[:200]}"
            return Problem(error.status, error.reason, what, headers=allow).response()
        case web.HTTPException():
            raise error
        case ConnectionError():
            # the client left in the middle of its request; nobody is there to be answered
            return Problem(400, "Incomplete request", "the connection broke before the end of the body").response()
        case HttpProcessingError() | web.RequestPayloadError():
            return Problem(400, "Bad request body", "it is not coded as its headers say").response()
    incident = uuid.uuid4().hex[:12]
    log.error("request_failed", incident=incident, method=request.method, path=request.path[:200], exc_info=error)
    return Problem(500, "Something broke here", f"nothing you sent is at fault; quote {incident}").response()
