"""How groups use their connections on PostgreSQL, where they begin and end the transactions themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError

from storage import flusher
from storage.database import open_database
from storage.errors import StorageUnavailable
from storage.postgresql import PostgresDatabase
from tests.eventually import eventually


@pytest.fixture
async def database(postgres_url: str, on: Callable[..., Any]) -> AsyncIterator[PostgresDatabase]:
    """An open database with one table, `notes(word)`."""
    await on(postgres_url, lambda c: c.execute(text("CREATE TABLE notes (word text PRIMARY KEY)")))
    opened = await open_database(postgres_url)
    assert isinstance(opened, PostgresDatabase)
    yield opened
    await opened.close()


def note(connection: Connection, units: list[str]) -> list[str]:
    connection.execute(text("INSERT INTO notes (word) VALUES (:word)"), [{"word": unit} for unit in units])
    return units


def words(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT word FROM notes ORDER BY word")).scalars())


def states(url: str) -> list[str]:
    """What the connections of the program are doing."""
    with psycopg.connect(url, autocommit=True) as other:
        rows = other.execute(
            "SELECT state || ' ' || left(query, 16) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'otklik'"
        )
        return [row[0] for row in rows]


async def test_a_commit_that_became_a_rollback_is_no_answer(database: PostgresDatabase) -> None:
    """A handler that goes on after a statement failed has lost all it wrote, though COMMIT raises nothing."""

    def careless(connection: Connection, units: list[str]) -> list[str]:
        note(connection, units)
        try:
            connection.execute(text("SELECT 1 FROM nowhere"))
        except DBAPIError:
            return units
        return []

    with pytest.raises(StorageUnavailable):
        await database.group(careless, name="careless").submit("lost")
    group: Any = database.group(note, name="g")
    assert await group.submit("kept") == "kept"
    assert await database.read(words) == ["kept"]


async def test_a_handler_that_fails_leaves_no_transaction_behind(database: PostgresDatabase, postgres_url: str) -> None:
    def failing(connection: Connection, units: list[str]) -> list[str]:
        note(connection, units)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.group(failing, name="g").submit("lost")
    assert [state for state in states(postgres_url) if not state.startswith("idle ROLLBACK")] == []
    assert await database.read(words) == []


async def test_a_server_that_refuses_how_groups_plan_is_asked_once(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher, "_BY_KEY", "SELECT set_config('no_such_setting', 'on', false)")
    opened = []
    event.listen(database.engine.sync_engine, "connect", lambda *_: opened.append(1))
    with pytest.raises(Exception, match="no_such_setting"):
        await database.group(note, name="g").submit("lost")
    assert len(opened) == 1


async def test_a_flusher_that_is_cancelled_while_it_opens_a_connection_ends(
    database: PostgresDatabase, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher, "_BY_KEY", "SELECT pg_sleep(600)")
    group: Any = database.group(note, name="g")
    waiting = asyncio.create_task(group.submit("lost"))
    await eventually(lambda: states(postgres_url) == ["active SELECT pg_sleep("])
    flushing: asyncio.Task[None] = group._flushers[0]._task
    flushing.cancel()
    await asyncio.wait([flushing], timeout=20)
    assert flushing.cancelled()
    waiting.cancel()
    await eventually(lambda: states(postgres_url) == [])
    group._flushers[0]._task = None
