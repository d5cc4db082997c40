"""What a person does about an entry of the quarantine besides reading it again: take it as it is, or put it aside."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from desk import audit, typed
from desk.intake import Given, Input, Intake, NotTaken
from desk.quarantine import NoSuchEntry, Quarantine, Read, Replayed
from desk.visitor import Visitor
from storage import blobs, quarantine
from storage.database import Connection, Database
from storage.quarantine import HELD, Filter
from tickets.address import Address, AddressKind
from tickets.key import new_key
from tickets.message import InboundMessage

Row = dict[str, Any]

SHOWN = 20_000
"""Characters of raw input that become the text of a ticket."""


class QuarantineDesk:
    """One per program. `book` reads and replays."""

    def __init__(self, database: Database, intake: Intake, book: Quarantine) -> None:
        self._database = database
        self._intake = intake
        self.book = book

    async def listing(self, wanted: Filter) -> tuple[list[Row], str | None, dict[str, int], list[str]]:
        """A page of entries, the cursor of the next page, how many are in each state, and the reasons there are."""
        rows, cursor = await self.book.listing(wanted)
        counts, reasons = await self._database.read(
            lambda connection: (quarantine.counts(connection), quarantine.reasons(connection, wanted.state or HELD))
        )
        return rows, cursor, counts, reasons

    async def discard(self, entry_id: UUID, reason: str, visitor: Visitor) -> bool:
        """Put an entry aside that is nothing, with the reason; its bytes stay. Whether it was held."""
        now = self._intake.clock.now()

        def unit(connection: Connection) -> bool:
            row = quarantine.one(connection, entry_id, lock=True)
            if row is None:
                raise NoSuchEntry(entry_id)
            words = typed.line(reason)[:500]
            told = f"{row['detail']} — {visitor.login}: {words}" if row["detail"] else f"{visitor.login}: {words}"
            done = quarantine.discarded(connection, entry_id, detail=told[:2000])
            if done:
                audit.note(connection, visitor, "quarantine.discarded", entry_id.hex, {"reason": words}, now)
            return done

        return await self._database.write(unit, name="quarantine")

    async def hold_again(self, entry_id: UUID, visitor: Visitor) -> bool:
        """Take an entry back that was put aside. Whether it was."""
        now = self._intake.clock.now()

        def unit(connection: Connection) -> bool:
            done = quarantine.again(connection, entry_id)
            if done:
                audit.note(connection, visitor, "quarantine.held_again", entry_id.hex, {}, now)
            return done

        return await self._database.write(unit, name="quarantine")

    async def replay(self, entry_id: UUID, read: Read, visitor: Visitor) -> Replayed:
        """Read an entry again; see `desk.quarantine.Quarantine.replay`."""
        replayed = await self.book.replay(entry_id, read)
        now = self._intake.clock.now()
        detail = {"ticket": replayed.number, "why": replayed.why[:200]}
        await self._database.write(
            lambda c: audit.note(c, visitor, "quarantine.replayed", entry_id.hex, detail, now), name="quarantine"
        )
        return replayed

    async def accept(self, entry_id: UUID, visitor: Visitor, subject: str) -> Replayed:
        """Make a ticket of an entry whatever any reader says: what came is its file, and its beginning its text.

        Nobody is written to about it: nothing is known of who sent it.

        Raises:
            NoSuchEntry: nobody's id, or its bytes were removed when their time was over.
        """
        now = self._intake.clock.now()

        def unit(connection: Connection) -> Replayed:
            row = quarantine.one(connection, entry_id, lock=True)
            raw = quarantine.raw(connection, entry_id)
            if row is None or raw is None:
                raise NoSuchEntry(entry_id)
            if row["state"] == quarantine.REPLAYED:
                return Replayed(row["number"] or "", already=True)
            message = _as_it_is(row, raw, subject)
            given = Given(by=visitor.actor.label, unproven=True, released=True)
            (taken,) = self._intake.handle(connection, [Input(message, raw, hashlib.sha256(raw).digest(), given)])
            if isinstance(taken, NotTaken):
                raise taken
            accepted = taken.accepted
            if not accepted.joined:
                _attach(connection, row, UUID(hex=accepted.message_id), raw)
            quarantine.became(connection, entry_id, UUID(hex=accepted.ticket_id))
            audit.note(connection, visitor, "quarantine.accepted", entry_id.hex, {"ticket": accepted.number}, now)
            return Replayed(accepted.number)

        taken = await self._database.write(unit, name="quarantine")
        self._intake.on_queued()
        return taken


def _as_it_is(row: Row, raw: bytes, subject: str) -> InboundMessage:
    envelope: Mapping[str, Any] = row["envelope"] or {}
    sender = str(envelope.get("mail_from") or "").strip().strip("<>")
    shown = raw[: SHOWN * 4].decode("utf-8", "replace").replace("\x00", "\ufffd").replace("\r\n", "\n")[:SHOWN]
    text = shown.encode("utf-8", "replace").decode()
    return InboundMessage(
        channel=row["channel"],
        account=row["account"],
        external_id=f"quarantine:{row['id'].hex}",
        sender=Address(AddressKind.EMAIL, sender if "@" in sender else ""),
        recipients=tuple(Address(AddressKind.EMAIL, str(each)) for each in envelope.get("rcpt_to") or ()),
        subject=typed.line(subject)[:500],
        text=text,
        reply_text=text,
        received_at=row["received_at"],
        window=timedelta(0),
        defects=("as_it_came", row["reason"]),
        extra={"envelope": {**envelope, "quarantine": row["id"].hex}},
    )


def _attach(connection: Connection, row: Row, message_id: UUID, raw: bytes) -> None:
    """What came as a file of the message, with bytes of its own: no reader is asked for it."""
    sha256 = hashlib.sha256(raw).digest()
    blobs.hold(connection, sha256, raw, row["received_at"])
    attachment = {
        "id": new_key(),
        "message_id": message_id,
        "part": "",
        "name": "original.eml" if row["channel"] == "email" else "original.bin",
        "content_type": "application/octet-stream",
        "size": len(raw),
        "sha256": sha256.hex(),
        "inline": False,
        "content_id": "",
    }
    quarantine.attach(connection, attachment, {"attachment_id": attachment["id"], "sha256": sha256})
