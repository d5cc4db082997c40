"""What is to be told to whom, and by which way."""

from __future__ import annotations

import uuid
from datetime import datetime
from enum import IntEnum

import msgspec

from tickets.delivery import DeliveryState
from tickets.event import Event, Role


class Urgency(IntEnum):
    """The order in which due deliveries leave; an acknowledgement never waits behind a mass mailing."""

    ALARM = 0
    PERSON = 1
    STAFF = 2
    BULK = 3


class Notification(msgspec.Struct, frozen=True):
    """One thing to be told to one person or role. `dedupe_key` keeps it from being told twice."""

    id: uuid.UUID
    ticket_id: uuid.UUID
    event_id: uuid.UUID
    event: Event
    role: Role
    person_id: uuid.UUID | None
    name: str
    dedupe_key: str
    created_at: datetime


class Delivery(msgspec.Struct, frozen=True):
    """One way of telling it. A `suppressed` one carries the reason why nothing was sent."""

    id: uuid.UUID
    notification_id: uuid.UUID
    ticket_id: uuid.UUID
    step: int
    channel: str
    provider: str
    address: str
    language: str
    priority: Urgency
    state: DeliveryState
    reason: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime | None
