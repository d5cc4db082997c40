"""The outbox in tables: claim by lease, record by fencing token, reap what a crash left behind.

A claim takes due deliveries of one provider, the most urgent class first. The fence grows with every claim; a result
is recorded only under the fence it was claimed with, so that a worker that was thought dead cannot overwrite what its
successor did. Lease expiry is judged by the database's clock, everything else by the program's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, select, text, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from storage.bulk import UpdateMany, insert_rows, write_together
from storage.cells import Row
from storage.lookup import Lookup
from storage.tables_outbox import attempts, deliveries
from storage.types import Instant
from tickets.delivery import DeliveryState, Outcome

_CLASSES = (0, 1, 2, 3)
_QUEUED = text("state = 'queued'")
_SENDING = text("state = 'sending'")

CLAIMED = (
    deliveries.c.id,
    deliveries.c.notification_id,
    deliveries.c.ticket_id,
    deliveries.c.channel,
    deliveries.c.provider,
    deliveries.c.address,
    deliveries.c.language,
    deliveries.c.priority,
    deliveries.c.created_at,
    deliveries.c.expires_at,
    deliveries.c.tries,
    deliveries.c.tries_before,
    deliveries.c.fence,
    deliveries.c.subject,
    deliveries.c.text,
    deliveries.c.html,
    deliveries.c.envelope,
)


class database_clock(FunctionElement[datetime]):
    """The database's clock at the moment it is read."""

    type = Instant()
    inherit_cache = True


