"""Following the event log: every event once, whatever the order of the commits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from storage import event_log
from storage.database import Connection

Row = dict[str, Any]

OVERLAP = timedelta(seconds=20)
"""How far back it is looked for events whose commit took longer than that of later ones."""


class Follower:
    """Reads the log from a place on; `read` is to be called again and again, on any connection.

    An event that becomes visible more than `overlap` behind the newest one seen is missed, so whoever may miss nothing
    looks at the tickets themselves now and then.
    """

    def __init__(self, start: UUID, overlap: timedelta = OVERLAP) -> None:
        self.last = start
        self._overlap = overlap
        self._floor = start
        self._known: dict[UUID, None] = {}

    def read(self, connection: Connection, most: int = 1000) -> list[Row]:
        """What is new: rows with `id`, `ticket_id`, `what`, `by`, `old`, `new`, `message_id`, `number`, `version`."""
        low = self._low()
        found = event_log.late(connection, low, self.last, self._known) if self.last > low else []
        found += event_log.after(connection, self.last, most)
        return found

    def seen(self, rows: list[Row]) -> None:
        """Take what `read` gave as done; kept apart because a reader on a database may be run twice."""
        for row in rows:
            self._known[row["id"]] = None
            self.last = max(self.last, row["id"])
        low = self._low()
        self._known = {key: None for key in self._known if key > low}

    def _low(self) -> UUID:
        # what was there before it began to follow is not its business
        back = datetime.fromtimestamp(event_log.moment_of(self.last), UTC) - self._overlap if self.last.int else None
        return max(self._floor, event_log.key_at(back)) if back is not None and back.timestamp() > 0 else self._floor


def resumed(place: UUID, overlap: timedelta = OVERLAP) -> UUID:
    """Where to begin after a stop at `place`: a little before it."""
    back = max(event_log.moment_of(place) - overlap.total_seconds(), 0.0)
    return event_log.key_at(datetime.fromtimestamp(back, UTC))
