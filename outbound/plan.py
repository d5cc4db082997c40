"""From an event to notifications and deliveries: pure, so that every "why was nothing sent" can be tested."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from tickets.delivery import DeliveryState
from tickets.event import Event, Role
from tickets.key import new_key
from tickets.notification import Delivery, Notification, Urgency
from tickets.reason import Suppression

URGENCY: dict[Event, Urgency] = {
    Event.DEADLINE_MISSED: Urgency.ALARM,
    Event.DEADLINE_NEAR: Urgency.STAFF,
    Event.ASSIGNED: Urgency.STAFF,
    Event.AUTHOR_REPLIED: Urgency.STAFF,
    Event.REOPENED: Urgency.STAFF,
    Event.WITHDRAWN: Urgency.STAFF,
    Event.UNDELIVERED: Urgency.STAFF,
    Event.MAIL_LOOP: Urgency.STAFF,
}
"""Everything else is a person waiting for an answer."""


class Recipient(msgspec.Struct, frozen=True):
    """Somebody who may be told. `dead` and `opted_out` speak of the mailbox."""

    role: Role
    person_id: uuid.UUID | None
    name: str
    language: str
    email: str = ""
    dead: bool = False
    opted_out: bool = False


class Occasion(msgspec.Struct, frozen=True):
    """What happened.

    `actor` did it and need not be told; `automatic` says that a machine wrote to us,
    `silence` why its author is not acknowledged now, `unproven` that their address may be a
    stranger's. `hold` is how long everything about it waits.
    """

    event: Event
    event_id: uuid.UUID
    ticket_id: uuid.UUID
    at: datetime
    actor: uuid.UUID | None = None
    automatic: bool = False
    silence: Suppression | None = None
    unproven: bool = False
    hold: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows.

    `providers` maps a channel to the account that sends by it; a channel that is missing is switched off. `only`, when
    not empty, is the test mode: nothing leaves but to these folded addresses. `lifetime` is how long a delivery may
    wait before it expires.
    """

    providers: Mapping[str, str] = field(default_factory=lambda: {"email": "main"})
    stop_list: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()
    lifetime: timedelta = timedelta(days=3)
    bulk: bool = False


class Plan(msgspec.Struct, frozen=True):
    """Rows to be, in the order they are inserted."""

    notifications: tuple[Notification, ...]
    deliveries: tuple[Delivery, ...]


def plan(occasion: Occasion, recipients: Iterable[Recipient], policy: Policy) -> Plan:
    """Decide who is told what and how, or why not. Every recipient gets a notification, sent or suppressed."""
    notifications: list[Notification] = []
    deliveries: list[Delivery] = []
    told: set[str] = set()
    for recipient in recipients:
        whom = recipient.person_id.hex if recipient.person_id else recipient.email.casefold() or recipient.role.value
        key = f"{occasion.event.value}:{occasion.event_id.hex}:{whom}"
        if key in told:
            continue
        told.add(key)
        notification = Notification(
            id=new_key(),
            ticket_id=occasion.ticket_id,
            event_id=occasion.event_id,
            event=occasion.event,
            role=recipient.role,
            person_id=recipient.person_id,
            name=recipient.name,
            dedupe_key=key,
            created_at=occasion.at,
        )
        refusal = _refusal(occasion, recipient, policy)
        notifications.append(notification)
        deliveries.append(
            Delivery(
                id=new_key(),
                notification_id=notification.id,
                ticket_id=occasion.ticket_id,
                step=1,
                channel="email",
                provider=policy.providers.get("email", ""),
                address=recipient.email,
                language=recipient.language,
                priority=Urgency.BULK if policy.bulk else URGENCY.get(occasion.event, Urgency.PERSON),
                state=DeliveryState.SUPPRESSED if refusal else DeliveryState.QUEUED,
                reason=refusal.value if refusal else "",
                created_at=occasion.at,
                due_at=occasion.at + occasion.hold,
                expires_at=occasion.at + policy.lifetime,
            )
        )
    return Plan(tuple(notifications), tuple(deliveries))


def _refusal(occasion: Occasion, recipient: Recipient, policy: Policy) -> Suppression | None:
    # the strongest reason first: what can never be sent, then what must not be, then what need not be
    folded = recipient.email.casefold()
    if not recipient.email:
        return Suppression.NO_ADDRESS
    if occasion.automatic and recipient.role is Role.AUTHOR:
        return Suppression.AUTOMATIC_MAIL
    if occasion.unproven and recipient.role is Role.AUTHOR:
        return Suppression.ADDRESS_UNVERIFIED
    if occasion.silence is not None and recipient.role is Role.AUTHOR:
        return occasion.silence
    if recipient.dead:
        return Suppression.ADDRESS_DEAD
    if recipient.opted_out:
        return Suppression.OPTED_OUT
    if folded in policy.stop_list or folded.rpartition("@")[2] in policy.stop_list:
        return Suppression.STOP_LIST
    if policy.only and folded not in policy.only:
        return Suppression.TEST_MODE
    if "email" not in policy.providers:
        return Suppression.CHANNEL_OFF
    if occasion.actor is not None and occasion.actor == recipient.person_id and occasion.event is not Event.RECEIVED:
        return Suppression.OWN_ACTION
    return None
