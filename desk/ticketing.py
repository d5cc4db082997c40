"""Changes to tickets as callers outside a transaction make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from desk.change import Actor, Changes, actor_of
from desk.guard import UNGUARDED, Guard
from desk.site import Site
from storage.database import Connection, Database
from tickets.clock import Clock
from tickets.status import Status


class Ticketing:
    """Each call is one transaction; `on_queued` is called after it, because somebody may have to be told.

    A caller is an `Actor`, or the login of a member of staff. A `guard` is asked inside the transaction.
    """

    def __init__(self, database: Database, site: Site, clock: Clock, on_queued: Callable[[], None] = lambda: None):
        self._database = database
        self._site = site
        self._clock = clock
        self.on_queued = on_queued

    async def status(
        self, number: str, new: Status, by: Actor | str, comment: str = "", *, guard: Guard = UNGUARDED
    ) -> dict[str, Any]:
        """See `desk.change.Changes.status`."""
        return await self._change(by, guard, lambda changes, actor: changes.status(number, new, actor, comment))

    async def comment(
        self, number: str, text: str, by: Actor | str, *, public: bool, guard: Guard = UNGUARDED
    ) -> dict[str, Any]:
        """See `desk.change.Changes.comment`."""
        return await self._change(by, guard, lambda changes, actor: changes.comment(number, text, actor, public=public))

    async def assign(
        self,
        number: str,
        by: Actor | str,
        *,
        assignee: str | None = None,
        group: str | None = None,
        centre: str | None = None,
        guard: Guard = UNGUARDED,
    ) -> dict[str, Any]:
        """See `desk.change.Changes.assign`."""
        return await self._change(
            by,
            guard,
            lambda changes, actor: changes.assign(number, actor, assignee=assignee, group=group, centre=centre),
        )

    async def _change(
        self, by: Actor | str, guard: Guard, verb: Callable[[Changes, Actor], dict[str, Any]]
    ) -> dict[str, Any]:
        def unit(connection: Connection) -> dict[str, Any]:
            guard.claim(connection)
            changes = Changes(connection, self._site, self._clock.now(), guard)
            actor = by if isinstance(by, Actor) else actor_of(changes.organisation, by)
            return verb(changes, actor)

        ticket = await self._database.write(unit, name="change")
        self.on_queued()
        return ticket
