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
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog

from channels.base import OutMessage, Sender, SendFailed, Sent
from outbound import salvage
from outbound.attempt import has_text
from outbound.attempt import started as started_rows
from outbound.counts import WorkerCounts, trace_of
from outbound.habits import WorkerOptions
from outbound.prepare import Preparer, files_of, out_message, with_files
from outbound.verdict import give_up_doubtful, verdict
from storage import addresses, context, conversation, outbox
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


_USUAL = WorkerOptions()


class Worker:
    """Delivers the outbox through its senders (by provider name)."""

    def __init__(
        self,
        database: Database,
        senders: Mapping[str, Sender],
        preparer: Preparer | None,
        clock: Clock,
        options: WorkerOptions = _USUAL,
        *,
        slots: Mapping[str, int] | None = None,
        fault: Callable[[str], Awaitable[None]] = _no_fault,
        finished: Callable[[Row, Outcome], Awaitable[None]] = _unheard,
    ) -> None:
        self.database = database
        self.senders = dict(senders)
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
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._retired: set[str] = set()
        self._using: Counter[int] = Counter()
        self._leaving: set[asyncio.Task[None]] = set()
        self.counts = WorkerCounts()
        self.turned_at: dict[str, float] = {}

    def wake(self) -> None:
        """Something new may be due."""
        for event in self._wake.values():
            event.set()

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is on the wire has ended and is recorded."""
        self._stopping.set()
        self.wake()

    def reload(
        self,
        senders: Mapping[str, Sender],
        preparer: Preparer | None,
        options: WorkerOptions,
        slots: Mapping[str, int],
    ) -> None:
        """Go on with other providers, texts and options; the owner stays.

        Tries under way end with the sender they began with. A provider that is not named any more claims nothing: what
        is queued to it waits until it is named again.
        """
        old = self.senders
        self.senders = dict(senders)
        self.preparer = preparer
        self.options = replace(options, owner=self.options.owner)
        self._slots = slots
        for name, sender in old.items():
            if senders.get(name) is not sender and not self._using[id(sender)]:
                self._close_soon(sender)
        self._retired = set(self._loops) - set(senders)
        for name in self._retired:
            self._wake[name].set()
        if not self._stopping.is_set():
            self._start_loops()
        self.wake()

    def _start_loops(self) -> None:
        for name in self.senders:
            loop = self._loops.get(name)
            if loop is None or loop.done():
                self._held.setdefault(name, set())
                self._wake.setdefault(name, asyncio.Event())
                self.turned_at[name] = time.monotonic()
                self._loops[name] = asyncio.create_task(self._serve(name))

    def _close_soon(self, sender: Sender) -> None:
        self._using.pop(id(sender), None)
        closing = asyncio.create_task(sender.close())
        self._leaving.add(closing)
        closing.add_done_callback(self._leaving.discard)

    async def run(self) -> None:
        """Work until `stop`."""
        await salvage.patiently(self._take_back)
        housekeeping = asyncio.create_task(self._housekeeping())
        self._start_loops()
        try:
            # `reload` adds loops; housekeeping lasts until the stop
            while working := {task for task in (*self._loops.values(), housekeeping) if not task.done()}:
                done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_EXCEPTION)
                for task in done:
                    task.result()
        finally:
            for task in (*self._loops.values(), housekeeping):
                task.cancel()
            for sender in self.senders.values():
                await sender.close()
            if self._leaving:
                await asyncio.wait(self._leaving)

    # ---- one provider ---------------------------------------------------------------------------------------------

    def _ends(self, provider: str) -> bool:
        return self._stopping.is_set() or provider in self._retired

    async def _serve(self, provider: str) -> None:
        while True:
            flying: set[asyncio.Task[Row]] = set()
            self._held[provider].clear()
            try:
                await self._turns(provider, flying)
                self.turned_at.pop(provider, None)
                return
            except Exception:
                # one bug must not silence everybody: what was under way comes back by its lease, as after a crash
                log.exception("outbox_loop_broke", provider=provider)
                await self._rest(self._wake[provider], self.options.poll * 2)
            finally:
                for task in flying:
                    task.cancel()

    async def _turns(self, provider: str, flying: set[asyncio.Task[Row]]) -> None:
        results: list[Row] = []
        wake = self._wake[provider]
        while True:
            self.turned_at[provider] = time.monotonic()
            slots = self._slots.get(provider, self.options.slots)
            done = {task for task in flying if task.done()}
            flying.difference_update(done)
            results.extend(task.result() for task in done)
            free = 0 if self._ends(provider) else slots - len(flying)
            wake.clear()
            try:
                claimed = await self._turn(provider, results, free)
                self.counts.recorded(provider, results)
                self._held[provider].difference_update(result["id"] for result in results)
                results = []
                ready = await self._begin(claimed) if claimed else []
            except StorageError as error:
                # what is not recorded stays in `results`; a claim that was not begun comes back by its lease
                log.warning("outbox_waits_for_storage", provider=provider, error=str(error))
                await self._rest(wake, self.options.poll * 2)
                continue
            self._held[provider].update(delivery["id"] for delivery in ready)
            flying.update(asyncio.create_task(self._send(delivery)) for delivery in ready)
            if flying:
                await self._landing(flying, wake, full=len(flying) >= slots)
            elif self._ends(provider):
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
        if not results and free <= 0:
            return []
        now = self.clock.now()

        def unit(connection: Connection) -> list[Row]:
            give_up_doubtful(connection, results, self.options.uncertain)
            outbox.record(connection, results)
            addresses.mark_dead(connection, [r["address"] for r in results if r["address_dead"]], now)
            # only a replay goes to an address that was given up, so only a replay can prove it alive
            addresses.revive(connection, [r["address"] for r in results if r["replayed"] and r["state"] == _SENT])
            if free <= 0:
                return []
            return outbox.claim(
                connection,
                provider=provider,
                owner=self.options.owner,
                now=now,
                most=free,
                lease=self.options.lease,
                # what has its text needs no second transaction
                starts=lambda taken: started_rows((r for r in taken if has_text(r)), now),
            )

        return await self.database.write(unit, name="outbox.claim")

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
        for row, _ in refused:
            self.counts.without_text(row["provider"])
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

    async def _message(self, delivery: Row) -> OutMessage:
        """A delivery as its sender takes it.

        Raises:
            SendFailed: its files cannot be read now, or are gone.
        """
        message = self.preparer.message(delivery) if self.preparer is not None else out_message(delivery)
        files = files_of(delivery)
        if not files:
            return message
        try:
            octets = await self.database.read(lambda connection: conversation.file_bytes(connection, files))
            return with_files(message, delivery, octets)
        except StorageError as error:
            raise SendFailed("storage", f"its files cannot be read: {error}"[:200], retryable=True) from None
        except LookupError:
            raise SendFailed("no_file", "the bytes of a file are gone", retryable=False) from None

    async def _send(self, delivery: Row) -> Row:
        """Make one try; whatever happens becomes a result to record."""
        provider = delivery["provider"]
        # it may have left the settings between the claim and now
        sender = self.senders.get(provider)
        begun = time.monotonic()
        structlog.contextvars.bind_contextvars(trace=trace_of(delivery))
        if sender is None:
            answer: Sent | SendFailed = SendFailed("no_relay", "its relay is not in the settings", retryable=True)
        else:
            self._using[id(sender)] += 1
            try:
                answer = await self._try(sender, delivery)
            finally:
                self._using[id(sender)] -= 1
                if not self._using[id(sender)] and self.senders.get(provider) is not sender:
                    self._close_soon(sender)
        result = self.outcome(delivery, answer)
        result["seconds"] = time.monotonic() - begun
        await self._finished(delivery, Outcome(result["outcome"]))
        return result

    async def _try(self, sender: Sender, delivery: Row) -> Sent | SendFailed:
        answer: Sent | SendFailed
        await self._fault("outbox.before_send")
        try:
            async with asyncio.timeout(self.options.timeout.total_seconds()):
                answer = await sender.send(await self._message(delivery))
        except SendFailed as failed:
            answer = failed
        except TimeoutError:
            seconds = int(self.options.timeout.total_seconds())
            answer = SendFailed("timeout", f"no answer in {seconds} s", retryable=True, uncertain=True)
        except Exception as error:
            log.exception("sender_broke", provider=delivery["provider"], delivery=delivery["id"].hex)
            answer = SendFailed("internal", f"{type(error).__name__}: {error}"[:200], retryable=True)
        await self._fault("outbox.after_send")
        return answer

    def outcome(self, delivery: Row, answer: Sent | SendFailed) -> Row:
        """What a try's answer does to its delivery."""
        return verdict(delivery, answer, self.options, self.clock.now())

    # ---- what crashes leave behind --------------------------------------------------------------------------------

    async def _take_back(self) -> None:
        await salvage.own(self.database, self.clock, self.options)

    async def _housekeeping(self) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(self.options.reap_every.total_seconds()):
                    await self._stopping.wait()
                return
            except TimeoutError:
                await salvage.patiently(self._reap)

    async def _reap(self) -> None:
        held = frozenset[UUID]().union(*self._held.values())
        if await salvage.expired(self.database, self.clock, self.options, held):
            self.wake()


__all__ = ["Worker", "WorkerOptions"]
