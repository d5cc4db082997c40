"""Quarantine: what was taken and kept, yet is no ticket. Replaying reads its raw bytes again with today's program.

A replay takes the message in and marks the entry in one transaction, so an entry makes one ticket at most, however
often and by however many people it is replayed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import structlog
from msgspec import structs

from desk import view
from desk.guard import UNGUARDED, Guard
from desk.idempotency import KeyTaken
from desk.intake import Given, Input, Intake, NotTaken
from desk.submission import BadContact, message_of
from storage import quarantine
from storage.database import Connection, Database
from storage.errors import StorageError
from storage.quarantine import HELD, REPLAYED, SPAM, Filter
from tickets.message import InboundMessage, Unreadable
from tickets.priority import Level

log = structlog.get_logger(__name__)

Row = dict[str, Any]

_FORMER_ID = "external_id"

_STATED = frozenset({"api", "phone", "desk"})
"""Channels whose raw input is a ticket as the API takes it."""


class Read(Protocol):
    """Makes a message of raw mail; total: whatever cannot be read comes back as `Unreadable`."""

    def __call__(
        self,
        raw: bytes,
        *,
        channel: str,
        account: str,
        external_id: str,
        received_at: datetime,
        mail_from: str | None,
        rcpt_to: tuple[str, ...],
    ) -> InboundMessage | Unreadable:
        """The message, or why there is none."""
        ...


class ReadAgain(Protocol):
    """Makes a message of what another channel kept; as total as `Read`."""

    def __call__(
        self, raw: bytes, *, account: str, external_id: str, received_at: datetime, envelope: Mapping[str, Any]
    ) -> tuple[InboundMessage | Unreadable, Given]:
        """The message, or why there is none, and what is stated about its ticket."""
        ...


File = Callable[[InboundMessage], None]
"""Makes of a mail what the doors do once it is known who sent it: the fax that a gateway brings."""


class NoSuchEntry(LookupError):
    """There is no quarantine entry with this id."""

    def __init__(self, entry_id: UUID) -> None:
        super().__init__(f"there is no quarantine entry {entry_id.hex}")


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of a replay: the ticket's `number`, or `why` there is still none.

    `already` says that an earlier replay had made the ticket.
    """

    number: str = ""
    why: str = ""
    already: bool = False


class Quarantine:
    """Reads and replays entries."""

    def __init__(
        self,
        database: Database,
        intake: Intake,
        readers: Mapping[str, ReadAgain] | None = None,
        file: File | None = None,
    ) -> None:
        self._database = database
        self.intake = intake
        self._readers = dict(readers or {})
        self._file = file

    async def listing(self, wanted: Filter) -> tuple[list[Row], str | None]:
        """A page of entries, newest first, and the cursor of the next page."""
        rows = await self._database.read(lambda connection: quarantine.listing(connection, wanted))
        page = rows[: wanted.limit]
        return [_entry(row) for row in page], page[-1]["id"].hex if len(rows) > wanted.limit else None

    async def show(self, entry_id: UUID) -> Row:
        """One entry.

        Raises:
            NoSuchEntry: nobody's id.
        """
        row = await self._database.read(lambda connection: quarantine.one(connection, entry_id))
        if row is None:
            raise NoSuchEntry(entry_id)
        return _entry(row)

    async def raw(self, entry_id: UUID) -> bytes:
        """The bytes as they came.

        Raises:
            NoSuchEntry: nobody's id, or retention has removed the bytes.
        """
        found = await self._database.read(lambda connection: quarantine.raw(connection, entry_id))
        if found is None:
            raise NoSuchEntry(entry_id)
        return found

    async def replay(self, entry_id: UUID, read: Read, *, guard: Guard = UNGUARDED) -> Replayed:
        """Read an entry's bytes again and take them in.

        Raises:
            NoSuchEntry: nobody's id.
            StorageError: nothing was changed.
        """
        row, raw = await self._database.read(
            lambda connection: (quarantine.one(connection, entry_id), quarantine.raw(connection, entry_id))
        )
        if row is None:
            raise NoSuchEntry(entry_id)
        if row["state"] == REPLAYED:
            return Replayed(row["number"] or "", already=True)
        if raw is None:
            return await self._still(entry_id, row["reason"], "its bytes were removed when their time was over")
        message, given = _again(row, raw, read, self._readers, self._file)
        if isinstance(message, Unreadable):
            return await self._still(entry_id, message.reason, message.detail)
        if row["reason"] == SPAM:
            given = structs.replace(given, released=True)
        unit = Input(message, raw, hashlib.sha256(raw).digest(), given)
        try:
            replayed = await self._database.write(lambda c: self._take(c, entry_id, unit, guard), name="quarantine")
        except (StorageError, KeyTaken):
            raise
        except Exception as error:
            log.exception("replay_failed", entry=entry_id.hex)
            return await self._still(entry_id, "intake_error", f"{type(error).__name__}: {error}"[:500])
        self.intake.on_queued()
        return replayed

    def _take(self, connection: Connection, entry_id: UUID, unit: Input, guard: Guard) -> Replayed:
        guard.claim(connection)
        row = quarantine.one(connection, entry_id, lock=True)
        if row is None:
            raise NoSuchEntry(entry_id)
        if row["state"] != HELD:
            return Replayed(row["number"] or "", already=True)
        (taken,) = self.intake.handle(connection, [unit])
        if isinstance(taken, NotTaken):
            raise taken
        quarantine.became(connection, entry_id, UUID(hex=taken.accepted.ticket_id))
        return Replayed(taken.accepted.number)

    async def _still(self, entry_id: UUID, reason: str, detail: str) -> Replayed:
        await self._database.write(
            lambda connection: quarantine.failed(connection, entry_id, reason=reason, detail=detail), name="quarantine"
        )
        return Replayed(why=f"{reason}: {detail}" if detail else reason)


