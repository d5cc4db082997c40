"""What is on record of mailboxes and their mails. External ids are `folder/uidvalidity/uid`."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables import messages, quarantine, receipts
from storage.tables_mailboxes import credentials, mailbox_problems, mailboxes

CHANNEL = "email"
UNFETCHABLE = "unfetchable"
_AT_ONCE = 400


def cursor(connection: Connection, name: str) -> Row | None:
    """The row of a mailbox, if it was ever read."""
    found = connection.execute(select(mailboxes).where(mailboxes.c.name == name)).mappings().one_or_none()
    return dict(found) if found is not None else None


def put_cursor(connection: Connection, row: Row) -> None:
    """Keep how far a mailbox was read."""
    values = {key: value for key, value in row.items() if key != "name"}
    changed = connection.execute(update(mailboxes).where(mailboxes.c.name == row["name"]).values(values))
    if not changed.rowcount:
        insert_rows(connection, mailboxes, [row])


def received(connection: Connection, account: str, external_ids: Iterable[str]) -> set[str]:
    """Those that have a receipt."""
    found: set[str] = set()
    for some in parts(external_ids):
        query = select(receipts.c.external_id).where(
            receipts.c.channel == CHANNEL, receipts.c.account == account, receipts.c.external_id.in_(some)
        )
        found.update(connection.execute(query).scalars())
    return found


def noted(connection: Connection, account: str, external_ids: Iterable[str]) -> dict[str, Row]:
    """Those that were noted, by external id."""
    found: dict[str, Row] = {}
    for some in parts(external_ids):
        query = select(mailbox_problems).where(
            mailbox_problems.c.mailbox == account, mailbox_problems.c.external_id.in_(some)
        )
        found.update({row["external_id"]: dict(row) for row in connection.execute(query).mappings()})
    return found


def known(
    connection: Connection, account: str, external_ids: Iterable[str], *, now: datetime, again_after: timedelta
) -> dict[str, str]:
    """What became of each that is on record: `taken`, the kind it was noted as, or `again` where a try is due."""
    wanted = list(external_ids)
    found = {
        external_id: "again" if row["kind"] == UNFETCHABLE and now - row["last_at"] >= again_after else row["kind"]
        for external_id, row in noted(connection, account, wanted).items()
    }
    found.update(dict.fromkeys(received(connection, account, wanted), "taken"))
    return found


def held(connection: Connection, account: str, digests: Mapping[str, bytes]) -> dict[str, uuid.UUID]:
    """Quarantine entries by external id, looked up by their bytes, which are indexed."""
    found: dict[str, uuid.UUID] = {}
    for some in parts(set(digests.values())):
        query = select(quarantine.c.id, quarantine.c.envelope).where(
            quarantine.c.raw_sha256.in_(some), quarantine.c.channel == CHANNEL, quarantine.c.account == account
        )
        for entry, envelope in connection.execute(query):
            external_id = envelope.get("external_id")
            if external_id in digests:
                found[external_id] = entry
    return found


def deliveries_of(connection: Connection, account: str, digests: Iterable[bytes]) -> list[tuple[bytes, str]]:
    """The account's receipts of some contents: each digest with an external id."""
    found: list[tuple[bytes, str]] = []
    for some in parts(set(digests)):
        query = (
            select(messages.c.digest, receipts.c.external_id)
            .join(messages, messages.c.id == receipts.c.message_id)
            .where(messages.c.digest.in_(some), receipts.c.channel == CHANNEL, receipts.c.account == account)
        )
        found += [(bytes(row[0]), row[1]) for row in connection.execute(query)]
    return found


def note(connection: Connection, row: Row) -> None:
    """Record a mail without a receipt, or that another try came to nothing."""
    mine = (mailbox_problems.c.mailbox == row["mailbox"]) & (mailbox_problems.c.external_id == row["external_id"])
    again = {"kind": row["kind"], "detail": row["detail"], "last_at": row["last_at"]}
    if row["quarantine_id"] is not None:
        again["quarantine_id"] = row["quarantine_id"]
    changed = connection.execute(
        update(mailbox_problems).where(mine).values(**again, tries=mailbox_problems.c.tries + 1)
    )
    if not changed.rowcount:
        insert_rows(connection, mailbox_problems, [row])


def settled(connection: Connection, account: str, external_id: str) -> None:
    """A mail that was noted has been taken in."""
    connection.execute(
        delete(mailbox_problems).where(
            mailbox_problems.c.mailbox == account, mailbox_problems.c.external_id == external_id
        )
    )


def unfetchable(connection: Connection) -> dict[str, int]:
    """How many mails of each mailbox could not be fetched and are not settled."""
    query = (
        select(mailbox_problems.c.mailbox, func.count())
        .where(mailbox_problems.c.kind == UNFETCHABLE)
        .group_by(mailbox_problems.c.mailbox)
    )
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def sealed(connection: Connection, name: str) -> str | None:
    """An encrypted credential."""
    found: str | None = connection.execute(select(credentials.c.sealed).where(credentials.c.name == name)).scalar()
    return found


def seal(connection: Connection, name: str, value: str, now: datetime) -> None:
    """Keep an encrypted credential in the place of an older one."""
    row: dict[str, Any] = {"name": name, "sealed": value, "updated_at": now}
    changed = connection.execute(
        update(credentials).where(credentials.c.name == name).values(sealed=value, updated_at=now)
    )
    if not changed.rowcount:
        insert_rows(connection, credentials, [row])


def parts(values: Iterable[Any]) -> Iterable[list[Any]]:
    """So many values at a time as a statement bears."""
    wanted = list(values)
    for start in range(0, len(wanted), _AT_ONCE):
        yield wanted[start : start + _AT_ONCE]
