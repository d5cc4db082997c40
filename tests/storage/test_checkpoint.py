"""While SQLite is written to, its log is copied into the file by somebody who holds nobody up."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection, text

from storage import checkpoint
from storage.database import open_database
from storage.schema import sqlite_path
from storage.sqlite import SqliteDatabase
from tests.eventually import eventually


def note(connection: Connection, word: str) -> str:
    connection.execute(text("INSERT INTO notes (word) VALUES (:word)"), {"word": word})
    return word


def in_the_file(url: str) -> list[str]:
    """The words in the file itself, whatever its log says."""
    with sqlite3.connect(f"file:{sqlite_path(url)}?immutable=1", uri=True) as connection:
        try:
            return [word for (word,) in connection.execute("SELECT word FROM notes ORDER BY word")]
        except sqlite3.OperationalError:
            return []


async def idle(database: SqliteDatabase) -> None:
    """Return when nothing is being copied."""
    await eventually(lambda: database._checkpoints._last is None or database._checkpoints._last.done())


@pytest.fixture
async def database(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteDatabase]:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    opened = await open_database(sqlite_url)
    assert isinstance(opened, SqliteDatabase)
    await opened.write(lambda c: c.execute(text("CREATE TABLE notes (word text PRIMARY KEY)")))
    # a commit during a copy leaves its pages to the next one
    await idle(opened)
    yield opened
    await opened.close()


async def test_what_was_committed_gets_into_the_file(database: SqliteDatabase, sqlite_url: str) -> None:
    group: Any = database.group(lambda c, words: [note(c, word) for word in words], name="g")
    await group.submit("first")
    await eventually(lambda: in_the_file(sqlite_url) == ["first"])
    for word in ("second", "third"):
        await idle(database)
        done = database._checkpoints.done
        await database.write(lambda c, word=word: note(c, word))  # type: ignore[misc]
        await eventually(lambda done=done: database._checkpoints.done > done)  # type: ignore[misc]
    assert in_the_file(sqlite_url) == ["first", "second", "third"]


async def test_where_it_cannot_be_copied_beside_the_writer_goes_on(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Connection:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(database._checkpoints, "_connect", refuse)
    database._checkpoints._drop()
    for word in ("one", "two"):
        assert await database.write(lambda c, word=word: note(c, word)) == word  # type: ignore[misc]
    assert await database.read(lambda c: c.execute(text("SELECT count(*) FROM notes")).scalar()) == 2


async def test_a_thread_that_cannot_be_started_undoes_no_commit(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is on disk must be answered for: its sender would send it again."""

    def refuse(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(database._checkpoints._thread, "submit", refuse)
    group: Any = database.group(lambda c, words: [note(c, word) for word in words], name="g")
    assert await group.submit("one") == "one"
    assert await database.write(lambda c: note(c, "two")) == "two"