def _again(
    row: Row, raw: bytes, read: Read, readers: Mapping[str, ReadAgain], file: File | None
) -> tuple[InboundMessage | Unreadable, Given]:
    """What today's program makes of an entry's bytes."""
    envelope: Mapping[str, Any] = row["envelope"] or {}
    external_id = str(envelope.get(_FORMER_ID) or f"quarantine:{row['id'].hex}")
    if row["channel"] in _STATED:
        return _submitted(row, envelope, external_id, raw)
    other = readers.get(row["channel"])
    if other is not None:
        envelope = {**envelope, "quarantine": row["id"].hex}
        return other(
            raw, account=row["account"], external_id=external_id, received_at=row["received_at"], envelope=envelope
        )
    if row["channel"] != "email":
        return _unreadable(row, "no_reader", f"nothing here reads the channel {row['channel']}"), Given()
    message = read(
        raw,
        channel=row["channel"],
        account=row["account"],
        external_id=external_id,
        received_at=row["received_at"],
        mail_from=envelope.get("mail_from"),
        rcpt_to=tuple(envelope.get("rcpt_to") or ()),
    )
    if isinstance(message, InboundMessage):
        message.extra = {**message.extra, "envelope": {**envelope, "quarantine": row["id"].hex}}
        message.authenticity = envelope.get("authenticity") or {}
        message.fresh = False
        if file is not None:
            file(message)
    return message, Given()


def _submitted(
    row: Row, envelope: Mapping[str, Any], external_id: str, raw: bytes
) -> tuple[InboundMessage | Unreadable, Given]:
    """The ticket a program stated; its body was checked when it came, so anything else is not replayed."""
    try:
        body = json.loads(raw)
        contact = body["contact"]
        message = message_of(
            account=row["account"],
            idempotency_key="",
            kind=_text(contact, "kind"),
            value=_text(contact, "value"),
            name=_text(contact, "name"),
            subject=_text(body, "subject"),
            text=_text(body, "text"),
            language=_text(body, "language"),
            received_at=row["received_at"],
            envelope={**envelope, "quarantine": row["id"].hex},
        )
        given = Given(
            type=_text(body, "type"),
            category=_text(body, "category"),
            impact=Level(body["impact"]) if body.get("impact") else None,
            urgency=Level(body["urgency"]) if body.get("urgency") else None,
            customer=_text(body, "customer"),
            centre=_text(body, "centre"),
            group=_text(body, "group"),
            assignee=_text(body, "assignee"),
            by=str(envelope.get("by", "")),
        )
    except (BadContact, LookupError, AttributeError, TypeError, ValueError, RecursionError) as error:
        return _unreadable(row, "no_submission", f"its body is no ticket as the API takes it: {error}"[:500]), Given()
    return replace(message, channel=row["channel"], external_id=external_id, fresh=False), given


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name) or ""
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text")
    return value


def _unreadable(row: Row, reason: str, detail: str) -> Unreadable:
    return Unreadable(row["channel"], row["account"], reason, row["received_at"], detail)


def _entry(row: Row) -> Row:
    return {
        "id": row["id"].hex,
        "channel": row["channel"],
        "account": row["account"],
        "received_at": view.instant(row["received_at"]),
        "reason": row["reason"],
        "detail": row["detail"],
        "envelope": row["envelope"],
        "size": row["size"],
        "sha256": row["raw_sha256"].hex(),
        "state": row["state"],
        "replays": row["replays"],
        "ticket": row["number"],
    }
