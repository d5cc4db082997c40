"""Tickets and everything that hangs on them, for reading and for single changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from storage.bulk import insert_rows
from storage.cells import Row
from storage.metadata import metadata
from storage.tables import addresses, attachments, counters, events, links, messages, people, receipts, tickets
from storage.tables_outbox import attempts, deliveries, notifications
from tickets.boundary import EVERYWHERE, Boundary


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tickets a list shows; empty fields do not filter. `before` is the id the page starts below."""

    statuses: tuple[str, ...] = ()
    centre: str = ""
    customer: str = ""
    assignee: UUID | None = None
    channel: str = ""
    q: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None
    limit: int = 50
    within: Boundary = EVERYWHERE


def _inside(within: Boundary) -> list[ColumnElement[bool]]:
    """What keeps a query to the tickets inside a boundary."""
    pairs = ((tickets.c.customer, within.customer), (tickets.c.centre, within.centre))
    return [column == code for column, code in pairs if code]


def find(connection: Connection, number: str, *, lock: bool = False, within: Boundary = EVERYWHERE) -> Row | None:
    """A ticket by its number, or by its digits alone where only one ticket has them.

    One outside `within` is looked for exactly as one that does not exist.
    """
    wanted = [number.strip().upper()]
    digits = number.strip().lstrip("#№").strip()
    if digits.isascii() and digits.isdigit() and len(digits) <= 9:
        wanted = [f"{site_and_year}-{int(digits):06d}" for site_and_year in _series(connection)]
    query = select(tickets).where(tickets.c.number.in_(wanted), *_inside(within)).limit(2)
    if lock:
        query = query.with_for_update()
    rows = connection.execute(query).mappings().all()
    return dict(rows[0]) if len(rows) == 1 else None


def _series(connection: Connection) -> list[str]:
    """`MSK-26` for every site and year that has given out numbers."""
    found = connection.execute(select(counters.c.name).where(counters.c.name.contains("-"))).scalars()
    return [f"{prefix}-{int(year) % 100:02d}" for prefix, _, year in (name.rpartition("-") for name in found)]


def lock_in_order(connection: Connection, ids: Iterable[UUID]) -> None:
    """Lock several tickets in the order everybody does, before they are looked at one by one."""
    connection.execute(
        select(tickets.c.id).where(tickets.c.id.in_(sorted(ids))).order_by(tickets.c.id).with_for_update()
    )


def by_id(connection: Connection, ticket_id: UUID, *, lock: bool = False) -> Row | None:
    """A ticket by its key."""
    query = select(tickets).where(tickets.c.id == ticket_id)
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    return dict(row) if row is not None else None


