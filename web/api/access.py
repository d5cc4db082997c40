"""Who is calling: bearer tokens (RFC 6750) with scopes."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

from aiohttp import web

from desk.tokens import TokenBook
from tickets.clock import Clock
from web.api.problem import Problem

SCOPES = ("tickets:read", "tickets:write", "deliveries:read", "deliveries:write", "quarantine:read", "quarantine:write")
"""What a token may be allowed."""

_REMEMBERED = 30.0
"""Seconds a token's row is trusted without asking the database again: how long a revoked one may still work."""


_UNKNOWN_REMEMBERED = 2.0
"""The same for a token nobody has: it may be made at any moment, yet guessing must not reach the database each time."""


class Access:
    """Checks tokens, remembering the last ones."""

    def __init__(self, book: TokenBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, dict[str, Any] | None]] = OrderedDict()

    async def caller(self, request: web.Request, scope: str) -> str:
        """The name of the token that was sent, if it allows this.

        Raises:
            Problem: 401 without a living token, 403 where its scopes do not reach.
        """
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        row = await self._row(token.strip()) if kind.lower() == "bearer" and token else None
        now = self._clock.now()
        if row is None or row["revoked_at"] is not None or (row["expires_at"] is not None and row["expires_at"] <= now):
            raise Problem(
                401,
                "No valid token",
                "send `Authorization: Bearer TOKEN` with a token of `otklik token create`",
                headers={"WWW-Authenticate": 'Bearer realm="otklik"'},
            )
        if scope not in row["scopes"]:
            raise Problem(403, "The token does not allow this", f"this needs the scope {scope}")
        return str(row["name"])

    async def _row(self, token: str) -> dict[str, Any] | None:
        known = self._known.get(token)
        at = time.monotonic()
        if known is not None and at - known[0] < (_REMEMBERED if known[1] else _UNKNOWN_REMEMBERED):
            return known[1]
        row = await self._book.find(token)
        self._known[token] = (at, row)
        while len(self._known) > 1000:
            self._known.popitem(last=False)
        return row
