"""Whatever is done to the outbox in whatever order: deliveries move along the drawn arcs alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, select

from channels.base import SendFailed, Sent
from outbound.schedule import RetryPolicy
from storage import outbox
from storage.database import open_database
from storage.tables_outbox import attempts, deliveries
from tickets.delivery import ARCS, DeliveryState

T = TypeVar("T")

ANSWERS: list[Sent | SendFailed] = [
    Sent("id"),
    SendFailed("451", "later", retryable=True),
    SendFailed("451", "much later", retryable=True, retry_after=timedelta(days=9)),
    SendFailed("550", "never", retryable=False),
]
SETTINGS = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
OWNERS = st.sampled_from(["one", "two"])


class OutboxMachine(RuleBasedStateMachine):
    """Two workers that may be slow, die, come back, and the clocks between them."""

    box_type: type[Any]
    url: str

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.database = self.loop.run_until_complete(open_database(self.url))
        # what happened in one run must not be seen in the next
        for table in (attempts, deliveries):
            self.write(lambda c, table=table: c.execute(table.delete()))  # type: ignore[misc]
        self.box = self.box_type(self.database)
        self.worker = self.box.worker({}, retry=RetryPolicy(attempts=3))
        self.claims: list[dict[str, Any]] = []
        self.flying: list[dict[str, Any]] = []
        self.before: dict[UUID, tuple[DeliveryState, int]] = {}

    def do(self, coroutine: Any) -> Any:
        """Run it to its end."""
        return self.loop.run_until_complete(coroutine)

    def write(self, unit: Callable[[Connection], T]) -> T:
        """One transaction."""
        return self.loop.run_until_complete(self.database.write(unit))

    def teardown(self) -> None:
        self.do(self.database.close())
        self.loop.close()

    @rule(count=st.integers(1, 3), channel=st.sampled_from(["email", "sms"]), hours=st.sampled_from([1, 48, None]))
    def queue(self, count: int, channel: str, hours: int | None) -> None:
        expires = None if hours is None else self.box.clock.now() + timedelta(hours=hours)
        self.do(self.box.queue(count, channel=channel, expires_at=expires))

    @rule(owner=OWNERS, most=st.integers(1, 3), lease=st.sampled_from([-1, 60]))
    def claim(self, owner: str, most: int, lease: int) -> None:
        self.claims += self.do(self.box.claim(owner, most, lease))

    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        if self.claims:
            row = self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1)))
            if self.do(self.box.begin([row])):
                self.flying.append(row | {"number": row["tries"] + 1})

    @rule(data=st.data(), answer=st.sampled_from(ANSWERS))
    def end(self, data: st.DataObject, answer: Sent | SendFailed) -> None:
        if self.flying:
            row = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
            result = self.worker.outcome(row, answer)
            self.write(lambda c: outbox.record(c, [result]))

    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        if self.claims:
            row = self.claims.pop(data.draw(st.integers(0, len(self.claims) - 1)))
            self.write(lambda c: outbox.refuse(c, row, reason="template_error", now=self.box.clock.now()))

    @rule(owner=st.none() | OWNERS, resend=st.sampled_from([frozenset[str](), frozenset({"email"})]))
    def reap(self, owner: str | None, resend: frozenset[str]) -> None:
        self.do(self.box.reap(owner, resend))

    @rule()
    def expire(self) -> None:
        self.write(lambda c: outbox.expire(c, now=self.box.clock.now()))

    @rule(minutes=st.sampled_from([1, 45, 60 * 47]))
    def time_passes(self, minutes: int) -> None:
        self.box.clock.at += timedelta(minutes=minutes)

    @invariant()
    def every_move_is_legal(self) -> None:
        rows = self.write(lambda c: [dict(r) for r in c.execute(select(deliveries)).mappings()])
        tries = self.write(lambda c: [dict(r) for r in c.execute(select(attempts)).mappings()])
        numbers: dict[UUID, list[int]] = {}
        for attempt in tries:
            numbers.setdefault(attempt["delivery_id"], []).append(attempt["number"])
        under_way = {a["delivery_id"] for a in tries if a["outcome"] is None}
        for row in rows:
            key = row["id"]
            state = DeliveryState(row["state"])
            old, fence = self.before.get(key, (DeliveryState.QUEUED, 0))
            assert state == old or state in ARCS[old], f"{old} -> {state}"
            assert row["fence"] >= fence
            assert (row["lease_owner"] != "") is (row["lease_until"] is not None) is (state is DeliveryState.SENDING)
            assert sorted(numbers.get(key, [])) == list(range(1, len(numbers.get(key, [])) + 1))
            if key in under_way:
                assert state is DeliveryState.SENDING, "a try without an end is a try on the wire"
            if state is DeliveryState.SENT:
                assert row["tries"] == len(numbers[key])
            self.before[key] = (state, row["fence"])


def test_deliveries_move_along_the_drawn_arcs(laid_out_url: str, outbox_type: type[Any]) -> None:
    machine = type("Machine", (OutboxMachine,), {"box_type": outbox_type, "url": laid_out_url})
    run_state_machine_as_test(machine, settings=SETTINGS)
