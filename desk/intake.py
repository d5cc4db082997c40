"""Intake: a group of inputs becomes receipts, messages, tickets and queued notifications in one transaction.

The group is looked up at once (earlier receipts, same contents, threads, senders), then every unit is decided in order
against a `Known` picture that the units before it have already changed, and all rows are written by one statement a
table. So two mails of one new sender in the same group make one person, and a content that comes twice makes one
ticket, exactly as if each had had a transaction of its own.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog

from channels.base import NotAcceptedNow
from desk import arrival, spam
from desk.cap import Cap, Domains
from desk.given import DifferentContent, Given, Input, Misstated, NotTaken, Show, Taken, checked
from desk.intake_counts import IntakeCounts
from desk.known import Known
from desk.numbers import Numbers
from desk.site import Site
from outbound.token import ReplyTokens
from storage import intake, sender_rules
from storage import organisation as organisations
from storage.database import Connection, Database
from storage.errors import StorageUnavailable
from storage.intake import Batch
from storage.quarantine import SPAM
from tickets import trace as traces
from tickets.clock import Clock
from tickets.key import new_key
from tickets.message import Accepted, InboundMessage, MessageKind, Unreadable
from tickets.organisation import Organisation
from tickets.trace import Trail, untold

log = structlog.get_logger(__name__)

LOAD_REFRESH = timedelta(seconds=10)
"""How old the count of open tickets by assignee may get; it only evens out shares."""


class Intake:
    """Takes inputs in. One per database and program.

    While `closed` says why, nothing is taken: every sender is told to come again.
    """

    def __init__(self, database: Database, site: Site, tokens: ReplyTokens, clock: Clock) -> None:
        self.database = database
        self.site = site
        self.tokens = tokens
        self.clock = clock
        self._organisation = Organisation(version=-1)
        self._load: dict[str, int] = {}
        self._load_at: datetime | None = None
        self._domains = Domains()
        self.numbers = Numbers(database)
        self._group = database.group(self.handle, name="intake", locks=_contents)
        self.on_queued: Callable[[], None] = lambda: None
        self.counts = IntakeCounts()
        self.trail: Trail = untold
        self.closed = ""

    @property
    def organisation(self) -> Organisation:
        """The organisation the last group was decided by."""
        return self._organisation

    async def close(self) -> None:
        """Give back numbers that were taken ahead and write what was only counted; to be called when nothing is taken
        in any more."""
        await self.numbers.close()
        now = self.clock.now()
        with suppress(StorageUnavailable):
            await self.database.write(lambda connection: self._domains.write(connection, now), name="acknowledged")

    async def accept(self, message: InboundMessage | Unreadable, raw: bytes) -> Accepted:
        """Take one input for good: the port the channels call.

        What a bug of ours keeps from becoming a ticket goes to quarantine with its bytes.

        Raises:
            NotAcceptedNow: nothing was kept, the sender must try again.
        """
        return (await self.take(message, raw, Given())).accepted

    async def take(
        self, message: InboundMessage | Unreadable, raw: bytes, given: Given, show: Show | None = None
    ) -> Taken:
        """As `accept`, with what the caller states, and with the rows made.

        `show` is called before the commit, while the rows of a whole group are at hand: one after the other costs two
        thirds of what it does between the answers of other calls. Where the group is tried again it is called again,
        and where it raises, `shown` is None.

        Raises:
            NotAcceptedNow: nothing was kept, the sender must try again.
            DifferentContent: its external id came before with another content.
            Misstated: a centre, group, customer or member of staff it names does not exist.
        """
        begun = time.perf_counter()
        unit = Input(message, raw, hashlib.sha256(raw).digest(), given, traces.spend(), show)
        taken: Taken | NotTaken | None = None
        try:
            taken = await self._submit(message, unit)
        finally:
            self._tell(unit, taken, time.perf_counter() - begun)
        if isinstance(taken, NotTaken):
            raise taken
        self.on_queued()
        return taken

    async def _submit(self, message: InboundMessage | Unreadable, unit: Input) -> Taken | NotTaken:
        if self.closed:
            raise NotAcceptedNow(self.closed)
        try:
            return await self._group.submit(unit)
        except StorageUnavailable as error:
            raise NotAcceptedNow(str(error)) from error
        except Exception as error:
            return await self._quarantine(message, unit, error)

    def _tell(self, unit: Input, taken: Taken | NotTaken | None, seconds: float) -> None:
        """Count an input that came to its end, and tell the trail; None was not taken for now."""
        outcome, number, key = "refused" if taken is None else "misstated", "", ""
        if isinstance(taken, Taken):
            accepted = taken.accepted
            number, key = accepted.number, accepted.message_id or accepted.quarantine_id
            outcome = "joined" if accepted.joined else "accepted" if number else "quarantined"
            if outcome == "quarantined" and isinstance(unit.message, InboundMessage):
                outcome = "spam"
            if taken.rows is not None:
                self.counts.acknowledged(taken.rows)
        channel = unit.message.channel
        self.counts.taken(channel, outcome, seconds)
        self.trail(
            "input_taken" if isinstance(taken, Taken) else f"input_{outcome}",
            unit.trace.hex if unit.trace is not None else key,
            channel=channel,
            outcome=outcome,
            ticket=number,
            message=key,
            bytes=len(unit.raw),
            ms=round(seconds * 1000, 1),
        )

    async def _quarantine(self, message: InboundMessage | Unreadable, unit: Input, error: Exception) -> Taken:
        envelope = message.envelope if isinstance(message, Unreadable) else spam.found_out(message)
        if isinstance(message, InboundMessage) and not message.fresh:
            # a replay takes it in under the same id, so that its sender's own repetition finds the ticket
            envelope = {**envelope, "external_id": message.external_id}
        entry = Unreadable(
            channel=message.channel,
            account=message.account,
            reason="intake_error",
            received_at=message.received_at,
            detail=f"{type(error).__name__}: {error}"[:500],
            envelope=envelope,
        )
        try:
            taken = await self._group.submit(Input(entry, unit.raw, unit.sha256, trace=unit.trace))
        except Exception as again:
            raise NotAcceptedNow(str(again)) from again
        if isinstance(taken, Exception):
            raise NotAcceptedNow(str(taken))
        return taken

    # ---- inside the transaction -----------------------------------------------------------------------------------

    def handle(self, connection: Connection, units: list[Input]) -> list[Taken | NotTaken]:
        """Decide and write a whole group."""
        now = self.clock.now()
        messages = [u.message for u in units if isinstance(u.message, InboundMessage)]
        known = Known.gather(connection, messages, self.tokens, now)
        self._refresh(connection, now, known.organisation)
        batch = Batch()
        cap = Cap(self.site.caps, self._domains, known.hours)
        # a copy: what a group that is rolled back would have given to whom must not count
        desk = arrival.Desk(self.site, self._organisation, dict(self._load), batch, known, now, cap)
        answers: list[Taken | NotTaken] = []
        for unit in units:
            if isinstance(unit.message, Unreadable):
                answers.append(Taken(self._hold(batch, unit, unit.message)))
            else:
                answers.append(self._take(desk, unit, unit.message))
        lent: dict[str, list[int]] = {}
        try:
            self._number(connection, batch, answers, lent)
            desk.name_links()
            if self._domains.due(now, self.site.caps):
                batch.then(lambda c: self._domains.write(c, now))
            if known.hits:
                batch.then(partial(sender_rules.hit, keys=known.hits))
            batch.write(connection)
            _show(units, answers)
        except BaseException:
            self.numbers.give_back(lent)
            raise
        self._load = desk.load
        self.counts.reports.update(desk.reported)
        for key in desk.loops:
            self.counts.loops[()] += 1
            log.warning("mail_loop_stopped", address=key)
        return answers

    def _take(self, desk: arrival.Desk, unit: Input, message: InboundMessage) -> Taken | NotTaken:
        earlier = desk.known.receipt(message)
        if earlier is not None:
            if earlier["raw_sha256"] != unit.sha256 and not _same_content(earlier, message):
                return DifferentContent("this idempotency key was used for another content")
            return Taken(_joined(earlier))
        same = desk.known.same_content(message)
        if same is not None:
            self._receipt(desk, unit, message, same["message_id"])
            desk.known.learn_receipt(message, same, unit.sha256)
            return Taken(_joined(same))
        try:
            given = checked(unit.given, self._organisation)
        except Misstated as refusal:
            return refusal
        if given.released:
            if message.kind is MessageKind.SPAM:
                message.kind = MessageKind.HUMAN
        elif because := spam.why(desk.known, message, arrival.PROOF):
            detail = ", ".join(because)[:500]
            entry = Unreadable(
                message.channel, message.account, SPAM, message.received_at, detail, spam.entry_envelope(message)
            )
            return Taken(self._hold(desk.batch, unit, entry))
        desk.trace = unit.trace
        ticket, message_row, made = desk.file(message, unit.sha256, given)
        self._receipt(desk, unit, message, message_row["id"])
        accepted = Accepted(ticket["number"], ticket["id"].hex, message_row["id"].hex)
        return Taken(accepted, made)

    def _receipt(self, desk: arrival.Desk, unit: Input, message: InboundMessage, message_id: UUID) -> None:
        self._blob(desk.batch, unit, message.received_at)
        desk.batch.add(
            "receipts",
            {
                "id": new_key(),
                "site": self.site.prefix,
                "channel": message.channel,
                "account": message.account,
                "external_id": message.external_id,
                "message_id": message_id,
                "raw_sha256": unit.sha256,
                "received_at": message.received_at,
                "envelope": message.extra.get("envelope", {}),
            },
        )

    def _hold(self, batch: Batch, unit: Input, entry: Unreadable) -> Accepted:
        self._blob(batch, unit, entry.received_at)
        row = batch.add(
            "quarantine",
            {
                "id": unit.trace or new_key(),
                "site": self.site.prefix,
                "channel": _storable(entry.channel)[:16],
                "account": _storable(entry.account)[:80],
                "received_at": entry.received_at,
                "reason": _storable(entry.reason)[:40],
                "detail": _storable(entry.detail),
                "envelope": _storable(dict(entry.envelope)),
                "raw_sha256": unit.sha256,
                "state": "held",
                "ticket_id": None,
                "replays": 0,
            },
        )
        return Accepted("", quarantine_id=row["id"].hex)

    def _blob(self, batch: Batch, unit: Input, at: datetime) -> None:
        batch.keep({"sha256": unit.sha256, "size": len(unit.raw), "bytes": unit.raw, "refs": 1, "created_at": at})

    def _number(
        self, connection: Connection, batch: Batch, answers: list[Taken | NotTaken], lent: dict[str, list[int]]
    ) -> None:
        """Give the new tickets their numbers, last of all, so that the counter's row is locked as briefly as can be."""
        made = batch.rows("tickets")
        if not made:
            return
        by_year: dict[int, list[dict[str, Any]]] = {}
        for row in made:
            by_year.setdefault(self.site.year(row["created_at"]), []).append(row)
        for year, rows in by_year.items():
            name = f"{self.site.prefix}-{year}"
            serials, lent[name] = self.numbers.take(connection, name, len(rows))
            for serial, row in zip(serials, rows, strict=True):
                row["serial"] = serial
                row["number"] = f"{self.site.prefix}-{year % 100:02d}-{serial:06d}"
        numbers = {row["id"].hex: row["number"] for row in made}
        for position, answer in enumerate(answers):
            if isinstance(answer, Taken) and not answer.accepted.number and answer.accepted.ticket_id in numbers:
                accepted = answer.accepted
                answers[position] = Taken(
                    Accepted(numbers[accepted.ticket_id], accepted.ticket_id, accepted.message_id, accepted.joined),
                    answer.rows,
                )

    def _refresh(self, connection: Connection, now: datetime, version: int) -> None:
        if version != self._organisation.version:
            self._organisation = organisations.load(connection)
            self._load_at = None
        if self._load_at is None or now - self._load_at > LOAD_REFRESH:
            self._load = {member.hex: count for member, count in intake.open_load(connection).items()}
            self._load_at = now


