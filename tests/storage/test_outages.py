"""A database that is away, locked or full says so, keeps nothing by halves and is used again when it is back."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.pool import Pool

from bench.postgres import PostgresServer
from storage.database import Database, Group, open_database
from storage.errors import StorageUnavailable
from storage.schema import sqlite_path
from storage.sqlite import SqliteDatabase
from tests.eventually import eventually

On = Callable[..., Any]


def make_notes(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE notes (word text PRIMARY KEY, body text)"))


def note(connection: Connection, word: str) -> str:
    """A unit: writes a word and answers it in capitals."""
    connection.execute(text("INSERT INTO notes (word) VALUES (:word)"), {"word": word})
    return word.upper()


def words(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT word FROM notes ORDER BY word")).scalars())


def note_all(connection: Connection, units: list[str]) -> list[str]:
    """A group's handler: writes every unit, then refuses the bad ones."""
    answers = [note(connection, unit) for unit in units]
    if "bad" in units:
        raise ValueError("bad is not a word")
    return answers


async def settled(work: Callable[[], Awaitable[Any]], *, most: int) -> Any:
    """The answer after at most so many tries that found the database away."""
    for _ in range(most):
        try:
            return await work()
        except StorageUnavailable:
            continue
    return await work()


async def all_away(database: Database, group: Group[str, str]) -> None:
    """Every way in says so, to each caller."""
    answers = await asyncio.gather(
        database.write(lambda c: note(c, "lost")),
        *(group.submit(f"lost {number}") for number in range(5)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [StorageUnavailable] * 6, answers


async def test_a_database_that_is_not_there_yet(
    database_url: str, on: On, postgres_server: PostgresServer, request: pytest.FixtureRequest
) -> None:
    """It is opened all the same and works from the moment the database is there."""
    if database_url.startswith("sqlite"):
        url = database_url
        sqlite_path(url).mkdir()
    else:
        name = f"later_{request.node.name.partition('[')[0]}"[:60]
        url = postgres_server.url(name)
    database = await open_database(url)
    group: Group[str, str] = database.group(note_all, name="g")
    for _ in range(2):
        await all_away(database, group)
        with pytest.raises(StorageUnavailable):
            await database.read(words)

    if url.startswith("sqlite"):
        sqlite_path(url).rmdir()
    else:
        postgres_server.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
    await on(url, make_notes)
    assert await group.submit("found") == "FOUND"
    assert await database.write(lambda c: note(c, "at last")) == "AT LAST"
    assert await database.read(words) == ["at last", "found"]
    await database.close()
    if url.startswith("postgresql"):
        postgres_server.drop_database(url)


@pytest.fixture(scope="module")
def sturdy_server() -> Iterator[PostgresServer]:
    """A server whose commits are on disk, so that it may be killed."""
    with PostgresServer() as server:
        yield server


@pytest.mark.parametrize("ending", ["stop", "kill"])
@pytest.mark.parametrize("noticed", [True, False])
async def test_a_server_that_ends_and_comes_back(
    sturdy_server: PostgresServer, on: On, ending: str, noticed: bool
) -> None:
    url = sturdy_server.create_database()
    await on(url, make_notes)
    database = await open_database(url)
    group: Group[str, str] = database.group(note_all, name="g")
    await asyncio.gather(
        group.submit("before"), *(database.read(words) for _ in range(5)), database.write(lambda c: note(c, "also"))
    )
    try:
        getattr(sturdy_server, ending)()
        if noticed:
            await all_away(database, group)
            with pytest.raises(StorageUnavailable):
                await database.read(words)
    finally:
        # not in a thread: the server dies with the thread that started it
        sturdy_server.start()

    # a connection that died unnoticed costs its user one refusal, which also sweeps the others out of the pool
    most = 0 if noticed else 1
    assert await settled(lambda: group.submit("after"), most=most) == "AFTER"
    assert await settled(lambda: database.read(words), most=most) == ["after", "also", "before"]
    assert await settled(lambda: database.write(lambda c: note(c, "then")), most=0) == "THEN"
    await database.close()


async def test_a_connection_that_ended_between_two_groups_costs_nobody_a_refusal(
    postgres_server: PostgresServer, postgres_url: str, on: On
) -> None:
    await on(postgres_url, make_notes)
    database = await open_database(postgres_url)
    group: Any = database.group(note_all, name="g")
    assert await group.submit("before") == "BEFORE"
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'otklik'"
    postgres_server.execute(f"{ended} AND datname = '{postgres_url.rpartition('?')[0].rpartition('/')[2]}'")
    await eventually(group._flushers[0]._driver.is_closed)
    assert await group.submit("after") == "AFTER"
    await database.close()


async def test_a_server_that_ends_in_the_middle_of_a_group(sturdy_server: PostgresServer, on: On) -> None:
    url = sturdy_server.create_database()
    await on(url, make_notes)
    ended = False

    def pull_the_plug(name: str) -> None:
        nonlocal ended
        if name == "g.before_commit" and not ended:
            ended = True
            sturdy_server.kill()

    database = await open_database(url, fault=pull_the_plug)
    group: Group[str, str] = database.group(note_all, name="g")
    try:
        answers = await asyncio.gather(*(group.submit(word) for word in "abc"), return_exceptions=True)
    finally:
        sturdy_server.start()
    assert [type(answer) for answer in answers] == [StorageUnavailable] * 3
    assert await group.submit("d") == "D"
    assert await database.read(words) == ["d"]
    await database.close()


async def test_a_table_that_is_locked_for_too_long(database_url: str, on: On) -> None:
    await on(database_url, make_notes)
    database = await open_database(database_url, lock_timeout=0.3)
    group: Group[str, str] = database.group(note_all, name="g")
    await group.submit("before")
    if database_url.startswith("sqlite"):
        holder: Any = sqlite3.connect(sqlite_path(database_url), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
    else:
        holder = psycopg.connect(database_url)
        holder.execute("LOCK TABLE notes IN SHARE MODE")
    await all_away(database, group)
    assert await database.read(words) == ["before"], "who only reads is not held up"
    holder.rollback()
    holder.close()
    assert await group.submit("after") == "AFTER"
    assert await database.write(lambda c: note(c, "then")) == "THEN"
    assert await database.read(words) == ["after", "before", "then"]
    await database.close()


async def test_sqlite_a_connection_that_was_closed_is_opened_anew(sqlite_url: str, on: On) -> None:
    await on(sqlite_url, make_notes)
    database = await open_database(sqlite_url, pool=1)
    assert isinstance(database, SqliteDatabase)
    group: Group[str, str] = database.group(note_all, name="g")
    await group.submit("before")
    assert await database.read(words) == ["before"]
    for connection in (database._connection, *database._reading):
        assert connection is not None
        driver: Any = connection.connection.driver_connection
        driver.close()
    with pytest.raises(StorageUnavailable, match="closed"):
        await group.submit("lost")
    with pytest.raises(StorageUnavailable, match="closed"):
        await database.read(words)
    assert await group.submit("after") == "AFTER"
    assert await database.read(words) == ["after", "before"]
    await database.close()


async def test_sqlite_while_another_writes_the_loop_turns_and_the_units_wait(sqlite_url: str, on: On) -> None:
    await on(sqlite_url, make_notes)
    database = await open_database(sqlite_url, lock_timeout=10)
    group: Group[str, str] = database.group(note_all, name="g")
    await group.submit("before")
    holder = sqlite3.connect(sqlite_path(sqlite_url), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    holder.execute("INSERT INTO notes (word) VALUES ('beside')")
    waiting = [asyncio.create_task(group.submit(word)) for word in "abc"]
    waiting.append(asyncio.create_task(database.write(lambda c: note(c, "single"))))
    for _ in range(20):
        # if the loop stood still for the lock, it would be given up before this went on
        assert await database.read(words) == ["before"]
    assert not any(task.done() for task in waiting)
    holder.commit()
    holder.close()
    assert await asyncio.gather(*waiting) == ["A", "B", "C", "SINGLE"]
    assert await database.read(words) == ["a", "b", "before", "beside", "c", "single"]
    await database.close()


async def test_sqlite_a_lock_held_for_too_long_is_an_outage_and_the_loop_turns_meanwhile(
    sqlite_url: str, on: On
) -> None:
    await on(sqlite_url, make_notes)
    database = await open_database(sqlite_url, lock_timeout=0.3)
    group: Group[str, str] = database.group(note_all, name="g")
    await group.submit("before")
    holder = sqlite3.connect(sqlite_path(sqlite_url), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(group.submit("lost"))
    turns = 0
    while not waiting.done():
        turns += 1
        assert await database.read(words) == ["before"]
    assert turns > 10
    with pytest.raises(StorageUnavailable, match="locked"):
        await waiting
    holder.rollback()
    holder.close()
    assert await group.submit("after") == "AFTER"
    assert await database.read(words) == ["after", "before"]
    await database.close()


@pytest.mark.parametrize("state", ["53100", "53200", "53300", "57P03", "58030", "25006"])
async def test_postgresql_troubles_of_the_server_itself(postgres_url: str, on: On, state: str) -> None:
    """Disk full, out of memory, too many connections, shutting down, I/O error, read-only."""
    await on(postgres_url, make_notes)
    database = await open_database(postgres_url)

    def unit(connection: Connection) -> None:
        note(connection, "half")
        connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"))

    group: Group[str, str] = database.group(lambda c, units: [str(unit(c)) for _ in units], name="g")
    with pytest.raises(StorageUnavailable):
        await database.write(unit)
    with pytest.raises(StorageUnavailable):
        await group.submit("half")
    assert await database.read(words) == []
    await database.close()


@pytest.fixture
def room() -> Iterator[list[int]]:
    """Pages every SQLite file may have; set it to make the disk full for connections opened from then on."""
    pages = [0]

    def limit(connection: Any, _record: Any) -> None:
        if pages[0]:
            connection.execute(f"PRAGMA max_page_count = {pages[0]}")

    event.listen(Pool, "connect", limit)
    yield pages
    event.remove(Pool, "connect", limit)


async def test_sqlite_a_full_disk_keeps_nothing_by_halves(sqlite_url: str, on: On, room: list[int]) -> None:
    await on(sqlite_url, make_notes)
    room[0] = 20
    database = await open_database(sqlite_url)

    def big(connection: Connection, units: list[str]) -> list[str]:
        answers = []
        for unit in units:
            answers.append(note(connection, unit))
            if unit.startswith("big"):
                connection.execute(
                    text("UPDATE notes SET body = :body WHERE word = :word"), {"body": "ж" * 200_000, "word": unit}
                )
        return answers

    group: Group[str, str] = database.group(big, name="g")
    assert await group.submit("small") == "SMALL"
    for _ in range(3):
        with pytest.raises(StorageUnavailable, match="full"):
            await group.submit("big one")
        with pytest.raises(StorageUnavailable, match="full"):
            await database.write(lambda c: big(c, ["little", "big two"]))
    assert await database.read(words) == ["small"]
    assert await group.submit("another") == "ANOTHER"

    room[0] = 1_000_000
    await settled(lambda: group.submit("big one"), most=1)
    assert await database.read(words) == ["another", "big one", "small"]
    await database.close()
