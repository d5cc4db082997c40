"""What people do about spam: let it go, put it aside, block or allow its sender. All of it is in the audit log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from desk import audit, typed
from desk.change import Actor, Refused
from desk.quarantine import NoSuchEntry, Quarantine, Read, Replayed
from storage import quarantine, sender_rules
from storage.database import Connection, Database
from storage.quarantine import HELD, SPAM, Filter
from storage.sender_rules import ALLOW, BLOCK
from tickets.address import fold
from tickets.clock import Clock

if TYPE_CHECKING:
    from desk.visitor import Visitor

Row = dict[str, Any]


def rule_key(said: str) -> str:
    """The key of a rule for a mailbox or a domain as people write it (`anna@x.ru`, `x.ru`, `@x.ru`, or a key).

    Raises:
        Refused: it is neither.
    """
    kind, colon, rest = typed.line(said).partition(":")
    if not colon:
        kind, rest = "", kind
    value = fold(rest).removeprefix("@")
    local, at, domain = value.rpartition("@")
    named = domain if at else value
    sound = bool(named) and len(value) <= 320 and not any(c.isspace() or c in "<>,;" for c in value)
    if not sound or (at and not local) or kind not in ("", "email" if at else "domain"):
        raise Refused("name a mailbox (anna@example.ru) or a domain (example.ru)", "unknown_value")
    return f"{'email' if at else 'domain'}:{value}"


class SpamDesk:
    """What people do about spam. `book` is the quarantine it is kept in."""

    def __init__(self, database: Database, book: Quarantine, clock: Clock) -> None:
        self._database = database
        self._book = book
        self._clock = clock

    async def listing(self, wanted: Filter) -> tuple[list[Row], str | None]:
        """A page of what is held, newest first, and the cursor of the next page."""
        rows, cursor = await self._book.listing(wanted)
        return [{**row, **_gist(row)} for row in rows], cursor

    async def held(self) -> int:
        """How much is held."""
        return await self._database.read(quarantine.spam_held)

    async def rules(self) -> list[Row]:
        """Whom we block and allow, newest first."""
        return await self._database.read(sender_rules.all_of)

    async def release(self, entry_id: UUID, read: Read, who: Visitor | Actor, *, allow: bool = False) -> Replayed:
        """Make the ticket it would have been, acknowledged now; with `allow` its sender is never held again.

        Raises:
            NoSuchEntry: nobody's id.
            StorageError: nothing was changed.
        """
        row = await self._book.show(entry_id)
        done = await self._book.replay(entry_id, read)
        now = self._clock.now()

        def unit(connection: Connection) -> None:
            audit.note(connection, who, "spam.released", entry_id.hex, {"ticket": done.number, "why": done.why}, now)
            sender = _gist(row)["from"]
            if allow and done.number and sender:
                self._rule(connection, f"email:{fold(sender)}", ALLOW, who, "", now)

        await self._database.write(unit, name="spam")
        return done

    async def discard(self, entry_id: UUID, who: Visitor | Actor) -> bool:
        """Put one aside; its bytes stay as long as others'. Whether it was held."""
        now = self._clock.now()

        def unit(connection: Connection) -> bool:
            row = quarantine.one(connection, entry_id, lock=True)
            if row is None:
                raise NoSuchEntry(entry_id)
            done = quarantine.discarded(connection, entry_id, detail=row["detail"])
            if done:
                audit.note(connection, who, "spam.discarded", entry_id.hex, {}, now)
            return done

        return await self._database.write(unit, name="spam")

    async def block(self, said: str, who: Visitor | Actor, note: str = "", *, entry: UUID | None = None) -> str:
        """Hold whatever comes from a mailbox or a domain from now on, and put `entry` aside; returns the rule's key.

        Raises:
            Refused: it is neither a mailbox nor a domain.
        """
        key, now = rule_key(said), self._clock.now()

        def unit(connection: Connection) -> None:
            self._rule(connection, key, BLOCK, who, note, now)
            row = quarantine.one(connection, entry, lock=True) if entry is not None else None
            if row is not None and entry is not None:
                quarantine.discarded(connection, entry, detail=row["detail"])

        await self._database.write(unit, name="spam")
        return key

    async def allow(self, said: str, who: Visitor | Actor, note: str = "") -> str:
        """Never hold what comes from a mailbox or a domain because of a filter; returns the rule's key.

        Raises:
            Refused: it is neither a mailbox nor a domain.
        """
        key, now = rule_key(said), self._clock.now()
        await self._database.write(lambda c: self._rule(c, key, ALLOW, who, note, now), name="spam")
        return key

    async def forget(self, said: str, who: Visitor | Actor) -> bool:
        """Take a rule back; whether there was one.

        Raises:
            Refused: it is neither a mailbox nor a domain.
        """
        key, now = rule_key(said), self._clock.now()

        def unit(connection: Connection) -> bool:
            done = sender_rules.remove(connection, key)
            if done:
                audit.note(connection, who, "sender.forgotten", key[:160], {}, now)
            return done

        return await self._database.write(unit, name="spam")

    def _rule(
        self, connection: Connection, key: str, verdict: str, who: Visitor | Actor, note: str, now: datetime
    ) -> None:
        label = who.label if isinstance(who, Actor) else who.actor.label
        sender_rules.put(connection, key, verdict, by=label, note=typed.line(note)[:200], now=now)
        audit.note(connection, who, f"sender.{verdict}ed", key[:160], {"note": typed.line(note)[:200]}, now)


def age_out(connection: Connection, now: datetime, lifetime: timedelta) -> int:
    """Put spam aside that nobody wanted for so long; returns how much. Its bytes go when others of its age do."""
    return quarantine.put_aside(connection, SPAM, now - lifetime)


def _gist(row: Row) -> Row:
    envelope = row["envelope"] or {}
    return {
        "from": str(envelope.get("from") or envelope.get("mail_from") or "").strip("<>"),
        "name": str(envelope.get("name") or ""),
        "subject": str(envelope.get("subject") or ""),
    }


HELD_SPAM = Filter(state=HELD, reason=SPAM)
"""What waits for somebody to look at it."""