def _contents(units: list[Input]) -> Iterator[int]:
    """What other nodes must not take at the same time."""
    for unit in units:
        message = unit.message
        if isinstance(message, InboundMessage) and message.digest and message.window:
            yield intake.lock_of(message.digest)


def _show(units: list[Input], answers: list[Taken | NotTaken]) -> None:
    for position, (unit, answer) in enumerate(zip(units, answers, strict=True)):
        if unit.show is None or not isinstance(answer, Taken) or answer.rows is None:
            continue
        try:
            answers[position] = Taken(answer.accepted, answer.rows, unit.show(answer.rows))
        except Exception as error:
            # the input is worth more than its answer, and so are the others of the group
            log.exception("answer_not_made", ticket=answer.accepted.number, error=type(error).__name__)


def _storable(value: Any) -> Any:
    """The same without what no database stores: the last resort must not fail for the reason the first one did."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {_storable(str(key)): _storable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    return value


def _same_content(earlier: dict[str, Any], message: InboundMessage) -> bool:
    """Whether the content is the same though its octets differ: a browser draws a new boundary for each try."""
    return bool(message.digest) and earlier.get("digest") == message.digest


def _joined(earlier: dict[str, Any]) -> Accepted:
    return Accepted(earlier["number"], earlier["ticket_id"].hex, earlier["message_id"].hex, joined=True)


__all__ = [
    "DifferentContent",
    "Given",
    "Input",
    "Intake",
    "IntakeCounts",
    "Misstated",
    "NotTaken",
    "Taken",
]
