"""Idempotency-Key: a change asked for twice under one key is made once and answered alike.

The key is claimed in the transaction of the change, so the two stand or fall together. The answer is kept right after;
where a crash came between, it is made anew from what the database holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from storage import idempotency
from storage.database import Connection, Database
from tickets.clock import Clock

LIFETIME = timedelta(hours=24)
"""How long a key is remembered."""

ANSWERING = timedelta(seconds=30)
"""How long after its change the answer may still be under way."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A change that was made under a key: `request` is the digest of what was asked.

    Without an answer yet `status` is None; `fresh` says that somebody is still making it.
    """

    request: bytes
    fresh: bool
    status: int | None = None
    headers: dict[str, str] | None = None
    body: bytes = b""


class KeyTaken(Exception):
    """Another request claimed the key first."""

    def __init__(self, kept: Kept) -> None:
        super().__init__("the key is taken")
        self.kept = kept


class KeyBook:
    """Keys and answers."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, token_id: UUID, key: str) -> Kept | None:
        """What was asked under a key before."""
        now = self._clock.now()
        row = await self._database.read(lambda connection: idempotency.find(connection, token_id, key, now))
        return None if row is None else _kept(row, now)

    def claim(self, connection: Connection, token_id: UUID, key: str, request: bytes) -> None:
        """Take the key for a change in the same transaction.

        Raises:
            KeyTaken: another request has it.
        """
        now = self._clock.now()
        row = {
            "token_id": token_id,
            "key": key,
            "request": request,
            "created_at": now,
            "expires_at": now + LIFETIME,
        }
        other = idempotency.claim(connection, row, now)
        if other is not None:
            raise KeyTaken(_kept(other, now))

    async def keep(self, token_id: UUID, key: str, answer: Kept) -> None:
        """Keep the answer of a change; keys whose time is over are forgotten.

        The first answer stays: where another request has taken the key meanwhile, nothing is kept.
        """
        now = self._clock.now()
        row = {
            "token_id": token_id,
            "key": key,
            "request": answer.request,
            "created_at": now,
            "expires_at": now + LIFETIME,
        }

        def unit(connection: Connection) -> None:
            idempotency.forget(connection, now)
            # an act that changed nothing, being done already, has claimed nothing; then another may have, meanwhile
            other = idempotency.claim(connection, row, now)
            if other is not None and (bytes(other["request"]) != answer.request or other["status"] is not None):
                return
            status = answer.status or 200
            idempotency.answer(connection, token_id, key, status, answer.headers or {}, answer.body)

        await self._database.write(unit, name="idempotency")


def _kept(row: dict[str, Any], now: datetime) -> Kept:
    return Kept(
        request=bytes(row["request"]),
        fresh=now - row["created_at"] < ANSWERING,
        status=row["status"],
        headers=row["headers"],
        body=bytes(row["body"] or b""),
    )
