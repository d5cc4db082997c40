"""The ledger: what was said to whom by which way, how often it was tried, and what a person does about it.

Nobody gets anything twice: what a provider has taken, or what reached its recipient by another delivery of the same
notification, is never queued again. Whether a delivery that is `unknown` arrived only a person can say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import replace as altered
from datetime import datetime
from typing import Any
from uuid import UUID

from desk import view
from desk.change import Actor, NoSuchTicket, actor_of
from desk.guard import UNGUARDED, Guard
from desk.site import Site
from desk.words import words
from storage import ledger, mail_reports, tickets
from storage import organisation as organisations
from storage.database import Connection, Database
from storage.ledger import Filter
from tickets.boundary import EVERYWHERE, Boundary
from tickets.clock import Clock
from tickets.delivery import DEAD, DeliveryState
from tickets.key import new_key
from tickets.reason import Reason

Row = dict[str, Any]

BATCH = 500
"""Dead letters replayed in one transaction."""

RETRIED = DEAD | {DeliveryState.UNKNOWN}
"""What a person may queue again; `sending` returns to the queue too, but that is the worker's move."""

SETTLED = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.QUEUED)
"""What a person can make of a delivery that is `unknown`."""


class NoSuchDelivery(LookupError):
    """There is no delivery with this id."""

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(f"there is no delivery {delivery_id.hex}")


class NotMoved(ValueError):
    """The delivery stays as it is; the text says why."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of dead letters: how many are queued again, and why the others are not, by delivery id."""

    done: int
    refused: tuple[tuple[str, str], ...]


