"""Tokens for the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from storage import tokens
from storage.database import Database


class TokenBook:
    """Makes, finds and revokes tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, token: str) -> dict[str, Any] | None:
        """The row of a token, revoked and expired ones too."""
        digest = tokens.digest(token)
        return await self._database.read(lambda c: tokens.find(c, digest))

    async def create(self, name: str, scopes: list[str], now: datetime, expires_at: datetime | None) -> str:
        """A new token; it cannot be read again.

        Raises:
            ValueError: the name is taken.
        """
        return await self._database.write(lambda c: tokens.create(c, name, scopes, now, expires_at))

    async def listing(self) -> list[dict[str, Any]]:
        """All tokens by name."""
        return await self._database.read(tokens.listing)

    async def revoke(self, name: str, now: datetime) -> bool:
        """Make a token useless; returns whether there was a living one."""
        return await self._database.write(lambda c: tokens.revoke(c, name, now))
