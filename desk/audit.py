"""Who saw and did what.

An action is `THING.VERB` in the past (`ticket.viewed`, `user.disabled`); its object is what it was about: a ticket's
number, the id of a delivery or a quarantine entry, a login. `detail` says the rest and never holds a secret.

What is done is noted in the transaction that does it (`note`); what is merely seen, by `AuditLog.seen`, which returns
after the entry is on disk: nobody sees what the log does not know of.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from desk import typed
from desk.change import Actor
from desk.visitor import Visitor
from storage import audit
from storage.audit import Filter
from storage.database import Connection, Database
from tickets.clock import Clock
from tickets.key import new_key

Row = dict[str, Any]


def note(
    connection: Connection,
    who: Visitor | Actor,
    action: str,
    object: str,
    detail: Mapping[str, Any],
    now: datetime,
    *,
    address: str = "",
) -> None:
    """Write one entry inside a transaction of the caller's.

    `address` is where somebody without a session called from; a visitor's own is known.
    """
    audit.add(connection, [entry(who, action, object, detail, now, address)])


def entry(
    who: Visitor | Actor, action: str, object: str, detail: Mapping[str, Any], now: datetime, address: str = ""
) -> Row:
    """One row of the log; words from outside are cut to the room there is."""
    label = who.actor.label if isinstance(who, Visitor) else who.label
    return {
        "id": new_key(),
        "at": now,
        "who": _storable(label, 160),
        "action": action,
        "object": _storable(object, 160),
        "detail": dict(detail),
        "address": _storable(who.address if isinstance(who, Visitor) else address, 64),
    }


def _storable(text: str, room: int) -> str:
    return typed.lines(text)[:room]


class AuditLog:
    """The log of one installation."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._group = database.group(_add, name="audit")

    async def seen(
        self, who: Visitor | Actor, action: str, object: str = "", detail: Mapping[str, Any] | None = None
    ) -> None:
        """Note what somebody is about to see; many callers share one commit.

        Raises:
            StorageUnavailable: it could not be noted, so it must not be shown.
        """
        await self._group.submit(entry(who, action, object, detail or {}, self._clock.now()))

    async def listing(self, wanted: Filter) -> tuple[list[Row], str | None]:
        """A page of entries, newest first, and the cursor of the next page."""
        rows = await self._database.read(lambda connection: audit.listing(connection, wanted))
        page = rows[: wanted.limit]
        return page, page[-1]["id"].hex if len(rows) > wanted.limit else None


def _add(connection: Connection, rows: list[Row]) -> list[None]:
    audit.add(connection, rows)
    return [None] * len(rows)