class Ledger:
    """Reads and moves deliveries. `on_queued` is called whenever something is due again."""

    def __init__(
        self, database: Database, site: Site, clock: Clock, on_queued: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._site = site
        self._clock = clock
        self.on_queued = on_queued

    # ---- reading --------------------------------------------------------------------------------------------------

    async def listing(self, wanted: Filter, language: str, *, ticket: str = "") -> tuple[list[Row], str | None]:
        """A page of deliveries with their attempts, newest first, and the cursor of the next page.

        Raises:
            NoSuchTicket: `ticket` is nobody's number.
        """

        def query(connection: Connection) -> tuple[list[Row], str | None]:
            rows = ledger.listing(connection, _about(connection, wanted, ticket))
            page = rows[: wanted.limit]
            made = _tries(connection, [row["id"] for row in page])
            cursor = page[-1]["id"].hex if len(rows) > wanted.limit else None
            return [_entry(row, made[row["id"]], language) for row in page], cursor

        return await self._database.read(query)

    async def show(self, delivery_id: UUID, language: str, *, within: Boundary = EVERYWHERE) -> Row:
        """One delivery with its text as sent, and with what was said at each attempt (`exchange`).

        Raises:
            NoSuchDelivery: nobody's id, or that of a ticket outside `within`.
        """

        def query(connection: Connection) -> Row:
            row = ledger.one(connection, delivery_id, within=within)
            if row is None:
                raise NoSuchDelivery(delivery_id)
            made = ledger.tries(connection, [delivery_id])
            return _entry(row, made, language) | {
                "html": row["html"],
                "envelope": row["envelope"],
                "attempts": [view.attempt(each) | {"exchange": each["exchange"]} for each in made],
                "reports": [_report(each, language) for each in mail_reports.reports_of(connection, [delivery_id])],
            }

        return await self._database.read(query)

    async def health(self) -> Row:
        """How sending goes, by provider, with instants as JSON has them; see `storage.ledger.health`."""
        now = self._clock.now()
        found = await self._database.read(
            lambda connection: ledger.health(connection, now=now, lifetime=self._site.policy.lifetime)
        )
        for provider in found["providers"].values():
            oldest = provider["oldest_due_at"]
            provider["oldest_due_seconds"] = int((now - oldest).total_seconds()) if oldest else None
            for name in ("oldest_due_at", "next_due_at", "last_success_at"):
                provider[name] = view.instant(provider[name])
            if provider["last_error"]:
                provider["last_error"]["at"] = view.instant(provider["last_error"]["at"])
        return {"at": view.instant(now), **found}

    # ---- moves ----------------------------------------------------------------------------------------------------

    async def retry(self, delivery_id: UUID, by: Actor | str, *, guard: Guard = UNGUARDED) -> None:
        """Queue a delivery again that failed, expired or is unknown.

        Raises:
            NoSuchDelivery: nobody's id.
            NotMoved: it is under way, was taken, or its recipient was told otherwise.
        """
        await self._move(delivery_id, DeliveryState.QUEUED, by, "delivery_retried", guard)
        self.on_queued()

    async def settle(
        self, delivery_id: UUID, state: DeliveryState, by: Actor | str, *, guard: Guard = UNGUARDED
    ) -> None:
        """Say what became of a delivery that is unknown: it was sent, it failed, or it is to be sent again.

        Raises:
            NoSuchDelivery: nobody's id.
            NotMoved: it is not unknown, or this is no answer.
        """
        if state not in SETTLED:
            raise NotMoved(f"a delivery cannot be settled as {state}; it is one of {', '.join(SETTLED)}")
        await self._move(delivery_id, state, by, "delivery_settled", guard)
        if state is DeliveryState.QUEUED:
            self.on_queued()

    async def retry_dead(self, wanted: Filter, by: Actor | str, *, ticket: str = "") -> Replayed:
        """Queue every dead letter the filter means, in batches of one transaction each.

        Raises:
            NoSuchTicket: `ticket` is nobody's number.
            Refused: nobody has the login `by`.
        """
        done = 0
        refused: list[tuple[str, str]] = []
        after: UUID | None = None
        while True:
            seen, moved, kept = await self._database.write(self._batch(wanted, by, ticket, after), name="ledger")
            done += moved
            refused += kept
            if moved:
                self.on_queued()
            if len(seen) < BATCH:
                return Replayed(done, tuple(refused))
            after = seen[-1]

    def _batch(
        self, wanted: Filter, by: Actor | str, ticket: str, after: UUID | None
    ) -> Callable[[Connection], tuple[list[UUID], int, list[tuple[str, str]]]]:
        def unit(connection: Connection) -> tuple[list[UUID], int, list[tuple[str, str]]]:
            actor = _actor(connection, by)
            about = altered(_about(connection, wanted, ticket), before=None)
            rows = ledger.dead_letters(connection, about, after=after, most=BATCH)
            told = ledger.reached(connection, rows)
            moved: list[Row] = []
            kept: list[tuple[str, str]] = []
            for row in rows:
                refusal = self.refusal(row, told)
                if refusal:
                    kept.append((row["id"].hex, refusal))
                else:
                    moved.append(row)
            self._queue(connection, moved, actor, "delivery_retried")
            return [row["id"] for row in rows], len(moved), kept

        return unit

    async def _move(self, delivery_id: UUID, state: DeliveryState, by: Actor | str, what: str, guard: Guard) -> None:
        def unit(connection: Connection) -> None:
            guard.claim(connection)
            actor = _actor(connection, by)
            row = ledger.one(connection, delivery_id, lock=True, within=guard.within)
            if row is None:
                raise NoSuchDelivery(delivery_id)
            old = DeliveryState(row["state"])
            if what == "delivery_settled" and old is not DeliveryState.UNKNOWN:
                raise NotMoved(f"this delivery is {old}: only what is unknown has to be settled")
            if state is DeliveryState.QUEUED:
                refusal = self.refusal(row, ledger.reached(connection, [row]))
                if refusal:
                    raise NotMoved(refusal)
                self._queue(connection, [row], actor, what)
                return
            now = self._clock.now()
            reason = "settled" if state is DeliveryState.FAILED else ""
            ledger.settle(connection, row, state, reason=reason, now=now)
            ledger.note(connection, [self._event(row, actor, what, state, now)])

        await self._database.write(unit, name="ledger")

    def _queue(self, connection: Connection, rows: list[Row], actor: Actor, what: str) -> None:
        now = self._clock.now()
        providers = self._site.policy.providers
        ready = [row | {"provider": providers[row["channel"]]} for row in rows]
        ledger.requeue(connection, ready, now=now, lifetime=self._site.policy.lifetime)
        ledger.note(connection, [self._event(row, actor, what, DeliveryState.QUEUED, now) for row in ready])

    def refusal(self, row: Row, told: Mapping[UUID, str]) -> str:
        """Why a delivery is not queued again; empty where it may be."""
        state = DeliveryState(row["state"])
        policy = self._site.policy
        if state not in RETRIED:
            return _FIXED[state]
        if row["notification_id"] in told:
            return f"its recipient was told by another delivery, which is {told[row['notification_id']]}"
        if row["channel"] not in policy.providers:
            return f"the channel {row['channel']} is switched off: name a relay in the settings first"
        folded = row["address"].casefold()
        if folded in policy.stop_list or folded.rpartition("@")[2] in policy.stop_list:
            return f"{row['address']} is on the stop list"
        if policy.only and folded not in policy.only:
            return f"test mode: {row['address']} is not among the addresses that may be written to"
        return ""

    def _event(self, row: Row, actor: Actor, what: str, state: DeliveryState, now: datetime) -> Row:
        facts = {"delivery": row["id"].hex, "channel": row["channel"], "address": row["address"], "by": actor.label}
        code = "retried" if state is DeliveryState.QUEUED else f"settled_{state}"
        return {
            "id": new_key(),
            "site": self._site.prefix,
            "ticket_id": row["ticket_id"],
            "at": now,
            "by": actor.label,
            "what": what,
            "old": row["state"],
            "new": state.value,
            "message_id": None,
            "reasons": [Reason("ledger", code, facts).as_json()],
        }


_FIXED = {
    DeliveryState.QUEUED: "it is in the queue already",
    DeliveryState.SENDING: "it is being sent right now: wait for its end",
    DeliveryState.SENT: "it was sent: a retry would tell its recipient twice",
    DeliveryState.DELIVERED: "it was delivered: a retry would tell its recipient twice",
    DeliveryState.READ: "it was read: a retry would tell its recipient twice",
    DeliveryState.SUPPRESSED: "it was deliberately not sent: change what keeps it back, the next one will go",
}


def _about(connection: Connection, wanted: Filter, number: str) -> Filter:
    if not number:
        return wanted
    found = tickets.find(connection, number, within=wanted.within)
    if found is None:
        raise NoSuchTicket(number)
    return altered(wanted, ticket=found["id"])


def _actor(connection: Connection, by: Actor | str) -> Actor:
    return by if isinstance(by, Actor) else actor_of(organisations.load(connection), by)


def _tries(connection: Connection, ids: list[UUID]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = defaultdict(list)
    for row in ledger.tries(connection, ids):
        found[row["delivery_id"]].append(row)
    return found


def _report(row: Row, language: str) -> Row:
    """What came back about a delivery."""
    code = row["kind"]
    if code == "bounce":
        code = "bounce_permanent" if row["permanent"] else "bounce_temporary"
    reason = Reason("report", code, {"address": row["recipient"], "status": row["status"] or "—"})
    return {
        "kind": row["kind"],
        "at": view.instant(row["at"]),
        "recipient": row["recipient"],
        "status": row["status"],
        "permanent": row["permanent"],
        "attempt": row["attempt"],
        "proof": row["proof"],
        "message": row["message_id"].hex,
        "because": words(reason, language),
    }


def _entry(row: Row, tries: list[Row], language: str) -> Row:
    """A delivery as the ledger shows it: that of a ticket, and what it belongs to."""
    return {
        **view.delivery(row, [view.attempt(each) for each in tries], language),
        "ticket": row["number"],
        "notification": row["notification_id"].hex,
        "event": row["event"],
        "to": {"person": row["name"], "role": row["role"]},
        "dead": row["state"] in DEAD,
        "tries": row["tries"],
        "provider_id": row["provider_id"],
        "created_at": view.instant(row["created_at"]),
        "updated_at": view.instant(row["updated_at"]),
    }
