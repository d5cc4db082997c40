"""The ledger: deliveries with every attempt, and the moves a person makes with them.

Conditions on the state are spelt as the partial indexes spell them: a bound parameter would keep both databases from
using those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    TextClause,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    text,
    update,
)

from storage.bulk import insert_rows
from storage.cells import Row
from storage.lookup import Lookup
from storage.outbox import database_now
from storage.tables import events, tickets
from storage.tables_outbox import attempts, deliveries, notifications
from storage.types import EPOCH
from tickets.address import fold
from tickets.boundary import EVERYWHERE, Boundary
from tickets.delivery import DEAD, DeliveryState, Outcome

_TROUBLE = text("deliveries.state IN ('failed', 'expired', 'unknown')")
_DEAD = text("deliveries.state IN ('failed', 'expired')")
_QUEUED = text("deliveries.state = 'queued'")
_SENDING = text("deliveries.state = 'sending'")
_REACHED = text("deliveries.state IN ('sent', 'delivered', 'read')")
_IN_TROUBLE = DEAD | {DeliveryState.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries are meant; empty fields do not filter.

    `ticket` is a ticket's key; `person` an address, a person's key or a part of a name; `dead` means failed and
    expired ones alone. `before` is the id a page starts below.
    """

    state: DeliveryState | None = None
    channel: str = ""
    provider: str = ""
    ticket: UUID | None = None
    person: str = ""
    dead: bool = False
    before: UUID | None = None
    limit: int = 50
    within: Boundary = EVERYWHERE


def _entries() -> Select[Any]:
    return (
        select(
            deliveries,
            notifications.c.event,
            notifications.c.role,
            notifications.c.name,
            notifications.c.person_id,
            tickets.c.number,
        )
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .join(tickets, tickets.c.id == deliveries.c.ticket_id)
    )


def conditions(wanted: Filter) -> list[ColumnElement[bool] | TextClause]:
    """What a filter demands of deliveries joined with their notifications and tickets."""
    found: list[ColumnElement[bool] | TextClause] = []
    if wanted.state is not None:
        if wanted.state in _IN_TROUBLE:
            found.append(_TROUBLE)
        found.append(text(f"deliveries.state = '{wanted.state.value}'"))
    if wanted.dead:
        found += [_TROUBLE, _DEAD]
    if wanted.channel:
        found.append(deliveries.c.channel == wanted.channel)
    if wanted.provider:
        found.append(deliveries.c.provider == wanted.provider)
    if wanted.ticket is not None:
        # the index on tickets is the notifications'
        told = select(notifications.c.id).where(notifications.c.ticket_id == wanted.ticket)
        found.append(deliveries.c.notification_id.in_(told))
    if wanted.person:
        found.append(_person(wanted.person.strip()))
    found += _inside(wanted.within)
    return found


def _inside(within: Boundary) -> list[ColumnElement[bool]]:
    pairs = ((tickets.c.customer, within.customer), (tickets.c.centre, within.centre))
    return [column == code for column, code in pairs if code]


def _person(who: str) -> ColumnElement[bool]:
    # SQLite folds ASCII alone, so the spelling given and its folded form are both looked for
    ways: list[ColumnElement[bool]] = [
        deliveries.c.address == who,
        func.lower(deliveries.c.address) == fold(who),
        *(
            notifications.c.name.contains(spelling, autoescape=True)
            for spelling in dict.fromkeys((who, who.lower(), who.capitalize(), who.title()))
        ),
    ]
    with suppress(ValueError):
        ways.append(notifications.c.person_id == UUID(who))
    return or_(*ways)


def listing(connection: Connection, wanted: Filter) -> list[Row]:
    """Deliveries with their notification and ticket number, newest first; one more than `limit` where there is more."""
    query = _entries().where(and_(True, *conditions(wanted))).order_by(deliveries.c.id.desc()).limit(wanted.limit + 1)
    if wanted.before is not None:
        query = query.where(deliveries.c.id < wanted.before)
    return [dict(row) for row in connection.execute(query).mappings()]


def one(connection: Connection, delivery_id: UUID, *, lock: bool = False, within: Boundary = EVERYWHERE) -> Row | None:
    """A delivery by its key, as in a listing; one of a ticket outside `within` is as good as none."""
    query = _entries().where(deliveries.c.id == delivery_id, *_inside(within))
    if lock:
        query = query.with_for_update(of=deliveries)
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None else None


def by_ids(connection: Connection, ids: Sequence[UUID]) -> list[Row]:
    """Deliveries by their keys, as in a listing."""
    query = _entries().where(deliveries.c.id.in_(ids)).order_by(deliveries.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]


_ATTEMPTS = Lookup(select(attempts).order_by(attempts.c.delivery_id, attempts.c.number), attempts.c.delivery_id)


def tries(connection: Connection, ids: Iterable[UUID]) -> list[Row]:
    """Every attempt of these deliveries, in order."""
    return _ATTEMPTS.rows(connection, ids)


# ---- moves --------------------------------------------------------------------------------------------------------


def dead_letters(connection: Connection, wanted: Filter, *, after: UUID | None, most: int) -> list[Row]:
    """The next dead letters in the order of their keys, locked until the commit; those others hold are left out."""
    query = (
        _entries()
        .where(_TROUBLE, _DEAD, *conditions(wanted))
        .order_by(deliveries.c.id)
        .limit(most)
        .with_for_update(of=deliveries, skip_locked=True)
    )
    if after is not None:
        query = query.where(deliveries.c.id > after)
    return [dict(row) for row in connection.execute(query).mappings()]


