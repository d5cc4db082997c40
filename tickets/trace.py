"""The one id that leads through the log from the door to the delivery.

A door (an SMTP mail whose end was seen, an HTTP request) begins a trace. The first message that is taken in under it
gets the trace's id for its own key, so that the id is in the database already and needs no column: a notification is
traced by the message it is about. What is sent later logs that id again.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol
from uuid import UUID

_trace: ContextVar[UUID | None] = ContextVar("trace", default=None)


class Trail(Protocol):
    """Where what happens to an input is told, one line each.

    The facts are ids, counts and codes from closed lists: never a name, an address, a text or an address of a page.
    """

    def __call__(self, event: str, trace: str, /, **facts: str | int | float | None) -> None:
        """Tell it; must not fail and not wait."""
        ...


def untold(event: str, trace: str, /, **facts: str | int | float | None) -> None:
    """The trail of a program whose log is quieter than that."""


def begin(trace: UUID) -> None:
    """From now on, this task works on that input."""
    _trace.set(trace)


def spend() -> UUID | None:
    """The id of the input this task works on, once: whatever it takes in after that gets an id of its own."""
    found = _trace.get()
    if found is not None:
        _trace.set(None)
    return found
