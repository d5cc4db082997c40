"""From a call of the catalogue to a route: who is calling, what they ask, and how answers are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from web.api import conditions, queries
from web.api.access import Access, Caller
from web.api.catalogue import Operation
from web.api.problem import Problem

T = TypeVar("T")

Handler = Callable[[web.Request, Caller, Any], Awaitable[web.StreamResponse]]
"""Answers a request of a caller whose token allows it; the third is the query in its shape."""

encoded = msgspec.json.Encoder().encode
"""A document as the body of an answer."""

JSON = "application/json"

BYTES_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Bytes of strangers are downloaded, never shown: no browser may run what is in them."""


def route(operation: Operation, access: Access, handler: Handler) -> web.RouteDef:
    """The route of a call that needs a token."""
    scope, shape = operation.scope, operation.query
    nothing_asked = shape()

    async def serve(request: web.Request) -> web.StreamResponse:
        caller = await access.caller(request, scope)
        query = queries.asked(request, shape) if "?" in request.raw_path else nothing_asked
        return await handler(request, caller, query)

    method = web.get if operation.method == "GET" else web.post
    return method(operation.path, serve)


def answer(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return answered(encoded(document), status, headers)


def answered(body: bytes, status: int, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer whose body is made already."""
    # a header handed over costs less than the library's own handling of content types
    told = {"Content-Type": JSON} if headers is None else {"Content-Type": JSON, **headers}
    return web.Response(body=body, status=status, headers=told)


def shown(
    request: web.Request, document: Any, *, version: int | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    """The JSON answer to a GET, with its entity tag; 304 where the client has it already."""
    body = encoded(document)
    tag = conditions.tag(body, version)
    told = {"ETag": tag, "Cache-Control": "private, no-cache", **(headers or {})}
    if conditions.unchanged(request, tag):
        return web.Response(status=304, headers=told)
    return web.Response(body=body, content_type=JSON, headers=told)


def key_in_path(request: web.Request, what: str) -> UUID:
    """The key a path names.

    Raises:
        Problem: 404 for what can be nobody's key.
    """
    text = request.match_info["id"]
    try:
        return UUID(hex=text)
    except ValueError:
        raise Problem(404, f"No such {what}", f"there is no {what} {text[:80]!r}") from None


def worded(language: str) -> dict[str, str]:
    """Headers of an answer that has reasons in words; not to be changed."""
    return _WORDED[language]


_WORDED = {language: {"Content-Language": language, "Vary": "Accept-Language"} for language in ("ru", "en")}
