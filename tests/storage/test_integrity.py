"""Integrity: a sound database has no problems; each way to be unsound is named with its keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text
from uuid_utils.compat import uuid7

from storage import integrity, schema
from storage.database import open_database
from storage.tables import metadata, tickets

On = Callable[..., Any]


@pytest.fixture
async def sound(database_url: str, on: On, world: Any, store: Any) -> str:
    """The URL of a database in which nothing is wrong."""
    await schema.upgrade(database_url)
    await on(database_url, lambda c: [store(c, world(number)) for number in (1, 2, 3)])
    return database_url


async def test_a_sound_database_has_no_problems(sound: str) -> None:
    database = await open_database(sound)
    assert await database.read(integrity.problems) == []
    await database.close()


async def test_an_empty_database_has_no_problems(database_url: str, on: On) -> None:
    await schema.upgrade(database_url)
    assert await on(database_url, integrity.problems) == []


def lost(table: str) -> list[str]:
    """The statement that takes away every row of a table."""
    return [f"DELETE FROM {table}"]


SENT = "state = 'sent'"
OF_SENT = "delivery_id IN (SELECT id FROM deliveries WHERE state = 'sent')"
OF_SENDING = "delivery_id IN (SELECT id FROM deliveries WHERE state = 'sending')"

CASES: dict[str, tuple[list[str], set[str]]] = {
    "blobs lost": (
        lost("blobs"),
        {
            "receipts without their raw bytes",
            "quarantine entries without their raw bytes",
            "files of ours without their bytes",
            "files of drafts without their bytes",
        },
    ),
    "attachments lost": (lost("attachments"), {"files of ours without their attachment"}),
    "messages lost": (
        lost("messages"),
        {
            "receipts without their message",
            "attachments without their message",
            "tickets without a message",
            "events whose message is missing",
        },
    ),
    "tickets lost": (
        lost("tickets"),
        {
            "messages without their ticket",
            "events without their ticket",
            "links without their ticket",
            "links to a ticket that is missing",
            "participants without their ticket",
            "consents without their ticket",
            "ratings without their ticket",
            "tags without their ticket",
            "readings without their ticket",
            "search entries without their ticket",
            "notifications without their ticket",
        },
    ),
    "merged into nowhere": (
        ["UPDATE tickets SET merged_into_id = contact_id"],
        {"tickets merged into one that is missing"},
    ),
    "texts of consents lost": (lost("consent_texts"), {"consents without their text"}),
    "users lost": (lost("users"), {"sessions without their user", "recovery codes without their user"}),
    "users' role": (["UPDATE users SET role = 'king'"], {"users of an unknown role"}),
    "people lost": (
        lost("people"),
        {"tickets without their contact", "addresses without their person", "consents without their person"},
    ),
    "events lost": (lost("events"), {"notifications without their event"}),
    "notifications lost": (lost("notifications"), {"deliveries without their notification"}),
    "deliveries lost": (lost("deliveries"), {"notifications without a delivery", "attempts without their delivery"}),
    "attempts lost": (
        lost("attempts"),
        {
            "deliveries that arrived though their last attempt failed",
            "deliveries whose count of tries is not that of their ended attempts",
        },
    ),
    "receipts lost": (lost("receipts"), {"raw contents whose count of holders is wrong"}),
    "refs too high": (["UPDATE blobs SET refs = 3"], {"raw contents whose count of holders is wrong"}),
    "ticket status": (["UPDATE tickets SET status = 'open'"], {"tickets of an unknown status"}),
    "ticket priority": (["UPDATE tickets SET priority = ''"], {"tickets of an unknown priority"}),
    "ticket impact": (["UPDATE tickets SET impact = 'all'"], {"tickets of an unknown impact"}),
    "ticket urgency": (["UPDATE tickets SET urgency = 'now'"], {"tickets of an unknown urgency"}),
    "direction": (["UPDATE messages SET direction = 'up'"], {"messages of an unknown direction"}),
    "quarantine state": (["UPDATE quarantine SET state = 'lost'"], {"quarantine entries of an unknown state"}),
    "event": (["UPDATE notifications SET event = 'x'"], {"notifications of an unknown event"}),
    "role": (["UPDATE notifications SET role = 'x'"], {"notifications to an unknown role"}),
    "delivery state": ([f"UPDATE deliveries SET state = 'gone' WHERE {SENT}"], {"deliveries of an unknown state"}),
    "outcome": (
        [f"UPDATE attempts SET outcome = 'good' WHERE number = 1 AND {OF_SENT}"],
        {"attempts of an unknown outcome"},
    ),
    "no lease": (
        ["UPDATE deliveries SET lease_until = NULL WHERE state = 'sending'"],
        {"deliveries that are sending without a lease"},
    ),
    "a lease too many": (
        [f"UPDATE deliveries SET lease_owner = 'n1' WHERE {SENT}"],
        {"deliveries with a lease that are not sending"},
    ),
    "in flight and done": (
        ["UPDATE deliveries SET state = 'failed', lease_owner = '', lease_until = NULL WHERE state = 'sending'"],
        {"deliveries that are not sending with an attempt in flight"},
    ),
    "overtaken": (
        [
            (
                "INSERT INTO attempts SELECT delivery_id, 2, provider, started_at, started_at, 'temporary', code, "
                f"detail, provider_id, cost, exchange FROM attempts WHERE {OF_SENDING}"
            ),
        ],
        {"attempts in flight that a later one follows"},
    ),
    "ended without outcome": (
        [f"UPDATE attempts SET ended_at = started_at WHERE {OF_SENDING}"],
        {"attempts with an outcome and no end, or an end and no outcome"},
    ),
    "outcome without end": (
        [f"UPDATE attempts SET ended_at = NULL WHERE {OF_SENT}"],
        {"attempts with an outcome and no end, or an end and no outcome"},
    ),
    "sent, last refused": (
        [f"UPDATE attempts SET outcome = 'permanent' WHERE number = 2 AND {OF_SENT}"],
        {"deliveries that arrived though their last attempt failed"},
    ),
    "a gap": (
        [f"UPDATE attempts SET number = 3 WHERE number = 2 AND {OF_SENT}"],
        {"deliveries whose attempts are not numbered from 1 without a gap"},
    ),
    "not from 1": (
        [f"UPDATE attempts SET number = number + 10 WHERE {OF_SENT}"],
        {"deliveries whose attempts are not numbered from 1 without a gap"},
    ),
    "miscounted": (
        ["UPDATE deliveries SET tries = 1 WHERE state = 'queued'"],
        {"deliveries whose count of tries is not that of their ended attempts"},
    ),
}


async def test_each_problem_is_named_with_its_count(sound: str, on: On) -> None:
    def spoil(connection: Connection) -> dict[str, set[str]]:
        found = {}
        for case, (statements, _) in CASES.items():
            with connection.begin_nested() as aside:
                for statement in statements:
                    connection.execute(text(statement))
                lines = integrity.problems(connection)
                aside.rollback()
            # three tickets were spoilt alike
            assert all(int(line.partition(": ")[2].partition(" (")[0]) % 3 == 0 for line in lines), lines
            found[case] = {line.partition(": ")[0] for line in lines}
        return found

    assert await on(sound, spoil) == {case: expected for case, (_, expected) in CASES.items()}


def test_there_is_a_case_for_every_question() -> None:
    asked = {said for said, _ in integrity._QUESTIONS}
    told = set().union(*(expected for _, expected in CASES.values()))
    # unique constraints stand before the first two, the others have tests of their own
    assert asked - told == {
        "ticket numbers given out twice",
        "notifications made twice",
        "quarantine entries whose ticket is missing",
        "mails of mailboxes whose quarantine entry is missing",
    }


async def test_a_row_that_points_nowhere_is_named_by_its_key(sound: str, on: On) -> None:
    nowhere = uuid7()

    def spoil(connection: Connection) -> tuple[str, list[str]]:
        entry = metadata.tables["quarantine"]
        key = connection.execute(entry.select().limit(1)).scalar_one()
        connection.execute(entry.update().where(entry.c.id == key).values(ticket_id=nowhere))
        return str(key), integrity.problems(connection)

    key, lines = await on(sound, spoil)
    assert lines == [f"quarantine entries whose ticket is missing: 1 ({key})"]


async def test_a_mail_of_a_mailbox_whose_quarantine_entry_is_gone_is_named(sound: str, on: On) -> None:
    def spoil(connection: Connection) -> list[str]:
        noted = metadata.tables["mailbox_problems"]
        row = {"mailbox": "help", "external_id": "INBOX/1/2", "site": "OTK", "kind": "quarantined", "detail": ""}
        moment = datetime(2026, 11, 20, tzinfo=UTC)
        row |= {"tries": 1, "first_at": moment, "last_at": moment, "quarantine_id": uuid7()}
        connection.execute(noted.insert().values(row))
        return integrity.problems(connection)

    lines = await on(sound, spoil)
    assert lines == ["mails of mailboxes whose quarantine entry is missing: 1 (help INBOX/1/2)"]


async def test_numbers_given_out_twice_are_found_where_the_index_was_lost(sqlite_url: str, on: On, world: Any) -> None:
    def spoil(connection: Connection) -> list[str]:
        metadata.create_all(connection, tables=[t for t in metadata.sorted_tables if t is not tickets])
        columns = ", ".join(c.name for c in tickets.columns)
        connection.execute(text(f"CREATE TABLE tickets ({columns})"))
        rows = world(1)["tickets"] + world(1)["tickets"]
        connection.execute(tickets.insert(), rows)
        return integrity.problems(connection)

    assert "ticket numbers given out twice: 1 (OTK-26-000001)" in await on(sqlite_url, spoil)


async def test_only_some_keys_are_shown(sound: str, on: On, world: Any, store: Any) -> None:
    def spoil(connection: Connection) -> list[str]:
        for number in range(10, 20):
            store(connection, world(number))
        connection.execute(text("DELETE FROM events"))
        return integrity.problems(connection)

    (line,) = await on(sound, spoil)
    assert line.startswith("notifications without their event: 13 (")
    assert line.endswith(", …)")
    assert line.count(",") == integrity.SHOWN