@compiles(database_clock, "sqlite")
def _on_sqlite(element: database_clock, compiler: Any, **options: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"


@compiles(database_clock)
def _elsewhere(element: database_clock, compiler: Any, **options: Any) -> str:
    return "clock_timestamp()"


def database_now(connection: Connection) -> datetime:
    """The database's clock."""
    now: datetime = connection.execute(select(database_clock())).scalar_one()
    return now


_claim_select = {
    urgency: select(*CLAIMED, database_clock().label("read_at"))
    .where(
        _QUEUED,
        deliveries.c.provider == bindparam("provider"),
        deliveries.c.priority == text(str(urgency)),
        deliveries.c.due_at <= bindparam("now"),
    )
    .order_by(deliveries.c.due_at, deliveries.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    for urgency in _CLASSES
}
_TAKE = UpdateMany(deliveries, ("id",), ("state", "fence", "lease_owner", "lease_until"))


def _nothing_starts(taken: Sequence[Row]) -> Sequence[Row]:
    """The attempts of claims whose texts are still to be made."""
    return ()


def claim(
    connection: Connection,
    *,
    provider: str,
    owner: str,
    now: datetime,
    most: int,
    lease: timedelta,
    starts: Callable[[Sequence[Row]], Sequence[Row]] = _nothing_starts,
) -> list[Row]:
    """Take up to `most` due deliveries of a provider; they are `sending` from the commit on.

    `starts` gives the attempts that begin with the claim, as `begin_attempts` takes them. What has waited past its
    expiry is ended on the way.
    """
    taken: list[Row] = []
    late: list[UUID] = []
    for urgency in _CLASSES:
        if len(taken) >= most:
            break
        rows = connection.execute(_claim_select[urgency], {"provider": provider, "now": now, "most": most - len(taken)})
        for row in rows.mappings():
            if row["expires_at"] is not None and row["expires_at"] <= now:
                late.append(row["id"])
            else:
                taken.append(dict(row))
    if late:
        _expire(connection, late, now)
    if not taken:
        return taken
    until = max(claimed.pop("read_at") for claimed in taken) + lease
    for claimed in taken:
        claimed["fence"] += 1
    sending = DeliveryState.SENDING.value
    moved = [
        {"id": r["id"], "state": sending, "fence": r["fence"], "lease_owner": owner, "lease_until": until}
        for r in taken
    ]
    write_together(connection, changes=[(_TAKE, moved)], loads=[(attempts, _begun(starts(taken)), "")])
    return taken


_KEEP_TEXT = UpdateMany(deliveries, ("id",), ("subject", "text", "html", "envelope"))


_RENEW = UpdateMany(deliveries, ("id", "fence"), ("lease_until",), "state = 'sending'")
_HELD = Lookup(
    select(deliveries.c.id, deliveries.c.fence).where(_SENDING).order_by(deliveries.c.id).with_for_update(),
    deliveries.c.id,
)


def begin_attempts(
    connection: Connection, started: Sequence[Row], bodies: Sequence[Row], *, lease: timedelta
) -> set[UUID]:
    """Write the attempts of a wave, and the texts of those tried for the first time, before anything is sent.

    `started` rows hold `delivery_id`, `number`, `fence`, `provider`, `started_at`; `bodies` rows `id`, `subject`,
    `text`, `html`, `envelope`. Returns the deliveries that may be sent: a claim that was reaped meanwhile is somebody
    else's now. The lease of the others starts anew: it has to last for the try, however long its text took.
    """
    held = {(row["id"], row["fence"]) for row in _HELD.rows(connection, (a["delivery_id"] for a in started))}
    started = [a for a in started if (a["delivery_id"], a["fence"]) in held]
    ours = {a["delivery_id"] for a in started}
    bodies = [b for b in bodies if b["id"] in ours]
    _KEEP_TEXT.run(connection, bodies)
    if started:
        until = database_now(connection) + lease
        _RENEW.run(connection, [{"id": a["delivery_id"], "fence": a["fence"], "lease_until": until} for a in started])
    insert_rows(connection, attempts, _begun(started))
    return ours


def _begun(started: Sequence[Row]) -> list[Row]:
    return [
        {
            "delivery_id": a["delivery_id"],
            "number": a["number"],
            "provider": a["provider"],
            "started_at": a["started_at"],
            "ended_at": None,
            "outcome": None,
            "code": "",
            "detail": "",
            "provider_id": "",
            "cost": "",
            "exchange": "",
        }
        for a in started
    ]


_END_ATTEMPT = UpdateMany(
    attempts,
    ("delivery_id", "number"),
    ("ended_at", "outcome", "code", "detail", "provider_id", "exchange"),
)
_MOVE = UpdateMany(
    deliveries,
    ("id", "fence"),
    ("state", "reason", "due_at", "updated_at", "tries", "provider_id", "lease_owner", "lease_until"),
    "state = 'sending'",
)


def record(connection: Connection, results: Sequence[Row]) -> None:
    """End attempts and move their deliveries, state and attempt together.

    Each result holds `id`, `number`, `fence`, `ended_at`, `outcome`, `code`, `detail`, `provider_id`, `exchange`,
    `state`, `reason` and `due_at`. Under an old fence the attempt is still recorded, the delivery does not move.
    """
    if not results:
        return
    rows = [
        {
            **r,
            "delivery_id": r["id"],
            "code": r["code"][:40],
            "updated_at": r["ended_at"],
            "tries": r["number"],
            "lease_owner": "",
            "lease_until": None,
        }
        for r in sorted(results, key=lambda r: r["id"])
    ]
    write_together(connection, changes=[(_END_ATTEMPT, rows), (_MOVE, rows)])


def refuse(connection: Connection, row: Row, *, reason: str, now: datetime) -> None:
    """End a claimed delivery without a try: no text can be made for it."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == row["id"], deliveries.c.fence == row["fence"], _SENDING)
        .values(state=DeliveryState.FAILED.value, reason=reason[:24], updated_at=now, lease_owner="", lease_until=None)
    )


def expire(connection: Connection, *, now: datetime, most: int = 500) -> int:
    """End queued deliveries that have waited too long; returns how many."""
    late = (
        select(deliveries.c.id)
        .where(_QUEUED, deliveries.c.due_at <= now, deliveries.c.expires_at <= now)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.execute(late).scalars())
    _expire(connection, ids, now)
    return len(ids)


def _expire(connection: Connection, ids: Sequence[UUID], now: datetime) -> None:
    if ids:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id.in_(ids), _QUEUED)
            .values(state=DeliveryState.EXPIRED.value, reason="horizon", updated_at=now)
        )


UNANSWERED = "unanswered"
"""Code of an attempt whose message was handed over and whose answer never came."""

_TRIES = Lookup(
    select(attempts.c.delivery_id, attempts.c.number, attempts.c.outcome, attempts.c.code), attempts.c.delivery_id
)


def doubtful_tries(connection: Connection, rows: Sequence[Row]) -> dict[UUID, int]:
    """How many tries of each delivery (`id`, `tries_before`) since a person last queued it nobody knows the end of."""
    before = {row["id"]: row["tries_before"] for row in rows}
    found = dict.fromkeys(before, 0)
    for attempt in _TRIES.rows(connection, before):
        doubtful = attempt["outcome"] == Outcome.UNKNOWN.value or attempt["code"] == UNANSWERED
        found[attempt["delivery_id"]] += doubtful and attempt["number"] > before[attempt["delivery_id"]]
    return found


def reap(
    connection: Connection,
    *,
    now: datetime,
    again: Callable[[Row], datetime | None],
    owner: str | None = None,
    held: Collection[UUID] = (),
    most: int = 500,
) -> tuple[int, int]:
    """Settle deliveries whose worker died: `(unknown, returned)`.

    Where an attempt was already on record, the provider may have taken it: the attempt ends as `unknown` and the
    delivery is `unknown`. `again` says when such a one (`channel`, `tries`, `doubtful` and the rest of its claim) is
    to be sent again, or None where it is held for a person. Where no attempt was begun, nothing can have left and the
    delivery returns to the queue. `owner` takes back the leases of one node that is known to have died, expired or
    not; `held` are deliveries the caller itself still has in hand, whatever became of their leases while the database
    was away.
    """
    condition = (
        deliveries.c.lease_owner == owner if owner is not None else deliveries.c.lease_until < database_now(connection)
    )
    rows = [
        dict(r)
        for r in connection.execute(
            select(*CLAIMED)
            .where(_SENDING, condition)
            .order_by(deliveries.c.id)
            .limit(most)
            .with_for_update(skip_locked=True)
        ).mappings()
        if r["id"] not in held
    ]
    last: dict[UUID, Row] = {}
    for attempt in _TRIES.rows(connection, (r["id"] for r in rows)):
        if attempt["number"] > last.get(attempt["delivery_id"], {"number": 0})["number"]:
            last[attempt["delivery_id"]] = attempt
    unknown = 0
    doubtful = doubtful_tries(connection, rows)
    for row in rows:
        attempt = last.get(row["id"], {})
        if attempt and attempt["outcome"] is None:
            unknown += 1
            connection.execute(
                update(attempts)
                .where(attempts.c.delivery_id == row["id"], attempts.c.number == attempt["number"])
                .values(ended_at=now, outcome=Outcome.UNKNOWN.value, detail="lost in a crash")
            )
            state, reason = DeliveryState.UNKNOWN, "lost_in_crash"
        else:
            state, reason = DeliveryState.QUEUED, ""
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == row["id"])
            .values(
                state=state.value,
                reason=reason,
                tries=attempt.get("number", row["tries"]),
                due_at=now,
                updated_at=now,
                fence=row["fence"] + 1,
                lease_owner="",
                lease_until=None,
            )
        )
        row["tries"] = attempt.get("number", row["tries"])
        row["doubtful"] = doubtful[row["id"]] + 1
        due = again(row) if state is DeliveryState.UNKNOWN else None
        if due is not None:
            # a move of its own, along the arc unknown -> queued, although in the same commit
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == row["id"], deliveries.c.state == DeliveryState.UNKNOWN.value)
                .values(state=DeliveryState.QUEUED.value, due_at=due, updated_at=now)
            )
    return unknown, len(rows) - unknown
