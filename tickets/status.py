"""The states of a ticket and the moves between them (ITIL incident and request life cycle).

```
            +----------------------------------------+
            v                                        |
new --> in_progress <--> waiting                     |  (reopened)
 |          |   |           |                        |
 |          |   +---------->+------> resolved -------+
 |          |                           |            |
 |          +--> rejected --------------|------------+
 +--> waiting, resolved, rejected       v            |
                                      closed --------+
```
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where a ticket stands."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    WAITING = "waiting"
    RESOLVED = "resolved"
    CLOSED = "closed"
    REJECTED = "rejected"


MOVES: dict[Status, frozenset[Status]] = {
    Status.NEW: frozenset({Status.IN_PROGRESS, Status.WAITING, Status.RESOLVED, Status.REJECTED}),
    Status.IN_PROGRESS: frozenset({Status.WAITING, Status.RESOLVED, Status.REJECTED}),
    Status.WAITING: frozenset({Status.IN_PROGRESS, Status.RESOLVED, Status.REJECTED}),
    Status.RESOLVED: frozenset({Status.CLOSED, Status.IN_PROGRESS}),
    Status.CLOSED: frozenset({Status.IN_PROGRESS}),
    Status.REJECTED: frozenset({Status.CLOSED, Status.IN_PROGRESS}),
}

OPEN = frozenset({Status.NEW, Status.IN_PROGRESS, Status.WAITING})
"""States in which work is still owed."""

RUNNING = frozenset({Status.NEW, Status.IN_PROGRESS})
"""States in which the clock of the agreement runs; it stands still while the author is asked."""


class IllegalMove(ValueError):
    """A status change the life cycle does not know."""

    def __init__(self, old: Status, new: Status) -> None:
        legal = ", ".join(sorted(MOVES[old])) or "none"
        super().__init__(f"a ticket that is {old} cannot become {new}; legal moves: {legal}")
        self.old = old
        self.new = new


def check_move(old: Status, new: Status) -> None:
    """Refuse an illegal move.

    Raises:
        IllegalMove: the life cycle has no arc from `old` to `new`; a move to the same state is one of them.
    """
    if new not in MOVES[old]:
        raise IllegalMove(old, new)