def reached(connection: Connection, rows: Sequence[Row]) -> dict[UUID, str]:
    """By notification, the state of a delivery of it that was taken: its recipient has been told."""
    statement = (
        select(deliveries.c.notification_id, deliveries.c.state)
        .where(deliveries.c.notification_id.in_([r["notification_id"] for r in rows]))
        .where(_REACHED)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


_requeue = (
    update(deliveries)
    .where(deliveries.c.id == bindparam("b_id"), deliveries.c.state == bindparam("b_old"))
    .values(
        state=DeliveryState.QUEUED.value,
        reason="",
        provider=bindparam("b_provider"),
        tries_before=deliveries.c.tries,
        due_at=bindparam("b_now"),
        updated_at=bindparam("b_now"),
        expires_at=bindparam("b_expires"),
    )
)


def requeue(connection: Connection, rows: Sequence[Row], *, now: datetime, lifetime: timedelta) -> None:
    """Put locked deliveries back into the queue, due now, their tries so far no longer counted against them.

    Each row holds `id`, its present `state` and the `provider` that is to send it.
    """
    if rows:
        connection.execute(
            _requeue,
            [
                {
                    "b_id": row["id"],
                    "b_old": row["state"],
                    "b_provider": row["provider"],
                    "b_now": now,
                    "b_expires": now + lifetime,
                }
                for row in rows
            ],
        )


def settle(connection: Connection, row: Row, state: DeliveryState, *, reason: str, now: datetime) -> None:
    """Move a locked delivery to a final state a person has found out."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == row["id"], deliveries.c.state == row["state"])
        .values(state=state.value, reason=reason, updated_at=now)
    )


def note(connection: Connection, rows: Sequence[Row]) -> None:
    """Entries in the histories of tickets."""
    insert_rows(connection, events, rows)


# ---- health -------------------------------------------------------------------------------------------------------


IDLE: dict[str, Any] = {
    "due": 0,
    "later": 0,
    "sending": 0,
    "oldest_due_at": None,
    "next_due_at": None,
    "sent_last_hour": 0,
    "failed_last_hour": 0,
    "last_success_at": None,
    "last_error": None,
}
"""What `health` says of a provider of which nothing is known."""


def health(connection: Connection, *, now: datetime, lifetime: timedelta) -> dict[str, Any]:
    """How sending goes: `providers` by name, `dead` and `unknown` in all.

    What was sent and what failed in the last hour is counted over deliveries made within one `lifetime`, the longest
    anything stays in the queue by itself; keys made later than that are read, not the whole table.
    """
    found: dict[str, dict[str, Any]] = {}

    def of(provider: str) -> dict[str, Any]:
        return found.setdefault(provider, dict(IDLE))

    waiting = select(deliveries.c.provider, func.count(), func.min(deliveries.c.due_at)).group_by(deliveries.c.provider)
    for provider, count, oldest in connection.execute(waiting.where(_QUEUED, deliveries.c.due_at <= now)):
        of(provider).update(due=count, oldest_due_at=oldest)
    for provider, count, first in connection.execute(waiting.where(_QUEUED, deliveries.c.due_at > now)):
        of(provider).update(later=count, next_due_at=first)
    for provider, count, _ in connection.execute(waiting.where(_SENDING)):
        of(provider).update(sending=count)
    since = first_key(database_now(connection) - lifetime - timedelta(hours=1))
    _recent(connection, of, since, now - timedelta(hours=1))
    grouped = select(deliveries.c.state, func.count()).where(_TROUBLE).group_by(deliveries.c.state)
    trouble: dict[str, int] = {row[0]: row[1] for row in connection.execute(grouped)}
    return {
        "providers": dict(sorted(found.items())),
        "dead": sum(trouble.get(state.value, 0) for state in DEAD),
        "unknown": trouble.get(DeliveryState.UNKNOWN.value, 0),
    }


def _recent(connection: Connection, of: Any, since: UUID, hour: datetime) -> None:
    within = case((attempts.c.ended_at >= hour, 1), else_=0)
    query = (
        select(attempts.c.provider, attempts.c.outcome, func.sum(within), func.max(attempts.c.ended_at))
        .where(attempts.c.delivery_id >= since, attempts.c.ended_at.is_not(None))
        .group_by(attempts.c.provider, attempts.c.outcome)
    )
    errors: dict[str, datetime] = {}
    for provider, outcome, count, last in connection.execute(query):
        state = of(provider)
        if outcome == Outcome.ACCEPTED:
            state.update(sent_last_hour=int(count), last_success_at=last)
        else:
            state["failed_last_hour"] += int(count)
            errors[provider] = max(last, errors.get(provider, last))
    for provider, at in errors.items():
        row = (
            connection.execute(
                select(attempts.c.ended_at, attempts.c.outcome, attempts.c.code, attempts.c.detail)
                .where(attempts.c.delivery_id >= since, attempts.c.provider == provider, attempts.c.ended_at == at)
                .where(attempts.c.outcome != Outcome.ACCEPTED.value)
                .limit(1)
            )
            .mappings()
            .one()
        )
        of(provider)["last_error"] = {"at": row["ended_at"], **{n: row[n] for n in ("outcome", "code", "detail")}}


def first_key(at: datetime) -> UUID:
    """The least UUIDv7 of a millisecond (RFC 9562, section 5.7)."""
    return UUID(int=max(0, (at - EPOCH) // timedelta(milliseconds=1)) << 80)
