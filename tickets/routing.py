"""The question put to the router and its answer.

Every ticket needs both, so they are of the kind that is made fastest.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from tickets.organisation import Organisation
from tickets.priority import Level, Priority
from tickets.reason import Decided


class Facts(msgspec.Struct, frozen=True):
    """What is known when a new ticket is routed; nothing else may influence the decision.

    `sender` is `(address kind, folded value)`; `known_customer` the code of the customer this person is already tied
    to, if any; `load` the number of open tickets by staff id, for even shares.
    """

    channel: str
    sender_kind: str
    sender_value: str
    intake: tuple[str, ...]
    subject: str
    text: str
    organisation: Organisation
    known_customer: str = ""
    type: str = ""
    category: str = ""
    impact: Level | None = None
    urgency: Level | None = None
    customer: str = ""
    centre: str = ""
    group: str = ""
    assignee: str = ""
    load: dict[str, int] = msgspec.field(default_factory=dict)
    verified: bool = True


class Decision(msgspec.Struct, frozen=True):
    """Where a ticket goes, with a reason for each field. Instants are UTC; None where no agreement promises any."""

    type: str
    category: str
    impact: Level
    urgency: Level
    priority: Priority
    customer: str
    centre: str
    group: str
    line: int
    assignee: str
    agreement: str
    respond_by: datetime | None
    resolve_by: datetime | None
    reasons: tuple[Decided, ...]
