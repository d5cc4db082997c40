"""What must hold before a change is made on behalf of another program: checked in the transaction of the change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from storage.database import Connection
from tickets.boundary import EVERYWHERE, Boundary


class Outdated(ValueError):
    """The ticket has changed since its caller looked at it; nothing was done."""

    def __init__(self, number: str, version: int) -> None:
        super().__init__(f"{number} has changed since you read it: read it again and decide anew")
        self.version = version


def no_claim(connection: Connection) -> None:
    """The claim of a change that has no key."""


@dataclass(frozen=True, slots=True)
class Guard:
    """`within` is how far its caller may see; `versions` those of the ticket the caller would change (None: any);
    `claim` runs first of all in the transaction and may refuse by raising."""

    within: Boundary = EVERYWHERE
    versions: frozenset[int] | None = None
    claim: Callable[[Connection], None] = no_claim

    def check(self, ticket: dict[str, Any]) -> None:
        """Look at a locked ticket.

        Raises:
            Outdated: it has another version than the caller saw.
        """
        if self.versions is not None and ticket["version"] not in self.versions:
            raise Outdated(ticket["number"], ticket["version"])


UNGUARDED = Guard()
"""A change that anybody who gets this far may make."""
