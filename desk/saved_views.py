"""Saved views: filters of the queue with a name, one's own or given to everybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from desk import audit, typed
from desk.change import Refused
from desk.queue_filter import QueueFilter
from desk.visitor import Visitor
from storage import views
from storage.database import Connection, Database
from tickets.clock import Clock
from tickets.key import new_key
from tickets.role import Right

LONGEST_NAME = 80
MOST_VIEWS = 50


class NoSuchView(LookupError):
    """There is no view with this key, or it is another's."""


@dataclass(frozen=True, slots=True)
class SavedView:
    """A view as its reader sees it; `own` says whether it is theirs to change."""

    id: UUID
    name: str
    filter: QueueFilter
    shared: bool
    own: bool


class SavedViews:
    """Keeps views."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, visitor: Visitor) -> list[SavedView]:
        """See `seen_by`."""
        return await self._database.read(lambda c: seen_by(c, visitor))

    async def add(self, visitor: Visitor, name: str, asked: QueueFilter, *, shared: bool) -> UUID:
        """Keep a filter under a name; returns its key.

        Raises:
            Refused: it has no name or one too long, there are too many, or the visitor may not share.
        """
        now = self._clock.now()
        row: dict[str, Any] = {
            "id": new_key(),
            "owner_id": visitor.user_id,
            "name": _name(name),
            "filters": [list(pair) for pair in asked.pairs()],
            "shared": _shared(visitor, shared),
            "created_at": now,
            "updated_at": now,
        }

        def unit(connection: Connection) -> None:
            own = [one for one in views.of(connection, visitor.user_id) if one["owner_id"] == visitor.user_id]
            if len(own) >= MOST_VIEWS:
                raise Refused(f"nobody has more than {MOST_VIEWS} views: drop one first", "views_full")
            views.add(connection, row)
            _note(connection, visitor, "view.saved", row, now)

        await self._database.write(unit, name="view.add")
        return row["id"]  # type: ignore[no-any-return]

    async def change(
        self, visitor: Visitor, view_id: UUID, *, name: str, shared: bool, asked: QueueFilter | None = None
    ) -> None:
        """Rename a view, share it or not, and give it another filter if one is named.

        Raises:
            NoSuchView: it is another's, or nobody's.
            Refused: as for `add`.
        """
        values: dict[str, Any] = {"name": _name(name), "updated_at": self._clock.now()}
        if asked is not None:
            values["filters"] = [list(pair) for pair in asked.pairs()]

        def unit(connection: Connection) -> None:
            row = _own(connection, visitor, view_id)
            values["shared"] = _shared(visitor, shared) if shared != row["shared"] else shared
            views.change(connection, view_id, **values)
            _note(connection, visitor, "view.saved", row | values, values["updated_at"])

        await self._database.write(unit, name="view.change")

    async def drop(self, visitor: Visitor, view_id: UUID) -> None:
        """Forget a view.

        Raises:
            NoSuchView: it is another's, or nobody's.
        """
        now = self._clock.now()

        def unit(connection: Connection) -> None:
            row = _own(connection, visitor, view_id)
            views.drop(connection, view_id)
            _note(connection, visitor, "view.dropped", row, now)

        await self._database.write(unit, name="view.drop")


def seen_by(connection: Connection, visitor: Visitor) -> list[SavedView]:
    """The views a visitor sees: their own, then those others share."""
    return [_view(row, visitor) for row in views.of(connection, visitor.user_id)]


def _view(row: dict[str, Any], visitor: Visitor) -> SavedView:
    asked = QueueFilter.read([(str(name), str(value)) for name, value in row["filters"]])
    return SavedView(row["id"], row["name"], asked, row["shared"], _may_change(row, visitor))


def _may_change(row: dict[str, Any], visitor: Visitor) -> bool:
    return row["owner_id"] == visitor.user_id or (row["shared"] and visitor.may(Right.VIEWS_SHARE))


def _own(connection: Connection, visitor: Visitor, view_id: UUID) -> dict[str, Any]:
    row = views.one(connection, view_id)
    if row is None or not _may_change(row, visitor):
        raise NoSuchView(view_id.hex)
    return row


def _note(connection: Connection, visitor: Visitor, what: str, row: dict[str, Any], now: datetime) -> None:
    detail = {"name": row["name"], "shared": row["shared"]}
    audit.note(connection, visitor, what, row["id"].hex, detail, now)


def _name(text: str) -> str:
    name = typed.line(text)
    if not name:
        raise Refused("give the view a name", "view_unnamed")
    if len(name) > LONGEST_NAME:
        raise Refused(f"the name of a view has at most {LONGEST_NAME} characters", "view_long")
    return name


def _shared(visitor: Visitor, wanted: bool) -> bool:
    if wanted and not visitor.may(Right.VIEWS_SHARE):
        raise Refused("only leads give views to everybody", "view_sharing")
    return wanted
