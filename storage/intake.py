"""The look-ups before and the inserts after an intake group: a handful of statements, however many units."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, text

from storage import blobs as blob_store
from storage.bulk import UpdateMany, write_together
from storage.cells import Row
from storage.lookup import Lookup, LookupAmong, LookupTogether
from storage.organisation import VERSION as ORGANISATION
from storage.tables import (
    addresses,
    attachments,
    blobs,
    counters,
    events,
    links,
    messages,
    people,
    quarantine,
    receipts,
    tickets,
)
from storage.tables_conversation import participants
from storage.tables_mail import acknowledged_hours, delivery_reports, sender_rules
from storage.tables_outbox import deliveries, notifications
from storage.tables_portal import consent_texts, consents
from storage.types import EPOCH, Instant

_RECEIPTS = Lookup(
    select(
        receipts.c.channel,
        receipts.c.account,
        receipts.c.external_id,
        receipts.c.raw_sha256,
        messages.c.id.label("message_id"),
        messages.c.digest,
        tickets.c.id.label("ticket_id"),
        tickets.c.number,
    )
    .join(messages, messages.c.id == receipts.c.message_id)
    .join(tickets, tickets.c.id == messages.c.ticket_id),
    receipts.c.external_id,
)
_DIGESTS = Lookup(
    select(
        messages.c.digest,
        messages.c.at,
        messages.c.id.label("message_id"),
        tickets.c.id.label("ticket_id"),
        tickets.c.number,
    )
    .join(tickets, tickets.c.id == messages.c.ticket_id)
    .where(messages.c.at >= bindparam("since", type_=Instant))
    .order_by(messages.c.id),
    messages.c.digest,
)
_TICKET_COLUMNS = (
    tickets.c.id,
    tickets.c.number,
    tickets.c.subject,
    tickets.c.status,
    tickets.c.priority,
    tickets.c.customer,
    tickets.c.contact_id,
    tickets.c.centre,
    tickets.c.line,
    tickets.c.team,
    tickets.c.assignee_id,
    tickets.c.agreement,
    tickets.c.created_at,
    tickets.c.updated_at,
    tickets.c.respond_by,
    tickets.c.resolve_by,
    tickets.c.responded_at,
    tickets.c.resolved_at,
    tickets.c.closed_at,
    tickets.c.paused_at,
    tickets.c.alarm_at,
    tickets.c.alarm,
    tickets.c.alarmed,
    tickets.c.version,
    tickets.c.merged_into_id,
    tickets.c.snoozed_until,
)
_TICKETS = Lookup(select(*_TICKET_COLUMNS).order_by(tickets.c.id).with_for_update(), tickets.c.id)
_THREADS = Lookup(
    select(messages.c.message_id, messages.c.ticket_id).order_by(messages.c.id),
    messages.c.message_id,
)
_WAYS = (
    (select(messages.c.ticket_id), messages.c.message_id),
    (select(tickets.c.id), tickets.c.number),
)
"""How a ticket is found but by its id."""
_seen = tickets.alias("seen")
_MEANT = LookupAmong(
    # who waits for a lock gets the row as it is then, and all else as it was when the statement began
    select(*_TICKET_COLUMNS, _seen.c.version.label("seen"))
    .join(_seen, _seen.c.id == tickets.c.id)
    .order_by(tickets.c.id)
    .with_for_update(of=tickets),
    tickets.c.id,
    *_WAYS,
)
_NUMBERS = Lookup(select(*_TICKET_COLUMNS).order_by(tickets.c.id).with_for_update(), tickets.c.number)
_ADDRESSES = Lookup(
    select(
        addresses.c.key,
        addresses.c.person_id,
        addresses.c.kind,
        addresses.c.value,
        addresses.c.verified,
        addresses.c.dead_at,
        addresses.c.opted_out_at,
        addresses.c.standing,
        addresses.c.acknowledgement_id,
        deliveries.c.state.label("acknowledgement"),
        people.c.name,
        people.c.language,
        people.c.customer,
    )
    .join(people, people.c.id == addresses.c.person_id)
    .outerjoin(deliveries, deliveries.c.id == addresses.c.acknowledgement_id)
    .order_by(addresses.c.key)
    # how often an address was acknowledged is counted in its row, by any number of nodes
    .with_for_update(of=addresses),
    addresses.c.key,
)
_RULES = Lookup(select(sender_rules.c.key, sender_rules.c.verdict), sender_rules.c.key)
_HOURS = Lookup(
    select(acknowledged_hours.c.scope, func.sum(acknowledged_hours.c.count).label("count"))
    .where(acknowledged_hours.c.hour == bindparam("hour", type_=Instant))
    .group_by(acknowledged_hours.c.scope),
    acknowledged_hours.c.scope,
)

_PARTICIPANTS = LookupAmong(select(participants.c.ticket_id, participants.c.key), participants.c.ticket_id, *_WAYS)
_VERSION = Lookup(select(counters.c.name, counters.c.value), counters.c.name)
_ALL = LookupTogether(_RECEIPTS, _DIGESTS, _ADDRESSES, _THREADS, _MEANT, _PARTICIPANTS, _VERSION, _HOURS, _RULES)

OPEN_ASSIGNED = text("status IN ('new', 'in_progress', 'waiting')")
"""Spelt as the partial index spells it: a bound parameter would keep both databases from using it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the database knows about a group of inputs, of everything that came several times the first first.

    `receipts` are earlier deliveries with one of the ids, on any channel and account; `contents` messages with the
    same content that came after a moment; `people` those with one of the addresses; `threads` the ids of tickets of
    messages by their RFC 5322 identifiers; `tickets` these and those asked for by id or number; `participants` who
    takes part in them; `hours` what domains were acknowledged within the hour, `rules` those that block or allow a
    sender. Addresses and then tickets are locked until the commit, each in the order of their keys.
    """

    receipts: list[Row]
    contents: list[Row]
    people: list[Row]
    threads: list[Row]
    tickets: list[Row]
    participants: list[Row]
    counters: list[Row]
    hours: list[Row]
    rules: list[Row]

    @property
    def organisation(self) -> int:
        """The version of the organisation."""
        return int(self.counters[0]["value"]) if self.counters else 0


def look_up(
    connection: Connection,
    *,
    external_ids: Iterable[str],
    digests: Iterable[bytes],
    since: datetime,
    message_ids: Iterable[str],
    address_keys: Iterable[str],
    ticket_ids: Iterable[uuid.UUID] = (),
    numbers: Iterable[str] = (),
    scopes: Iterable[str] = (),
    hour: datetime = EPOCH,
    rules: Iterable[str] = (),
) -> Found:
    """All that intake asks before it decides."""
    threads = sorted(set(message_ids))
    meant = (sorted(set(ticket_ids)), threads, sorted(set(numbers)))
    keys = (external_ids, digests, address_keys, threads, meant, meant, (ORGANISATION,), scopes, rules)
    earlier, contents, known, by_thread, found, taking_part, *rest = _ALL.rows(connection, keys, since=since, hour=hour)
    changed = {row["id"] for row in found if row.pop("seen") != row["version"]}
    if changed:
        # by whom the lock was waited for, and who may have joined with it
        taking_part = [row for row in taking_part if row["ticket_id"] not in changed]
        taking_part += _PARTICIPANTS.rows(connection, (changed, (), ()))
    return Found(earlier, contents, known, by_thread, found, taking_part, *rest)


def tickets_by_id(connection: Connection, ids: Iterable[uuid.UUID]) -> list[Row]:
    """Tickets, locked in id order until the commit."""
    return _TICKETS.rows(connection, sorted(set(ids)))


def tickets_by_number(connection: Connection, numbers: Iterable[str]) -> list[Row]:
    """Tickets by their numbers, locked in id order until the commit."""
    return _NUMBERS.rows(connection, numbers)


def open_load(connection: Connection) -> dict[uuid.UUID, int]:
    """Open tickets by the member of staff they are assigned to."""
    rows = connection.execute(
        select(tickets.c.assignee_id, func.count())
        .where(OPEN_ASSIGNED, tickets.c.assignee_id.is_not(None))
        .group_by(tickets.c.assignee_id)
    )
    return {row[0]: row[1] for row in rows}


def lock_of(digest: bytes) -> int:
    """What keeps two nodes from taking the same content at the same moment: both would find no earlier message."""
    return int.from_bytes(digest[:8], "big", signed=True)


_INSERTED = (
    receipts,
    people,
    addresses,
    tickets,
    messages,
    attachments,
    events,
    links,
    notifications,
    deliveries,
    quarantine,
    consents,
    delivery_reports,
)


_CHANGE = UpdateMany(tickets, ("id",), [c.name for c in _TICKET_COLUMNS if c.name not in ("id", "number")])


_STANDING = UpdateMany(addresses, ("key",), ("standing", "acknowledgement_id"))


class Batch:
    """Rows of one group by table, and changes to tickets that were there before."""

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {table.name: [] for table in _INSERTED}
        self._blobs: list[Row] = []
        self._words: dict[bytes, Row] = {}
        self._changed: dict[uuid.UUID, Row] = {}
        self._standings: dict[str, Row] = {}
        self._later: list[Callable[[Connection], None]] = []

    def add(self, table: str, row: Row) -> Row:
        """A row to insert; all rows of one table have the same keys."""
        self._rows[table].append(row)
        return row

    def keep(self, row: Row) -> None:
        """Raw bytes to keep."""
        self._blobs.append(row)

    def word(self, row: Row) -> None:
        """A text that people agreed to, kept once."""
        self._words[row["digest"]] = row

    def stand(self, key: str, standing: Row, acknowledgement_id: uuid.UUID | None) -> None:
        """What is known of an address from now on that was there before."""
        self._standings[key] = {"key": key, "standing": standing, "acknowledgement_id": acknowledgement_id}

    def then(self, step: Callable[[Connection], None]) -> None:
        """Something to do after all rows are written, in the same transaction."""
        self._later.append(step)

    def change(self, ticket: Row) -> None:
        """A ticket whose row was altered in place."""
        self._changed[ticket["id"]] = ticket

    def rows(self, table: str) -> list[Row]:
        """What is to be inserted into a table."""
        return self._rows[table]

    def write(self, connection: Connection) -> None:
        """Send everything, one statement a table or, on PostgreSQL, in all."""
        loads = [(table, self._rows[table.name], "") for table in _INSERTED]
        words = [self._words[digest] for digest in sorted(self._words)]
        shared = [
            (blobs, blob_store.counted(self._blobs), blob_store.COUNT),
            (consent_texts, words, "ON CONFLICT DO NOTHING"),
        ]
        changes = [
            (_CHANGE, sorted(self._changed.values(), key=lambda row: row["id"])),
            (_STANDING, [self._standings[key] for key in sorted(self._standings)]),
        ]
        write_together(connection, changes=changes, loads=[*shared, *loads])
        for step in self._later:
            step(connection)
