"""Everything the page of one ticket asks and does, each change one transaction with its entry in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar
from uuid import UUID

from desk import audit, classify, merge, reply, typed
from desk.change import Changes, Refused
from desk.known import address_key
from desk.site import Site
from desk.ticket_look import USUAL, Limits, TicketLook, found
from desk.visitor import Visitor
from outbound.prepare import Preparer
from storage import conversation, participants, tickets
from storage.database import Connection, Database
from tickets.address import fold
from tickets.clock import Clock
from tickets.key import new_key
from tickets.status import Status

Row = dict[str, Any]
T = TypeVar("T")

MOST_FILES = 10
MOST_PARTICIPANTS = 20

_PROPERTIES = frozenset(
    {"status", "group", "centre", "assigned", "type", "category", "impact", "urgency", "priority", "customer"}
    | {"merged", "unmerged"}
)
"""Entries of the history a change of properties would write over unseen."""


_GIVEN = frozenset({"assigned", "group", "centre"})
"""These three hang together: a group is of a centre, a person of a group."""

_LEVELS = frozenset({"impact", "urgency", "priority"})


class ChangedMeanwhile(Exception):
    """The ticket was changed since the page was drawn; `entries` say what.

    What others changed is always news. What the same person changed, in another window, is news only where the change
    they are about to make would write over it.
    """

    def __init__(self, entries: list[Row]) -> None:
        super().__init__("the ticket was changed meanwhile")
        self.entries = entries


class TicketDesk(TicketLook):
    """One per program. `on_queued` is called when somebody may have to be told."""

    def __init__(
        self,
        database: Database,
        site: Site,
        clock: Clock,
        preparer: Preparer,
        limits: Limits = USUAL,
        on_queued: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(database, site, clock, preparer, limits)
        self._on_queued = on_queued

    # ---- writing --------------------------------------------------------------------------------------------------

    async def post(self, number: str, visitor: Visitor, letter: reply.Letter) -> reply.Posted:
        """See `desk.reply.post`."""

        def unit(changes: Changes) -> reply.Posted:
            hold = self.limits.undo
            posted = reply.post(changes, number, letter, visitor.actor, visitor.user_id, hold)
            if not posted.again:
                what = "ticket.answered" if letter.mode == reply.REPLY else "ticket.commented"
                self._note(changes, visitor, what, posted.number)
            return posted

        return await self._write(unit)

    async def take_back(self, number: str, visitor: Visitor, nonce: str) -> str:
        """See `desk.reply.take_back`."""

        def unit(changes: Changes) -> str:
            text = reply.take_back(changes, number, nonce, visitor.actor, visitor.user_id)
            self._note(changes, visitor, "ticket.answer_withdrawn", number)
            return text

        return await self._write(unit)

    async def keep_draft(self, number: str, visitor: Visitor, mode: str, text: str, nonce: str = "") -> None:
        """Keep what somebody has begun to write; what the form `nonce` has said already is no draft any more.

        Raises:
            NoSuchTicket: the number is nobody's.
            Refused: there is no such mode.
        """
        if mode not in reply.MODES:
            raise Refused("an answer or an internal comment: choose one", "unknown_value")

        def unit(connection: Connection) -> None:
            ticket = found(connection, number, lock=bool(nonce))
            now = self.clock.now()
            clean = typed.lines(text)[:200_000]
            said = _said(connection, ticket, visitor, nonce)
            if said is not None and said["text"] == clean:
                return
            conversation.keep_draft(connection, ticket["id"], visitor.user_id, mode, clean, now)

        await self.database.write(unit, name="draft")

    async def keep_files(self, number: str, visitor: Visitor, files: list[Row], nonce: str = "") -> None:
        """Keep files chosen for what is being written: rows with `name`, `content_type`, `sha256` and `octets`.

        A file that was chosen already, or left with what the form `nonce` said, is kept once.

        Raises:
            NoSuchTicket: the number is nobody's.
            Refused: too many, or too much together.
        """

        def unit(connection: Connection) -> None:
            ticket = found(connection, number, lock=True)
            there = conversation.draft_files_of(connection, ticket["id"], visitor.user_id)
            said = _said(connection, ticket, visitor, nonce)
            if said is not None:
                there += conversation.sent_files(connection, [said["id"]])
            known = {(row["name"], bytes(row["sha256"])) for row in there}
            wanted = {key: file for file in files if (key := (file["name"], file["sha256"])) not in known}
            count, octets = conversation.size_of_files(connection, ticket["id"], visitor.user_id)
            if count + len(wanted) > MOST_FILES:
                raise Refused("at most ten files go along with an answer", "too_many_files")
            if octets + sum(len(file["octets"]) for file in wanted.values()) > self.limits.files:
                raise Refused("the files are too big together", "files_too_big")
            for file in wanted.values():
                row = {
                    "id": new_key(),
                    "ticket_id": ticket["id"],
                    "user_id": visitor.user_id,
                    "name": file["name"],
                    "content_type": file["content_type"],
                    "size": len(file["octets"]),
                    "sha256": file["sha256"],
                    "at": self.clock.now(),
                }
                conversation.keep_file(connection, row, file["octets"])

        await self.database.write(unit, name="draft")

    async def drop_file(self, number: str, visitor: Visitor, file_id: UUID) -> bool:
        """Forget a chosen file; whether it was there.

        Raises:
            NoSuchTicket: the number is nobody's.
        """

        def unit(connection: Connection) -> bool:
            ticket = found(connection, number)
            return conversation.drop_file(connection, file_id, ticket["id"], visitor.user_id)

        return await self.database.write(unit, name="draft")

    # ---- properties -----------------------------------------------------------------------------------------------

    async def status(self, number: str, visitor: Visitor, new: Status, comment: str, seen: UUID | None) -> Row:
        """Move a ticket that has not been changed since; see `desk.change.Changes.status`.

        Raises:
            ChangedMeanwhile: it has.
        """
        return await self._change(
            number,
            visitor,
            seen,
            "ticket.status_changed",
            frozenset({"status"}),
            lambda c: c.status(number, new, visitor.actor, comment),
        )

    async def assign(self, number: str, visitor: Visitor, seen: UUID | None, **whom: str | None) -> Row:
        """Give away a ticket that has not been changed since; see `desk.change.Changes.assign`.

        Raises:
            ChangedMeanwhile: it has.
        """
        return await self._change(
            number, visitor, seen, "ticket.assigned", _GIVEN, lambda c: c.assign(number, visitor.actor, **whom)
        )

    async def classify(self, number: str, visitor: Visitor, seen: UUID | None, wanted: classify.Properties) -> Row:
        """Change what a ticket is about that has not been changed since; see `desk.classify.classify`.

        Raises:
            ChangedMeanwhile: it has.
        """
        named = {each.name for each in fields(wanted) if getattr(wanted, each.name) is not None}
        touched = frozenset(named | _LEVELS) if named & _LEVELS else frozenset(named)
        return await self._change(
            number,
            visitor,
            seen,
            "ticket.classified",
            touched,
            lambda c: classify.classify(c, number, wanted, visitor.actor),
        )

    async def _change(
        self,
        number: str,
        visitor: Visitor,
        seen: UUID | None,
        what: str,
        touched: frozenset[str],
        verb: Callable[[Changes], Row],
    ) -> Row:
        """`touched` are the entries of the history that the verb writes."""

        def is_news(entry: Row) -> bool:
            return entry["what"] in (touched if entry["by"] == visitor.actor.label else _PROPERTIES)

        def unit(changes: Changes) -> Row:
            ticket = changes.ticket(number)
            if seen is not None:
                entries = conversation.events_since(changes.connection, ticket["id"], seen)
                if news := [entry for entry in entries if is_news(entry)]:
                    raise ChangedMeanwhile(news)
            changed = verb(changes)
            self._note(changes, visitor, what, changed["number"])
            return changed

        return await self._write(unit)

    # ---- several tickets ------------------------------------------------------------------------------------------

    async def merge(self, number: str, visitor: Visitor, into: str, *, follow: bool) -> Row:
        """See `desk.merge.merge`."""
        return await self._noted(
            visitor, "ticket.merged", number, lambda c: merge.merge(c, number, into, visitor.actor, follow=follow)
        )

    async def unmerge(self, number: str, visitor: Visitor) -> Row:
        """See `desk.merge.unmerge`."""
        return await self._noted(visitor, "ticket.unmerged", number, lambda c: merge.unmerge(c, number, visitor.actor))

    async def split(self, number: str, visitor: Visitor, ids: list[UUID], subject: str, *, tell: bool) -> Row:
        """See `desk.merge.split`."""
        return await self._noted(
            visitor, "ticket.split", number, lambda c: merge.split(c, number, ids, subject, visitor.actor, tell=tell)
        )

    async def link(self, number: str, visitor: Visitor, other: str, kind: str) -> Row:
        """See `desk.merge.link`."""
        return await self._noted(
            visitor, "ticket.linked", number, lambda c: merge.link(c, number, other, kind, visitor.actor)
        )

    async def unlink(self, number: str, visitor: Visitor, link_id: UUID) -> Row:
        """See `desk.merge.unlink`."""
        return await self._noted(
            visitor, "ticket.unlinked", number, lambda c: merge.unlink(c, number, link_id, visitor.actor)
        )

    async def add_participant(self, number: str, visitor: Visitor, value: str, name: str = "") -> None:
        """Put a mailbox in copy of every public answer.

        Raises:
            NoSuchTicket: the number is nobody's.
            Refused: it is no mailbox, is the author's, or there are too many.
        """
        value, name = value.strip(), typed.line(name)[:200]
        if not is_mailbox(value):
            raise Refused("this is no mailbox; one looks like irina@example.ru", "bad_mailbox")

        def unit(changes: Changes) -> None:
            ticket = changes.living(number)
            person = tickets.contact(changes.connection, ticket["contact_id"])
            there = participants.of(changes.connection, [ticket["id"]])
            key = address_key("email", fold(value))
            if person["kind"] == "email" and key == address_key("email", fold(person["value"])):
                raise Refused("this is the author, who gets every answer anyway", "copy_is_author")
            if len(there) >= MOST_PARTICIPANTS:
                raise Refused("at most twenty mailboxes get copies", "too_many_copies")
            if key in {row["key"] for row in there}:
                return
            row = {
                "ticket_id": ticket["id"],
                "key": key,
                "value": value,
                "name": name,
                "language": person["language"],
                "because": "copy",
                "at": changes.now,
                "by": visitor.actor.label,
            }
            participants.add(changes.connection, row)
            changes.event(ticket, visitor.actor, "participant_added", None, value, None, [])
            ticket["updated_at"] = changes.now
            tickets.save(changes.connection, ticket, ())
            self._note(changes, visitor, "ticket.copy_added", number, {"address": value})

        await self._write(unit)

    async def remove_participant(self, number: str, visitor: Visitor, key: str) -> None:
        """Take a mailbox out of copy.

        Raises:
            NoSuchTicket: the number is nobody's.
        """

        def unit(changes: Changes) -> None:
            ticket = changes.ticket(number)
            if participants.remove(changes.connection, ticket["id"], key):
                changes.event(ticket, visitor.actor, "participant_removed", key.partition(":")[2], None, None, [])
                ticket["updated_at"] = changes.now
                tickets.save(changes.connection, ticket, ())
                self._note(changes, visitor, "ticket.copy_removed", number)

        await self._write(unit)

    # ---- parts ----------------------------------------------------------------------------------------------------

    async def _noted(self, visitor: Visitor, what: str, number: str, verb: Callable[[Changes], Row]) -> Row:
        def unit(changes: Changes) -> Row:
            row = verb(changes)
            self._note(changes, visitor, what, number, {"other": row["number"]})
            return row

        return await self._write(unit)

    async def _write(self, unit: Callable[[Changes], T]) -> T:
        def work(connection: Connection) -> T:
            return unit(Changes(connection, self.site, self.clock.now()))

        done = await self.database.write(work, name="change")
        self._on_queued()
        return done

    def _note(self, changes: Changes, visitor: Visitor, what: str, number: str, detail: Row | None = None) -> None:
        audit.note(changes.connection, visitor, what, number.strip().upper(), detail or {}, changes.now)


def is_mailbox(value: str) -> bool:
    """Whether a text is one mailbox and nothing else."""
    local, at, domain = value.rpartition("@")
    printable = not any(c.isspace() or not c.isprintable() or c in '<>,;"()[]:\\' for c in value)
    return bool(at and local and domain) and printable and "@" not in local and len(value) <= 254


def _said(connection: Connection, ticket: Row, visitor: Visitor, nonce: str) -> Row | None:
    """The message a form of this visitor became on a ticket, unless it was taken back."""
    form = conversation.submission(connection, nonce) if nonce else None
    if form is None or form["user_id"] != visitor.user_id or form["undone"] or form["message_id"] is None:
        return None
    return conversation.message_of(connection, [ticket["id"]], form["message_id"])
