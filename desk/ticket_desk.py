"""Everything the page of one ticket asks and does, each change one transaction with its entry in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from uuid_utils.compat import uuid7

from desk import audit, canned, classify, merge, notify, reply
from desk.canned import NoSuchAnswer
from desk.change import Changes, NoSuchTicket, Refused
from desk.known import address_key
from desk.site import Site
from desk.visitor import Visitor
from outbound.plan import Occasion, plan
from outbound.prepare import Preparer
from storage import canned as canned_rows
from storage import context, conversation, merging, participants, ticket_page, tickets
from storage import organisation as organisations
from storage.database import Connection, Database
from tickets.address import fold
from tickets.clock import Clock
from tickets.event import Event
from tickets.organisation import Organisation
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


class ChangedMeanwhile(Exception):
    """Somebody else changed the ticket since the page was drawn; `entries` say what."""

    def __init__(self, entries: list[Row]) -> None:
        super().__init__("the ticket was changed meanwhile")
        self.entries = entries


@dataclass(frozen=True, slots=True)
class Limits:
    """`undo` is how long an answer waits before it leaves; `files` are the octets all files of one may have."""

    undo: timedelta = timedelta(seconds=8)
    files: int = 20_000_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """By which way an answer would reach the author. `refusal` is why it would not: a value of `Suppression`."""

    channel: str
    address: str
    name: str
    language: str
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Preview:
    """What the author will get, word for word; a link of theirs to their page is shown without its secret."""

    forecast: Forecast
    subject: str
    text: str


class TicketDesk:
    """One per program. `on_queued` is called when somebody may have to be told."""

    def __init__(
        self,
        database: Database,
        site: Site,
        clock: Clock,
        preparer: Preparer,
        limits: Limits = Limits(),
        on_queued: Callable[[], None] = lambda: None,
    ) -> None:
        self.database = database
        self.site = site
        self.clock = clock
        self.limits = limits
        self._preparer = preparer
        self._on_queued = on_queued
        self._organisation = Organisation(version=-1)

    # ---- reading --------------------------------------------------------------------------------------------------

    async def page(self, number: str, visitor: Visitor, *, whole: bool = False) -> tuple[Row, Organisation]:
        """The rows of the page (`storage.ticket_page.read`), `forecast` among them, and the organisation.

        Raises:
            NoSuchTicket: the number is nobody's.
        """

        def query(connection: Connection) -> tuple[Row, Organisation]:
            ticket = _found(connection, number)
            rows = ticket_page.read(connection, ticket, visitor.user_id, whole=whole)
            rows["forecast"] = self._forecast(connection, ticket)
            return rows, self._current(connection)

        return await self.database.read(query)

    async def look_at(self, number: str, visitor: Visitor) -> None:
        """Note that somebody is about to see a ticket: in the audit log, and that what was said there is read.

        Raises:
            NoSuchTicket: the number is nobody's.
        """

        def unit(connection: Connection) -> None:
            ticket = _found(connection, number)
            now = self.clock.now()
            audit.note(connection, visitor, "ticket.viewed", ticket["number"], {}, now)
            ticket_page.mark_read(connection, ticket["id"], visitor.user_id, now)

        await self.database.write(unit, name="look")

    async def unseen(self, number: str, visitor: Visitor, seen: UUID) -> int:
        """How many things others said or decided on a ticket since an entry of its history.

        Raises:
            NoSuchTicket: the number is nobody's.
        """

        def query(connection: Connection) -> int:
            ticket = _found(connection, number)
            entries = conversation.events_since(connection, ticket["id"], seen)
            return sum(e["what"] in reply.WORDS and e["by"] != visitor.actor.label for e in entries)

        return await self.database.read(query)

    async def preview(self, number: str, visitor: Visitor, text: str, status: Status | None) -> Preview:
        """What the author would get of an answer, by the renderer of the outbox.

        Raises:
            NoSuchTicket: the number is nobody's.
            RenderFailed: no text can be made.
        """

        def query(connection: Connection) -> tuple[Row, Row, Forecast, list[Row], Organisation]:
            ticket = _found(connection, number)
            files = conversation.draft_files_of(connection, ticket["id"], visitor.user_id)
            known = context.about(connection, ticket["id"])
            return ticket, known, self._forecast(connection, ticket), files, self._current(connection)

        ticket, known, forecast, files, organisation = await self.database.read(query)
        moves = status is not None and status.value != ticket["status"]
        event = Event.PUBLIC_COMMENT
        if moves:
            event = {Status.RESOLVED: Event.RESOLVED, Status.CLOSED: Event.CLOSED}.get(
                status or Status.NEW, Event.STATUS_CHANGED
            )
        now = self.clock.now()
        delivery = {
            "id": uuid7(),
            "ticket_id": ticket["id"],
            "language": forecast.language,
            "created_at": now,
            "channel": forecast.channel,
            "address": forecast.address,
        }
        said = {"text": text, "reply_text": "", "sender_name": visitor.actor.name, "direction": "out", "id": uuid7()}
        new = status.value if moves and status else ""
        body = self._preparer.body(
            delivery,
            {
                **known,
                "ticket": known["ticket"] | ({"status": new} if new else {}),
                "notification": {
                    "event": event.value,
                    "role": "author",
                    "name": forecast.name,
                    "event_id": uuid7(),
                    "ticket_id": ticket["id"],
                    "person_id": ticket["contact_id"],
                    "id": uuid7(),
                },
                "event": {"id": uuid7(), "old": ticket["status"] if new else "", "new": new, "message_id": said["id"]},
                "said": said,
                "files": [{**file, "message_id": said["id"]} for file in files],
            },
            organisation,
            now,
        )
        return Preview(forecast, body["subject"], body["text"].replace(delivery["id"].hex, "…"))

    async def organisation(self) -> Organisation:
        """The organisation as it is now."""
        return await self.database.read(self._current)

    async def message(self, number: str, message_id: UUID) -> Row:
        """One message of a ticket, with `raw`: its bytes as they came, None where there are none.

        Raises:
            NoSuchTicket: the number is nobody's, or the message is not one of this ticket.
        """

        def query(connection: Connection) -> Row:
            ticket = _found(connection, number)
            row = conversation.message_of(connection, _with_merged(connection, ticket), message_id)
            if row is None:
                raise NoSuchTicket(number)
            return row | {"raw": conversation.raw_of(connection, row["raw_sha256"])}

        return await self.database.read(query)

    async def exists(self, number: str) -> None:
        """Whether there is such a ticket at all.

        Raises:
            NoSuchTicket: the number is nobody's.
        """
        await self.database.read(lambda connection: _found(connection, number))

    async def owns(self, number: str, ticket_id: UUID) -> bool:
        """Whether a ticket is the one of this number, or was merged into it."""

        def query(connection: Connection) -> bool:
            return ticket_id in _with_merged(connection, _found(connection, number))

        return await self.database.read(query)

    def _current(self, connection: Connection) -> Organisation:
        if organisations.version(connection) != self._organisation.version:
            self._organisation = organisations.load(connection)
        return self._organisation

    def _forecast(self, connection: Connection, ticket: Row) -> Forecast:
        person = tickets.contact(connection, ticket["contact_id"])
        occasion = Occasion(Event.PUBLIC_COMMENT, ticket["id"], ticket["id"], self.clock.now())
        way = plan(occasion, [notify.author(person)], self.site.policy).deliveries[0]
        return Forecast(way.channel, way.address or person["value"], person["name"], way.language, way.reason)

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

    async def keep_draft(self, number: str, visitor: Visitor, mode: str, text: str) -> None:
        """Keep what somebody has begun to write.

        Raises:
            NoSuchTicket: the number is nobody's.
            Refused: there is no such mode.
        """
        if mode not in reply.MODES:
            raise Refused("an answer or an internal comment: choose one", "unknown_value")

        def unit(connection: Connection) -> None:
            ticket = _found(connection, number)
            now = self.clock.now()
            clean = text.replace("\x00", "")[:200_000]
            conversation.keep_draft(connection, ticket["id"], visitor.user_id, mode, clean, now)

        await self.database.write(unit, name="draft")

    async def keep_files(self, number: str, visitor: Visitor, files: list[Row]) -> None:
        """Keep files chosen for what is being written: rows with `name`, `content_type`, `sha256` and `octets`.

        Raises:
            NoSuchTicket: the number is nobody's.
            Refused: too many, or too much together.
        """

        def unit(connection: Connection) -> None:
            ticket = _found(connection, number)
            count, octets = conversation.size_of_files(connection, ticket["id"], visitor.user_id)
            if count + len(files) > MOST_FILES:
                raise Refused("at most ten files go along with an answer", "too_many_files")
            if octets + sum(len(file["octets"]) for file in files) > self.limits.files:
                raise Refused("the files are too big together", "files_too_big")
            for file in files:
                row = {
                    "id": uuid7(),
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
            ticket = _found(connection, number)
            return conversation.drop_file(connection, file_id, ticket["id"], visitor.user_id)

        return await self.database.write(unit, name="draft")

    async def canned(self, number: str, visitor: Visitor, answer_id: UUID) -> str:
        """A canned answer filled with the facts of a ticket.

        Raises:
            NoSuchTicket: the number is nobody's.
            NoSuchAnswer: there is no such text for this user.
        """

        def query(connection: Connection) -> str:
            row = canned_rows.one(connection, answer_id, visitor.user_id)
            if row is None:
                raise NoSuchAnswer(answer_id)
            ticket = _found(connection, number)
            organisation = self._current(connection)
            customer = organisation.customers.get(ticket["customer"])
            centre = organisation.centres.get(ticket["centre"])
            assignee = organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
            facts = {
                "author": tickets.contact(connection, ticket["contact_id"])["name"],
                "number": ticket["number"],
                "subject": ticket["subject"],
                "customer": customer.name if customer else "",
                "centre": centre.name if centre else "",
                "assignee": assignee.name if assignee else "",
                "me": visitor.name or visitor.login,
                "site": self.site.name,
            }
            return canned.fill(row["text"], facts)

        return await self.database.read(query)

    # ---- properties -----------------------------------------------------------------------------------------------

    async def status(self, number: str, visitor: Visitor, new: Status, comment: str, seen: UUID | None) -> Row:
        """Move a ticket that nobody else has changed since; see `desk.change.Changes.status`.

        Raises:
            ChangedMeanwhile: somebody has.
        """
        return await self._change(
            number, visitor, seen, "ticket.status_changed", lambda c: c.status(number, new, visitor.actor, comment)
        )

    async def assign(self, number: str, visitor: Visitor, seen: UUID | None, **whom: str | None) -> Row:
        """Give away a ticket that nobody else has changed since; see `desk.change.Changes.assign`.

        Raises:
            ChangedMeanwhile: somebody has.
        """
        return await self._change(
            number, visitor, seen, "ticket.assigned", lambda c: c.assign(number, visitor.actor, **whom)
        )

    async def classify(self, number: str, visitor: Visitor, seen: UUID | None, wanted: classify.Properties) -> Row:
        """Change what a ticket is about that nobody else has changed since; see `desk.classify.classify`.

        Raises:
            ChangedMeanwhile: somebody has.
        """
        return await self._change(
            number, visitor, seen, "ticket.classified", lambda c: classify.classify(c, number, wanted, visitor.actor)
        )

    async def _change(
        self, number: str, visitor: Visitor, seen: UUID | None, what: str, verb: Callable[[Changes], Row]
    ) -> Row:
        def unit(changes: Changes) -> Row:
            ticket = changes.ticket(number)
            if seen is not None:
                entries = conversation.events_since(changes.connection, ticket["id"], seen)
                news = [e for e in entries if e["what"] in _PROPERTIES and e["by"] != visitor.actor.label]
                if news:
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
        value, name = value.strip(), " ".join(name.replace("\x00", "").split())[:200]
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


def _found(connection: Connection, number: str) -> Row:
    ticket = tickets.find(connection, number)
    if ticket is None:
        raise NoSuchTicket(number)
    return ticket


def _with_merged(connection: Connection, ticket: Row) -> list[UUID]:
    return [ticket["id"], *(row["id"] for row in merging.merged_into(connection, ticket["id"]))]
