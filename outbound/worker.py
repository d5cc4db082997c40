"""The worker: claims due deliveries, writes down each try, makes it, writes down what came of it.

For each provider one loop turns:

1. in one transaction, what ended since the last turn is recorded and as many due deliveries are claimed as there are
   free slots;
2. deliveries claimed for the first time are rendered;
3. in a second transaction their texts and one attempt row each are written: from here on a crash leaves evidence
   (those that had their texts got the row with the claim);
4. they are sent, all at once, and the loop turns again as soon as some of them have ended.

So no more attempts are ever on record without an outcome than are truly on the wire, and a dead provider holds up
nobody else. A new delivery wakes the loop; a slow poll finds what another process queued.

BUGS: a provider that takes a message and is silent longer than the time-out gets it again, with the same Message-ID.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from channels.base import Sender, SendFailed, Sent
from outbound.attempt import has_text, printable
from outbound.attempt import started as started_rows
from outbound.prepare import Preparer, out_message
from outbound.schedule import RetryPolicy, next_try
from storage import addresses, context, outbox
from storage import organisation as organisations
from storage.database import Connection, Database
from storage.errors import StorageError
from tickets.clock import Clock
from tickets.delivery import DeliveryState, Outcome
from tickets.organisation import Organisation

log = structlog.get_logger(__name__)

Row = dict[str, Any]

_SENT = DeliveryState.SENT

SETTLING = 0.012
"""Seconds given to sends under way to end together with the first one, so that one transaction records them all."""


async def _no_fault(name: str) -> None:
    """The fault hook of a program that is not being tested."""


async def _unheard(delivery: Row, outcome: Outcome) -> None:
    """The `finished` port of a program in which nobody listens."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How the worker works.

    `slots` deliveries of one provider are under way at once; `timeout` bounds one try and must be shorter than
    `lease`. `resend` are the channels on which a try of unknown outcome is simply made again, `uncertain` times at the
    most: a mail bears the same Message-ID and does little harm twice.
    """

    owner: str = "node"
    slots: int = 32
    lease: timedelta = timedelta(seconds=60)
    timeout: timedelta = timedelta(seconds=45)
    poll: timedelta = timedelta(seconds=1)
    reap_every: timedelta = timedelta(seconds=10)
    resend: frozenset[str] = frozenset({"email"})
    uncertain: int = 10
    retry: RetryPolicy = field(default_factory=RetryPolicy)


class Worker:
    """Delivers the outbox through its senders (by provider name)."""

    def __init__(
        self,
        database: Database,
        senders: Mapping[str, Sender],
        preparer: Preparer | None,
        clock: Clock,
        options: WorkerOptions = WorkerOptions(),
        *,
        slots: Mapping[str, int] | None = None,
        fault: Callable[[str], Awaitable[None]] = _no_fault,
        finished: Callable[[Row, Outcome], Awaitable[None]] = _unheard,
    ) -> None:
        self.database = database
        self.senders = senders
        self.preparer = preparer
        self.clock = clock
        self.options = options
        self._slots = slots or {}
        self._held: dict[str, set[UUID]] = {name: set() for name in senders}
        self._fault = fault
        self._finished = finished
        self._wake: dict[str, asyncio.Event] = {name: asyncio.Event() for name in senders}
        self._stopping = asyncio.Event()
        self._organisation = Organisation(version=-1)

    def wake(self) -> None:
        """Something new may be due."""
        for event in self._wake.values():
            event.set()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is on the wire has ended and is recorded."""
        self._stopping.set()
        self.wake()

    async def run(self) -> None:
        """Work until `stop`."""
        await self._patiently(self._reap_own)
        loops = [asyncio.create_task(self._serve(name, sender)) for name, sender in self.senders.items()]
        loops.append(asyncio.create_task(self._housekeeping()))
        try:
            await asyncio.gather(*loops)
        finally:
            for loop in loops:
                loop.cancel()
            for sender in self.senders.values():
                await sender.close()

    # ---- one provider ---------------------------------------------------------------------------------------------

    async def _serve(self, provider: str, sender: Sender) -> None:
        while True:
            flying: set[asyncio.Task[Row]] = set()
            self._held[provider].clear()
            try:
                await self._turns(provider, sender, flying)
                return
            except Exception:
                # one bug must not silence everybody: what was under way comes back by its lease, as after a crash
                log.exception("outbox_loop_broke", provider=provider)
                await self._rest(self._wake[provider], self.options.poll * 2)
            finally:
                for task in flying:
                    task.cancel()

    async def _turns(self, provider: str, sender: Sender, flying: set[asyncio.Task[Row]]) -> None:
        results: list[Row] = []
        wake = self._wake[provider]
        slots = self._slots.get(provider, self.options.slots)
        while True:
            done = {task for task in flying if task.done()}
            flying.difference_update(done)
            results.extend(task.result() for task in done)
            free = 0 if self._stopping.is_set() else slots - len(flying)
            wake.clear()
            try:
                claimed = await self._turn(provider, results, free)
                self._held[provider].difference_update(result["id"] for result in results)
                results = []
                ready = await self._begin(claimed) if claimed else []
            except StorageError as error:
                # what is not recorded stays in `results`; a claim that was not begun comes back by its lease
                log.warning("outbox_waits_for_storage", provider=provider, error=str(error))
                await self._rest(wake, self.options.poll * 2)
                continue
            self._held[provider].update(delivery["id"] for delivery in ready)
            flying.update(asyncio.create_task(self._send(sender, delivery)) for delivery in ready)
            if flying:
                await self._landing(flying, wake, full=len(flying) >= slots)
            elif self._stopping.is_set():
                return
            elif not claimed:
                await self._rest(wake, self.options.poll)

    async def _landing(self, flying: set[asyncio.Task[Row]], wake: asyncio.Event, *, full: bool) -> None:
        """Wait until some sends have ended, and a moment more so that those that end together are recorded together."""
        waker = asyncio.ensure_future(wake.wait())
        try:
            if full or not wake.is_set():
                watched: set[asyncio.Future[Any]] = {*flying} if full else {*flying, waker}
                await asyncio.wait(watched, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            if len(flying) > 1:
                await asyncio.wait(flying, timeout=SETTLING)
        finally:
            waker.cancel()

    async def _rest(self, wake: asyncio.Event, time: timedelta) -> None:
        try:
            async with asyncio.timeout(time.total_seconds()):
                await wake.wait()
        except TimeoutError:
            pass

    async def _turn(self, provider: str, results: list[Row], free: int) -> list[Row]:
        if not results and not free:
            return []
        now = self.clock.now()

        def unit(connection: Connection) -> list[Row]:
            self._give_up_doubtful(connection, results)
            outbox.record(connection, results)
            addresses.mark_dead(connection, [r["address"] for r in results if r["address_dead"]], now)
            # only a replay goes to an address that was given up, so only a replay can prove it alive
            addresses.revive(connection, [r["address"] for r in results if r["replayed"] and r["state"] == _SENT])
            if not free:
                return []
            claimed = outbox.claim(
                connection,
                provider=provider,
                owner=self.options.owner,
                now=now,
                most=free,
                lease=self.options.lease,
            )
            # what has its text needs no second transaction
            outbox.begin_attempts(connection, started_rows((r for r in claimed if has_text(r)), now), [], lease=None)
            return claimed

        return await self.database.write(unit, name="outbox.claim")

    def _give_up_doubtful(self, connection: Connection, results: list[Row]) -> None:
        """A message that may have arrived several times already is left to a person."""
        unanswered = [r for r in results if r["code"] == outbox.UNANSWERED and r["state"] == DeliveryState.QUEUED]
        doubtful = outbox.doubtful_tries(connection, unanswered)
        for result in unanswered:
            if doubtful[result["id"]] + 1 >= self.options.uncertain:
                result.update(outcome=Outcome.UNKNOWN, state=DeliveryState.UNKNOWN, reason="answer_lost")

    async def _begin(self, claimed: list[Row]) -> list[Row]:
        """Render what is tried for the first time and write down the tries; returns what can be sent."""
        for row in claimed:
            row["number"] = row["tries"] + 1
        begun = [row for row in claimed if has_text(row)]
        fresh = [row for row in claimed if not has_text(row)]
        if not fresh:
            return begun
        bodies, refused = await self._render(fresh)
        texts = {body["id"]: body for body in bodies}
        ready = [row | texts[row["id"]] for row in fresh if row["id"] in texts]
        now = self.clock.now()

        def unit(connection: Connection) -> set[Any]:
            for row, reason in refused:
                log.error("text_cannot_be_made", delivery=row["id"].hex, reason=reason)
                outbox.refuse(connection, row, reason="template_error", now=now)
            return outbox.begin_attempts(connection, started_rows(ready, now), bodies, lease=self.options.lease)

        ours = await self.database.write(unit, name="outbox.attempt")
        return [*begun, *(row for row in ready if row["id"] in ours)]

    async def _render(self, rows: list[Row]) -> tuple[list[Row], list[tuple[Row, str]]]:
        preparer = self.preparer
        if preparer is None:
            return [], [(row, "no templates") for row in rows]
        current = self._organisation

        def query(connection: Connection) -> tuple[dict[Any, Row], Organisation]:
            stale = organisations.version(connection) != current.version
            known = organisations.load(connection) if stale else current
            return context.read(connection, (row["notification_id"] for row in rows)), known

        contexts, self._organisation = await self.database.read(query)
        bodies: list[Row] = []
        refused: list[tuple[Row, str]] = []
        for row in rows:
            try:
                found = contexts[row["notification_id"]]
                bodies.append(preparer.body(row, found, self._organisation, row["created_at"]))
            except Exception as error:
                # one text that cannot be made must not keep the others from leaving
                refused.append((row, f"{type(error).__name__}: {error}"))
        return bodies, refused

    async def _send(self, sender: Sender, delivery: Row) -> Row:
        """Make one try; whatever happens becomes a result to record."""
        answer: Sent | SendFailed
        await self._fault("outbox.before_send")
        try:
            async with asyncio.timeout(self.options.timeout.total_seconds()):
                answer = await sender.send(out_message(delivery))
        except SendFailed as failed:
            answer = failed
        except TimeoutError:
            seconds = int(self.options.timeout.total_seconds())
            answer = SendFailed("timeout", f"no answer in {seconds} s", retryable=True, uncertain=True)
        except Exception as error:
            log.exception("sender_broke", provider=delivery["provider"], delivery=delivery["id"].hex)
            answer = SendFailed("internal", f"{type(error).__name__}: {error}"[:200], retryable=True)
        await self._fault("outbox.after_send")
        result = self.outcome(delivery, answer)
        await self._finished(delivery, Outcome(result["outcome"]))
        return result

    def outcome(self, delivery: Row, answer: Sent | SendFailed) -> Row:
        """What a try's answer does to its delivery."""
        now = self.clock.now()
        result: Row = {
            "id": delivery["id"],
            "number": delivery["number"],
            "fence": delivery["fence"],
            "address": delivery["address"],
            "ended_at": now,
            "code": printable(answer.code),
            "detail": printable(answer.detail),
            "exchange": printable(answer.exchange),
            "provider_id": "",
            "due_at": now,
            "reason": "",
            "address_dead": False,
            "replayed": delivery["tries_before"] > 0,
            "tries_before": delivery["tries_before"],
        }
        if isinstance(answer, Sent):
            result.update(outcome=Outcome.ACCEPTED, state=DeliveryState.SENT)
            result["provider_id"] = printable(answer.provider_id)
        elif answer.uncertain and delivery["channel"] not in self.options.resend:
            result.update(outcome=Outcome.UNKNOWN, state=DeliveryState.UNKNOWN, reason="answer_lost")
        elif not answer.retryable:
            result.update(outcome=Outcome.PERMANENT, state=DeliveryState.FAILED, reason="refused")
            result["address_dead"] = answer.address_dead
        else:
            result["outcome"] = Outcome.TEMPORARY
            if answer.uncertain:
                result["code"] = outbox.UNANSWERED
            first = delivery["expires_at"] or delivery["created_at"] + self.options.retry.horizon
            again = next_try(
                self.options.retry,
                delivery["number"] - delivery["tries_before"],
                now,
                first - self.options.retry.horizon,
                answer.retry_after,
                key=delivery["id"].bytes,
            )
            if again is None:
                result.update(state=DeliveryState.FAILED, reason="out_of_tries")
            else:
                result.update(state=DeliveryState.QUEUED, due_at=again)
        return result

    # ---- what crashes leave behind --------------------------------------------------------------------------------

    async def _reap_own(self) -> None:
        """At the start, whatever this node had claimed before was lost with its former life."""
        now = self.clock.now()
        unknown, returned = await self.database.write(
            lambda c: outbox.reap(c, now=now, again=partial(self._again, now), owner=self.options.owner),
            name="outbox.reap",
        )
        if unknown or returned:
            log.warning("lost_in_a_crash", unknown=unknown, returned=returned)

    def _again(self, now: datetime, delivery: Row) -> datetime | None:
        """When a delivery whose last try was lost is sent again; None where a person has to decide."""
        if delivery["channel"] not in self.options.resend or delivery["doubtful"] >= self.options.uncertain:
            return None
        queued = (delivery["expires_at"] or now + self.options.retry.horizon) - self.options.retry.horizon
        number = delivery["tries"] - delivery["tries_before"]
        return next_try(self.options.retry, number, now, queued, key=delivery["id"].bytes)

    async def _housekeeping(self) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(self.options.reap_every.total_seconds()):
                    await self._stopping.wait()
                return
            except TimeoutError:
                await self._patiently(self._reap_expired)

    async def _reap_expired(self) -> None:
        now = self.clock.now()
        held = frozenset[UUID]().union(*self._held.values())

        def unit(connection: Connection) -> int:
            unknown, returned = outbox.reap(connection, now=now, again=partial(self._again, now), held=held)
            return unknown + returned + outbox.expire(connection, now=now)

        if await self.database.write(unit, name="outbox.reap"):
            self.wake()

    async def _patiently(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except StorageError as error:
            log.warning("outbox_waits_for_storage", error=str(error))
        except Exception:
            log.exception("outbox_housekeeping_broke")
