"""A small world of rows in every table, and a way to look into either database."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import Boolean, Connection, Integer, LargeBinary, SmallInteger, Table
from uuid_utils.compat import uuid7

from storage.bulk import insert_rows
from storage.schema import postgres_engine
from storage.sqlite import sqlite_engine
from storage.tables import metadata
from storage.types import Instant, Json, Key

T = TypeVar("T")
On = Callable[[str, Callable[[Connection], T]], Awaitable[T]]
Rows = dict[str, list[dict[str, Any]]]

NOW = datetime(2026, 11, 21, 9, 30, 0, 123456, tzinfo=UTC)


async def _on(url: str, work: Callable[[Connection], T]) -> T:
    if url.startswith("sqlite"):

        def there() -> T:
            with sqlite_engine(url, busy_timeout=20, writer=True).begin() as connection:
                return work(connection)

        return await asyncio.to_thread(there)
    engine = postgres_engine(url)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


@pytest.fixture
def on() -> Callable[..., Any]:
    """`await on(url, work)`: run `work(connection)` in a transaction of its own and return its answer."""
    return _on


def a_row(table: Table, **given: Any) -> dict[str, Any]:
    """A row with something in every column that must not be empty, and with what is given."""
    row: dict[str, Any] = {}
    for column in table.columns:
        if column.name in given:
            row[column.name] = given.pop(column.name)
        elif column.nullable:
            row[column.name] = None
        else:
            row[column.name] = _something(column.type)
    assert not given, f"{table.name} has no {', '.join(given)}"
    return row


def _something(kind: Any) -> Any:
    match kind:
        case Key():
            return uuid7()
        case Instant():
            return NOW
        case Json():
            return {"тема": ["Ёлка — «кавычки»", None, 1.5, True], "\U0001f4e7": "\n\t\\"}
        case LargeBinary():
            return bytes(range(256))[: kind.length] if kind.length else bytes(range(256)) * 3
        case Boolean():
            return True
        case SmallInteger() | Integer():
            return 1
        case _:
            return "ж" * 3


def a_world(number: int = 1) -> Rows:
    """Rows of every table that belong together: one ticket with a sent, a queued and a sending delivery."""
    t = metadata.tables
    raw = f"Subject: письмо {number}\r\n\r\n".encode("cp1251") + bytes(range(256))
    sha256 = hashlib.sha256(raw).digest()
    ticket, message, attachment, person, event, note, user = (uuid7() for _ in range(7))
    sent, queued, sending = (uuid7() for _ in range(3))
    later = NOW + timedelta(days=1)
    over = {"notification_id": note, "ticket_id": ticket, "state": "queued", "tries": 0, "lease_owner": ""}
    rows: Rows = {
        "blobs": [a_row(t["blobs"], sha256=sha256, size=len(raw), bytes=raw, refs=4)],
        "receipts": [a_row(t["receipts"], external_id=f"e{number}", message_id=message, raw_sha256=sha256)],
        "messages": [
            a_row(t["messages"], id=message, ticket_id=ticket, direction="in", raw_sha256=sha256,
                  text="Не печатает принтер\r\nна 3-м этаже\t\U0001f5a8", digest=sha256),
        ],
        "attachments": [a_row(t["attachments"], id=attachment, message_id=message, sha256=sha256.hex())],
        "quarantine": [a_row(t["quarantine"], raw_sha256=sha256, state="held")],
        "tickets": [
            a_row(t["tickets"], id=ticket, number=f"OTK-26-{number:06}", serial=number, contact_id=person,
                  status="new", priority="high", impact="high", urgency="medium", resolve_by=later, alarm_at=later),
        ],
        "events": [a_row(t["events"], id=event, ticket_id=ticket, message_id=message, what="received")],
        "links": [a_row(t["links"], ticket_id=ticket, other_id=ticket)],
        "ticket_tags": [a_row(t["ticket_tags"], ticket_id=ticket)],
        "readings": [a_row(t["readings"], ticket_id=ticket)],
        "search_entries": [
            a_row(t["search_entries"], position=number, ticket_id=ticket, words="принтер a:x@example.ru o'кей принтер"),
        ],
        "message_files": [a_row(t["message_files"], attachment_id=attachment, sha256=sha256)],
        "draft_files": [a_row(t["draft_files"], ticket_id=ticket, sha256=sha256)],
        "participants": [a_row(t["participants"], ticket_id=ticket)],
        "users": [a_row(t["users"], id=user, login_key=f"u{number}", role="agent")],
        "sessions": [a_row(t["sessions"], user_id=user, digest=hashlib.sha256(b"%d" % number).digest())],
        "recovery_codes": [a_row(t["recovery_codes"], user_id=user)],
        "ratings": [a_row(t["ratings"], ticket_id=ticket, person_id=person)],
        "consents": [a_row(t["consents"], ticket_id=ticket, person_id=person, text_digest=sha256)],
        "consent_texts": [a_row(t["consent_texts"], digest=sha256)],
        "people": [a_row(t["people"], id=person, name="Ёжикова Щука")],
        "addresses": [a_row(t["addresses"], key=f"email:{number}@example.ru", person_id=person)],
        "notifications": [
            a_row(t["notifications"], id=note, ticket_id=ticket, event_id=event, event="received", role="author",
                  dedupe_key=f"d{number}"),
        ],
        "deliveries": [
            a_row(t["deliveries"], **over | {"id": sent, "state": "sent", "tries": 2, "text": "Здравствуйте",
                                             "envelope": {"to": "иван@пример.рф"}}),
            a_row(t["deliveries"], **over | {"id": queued}),
            a_row(t["deliveries"], **over | {"id": sending, "state": "sending", "lease_owner": "n1",
                                             "lease_until": later}),
        ],
        "attempts": [
            a_row(t["attempts"], delivery_id=sent, number=1, outcome="temporary", ended_at=NOW),
            a_row(t["attempts"], delivery_id=sent, number=2, outcome="accepted", ended_at=NOW),
            a_row(t["attempts"], delivery_id=sending, number=1, outcome=None, ended_at=None),
        ],
    }  # fmt: skip
    if number == 1:
        for name in sorted(set(t) - set(rows)):
            rows[name] = [a_row(t[name])]
    return rows


def put(connection: Connection, rows: Rows, *, without: frozenset[str] = frozenset()) -> None:
    """Insert rows; `without` names tables, and columns as `table.column`, that are not there."""
    for name, some in rows.items():
        if name not in without:
            kept = [{k: v for k, v in row.items() if f"{name}.{k}" not in without} for row in some]
            if name == "search_entries":
                # the driver takes a `tsvector` by itself, not within a row
                connection.execute(metadata.tables[name].insert(), kept)
            else:
                insert_rows(connection, metadata.tables[name], kept)


def everything(connection: Connection) -> Rows:
    """All rows of all tables, each table in the order of its key."""
    return {
        name: [dict(row) for row in connection.execute(table.select().order_by(*table.primary_key)).mappings()]
        for name, table in metadata.tables.items()
    }


@pytest.fixture
def world() -> Callable[..., Rows]:
    """`world(number)`: see `a_world`."""
    return a_world


@pytest.fixture
def store() -> Callable[..., None]:
    """`store(connection, rows)`: see `put`."""
    return put


@pytest.fixture
def contents() -> Callable[[Connection], Rows]:
    """`contents(connection)`: see `everything`."""
    return everything
