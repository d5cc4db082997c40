"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same change asked for twice is made once.

New tickets do not come here: their key is the external id of a receipt, kept in the transaction of the ticket for ever.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID

from aiohttp import web

from desk.guard import Guard
from desk.idempotency import Kept, KeyBook, KeyTaken
from web.api.access import Caller
from web.api.problem import Problem

_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")

_REPLAYED = {"Idempotency-Replayed": "true"}

_STORED = ("Content-Type", "Content-Language", "ETag", "Location")
"""Fields of an answer that are kept with it."""


def key_of(request: web.Request) -> str:
    """The key of a request; empty where it has none.

    Raises:
        Problem: 400 for what can be no key, or for two.
    """
    keys = request.headers.getall("Idempotency-Key", None)
    if keys is None:
        return ""
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise Problem(400, "Bad Idempotency-Key", "send 1 to 255 printable ASCII characters, once")
    return keys[0]


class OnceOnly:
    """Makes changes at most once for each key of a token."""

    def __init__(self, book: KeyBook) -> None:
        self._book = book
        self._under_way: set[tuple[UUID, str]] = set()

    async def change(
        self,
        request: web.Request,
        caller: Caller,
        guard: Guard,
        make: Callable[[Guard], Awaitable[None]],
        show: Callable[[], Awaitable[web.Response]],
    ) -> web.Response:
        """Make a change and show what came of it, or show what an earlier request with the same key was shown.

        `make` gets a guard that claims the key inside its transaction. A refusal of it is not kept: the change was not
        made, so the same request may be sent again.

        Raises:
            Problem: 409 while another request with the key is under way, 422 where it came with another request.
        """
        key = key_of(request)
        if not key:
            await make(guard)
            return await show()
        wanted = _digest(request, await request.read())
        mark = (caller.id, key)
        if mark in self._under_way:
            raise _under_way()
        self._under_way.add(mark)
        try:
            earlier = await self._book.find(caller.id, key)
            if earlier is None:
                try:
                    await make(replace(guard, claim=lambda c: self._book.claim(c, caller.id, key, wanted)))
                except KeyTaken as taken:
                    earlier = taken.kept
            if earlier is not None and earlier.request != wanted:
                raise Problem(
                    422, "Idempotency-Key used before", "another request had this key; use a new key for a new request"
                )
            if earlier is not None and earlier.status is not None:
                headers = {**(earlier.headers or {}), **_REPLAYED}
                return web.Response(body=earlier.body, status=earlier.status, headers=headers)
            if earlier is not None and earlier.fresh:
                raise _under_way()
            response = await show()
            await self._book.keep(caller.id, key, _kept(wanted, response))
            return response
        finally:
            self._under_way.discard(mark)


def _digest(request: web.Request, body: bytes) -> bytes:
    return hashlib.sha256(f"{request.method} {request.raw_path}\n".encode() + body).digest()


def _kept(wanted: bytes, response: web.Response) -> Kept:
    headers = {name: response.headers[name] for name in _STORED if name in response.headers}
    body = response.body if isinstance(response.body, bytes) else b""
    return Kept(request=wanted, fresh=True, status=response.status, headers=headers, body=body)


def _under_way() -> Problem:
    return Problem(
        409,
        "The same request is under way",
        "another request with this Idempotency-Key is being answered; send it again in a moment",
        headers={"Retry-After": "1"},
    )
