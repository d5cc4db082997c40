"""What comes back about mail of ours, and the deliveries it is about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, case, func, select, update

from storage.cells import Row
from storage.lookup import Lookup
from storage.tables import addresses, tickets
from storage.tables_mail import delivery_reports
from storage.tables_outbox import deliveries, notifications
from tickets.delivery import ARCS, DeliveryState

_ABOUT = (
    deliveries.c.id,
    deliveries.c.ticket_id,
    deliveries.c.state,
    deliveries.c.address,
    deliveries.c.provider,
    deliveries.c.tries,
    notifications.c.event,
    notifications.c.role,
    notifications.c.person_id,
)
_TOLD = select(*_ABOUT).join(notifications, notifications.c.id == deliveries.c.notification_id)
_DELIVERIES = Lookup(_TOLD, deliveries.c.id)
_LOCKED = Lookup(_TOLD.order_by(deliveries.c.id).with_for_update(of=deliveries), deliveries.c.id)
_NEWEST = Lookup(
    select(addresses.c.key, func.max(tickets.c.number).label("number"))
    .join(tickets, tickets.c.contact_id == addresses.c.person_id)
    .group_by(addresses.c.key),
    addresses.c.key,
)
_REPORTS = Lookup(select(delivery_reports).order_by(delivery_reports.c.id), delivery_reports.c.delivery_id)


def deliveries_of(connection: Connection, ids: Iterable[UUID], *, lock: bool = False) -> list[Row]:
    """Deliveries with the event and the role of their notifications; with `lock` locked until the commit."""
    return (_LOCKED if lock else _DELIVERIES).rows(connection, sorted(set(ids)))


def newest_tickets(connection: Connection, keys: Iterable[str]) -> dict[str, str]:
    """By address key, the number of the newest ticket of its owner."""
    return {row["key"]: row["number"] for row in _NEWEST.rows(connection, keys)}


def move(connection: Connection, delivery_id: UUID, new: DeliveryState, reason: str, now: datetime) -> None:
    """Move a delivery by what came back about it, if the life cycle knows the way; a try under way is out-fenced."""
    legal = [old.value for old, arcs in ARCS.items() if new in arcs]
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state.in_(legal))
        .values(
            state=new.value,
            reason=reason[:24],
            updated_at=now,
            # the worker that is still sending may end its try, and moves nothing any more
            fence=deliveries.c.fence + case((deliveries.c.state == DeliveryState.SENDING.value, 1), else_=0),
            lease_owner="",
            lease_until=None,
        )
    )


def reports_of(connection: Connection, ids: Iterable[UUID]) -> list[Row]:
    """What came back about deliveries, in order."""
    return _REPORTS.rows(connection, ids)


def returned(connection: Connection, folded: Iterable[str]) -> dict[str, tuple[int, datetime]]:
    """By folded address, how many mails came back though the mailbox exists (full, or away for days), and when last."""
    rows = connection.execute(
        select(delivery_reports.c.address, func.count(), func.max(delivery_reports.c.at))
        .where(
            delivery_reports.c.address.in_(list(folded)),
            delivery_reports.c.kind == "bounce",
            delivery_reports.c.permanent.is_(False),
            # not told twice of one mail, nor of another mailbox that a list has
            delivery_reports.c.moved.is_(True),
        )
        .group_by(delivery_reports.c.address)
    )
    return {address: (int(count), last) for address, count, last in rows}
