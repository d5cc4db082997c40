"""What the database knows about a group of messages, kept true while the group is decided unit by unit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from desk import report, spam
from desk.cap import hour_of, scopes
from outbound.token import ReplyTokens
from storage import intake, mail_reports, participants
from storage.database import Connection
from tickets.address import Address, AddressKind, fold
from tickets.message import InboundMessage, MessageKind

Row = dict[str, Any]


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LONGEST_ADDRESS = 320
"""Octets of a mailbox by RFC 5321 (64 + 1 + 255); PostgreSQL refuses to index what is longer than a few thousand."""

LONGEST_MESSAGE_ID = 255

MOST_WRITTEN_TO = 50
"""Recipients of one mail that may join its ticket by an answer."""


def address_key(kind: str, folded: str) -> str:
    """The primary key of an address row."""
    return f"{kind}:{folded[:LONGEST_ADDRESS]}"


def indexed(message_id: str) -> str:
    """A Message-ID as it is stored and looked up."""
    return message_id[:LONGEST_MESSAGE_ID]


def _writers(message: InboundMessage) -> Iterable[str]:
    """The address of the sender, and that of whom a forwarded mail is by."""
    yield address_key(*message.sender.key)
    forwarded = message.extra.get("forwarded")
    if forwarded:
        yield address_key("email", fold(forwarded["address"]))


class Known:
    """Look-ups of a group, answered from memory."""

    def __init__(self, tokens: ReplyTokens) -> None:
        self.tokens = tokens
        self.organisation = 0
        self._receipts: dict[tuple[str, str, str], Row] = {}
        self._contents: dict[bytes, list[Row]] = {}
        self._threads: dict[str, list[UUID]] = {}
        self.tickets: dict[UUID, Row] = {}
        self._numbers: dict[str, UUID] = {}
        self._participants: dict[UUID, frozenset[str]] = {}
        self._returned: dict[int, str] = {}
        self.deliveries: dict[UUID, Row] = {}
        self.hours: dict[str, int] = {}
        self.rules: dict[str, Row] = {}
        self.hits: set[str] = set()
        self.written_to: dict[UUID, dict[tuple[str, str], Address]] = {}
        self.people: dict[str, Row] = {}

    @classmethod
    def gather(
        cls, connection: Connection, messages: list[InboundMessage], tokens: ReplyTokens, now: datetime = EPOCH
    ) -> Known:
        """Read everything the units may ask for; tickets that may be changed are locked."""
        known = cls(tokens)
        for message in messages:
            report.as_machine(message, tokens)
        digests = [m.digest for m in messages if m.digest and m.window]
        found = intake.look_up(
            connection,
            external_ids=(m.external_id for m in messages if not m.fresh),
            digests=digests,
            since=min((m.received_at - m.window for m in messages), default=EPOCH),
            message_ids=(indexed(i) for m in messages for i in m.refs.message_ids if i),
            address_keys=(key for m in messages for key in _writers(m)),
            ticket_ids=(ticket for m in messages for ticket, _ in known._signed(m)),
            numbers=(number for m in messages for number in m.refs.numbers),
            scopes=scopes(messages),
            hour=hour_of(now),
            rules=spam.senders(messages),
        )
        known.organisation = found.organisation
        for row in found.receipts:
            known._receipts[row["channel"], row["account"], row["external_id"]] = row
        for row in found.contents:
            known._contents.setdefault(row["digest"], []).append(row)
        for row in found.threads:
            known._threads.setdefault(row["message_id"], []).append(row["ticket_id"])
        known._meet(found.tickets)
        known._take_part(found.participants)
        for row in found.people:
            known.people[row["key"]] = row
        known.rules = {row["key"]: row for row in found.rules}
        known.hours = {row["scope"]: int(row["count"]) for row in found.hours}
        known._read_deliveries(connection, messages)
        known._read_tickets(connection, messages)
        if known.deliveries:
            # after the tickets, as everybody locks them
            known.deliveries = {
                row["id"]: row for row in mail_reports.deliveries_of(connection, known.deliveries, lock=True)
            }
        return known

    def _read_deliveries(self, connection: Connection, messages: list[InboundMessage]) -> None:
        """Deliveries that reports are about."""
        wanted = {delivery for message in messages for delivery, _, _ in report.proofs(message, self.tokens)}
        if wanted:
            self.deliveries = {row["id"]: row for row in mail_reports.deliveries_of(connection, wanted)}

    def _read_returned(self, connection: Connection, messages: list[InboundMessage]) -> None:
        """For bounces that prove nothing: the newest ticket of whom they speak of."""
        wanted: dict[int, list[str]] = {}
        for message in messages:
            if message.kind in (MessageKind.BOUNCE, MessageKind.DELIVERY_DELAY) and message.bounce:
                named = [address_key("email", fold(each)) for each in message.bounce.recipients[:5]]
                if named and not any(True for _ in self._signed(message)):
                    wanted[id(message)] = named
        if not wanted:
            return
        found = mail_reports.newest_tickets(connection, {key for keys in wanted.values() for key in keys})
        for message_key, keys in wanted.items():
            number = next((found[key] for key in keys if key in found), "")
            if number:
                self._returned[message_key] = number

    def _read_tickets(self, connection: Connection, messages: list[InboundMessage]) -> None:
        """Tickets that the first look-up could not know of."""
        self._read_returned(connection, messages)
        at_first = frozenset(self.tickets)
        signed = {ticket for message in messages for ticket, _ in self._signed(message)} if self.deliveries else set()
        self._meet(intake.tickets_by_id(connection, signed - at_first))
        returned = [n for n in self._returned.values() if n not in self._numbers]
        self._meet(intake.tickets_by_number(connection, returned))
        # those that go on as another ticket; merging keeps it at one step, two may meet in a race
        for _ in range(3):
            further = {row["merged_into_id"] for row in self.tickets.values()} - {None, *self.tickets}
            if not further:
                break
            for row in intake.tickets_by_id(connection, further):
                self.tickets[row["id"]] = row
        if later := self.tickets.keys() - at_first:
            self._take_part(participants.of(connection, later))
        if self.tickets:
            self._read_written_to(connection, messages)

    def _meet(self, tickets: Iterable[Row]) -> None:
        for row in tickets:
            self.tickets[row["id"]] = row
            self._numbers[row["number"]] = row["id"]

    def _take_part(self, rows: Iterable[Row]) -> None:
        taking_part: dict[UUID, set[str]] = {}
        for row in rows:
            taking_part.setdefault(row["ticket_id"], set()).add(row["key"])
        self._participants.update((ticket, frozenset(keys)) for ticket, keys in taking_part.items())

    def _read_written_to(self, connection: Connection, messages: list[InboundMessage]) -> None:
        """For answers with a proof of somebody who does not take part yet: whom the author had written to besides."""
        wanted: set[UUID] = set()
        for message in messages:
            key = address_key(*message.sender.key)
            person = self.people.get(key, {}).get("person_id")
            for ticket, _ in self._signed(message):
                row = self.tickets.get(ticket)
                if row is not None and row["contact_id"] != person and not self.takes_part(row, key):
                    wanted.add(ticket)
        if wanted:
            for row in participants.written_to(connection, wanted):
                named = [Address.from_text(AddressKind.EMAIL, each) for each in row["recipients"][:MOST_WRITTEN_TO]]
                self.written_to.setdefault(row["ticket_id"], {}).update((each.key, each) for each in named)

    def _signed(self, message: InboundMessage) -> Iterable[tuple[UUID, str]]:
        for ticket_id in message.refs.pages:
            yield ticket_id, "author_page"
        for delivery, _, proof in report.proofs(message, self.tokens):
            if delivery in self.deliveries:
                yield self.deliveries[delivery]["ticket_id"], proof
        for token in message.refs.tokens:
            ticket = self.tokens.verify(token) or self.tokens.ticket_of_message_id(token)
            if ticket is not None:
                yield ticket, "reply_token"
        own = (message.message_id,) if message.kind is MessageKind.OWN else ()
        for message_id in (*own, *message.refs.message_ids):
            ticket = self.tokens.ticket_of_message_id(message_id)
            if ticket is not None:
                yield ticket, "our_message_id"

    # ---- questions ------------------------------------------------------------------------------------------------

    def receipt(self, message: InboundMessage) -> Row | None:
        """The earlier delivery with the same external id, if any."""
        return self._receipts.get((message.channel, message.account, message.external_id))

    def same_content(self, message: InboundMessage) -> Row | None:
        """An earlier message of the same content within the message's window."""
        if not message.digest or not message.window:
            return None
        for row in self._contents.get(message.digest, ()):
            if abs(message.received_at - row["at"]) <= message.window:
                return row
        return None

    def thread(self, message: InboundMessage) -> list[tuple[Row, str]]:
        """Tickets the message may belong to, strongest tie first, each once, with the tie's name."""
        found: dict[UUID, str] = {}
        for ticket, tie in self._signed(message):
            found.setdefault(ticket, tie)
        for message_id in message.refs.message_ids:
            for ticket in self._threads.get(indexed(message_id), ()):
                found.setdefault(ticket, "references")
        for number in message.refs.numbers:
            if number in self._numbers:
                found.setdefault(self._numbers[number], "number")
        number = self._returned.get(id(message), "")
        if number in self._numbers:
            found.setdefault(self._numbers[number], "recipient")
        return [(self.tickets[ticket], tie) for ticket, tie in found.items() if ticket in self.tickets]

    def lives_on(self, ticket: Row) -> Row:
        """The ticket a ticket goes on as: itself, unless it was merged into another."""
        for _ in range(3):
            other = self.tickets.get(ticket.get("merged_into_id"))  # type: ignore[arg-type]
            if other is None:
                break
            ticket = other
        return ticket

    def takes_part(self, ticket: Row, key: str) -> bool:
        """Whether an address gets copies of the answers given on a ticket."""
        return key in self._participants.get(ticket["id"], frozenset())

    def learn_participant(self, ticket: Row, key: str) -> None:
        """Take note of who takes part from now on."""
        self._participants[ticket["id"]] = self._participants.get(ticket["id"], frozenset()) | {key}

    # ---- what the units before did ----------------------------------------------------------------------------------

    def learn_receipt(self, message: InboundMessage, seen: Row, sha256: bytes) -> None:
        """Take note of a delivery to us, of a message that was just filed or of one that had come before."""
        if not message.fresh:
            receipt = {**seen, "raw_sha256": sha256}
            self._receipts[message.channel, message.account, message.external_id] = receipt

    def learn(self, message: InboundMessage, ticket: Row, row: Row, sha256: bytes) -> None:
        """Take note of a message that was just filed, for the units after it."""
        seen = {
            "at": message.received_at,
            "message_id": row["id"],
            "ticket_id": ticket["id"],
            "number": ticket["number"],
            "digest": message.digest or None,
        }
        self.learn_receipt(message, seen, sha256)
        if message.digest:
            self._contents.setdefault(message.digest, []).append(seen)
        if message.message_id:
            self._threads.setdefault(indexed(message.message_id), []).append(ticket["id"])
        self.tickets[ticket["id"]] = ticket
