"""What the page of one ticket asks: its rows, what an answer would come to, messages as they came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from desk import audit, canned, notify, reply
from desk.canned import NoSuchAnswer
from desk.change import NoSuchTicket
from desk.site import Site
from desk.visitor import Visitor
from outbound.plan import Occasion, plan
from outbound.prepare import Preparer
from storage import canned as canned_rows
from storage import context, conversation, merging, ticket_page, tickets
from storage import organisation as organisations
from storage.database import Connection, Database
from tickets.clock import Clock
from tickets.event import Event
from tickets.key import new_key
from tickets.organisation import Organisation
from tickets.status import Status

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """`undo` is how long an answer waits before it leaves; `files` are the octets all files of one may have."""

    undo: timedelta = timedelta(seconds=8)
    files: int = 20_000_000


USUAL = Limits()


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


class TicketLook:
    """Answers what pages ask. `preparer` renders as the outbox does."""

    def __init__(
        self,
        database: Database,
        site: Site,
        clock: Clock,
        preparer: Preparer,
        limits: Limits = USUAL,
    ) -> None:
        self.database = database
        self.site = site
        self.clock = clock
        self.limits = limits
        self._preparer = preparer
        self._organisation = Organisation(version=-1)

    # ---- reading --------------------------------------------------------------------------------------------------

    async def page(self, number: str, visitor: Visitor, *, whole: bool = False) -> tuple[Row, Organisation]:
        """The rows of the page (`storage.ticket_page.read`), `forecast` among them, and the organisation.

        Raises:
            NoSuchTicket: the number is nobody's.
        """

        def query(connection: Connection) -> tuple[Row, Organisation]:
            ticket = found(connection, number)
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
            ticket = found(connection, number)
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
            ticket = found(connection, number)
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
            ticket = found(connection, number)
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
            "id": new_key(),
            "ticket_id": ticket["id"],
            "language": forecast.language,
            "created_at": now,
            "channel": forecast.channel,
            "address": forecast.address,
        }
        said = {"text": text, "reply_text": "", "sender_name": visitor.actor.name, "direction": "out", "id": new_key()}
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
                    "event_id": new_key(),
                    "ticket_id": ticket["id"],
                    "person_id": ticket["contact_id"],
                    "id": new_key(),
                },
                "event": {
                    "id": new_key(),
                    "old": ticket["status"] if new else "",
                    "new": new,
                    "message_id": said["id"],
                },
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
            ticket = found(connection, number)
            row = conversation.message_of(connection, with_merged(connection, ticket), message_id)
            if row is None:
                raise NoSuchTicket(number)
            return row | {"raw": conversation.raw_of(connection, row["raw_sha256"])}

        return await self.database.read(query)

    async def exists(self, number: str) -> None:
        """Whether there is such a ticket at all.

        Raises:
            NoSuchTicket: the number is nobody's.
        """
        await self.database.read(lambda connection: found(connection, number))

    async def owns(self, number: str, ticket_id: UUID) -> bool:
        """Whether a ticket is the one of this number, or was merged into it."""

        def query(connection: Connection) -> bool:
            return ticket_id in with_merged(connection, found(connection, number))

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
            ticket = found(connection, number)
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


def found(connection: Connection, number: str, *, lock: bool = False) -> Row:
    """The ticket of a number.

    Raises:
        NoSuchTicket: the number is nobody's.
    """
    ticket = tickets.find(connection, number, lock=lock)
    if ticket is None:
        raise NoSuchTicket(number)
    return ticket


def with_merged(connection: Connection, ticket: Row) -> list[UUID]:
    """The keys of a ticket and of those that were merged into it."""
    return [ticket["id"], *(row["id"] for row in merging.merged_into(connection, ticket["id"]))]
