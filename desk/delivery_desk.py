"""Everything the page of deliveries asks and does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from desk import audit
from desk.change import NoSuchTicket
from desk.known import address_key
from desk.ledger import Ledger, NoSuchDelivery, NotMoved
from desk.site import Site
from desk.ticket_desk import is_mailbox
from desk.visitor import Visitor
from storage import delivery_page, ledger, tickets
from storage.database import Connection, Database
from storage.delivery_page import Wanted
from storage.ledger import IDLE, Filter
from tickets.address import fold
from tickets.clock import Clock
from tickets.delivery import DEAD, DeliveryState, Outcome
from tickets.key import new_key
from tickets.reason import Reason

Row = dict[str, Any]

MOST_AT_ONCE = 500
"""Deliveries one press of a button may move."""

_NO_SUCH_MAILBOX = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1")
"""Codes by which another address is needed (RFC 3463, section 3.2)."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a retry of several would do: how many would go now, how many wait for their provider, why not the others."""

    now: int
    later: int
    refused: dict[str, int]


class DeliveryDesk:
    """One per program. `ledger` makes the moves."""

    def __init__(
        self,
        database: Database,
        site: Site,
        clock: Clock,
        book: Ledger,
        on_queued: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._site = site
        self._clock = clock
        self.ledger = book
        self._on_queued = on_queued

    # ---- reading --------------------------------------------------------------------------------------------------

    async def listing(self, tab: str, wanted: Filter, *, ticket: str, today: bool) -> tuple[list[Row], str | None]:
        """A page of deliveries with what may be done about each (`action`), and the cursor of the next page.

        Raises:
            NoSuchTicket: `ticket` is nobody's number.
        """
        since = self._midnight() if today else None

        def query(connection: Connection) -> tuple[list[Row], str | None]:
            about = wanted
            if ticket:
                found = tickets.find(connection, ticket)
                if found is None:
                    raise NoSuchTicket(ticket)
                about = Filter(**{**_fields(wanted), "ticket": found["id"]})
            rows = delivery_page.listing(connection, Wanted(tab, about, since))
            page = rows[: wanted.limit]
            told = ledger.reached(connection, page) if page else {}
            for row in page:
                row["told_otherwise"] = told.get(row["notification_id"], "")
                row["action"] = _action(row)
            return page, page[-1]["id"].hex if len(rows) > wanted.limit else None

        return await self._database.read(query)

    async def action(self, delivery_id: UUID) -> str:
        """What a person can do about one delivery, as in a listing; empty for nobody's id."""

        def query(connection: Connection) -> str:
            rows = ledger.by_ids(connection, [delivery_id])
            if not rows:
                return ""
            tries = ledger.tries(connection, [delivery_id])
            told = ledger.reached(connection, rows).get(rows[0]["notification_id"], "")
            return _action({**rows[0], "told_otherwise": told, "code": tries[-1]["code"] if tries else ""})

        return await self._database.read(query)

    async def totals(self) -> dict[str, int]:
        """Counts of today and of what waits or is in trouble."""
        since = self._midnight()
        return await self._database.read(lambda connection: delivery_page.totals(connection, since))

    async def providers(self) -> list[Row]:
        """How each provider fares: `name`, `channel`, `state` (works, trying, off, idle), the numbers of
        `storage.ledger.health`, and `good` and `bad` of the last hour."""
        now, lifetime = self._clock.now(), self._site.policy.lifetime

        def query(connection: Connection) -> tuple[Row, dict[str, tuple[list[int], list[int]]]]:
            return (
                ledger.health(connection, now=now, lifetime=lifetime),
                delivery_page.hour(connection, now, lifetime),
            )

        found, hour = await self._database.read(query)
        channels = {provider: channel for channel, provider in self._site.policy.providers.items()}
        names = [*channels, *(name for name in found["providers"] if name and name not in channels)]
        shown = []
        for name in names:
            numbers = found["providers"].get(name, {})
            good, bad = hour.get(name, ([0] * delivery_page.BUCKETS, [0] * delivery_page.BUCKETS))
            shown.append(
                {
                    "name": name,
                    "channel": channels.get(name, "email"),
                    "state": _state(numbers, bad),
                    "good": good,
                    "bad": bad,
                    **IDLE,
                    **numbers,
                }
            )
        return shown

    def _midnight(self) -> datetime:
        local = self._clock.now().astimezone(ZoneInfo(self._site.zone))
        return local.replace(hour=0, minute=0, second=0, microsecond=0)

    # ---- moves ----------------------------------------------------------------------------------------------------

    async def retry(self, delivery_id: UUID, visitor: Visitor) -> str:
        """Send again what failed, or try now what waits for its next try; returns which: `retried` or `hurried`.

        Raises:
            NoSuchDelivery: nobody's id.
            NotMoved: it is under way, was taken, or its recipient was told otherwise.
        """
        now = self._clock.now()

        def unit(connection: Connection) -> bool:
            hurried = delivery_page.hurry(connection, delivery_id, now)
            if hurried:
                audit.note(connection, visitor, "delivery.hurried", delivery_id.hex, {}, now)
            return hurried

        if await self._database.write(unit, name="ledger"):
            self._on_queued()
            return "hurried"
        await self.ledger.retry(delivery_id, visitor.actor)
        await self._noted(visitor, "delivery.retried", delivery_id)
        return "retried"

    async def settle(self, delivery_id: UUID, state: DeliveryState, visitor: Visitor) -> None:
        """Say what became of a delivery that is unknown; see `desk.ledger.Ledger.settle`."""
        await self.ledger.settle(delivery_id, state, visitor.actor)
        await self._noted(visitor, "delivery.settled", delivery_id, {"state": state.value})

    async def readdress(self, delivery_id: UUID, value: str, visitor: Visitor) -> None:
        """Send what failed to another mailbox, and keep that mailbox for its person.

        Raises:
            NoSuchDelivery: nobody's id.
            NotMoved: it did not fail, its recipient was told otherwise, or the address may not be written to.
        """
        value = value.strip()
        if not is_mailbox(value):
            raise NotMoved("this is no mailbox; one looks like irina@example.ru")
        now = self._clock.now()

        def unit(connection: Connection) -> None:
            rows = delivery_page.some(connection, [delivery_id])
            if not rows:
                raise NoSuchDelivery(delivery_id)
            row = rows[0]
            if row["channel"] != "email" or DeliveryState(row["state"]) not in DEAD:
                raise NotMoved("only a mail that did not arrive can go to another address")
            refusal = self.ledger.refusal({**row, "address": value}, ledger.reached(connection, rows))
            if refusal:
                raise NotMoved(refusal)
            delivery_page.readdress(connection, delivery_id, value)
            key = address_key("email", fold(value))
            if row["person_id"] is not None and delivery_page.owner_of(connection, key) is None:
                delivery_page.give_address(connection, row["person_id"], key, value)
            provider = self._site.policy.providers[row["channel"]]
            ledger.requeue(connection, [row | {"provider": provider}], now=now, lifetime=self._site.policy.lifetime)
            facts = {"delivery": delivery_id.hex, "old": row["address"], "address": value, "by": visitor.actor.label}
            entry = {
                "id": new_key(),
                "site": self._site.prefix,
                "ticket_id": row["ticket_id"],
                "at": now,
                "by": visitor.actor.label,
                "what": "delivery_readdressed",
                "old": row["address"],
                "new": value,
                "message_id": None,
                "reasons": [Reason("ledger", "readdressed", facts).as_json()],
            }
            ledger.note(connection, [entry])
            audit.note(connection, visitor, "delivery.readdressed", delivery_id.hex, {"address": value}, now)

        await self._database.write(unit, name="ledger")
        self._on_queued()

    async def forecast(self, ids: list[UUID]) -> Forecast:
        """What a retry of these would do, before it is done."""
        trouble = {p["name"] for p in await self.providers() if p["state"] in ("off", "trying")}

        def query(connection: Connection) -> Forecast:
            rows = ledger.by_ids(connection, ids[:MOST_AT_ONCE])
            told = ledger.reached(connection, rows) if rows else {}
            refused: Counter[str] = Counter()
            counted = Counter({"now": 0, "later": 0})
            for row in rows:
                reason = self.ledger.refusal(row, told)
                if reason:
                    refused[_why(row, told)] += 1
                    continue
                counted["later" if self._site.policy.providers.get(row["channel"]) in trouble else "now"] += 1
            return Forecast(counted["now"], counted["later"], dict(refused))

        return await self._database.read(query)

    async def retry_some(self, ids: list[UUID], visitor: Visitor) -> tuple[int, int]:
        """Send several again, those that may be; returns how many are queued and how many were left."""
        done = left = 0
        for delivery_id in ids[:MOST_AT_ONCE]:
            try:
                await self.ledger.retry(delivery_id, visitor.actor)
                done += 1
            except (NoSuchDelivery, NotMoved):
                left += 1
        now = self._clock.now()
        await self._database.write(
            lambda c: audit.note(c, visitor, "delivery.bulk_retried", "", {"done": done, "left": left}, now),
            name="ledger",
        )
        return done, left

    async def _noted(self, visitor: Visitor, what: str, delivery_id: UUID, detail: Row | None = None) -> None:
        now = self._clock.now()
        await self._database.write(
            lambda c: audit.note(c, visitor, what, delivery_id.hex, detail or {}, now), name="ledger"
        )


def _state(numbers: Row, bad: list[int]) -> str:
    """How a provider fares by what its last tries came to."""
    if not numbers:
        return "idle"
    error, success = numbers["last_error"], numbers["last_success_at"]
    refuses = error is not None and error["outcome"] == Outcome.TEMPORARY and (success is None or error["at"] > success)
    if not refuses:
        return "works" if success is not None or error is None else "trying"
    waits = numbers["due"] + numbers["later"] > 0
    return "off" if waits and sum(bad[-2:]) >= 1 and not numbers["sent_last_hour"] else "trying" if waits else "works"


def _action(row: Row) -> str:
    """What a person can do about a delivery: retry, address, settle, now, or nothing."""
    state = DeliveryState(row["state"])
    if state is DeliveryState.UNKNOWN:
        return "settle"
    if state is DeliveryState.QUEUED and row["tries"]:
        return "now"
    if state not in DEAD or row["told_otherwise"]:
        return ""
    return "address" if any(code in (row["code"] or "") for code in _NO_SUCH_MAILBOX) else "retry"


def _why(row: Row, told: Any) -> str:
    """A refusal as a code for pages."""
    state = DeliveryState(row["state"])
    if state not in DEAD | {DeliveryState.UNKNOWN}:
        return "state"
    return "told" if row["notification_id"] in told else "policy"


def _fields(wanted: Filter) -> Row:
    return {name: getattr(wanted, name) for name in Filter.__dataclass_fields__}
