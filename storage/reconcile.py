"""Questions of bookkeeping: where each mail that reached us has gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, and_, exists, func, select

from storage.mailboxes import CHANNEL, noted, parts
from storage.tables import blobs, messages, quarantine, receipts, tickets


@dataclass(frozen=True, slots=True)
class Found:
    """What is on record of one delivery: the `number` of its ticket, or the `reason` why it has none.

    `joined` says that its content had come before. `end` is `ticket`, `quarantine` or `problem`.
    """

    end: str
    number: str = ""
    joined: bool = False
    reason: str = ""


def deliveries(connection: Connection, account: str, external_ids: Sequence[str]) -> dict[str, Found]:
    """What became of deliveries; those nobody knows are left out, and so is a receipt that leads to no ticket."""
    found = {
        external_id: Found("problem", reason=f"{row['kind']}: {row['detail']}")
        for external_id, row in noted(connection, account, external_ids).items()
    }
    held = select(quarantine.c.envelope, quarantine.c.reason).where(
        quarantine.c.channel == CHANNEL, quarantine.c.account == account
    )
    wanted = set(external_ids)
    for envelope, reason in connection.execute(held.join(blobs, blobs.c.sha256 == quarantine.c.raw_sha256)):
        if envelope.get("external_id") in wanted:
            found[envelope["external_id"]] = Found("quarantine", reason=reason)
    for some in parts(external_ids):
        query = _led().where(
            receipts.c.channel == CHANNEL, receipts.c.account == account, receipts.c.external_id.in_(some)
        )
        for external_id, number, joined in connection.execute(query):
            if number is not None:
                found[external_id] = Found("ticket", number=number, joined=bool(joined))
    return found


def _led() -> Select[Any]:
    """Receipts with the ticket each leads to, and whether another receipt of the message came before."""
    earlier = receipts.alias()
    joined = exists().where(earlier.c.message_id == receipts.c.message_id, earlier.c.id < receipts.c.id)
    return (
        select(receipts.c.external_id, tickets.c.number, joined.label("joined"))
        .outerjoin(messages, messages.c.id == receipts.c.message_id)
        .outerjoin(tickets, tickets.c.id == messages.c.ticket_id)
    )


@dataclass(frozen=True, slots=True)
class Journal:
    """What one account was told that we have: each of it is a ticket's, joined, in quarantine, or astray."""

    account: str
    answered: int
    tickets: int
    joined: int
    quarantined: int
    astray: int
    some: tuple[str, ...]


def journals(connection: Connection, *, other_than: Collection[str], most: int = 20) -> list[Journal]:
    """The journal of each account that mail came by, but for some accounts."""
    led = _led().add_columns(receipts.c.account).where(receipts.c.channel == CHANNEL).subquery()
    query = select(led.c.account, led.c.joined, led.c.number.is_not(None), func.count()).group_by(
        led.c.account, led.c.joined, led.c.number.is_not(None)
    )
    counts: dict[str, dict[tuple[bool, bool], int]] = {}
    for account, joined, has_ticket, count in connection.execute(query):
        counts.setdefault(account, {})[bool(joined), bool(has_ticket)] = int(count)
    held: dict[str, dict[bool, int]] = {}
    kept = blobs.c.sha256.is_not(None)
    entries = (
        select(quarantine.c.account, kept, func.count())
        .outerjoin(blobs, blobs.c.sha256 == quarantine.c.raw_sha256)
        # one that was replayed has a receipt
        .where(quarantine.c.channel == CHANNEL, quarantine.c.state != "replayed")
        .group_by(quarantine.c.account, kept)
    )
    for account, there, count in connection.execute(entries):
        held.setdefault(account, {})[bool(there)] = int(count)
    found = []
    for account in sorted({*counts, *held} - set(other_than)):
        mine, entry = counts.get(account, {}), held.get(account, {})
        lost = mine.get((False, False), 0) + mine.get((True, False), 0)
        first, again = mine.get((False, True), 0), mine.get((True, True), 0)
        astray = lost + entry.get(False, 0)
        some = _astray(connection, account, most) if astray else ()
        answered = sum(mine.values()) + sum(entry.values())
        found.append(Journal(account, answered, first, again, entry.get(True, 0), astray, some))
    return found


def _astray(connection: Connection, account: str, most: int) -> tuple[str, ...]:
    no_ticket = _led().where(receipts.c.channel == CHANNEL, receipts.c.account == account, tickets.c.id.is_(None))
    found = [f"receipt {row.external_id}: no ticket" for row in connection.execute(no_ticket.limit(most))]
    no_bytes = (
        select(quarantine.c.id)
        .outerjoin(blobs, blobs.c.sha256 == quarantine.c.raw_sha256)
        .where(
            and_(
                quarantine.c.channel == CHANNEL,
                quarantine.c.account == account,
                quarantine.c.state != "replayed",
                blobs.c.sha256.is_(None),
            )
        )
    )
    found += [f"quarantine {row.id.hex}: no bytes" for row in connection.execute(no_bytes.limit(most))]
    return tuple(found[:most])
