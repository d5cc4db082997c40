"""Tokens for the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from storage import organisation as organisations
from storage import tokens
from storage.database import Connection, Database
from tickets.boundary import EVERYWHERE, Boundary


class TokenBook:
    """Makes, finds and revokes tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, token: str) -> dict[str, Any] | None:
        """The row of a token, revoked and expired ones too."""
        digest = tokens.digest(token)
        return await self._database.read(lambda c: tokens.find(c, digest))

    async def create(
        self,
        name: str,
        scopes: list[str],
        now: datetime,
        expires_at: datetime | None,
        *,
        within: Boundary = EVERYWHERE,
        per_minute: int | None = None,
    ) -> str:
        """A new token; it cannot be read again. See `storage.tokens.create`.

        Raises:
            ValueError: the name is taken, or there is no such customer or centre.
        """

        def unit(connection: Connection) -> str:
            organisation = organisations.load(connection) if within else None
            if organisation is not None and within.customer and within.customer not in organisation.customers:
                raise ValueError(f"there is no customer {within.customer!r}")
            if organisation is not None and within.centre and within.centre not in organisation.centres:
                raise ValueError(f"there is no centre {within.centre!r}")
            return tokens.create(connection, name, scopes, now, expires_at, within=within, per_minute=per_minute)

        return await self._database.write(unit)

    async def listing(self) -> list[dict[str, Any]]:
        """All tokens by name."""
        return await self._database.read(tokens.listing)

    async def revoke(self, name: str, now: datetime) -> bool:
        """Make a token useless; returns whether there was a living one."""
        return await self._database.write(lambda c: tokens.revoke(c, name, now))