def listing(connection: Connection, wanted: Filter) -> list[Row]:
    """Tickets, newest first; one more than `limit` where there is another page."""
    conditions = _inside(wanted.within)
    if wanted.statuses:
        conditions.append(tickets.c.status.in_(wanted.statuses))
    for column, value in (
        (tickets.c.centre, wanted.centre),
        (tickets.c.customer, wanted.customer),
        (tickets.c.channel, wanted.channel),
    ):
        if value:
            conditions.append(column == value)
    if wanted.assignee is not None:
        conditions.append(tickets.c.assignee_id == wanted.assignee)
    if wanted.since is not None:
        conditions.append(tickets.c.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(tickets.c.created_at < wanted.until)
    if wanted.before is not None:
        conditions.append(tickets.c.id < wanted.before)
    if wanted.q:
        conditions.append(_matches(wanted.q))
    query = (
        select(tickets, people.c.name.label("contact_name"))
        .join(people, people.c.id == tickets.c.contact_id)
        .where(and_(True, *conditions))
        .order_by(tickets.c.id.desc())
        .limit(wanted.limit + 1)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def _matches(text: str) -> ColumnElement[bool]:
    # LIKE folds only ASCII on SQLite, so the usual spellings of a Russian word are looked for side by side
    spellings = dict.fromkeys((text, text.lower(), text.capitalize(), text.upper()))
    return or_(
        tickets.c.number == text.strip().upper(),
        *(tickets.c.subject.contains(spelling, autoescape=True) for spelling in spellings),
    )


def everything(connection: Connection, ticket: Row) -> dict[str, Any]:
    """All rows of one ticket, oldest first in each list."""
    key = ticket["id"]

    def rows(query: Any) -> list[Row]:
        return [dict(row) for row in connection.execute(query).mappings()]

    said = rows(select(messages).where(messages.c.ticket_id == key).order_by(messages.c.id))
    said_ids = [m["id"] for m in said]
    told = rows(select(notifications).where(notifications.c.ticket_id == key).order_by(notifications.c.id))
    ways = rows(
        select(deliveries)
        .where(deliveries.c.notification_id.in_([n["id"] for n in told]))
        .order_by(deliveries.c.notification_id, deliveries.c.step, deliveries.c.id)
    )
    return {
        "ticket": ticket,
        "contact": dict(connection.execute(select(people).where(people.c.id == ticket["contact_id"])).mappings().one()),
        "addresses": rows(select(addresses).where(addresses.c.person_id == ticket["contact_id"])),
        "messages": said,
        "receipts": dict(
            connection.execute(
                select(receipts.c.message_id, func.count())
                .where(receipts.c.message_id.in_(said_ids))
                .group_by(receipts.c.message_id)
            ).all()
        ),
        "attachments": rows(
            select(attachments).where(attachments.c.message_id.in_(said_ids)).order_by(attachments.c.id)
        ),
        "notifications": told,
        "deliveries": ways,
        "attempts": rows(
            select(attempts)
            .where(attempts.c.delivery_id.in_([d["id"] for d in ways]))
            .order_by(attempts.c.delivery_id, attempts.c.number)
        ),
        "events": rows(select(events).where(events.c.ticket_id == key).order_by(events.c.id)),
        "links": rows(
            select(links, tickets.c.number, tickets.c.customer, tickets.c.centre)
            .join(tickets, tickets.c.id == links.c.other_id)
            .where(links.c.ticket_id == key)
            .order_by(links.c.id)
        ),
    }


def save(connection: Connection, ticket: Row, names: tuple[str, ...]) -> None:
    """Write the named columns of a ticket that was locked, and count the change."""
    ticket["version"] += 1
    connection.execute(
        update(tickets)
        .where(tickets.c.id == ticket["id"])
        .values({name: ticket[name] for name in (*names, "version", "updated_at")})
    )


class DirectRows:
    """Rows written one by one inside a unit: the counterpart of an intake batch for single changes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, table: str, row: Row) -> Row:
        """Insert a row now."""
        insert_rows(self._connection, metadata.tables[table], [row])
        return row


def contact(connection: Connection, person_id: UUID) -> Row:
    """A person with the address mail goes to (`kind`, `value`, `dead_at`, `opted_out_at`): a living mailbox first."""
    person = connection.execute(select(people).where(people.c.id == person_id)).mappings().one()
    ways = connection.execute(
        select(addresses).where(addresses.c.person_id == person_id).order_by(addresses.c.key)
    ).mappings()
    best = min(ways, key=lambda a: (a["kind"] != "email", a["dead_at"] is not None), default=None)
    row = {"person_id": person["id"], "name": person["name"], "language": person["language"]}
    if best is None:
        return row | {"customer": person["customer"], "kind": "", "value": "", "dead_at": None, "opted_out_at": None}
    names = ("kind", "value", "dead_at", "opted_out_at")
    return row | {"customer": person["customer"]} | {name: best[name] for name in names}


def alarmed(connection: Connection, now: datetime, most: int = 100) -> list[UUID]:
    """Tickets whose next deadline event is due, longest due first."""
    query = select(tickets.c.id).where(tickets.c.alarm_at <= now).order_by(tickets.c.alarm_at).limit(most)
    return list(connection.execute(query).scalars())
