"""What is handed to intake and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tickets.consent import Consent
from tickets.message import Accepted, InboundMessage, Unreadable
from tickets.organisation import Organisation
from tickets.priority import Level

Show = Callable[[dict[str, Any]], Any]
"""From the rows of a new ticket, as `storage.tickets.everything` gives them, to whatever an answer is made of."""


class Given(msgspec.Struct, frozen=True):
    """What the caller of an API states about a ticket instead of leaving it to the router; staff by login.

    `consents` are kept with the ticket. `unproven` says that nothing speaks for its author being a person, so that
    nobody is written to by ourselves. `released` says that somebody looked at it and it is no spam.
    """

    type: str = ""
    category: str = ""
    impact: Level | None = None
    urgency: Level | None = None
    customer: str = ""
    centre: str = ""
    group: str = ""
    assignee: str = ""
    by: str = ""
    consents: tuple[Consent, ...] = ()
    unproven: bool = False
    released: bool = False


class Input(msgspec.Struct, frozen=True):
    """One unit of an intake group; `show` makes of a new ticket's rows what its sender is answered."""

    message: InboundMessage | Unreadable
    raw: bytes
    sha256: bytes
    given: Given = Given()
    trace: UUID | None = None
    show: Show | None = None


class Taken(msgspec.Struct, frozen=True):
    """What became of it; of a ticket that was made just now its `rows`, and `shown`, what its sender is answered."""

    accepted: Accepted
    rows: dict[str, Any] | None = None
    shown: Any = None


class NotTaken(ValueError):
    """The caller asks for what cannot be; nothing was kept, and asking again will not help."""


class DifferentContent(NotTaken):
    """The same idempotency key came with another content."""


class Misstated(NotTaken):
    """The caller states something that does not exist; `field` is its name in `Given`."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


def checked(given: Given, organisation: Organisation) -> Given:
    """What was stated, the assignee as the router knows them.

    Raises:
        Misstated: something of it does not exist.
    """
    for field, stated, there in (
        ("customer", given.customer, organisation.customers),
        ("centre", given.centre, organisation.centres),
        ("group", given.group, organisation.groups),
    ):
        if stated and stated not in there:
            raise Misstated(field, f"there is no {field} {stated!r}")
    if not given.assignee:
        return given
    for member in organisation.members.values():
        if member.login == given.assignee:
            return replace(given, assignee=member.id)
    raise Misstated("assignee", f"there is nobody with the login {given.assignee!r}")
