"""What may not be in a database: rows that lost their parent, states that cannot be, counts that do not agree.

The tables have no foreign keys, because looking every parent up again costs intake too much; these questions are asked
instead, by `otklik check` and after every kill of the crash rig. Each is one SQL statement, the same on both databases,
asked inside one transaction of the caller's; while deliveries are sent it has to be a snapshot (`Database.read`).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Connection, Select, and_, exists, func, or_, select, union_all

from storage.tables import addresses, attachments, blobs, events, links, messages, people, quarantine, receipts, tickets
from storage.tables_accounts import recovery_codes, sessions, users
from storage.tables_console import readings, search_entries, ticket_tags
from storage.tables_conversation import draft_files, message_files, participants
from storage.tables_mailboxes import mailbox_problems
from storage.tables_outbox import attempts, deliveries, notifications
from storage.tables_portal import consent_texts, consents, ratings
from tickets.delivery import DeliveryState, Outcome
from tickets.event import Event, Role
from tickets.priority import Level, Priority
from tickets.role import Role as StaffRole
from tickets.status import Status

SHOWN = 5
"""How many rows of one kind a problem names; it counts them all."""

_ARRIVED = (DeliveryState.SENT.value, DeliveryState.DELIVERED.value, DeliveryState.READ.value)
_SENDING = DeliveryState.SENDING.value


def problems(connection: Connection) -> list[str]:
    """One line for each kind of thing that is wrong, with its count and the keys of some; empty when all is well."""
    found: list[str] = []
    for said, question in _QUESTIONS:
        rows = question.subquery()
        some = connection.execute(select(rows, func.count().over()).limit(SHOWN)).all()
        if some:
            count = some[0][-1]
            keys = ", ".join(" ".join(_shown(cell) for cell in row[:-1]) for row in some)
            found.append(f"{said}: {count} ({keys}{', …' if count > len(some) else ''})")
    return found


def _shown(cell: Any) -> str:
    return cell.hex() if isinstance(cell, bytes) else str(cell)


def _orphans(child: Column[Any], parent: Column[Any]) -> Select[Any]:
    """Rows whose column names a parent that is not there."""
    return select(*child.table.primary_key).where(child.is_not(None), ~exists().where(parent == child))


def _childless(parent: Column[Any], child: Column[Any]) -> Select[Any]:
    return select(parent).where(~exists().where(child == parent))


def _strange(column: Column[Any], words: type[StrEnum] | Iterable[str]) -> Select[Any]:
    """Rows with a word that is not in the vocabulary."""
    known = [str(word) for word in words]
    return select(*column.table.primary_key, column).where(column.not_in(known))


def _repeated(column: Column[Any]) -> Select[Any]:
    return select(column).group_by(column).having(func.count() > 1)


def _sent_without_acceptance() -> Select[Any]:
    later = attempts.alias()
    last = ~exists().where(later.c.delivery_id == attempts.c.delivery_id, later.c.number > attempts.c.number)
    accepted = exists().where(
        attempts.c.delivery_id == deliveries.c.id,
        # of what a crash left unknown a person may say that it arrived
        attempts.c.outcome.in_((Outcome.ACCEPTED.value, Outcome.UNKNOWN.value)),
        last,
    )
    return select(deliveries.c.id, deliveries.c.state).where(deliveries.c.state.in_(_ARRIVED), ~accepted)


def _followed_while_in_flight() -> Select[Any]:
    later = attempts.alias()
    follower = exists().where(later.c.delivery_id == attempts.c.delivery_id, later.c.number > attempts.c.number)
    return select(attempts.c.delivery_id, attempts.c.number).where(attempts.c.outcome.is_(None), follower)


def _miscounted_tries() -> Select[Any]:
    ended = (
        select(attempts.c.delivery_id, func.count().label("ended"))
        .where(attempts.c.outcome.is_not(None))
        .group_by(attempts.c.delivery_id)
        .subquery()
    )
    counted = func.coalesce(ended.c.ended, 0)
    return (
        select(deliveries.c.id, deliveries.c.tries, counted.label("ended"))
        .select_from(deliveries.outerjoin(ended, ended.c.delivery_id == deliveries.c.id))
        .where(deliveries.c.state != _SENDING, deliveries.c.tries != counted)
    )


def _miscounted_blobs() -> Select[Any]:
    holders = union_all(
        select(receipts.c.raw_sha256),
        select(quarantine.c.raw_sha256),
        select(message_files.c.sha256),
        select(draft_files.c.sha256),
    ).subquery()
    held = select(holders.c.raw_sha256, func.count().label("held")).group_by(holders.c.raw_sha256).subquery()
    counted = func.coalesce(held.c.held, 0)
    return (
        select(blobs.c.sha256, blobs.c.refs, counted.label("held"))
        .select_from(blobs.outerjoin(held, held.c.raw_sha256 == blobs.c.sha256))
        .where(blobs.c.refs != counted)
    )


_QUESTIONS: tuple[tuple[str, Select[Any]], ...] = (
    ("receipts without their message", _orphans(receipts.c.message_id, messages.c.id)),
    ("receipts without their raw bytes", _orphans(receipts.c.raw_sha256, blobs.c.sha256)),
    ("quarantine entries without their raw bytes", _orphans(quarantine.c.raw_sha256, blobs.c.sha256)),
    ("quarantine entries whose ticket is missing", _orphans(quarantine.c.ticket_id, tickets.c.id)),
    (
        "mails of mailboxes whose quarantine entry is missing",
        _orphans(mailbox_problems.c.quarantine_id, quarantine.c.id),
    ),
    ("messages without their ticket", _orphans(messages.c.ticket_id, tickets.c.id)),
    ("attachments without their message", _orphans(attachments.c.message_id, messages.c.id)),
    ("files of ours without their attachment", _orphans(message_files.c.attachment_id, attachments.c.id)),
    ("files of ours without their bytes", _orphans(message_files.c.sha256, blobs.c.sha256)),
    ("files of drafts without their bytes", _orphans(draft_files.c.sha256, blobs.c.sha256)),
    ("participants without their ticket", _orphans(participants.c.ticket_id, tickets.c.id)),
    ("consents without their ticket", _orphans(consents.c.ticket_id, tickets.c.id)),
    ("consents without their person", _orphans(consents.c.person_id, people.c.id)),
    ("consents without their text", _orphans(consents.c.text_digest, consent_texts.c.digest)),
    ("tickets without a message", _childless(tickets.c.id, messages.c.ticket_id)),
    ("tickets without their contact", _orphans(tickets.c.contact_id, people.c.id)),
    ("addresses without their person", _orphans(addresses.c.person_id, people.c.id)),
    ("events without their ticket", _orphans(events.c.ticket_id, tickets.c.id)),
    ("events whose message is missing", _orphans(events.c.message_id, messages.c.id)),
    ("links without their ticket", _orphans(links.c.ticket_id, tickets.c.id)),
    ("links to a ticket that is missing", _orphans(links.c.other_id, tickets.c.id)),
    ("ratings without their ticket", _orphans(ratings.c.ticket_id, tickets.c.id)),
    ("tags without their ticket", _orphans(ticket_tags.c.ticket_id, tickets.c.id)),
    ("readings without their ticket", _orphans(readings.c.ticket_id, tickets.c.id)),
    ("search entries without their ticket", _orphans(search_entries.c.ticket_id, tickets.c.id)),
    ("tickets merged into one that is missing", _orphans(tickets.c.merged_into_id, tickets.alias().c.id)),
    ("notifications without their ticket", _orphans(notifications.c.ticket_id, tickets.c.id)),
    ("notifications without their event", _orphans(notifications.c.event_id, events.c.id)),
    ("notifications without a delivery", _childless(notifications.c.id, deliveries.c.notification_id)),
    ("deliveries without their notification", _orphans(deliveries.c.notification_id, notifications.c.id)),
    ("attempts without their delivery", _orphans(attempts.c.delivery_id, deliveries.c.id)),
    ("sessions without their user", _orphans(sessions.c.user_id, users.c.id)),
    ("recovery codes without their user", _orphans(recovery_codes.c.user_id, users.c.id)),
    ("users of an unknown role", _strange(users.c.role, StaffRole)),
    ("ticket numbers given out twice", _repeated(tickets.c.number)),
    ("notifications made twice", _repeated(notifications.c.dedupe_key)),
    ("tickets of an unknown status", _strange(tickets.c.status, Status)),
    ("tickets of an unknown priority", _strange(tickets.c.priority, Priority)),
    ("tickets of an unknown impact", _strange(tickets.c.impact, Level)),
    ("tickets of an unknown urgency", _strange(tickets.c.urgency, Level)),
    ("messages of an unknown direction", _strange(messages.c.direction, ("in", "out"))),
    ("quarantine entries of an unknown state", _strange(quarantine.c.state, ("held", "replayed", "discarded"))),
    ("notifications of an unknown event", _strange(notifications.c.event, Event)),
    ("notifications to an unknown role", _strange(notifications.c.role, Role)),
    ("deliveries of an unknown state", _strange(deliveries.c.state, DeliveryState)),
    ("attempts of an unknown outcome", _strange(attempts.c.outcome, Outcome)),
    (
        "deliveries that are sending without a lease",
        select(deliveries.c.id).where(
            deliveries.c.state == _SENDING, or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_owner == "")
        ),
    ),
    (
        "deliveries with a lease that are not sending",
        select(deliveries.c.id, deliveries.c.state).where(
            deliveries.c.state != _SENDING, or_(deliveries.c.lease_until.is_not(None), deliveries.c.lease_owner != "")
        ),
    ),
    (
        "deliveries that are not sending with an attempt in flight",
        select(deliveries.c.id, deliveries.c.state).where(
            deliveries.c.state != _SENDING,
            exists().where(attempts.c.delivery_id == deliveries.c.id, attempts.c.outcome.is_(None)),
        ),
    ),
    ("attempts in flight that a later one follows", _followed_while_in_flight()),
    (
        "attempts with an outcome and no end, or an end and no outcome",
        select(attempts.c.delivery_id, attempts.c.number).where(
            or_(
                and_(attempts.c.outcome.is_(None), attempts.c.ended_at.is_not(None)),
                and_(attempts.c.outcome.is_not(None), attempts.c.ended_at.is_(None)),
            )
        ),
    ),
    ("deliveries that arrived though their last attempt failed", _sent_without_acceptance()),
    (
        "deliveries whose attempts are not numbered from 1 without a gap",
        select(attempts.c.delivery_id)
        .group_by(attempts.c.delivery_id)
        .having(or_(func.min(attempts.c.number) != 1, func.max(attempts.c.number) != func.count())),
    ),
    ("deliveries whose count of tries is not that of their ended attempts", _miscounted_tries()),
    ("raw contents whose count of holders is wrong", _miscounted_blobs()),
)
