"""Who is calling: bearer tokens (RFC 6750) with scopes, an end, limits, and a boundary."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from aiohttp import web

from desk.change import Actor
from desk.tokens import TokenBook
from tickets.boundary import Boundary
from tickets.clock import Clock
from web.api.allowance import Allowance
from web.api.problem import Problem

SCOPES = ("tickets:read", "tickets:write", "deliveries:read", "deliveries:write", "quarantine:read", "quarantine:write")
"""What a token may be allowed."""

UNBOUNDED_SCOPES = ("quarantine:read", "quarantine:write")
"""What a token that sees only some tickets cannot have: it is not known yet whose these things are."""

PER_MINUTE = 6000
"""Requests a token may make in a minute where neither it nor the settings say otherwise."""

_REMEMBERED = 30.0
"""Seconds a token's row is trusted without asking the database again: how long a revoked one may still work."""

_UNKNOWN_REMEMBERED = 2.0
"""The same for a token nobody has: it may be made at any moment, yet guessing must not reach the database each time."""

_MOST_REMEMBERED = 1000

_LONGEST = 200
"""Characters of an Authorization field that may hold a token of ours."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is; `within` is how far it sees."""

    id: UUID
    name: str
    label: str
    within: Boundary
    scopes: frozenset[str]
    expires_at: datetime | None
    revoked: bool
    allowance: Allowance | None

    @property
    def actor(self) -> Actor:
        """The caller as the history names it."""
        return Actor(self.label, self.name)


class _Known(NamedTuple):
    until: float
    caller: Caller | None


class Access:
    """Checks tokens, remembering the last ones; `per_minute` is what each may ask if it says nothing itself."""

    def __init__(self, book: TokenBook, clock: Clock, per_minute: int = PER_MINUTE) -> None:
        self.per_minute = per_minute
        self._book = book
        self._clock = clock
        # by the whole Authorization field: to take it apart for each request costs more than to look it up
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._allowances: dict[UUID, Allowance] = {}

    async def caller(self, request: web.Request, scope: str) -> Caller:
        """Who sent the request, if their token allows this.

        Raises:
            Problem: 401 without a living token, 403 where its scopes do not reach, 429 where it has asked enough.
        """
        field = request.headers.get("Authorization", "")
        at = time.monotonic()
        known = self._known.get(field)
        if known is None or at >= known.until:
            known = await self._look_up(field, at)
        caller = known.caller
        if (
            caller is None
            or caller.revoked
            or (caller.expires_at is not None and caller.expires_at <= self._clock.now())
        ):
            raise _no_token()
        if caller.allowance is not None:
            caller.allowance.take(at)
        if scope not in caller.scopes:
            raise Problem(
                403,
                "The token does not allow this",
                f"this needs the scope {scope}",
                headers={"WWW-Authenticate": f'Bearer realm="otklik", error="insufficient_scope", scope="{scope}"'},
            )
        if caller.within and scope in UNBOUNDED_SCOPES:
            raise Problem(
                403, "The token does not allow this", "it is restricted to the tickets of one customer or centre"
            )
        return caller

    async def _look_up(self, field: str, at: float) -> _Known:
        kind, _, token = field.partition(" ")
        token = token.strip()
        row = None
        if kind.lower() == "bearer" and token and len(field) <= _LONGEST:
            row = await self._book.find(token)
        self._known.pop(field, None)
        caller = None if row is None else self._caller(row)
        known = _Known(at + (_UNKNOWN_REMEMBERED if row is None else _REMEMBERED), caller)
        if len(field) <= _LONGEST:
            self._known[field] = known
            while len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        return known

    def _caller(self, row: dict[str, Any]) -> Caller:
        per_minute = self.per_minute if row["per_minute"] is None else row["per_minute"]
        # by the token: the same one may be sent in several spellings of the field
        allowance = self._allowances.get(row["id"])
        if per_minute and (allowance is None or allowance.per_minute != per_minute):
            allowance = self._allowances[row["id"]] = Allowance(per_minute)
        return Caller(
            id=row["id"],
            name=row["name"],
            label=f"api:{row['name']}",
            within=Boundary(row["customer"], row["centre"]),
            scopes=frozenset(row["scopes"]),
            expires_at=row["expires_at"],
            revoked=row["revoked_at"] is not None,
            allowance=allowance if per_minute else None,
        )


def _no_token() -> Problem:
    return Problem(
        401,
        "No valid token",
        "send `Authorization: Bearer TOKEN` with a token of `otklik token create`",
        headers={"WWW-Authenticate": 'Bearer realm="otklik"'},
    )
