"""What `storage.database` promises, kept by both databases."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text

from storage import sqlite
from storage.database import GROUP_SIZE, Database, Group, open_database
from storage.errors import StorageUnavailable
from storage.schema import sqlite_path
from storage.sqlite import FEW_TOGETHER, MOST_TOGETHER

On = Callable[..., Any]


class Broken(Exception):
    """What a fault point raises here."""


class Points:
    """A fault hook that counts passes, and fails or calls somebody where it is told to."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.failing: set[str] = set()
        self.calling: dict[str, Callable[[], None]] = {}

    def __call__(self, name: str) -> None:
        self.passed[name] += 1
        if name in self.calling:
            self.calling[name]()
        if name in self.failing:
            raise Broken(name)


@pytest.fixture
def points() -> Points:
    """The fault points of the database under test."""
    return Points()


@pytest.fixture
async def database(database_url: str, on: On, points: Points) -> AsyncIterator[Database]:
    """An open database with one table, `notes(word)`; words are unique."""
    await on(database_url, make_notes)
    opened = await open_database(database_url, lock_timeout=0.3, fault=points)
    yield opened
    await opened.close()


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


def write_beside(url: str, word: str) -> None:
    """Commit a word from outside, at once."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(sqlite_path(url))
        with connection:
            connection.execute("INSERT INTO notes (word) VALUES (?)", (word,))
        connection.close()
    else:
        with psycopg.connect(url) as other:
            other.execute("INSERT INTO notes (word) VALUES (%s)", (word,))


# ---- reading ------------------------------------------------------------------------------------------------------


async def test_a_read_sees_one_snapshot(database: Database, database_url: str) -> None:
    def query(connection: Connection) -> list[list[str]]:
        before = words(connection)
        write_beside(database_url, "while reading")
        return [before, words(connection)]

    assert await database.read(query) == [[], []]
    assert await database.read(words) == ["while reading"]


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(StorageUnavailable, match=r"readonly|read-only"):
        await database.read(lambda c: note(c, "forbidden"))
    assert await database.read(words) == []
    assert await database.write(lambda c: note(c, "allowed")) == "ALLOWED"


async def test_reads_go_on_side_by_side(database: Database) -> None:
    await database.write(lambda c: note(c, "word"))
    assert await asyncio.gather(*(database.read(words) for _ in range(30))) == [["word"]] * 30


async def test_a_question_that_is_wrong_is_not_an_outage(database: Database) -> None:
    for work in (database.read, database.write):
        with pytest.raises(Exception, match="nowhere") as raised:
            await work(lambda c: c.execute(text("SELECT 1 FROM nowhere")))
        assert not isinstance(raised.value, StorageUnavailable)
    assert await database.read(words) == []


# ---- writing ------------------------------------------------------------------------------------------------------


async def test_a_write_answers_after_its_commit(database: Database, points: Points) -> None:
    assert await database.write(lambda c: note(c, "word"), name="unit") == "WORD"
    assert await database.read(words) == ["word"]
    assert points.passed == {"unit.before_commit": 1, "unit.after_commit": 1}


async def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def unit(connection: Connection) -> None:
        note(connection, "half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(unit)
    assert await database.read(words) == []


async def test_a_fault_before_the_commit_leaves_nothing(database: Database, points: Points) -> None:
    points.failing = {"unit.before_commit"}
    with pytest.raises(Broken):
        await database.write(lambda c: note(c, "half"), name="unit")
    assert await database.read(words) == []


async def test_a_fault_after_the_commit_is_doubt_and_the_row_is_there(database: Database, points: Points) -> None:
    points.failing = {"unit.after_commit"}
    with pytest.raises(StorageUnavailable):
        await database.write(lambda c: note(c, "kept"), name="unit")
    assert await database.read(words) == ["kept"]
    assert points.passed["unit.before_commit"] == 1, "it is not run again"


async def test_postgresql_runs_a_unit_again_after_a_serialisation_failure(
    postgres_url: str, on: On, points: Points
) -> None:
    await on(postgres_url, make_notes)
    database = await open_database(postgres_url, fault=points)
    tries = Counter[str]()

    def fails_twice(connection: Connection, word: str) -> str:
        tries[word] += 1
        answer = note(connection, word)
        if tries[word] < 3:
            code = "40001" if tries[word] == 1 else "40P01"
            connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$"))
        return answer

    group: Group[str, str] = database.group(lambda c, units: [fails_twice(c, u) for u in units], name="g")
    assert await database.write(lambda c: fails_twice(c, "single")) == "SINGLE"
    assert await group.submit("grouped") == "GROUPED"
    assert tries == {"single": 3, "grouped": 3}
    assert await database.read(words) == ["grouped", "single"]
    await database.close()


# ---- groups -------------------------------------------------------------------------------------------------------


class Gate:
    """Stands before the commits of group `g` and holds the first, so that a known company gathers for the second.

    SQLite commits in a thread, which can be held. On PostgreSQL the fault point is passed in the event loop and cannot
    be; there, tasks that submit within one turn of the loop are together anyway.
    """

    def __init__(self, database: Database, points: Points) -> None:
        self.hold = database.dialect == "sqlite"
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.sizes: list[int] = []
        points.calling["g.before_commit"] = self.wait

    def handle(self, connection: Connection, units: list[str]) -> list[str]:
        self.sizes.append(len(units))
        return note_all(connection, units)

    def wait(self) -> None:
        self.entered.set()
        if self.hold:
            assert self.opened.wait(20)


async def together(gate: Gate, group: Group[str, str], units: list[str]) -> list[Any]:
    """Submit a first unit alone, then all units at once behind it; their answers or errors."""
    first = asyncio.create_task(group.submit("first"))
    assert await asyncio.to_thread(gate.entered.wait, 20)
    waiting = [asyncio.create_task(group.submit(unit)) for unit in units]
    await asyncio.sleep(0)
    gate.opened.set()
    await first
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_units_that_wait_share_one_commit(database: Database, points: Points) -> None:
    gate = Gate(database, points)
    group = database.group(gate.handle, name="g")
    units = [f"w{number:02}" for number in range(16)]
    assert await together(gate, group, units) == [unit.upper() for unit in units]
    # PostgreSQL has two groups under way at once, each with half of the work
    assert sorted(gate.sizes) in ([[1, 16]] if database.dialect == "sqlite" else [[1, 8, 8], [1, 7, 9]])
    assert points.passed == {"g.before_commit": len(gate.sizes), "g.after_commit": len(gate.sizes)}
    assert await database.read(words) == ["first", *units]


async def test_a_lone_unit_waits_for_nobody(database: Database) -> None:
    group = database.group(note_all, name="g")
    assert await group.submit("alone") == "ALONE"
    assert await database.read(words) == ["alone"]


@pytest.mark.parametrize("slow_from, most", [(3600.0, FEW_TOGETHER), (0.0, MOST_TOGETHER)], ids=["quick", "slow"])
async def test_a_group_has_a_largest_size_by_the_speed_of_the_disk(
    database: Database, points: Points, monkeypatch: pytest.MonkeyPatch, slow_from: float, most: int
) -> None:
    monkeypatch.setattr(sqlite, "SLOW_COMMIT", slow_from)
    gate = Gate(database, points)
    group = database.group(gate.handle, name="g")
    if database.dialect == "sqlite":
        count, sizes = most + 7, [1, 7, most]
    else:
        # two at once, each with half of the work
        count, sizes = 2 * GROUP_SIZE + 20, [1, 20, GROUP_SIZE, GROUP_SIZE]
    units = [f"w{number:04}" for number in range(count)]
    assert await together(gate, group, units) == [unit.upper() for unit in units]
    assert sorted(gate.sizes) == sizes


async def test_one_bad_unit_harms_only_itself(database: Database, points: Points) -> None:
    gate = Gate(database, points)
    group = database.group(gate.handle, name="g")
    answers = await together(gate, group, ["a", "bad", "b", "a", "c"])
    # in two groups at once the second of two like words may be the first to be written
    kept, refused = sorted((answers[0], answers[3]), key=lambda answer: isinstance(answer, Exception))
    assert kept == "A"
    assert isinstance(answers[1], ValueError)
    assert answers[2] == "B"
    assert "notes" in str(refused), "the same word twice breaks the key"
    assert not isinstance(refused, StorageUnavailable)
    assert answers[4] == "C"
    if database.dialect == "sqlite":
        assert gate.sizes == [1, 5, 1, 1, 1, 1, 1]
    assert await database.read(words) == ["a", "b", "c", "first"]


async def test_groups_and_single_units_keep_apart(database: Database) -> None:
    one: Group[str, str] = database.group(note_all, name="one")
    other: Group[str, str] = database.group(lambda c, units: [note(c, unit)[::-1] for unit in units], name="other")
    answers = await asyncio.gather(
        one.submit("ab"), other.submit("cd"), database.write(lambda c: note(c, "ef")), one.submit("bad"),
        return_exceptions=True,
    )  # fmt: skip
    assert answers[:3] == ["AB", "DC", "EF"]
    assert isinstance(answers[3], ValueError)
    assert await database.read(words) == ["ab", "cd", "ef"]


async def test_a_fault_before_a_groups_commit_leaves_nothing(database: Database, points: Points) -> None:
    group = database.group(note_all, name="g")
    points.failing = {"g.before_commit"}
    answers = await asyncio.gather(*(group.submit(word) for word in "abc"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Broken] * 3
    assert await database.read(words) == []
    points.failing.clear()
    assert await group.submit("a") == "A"


async def test_a_fault_after_a_groups_commit_is_doubt_for_all_and_the_rows_are_there(
    database: Database, points: Points
) -> None:
    group = database.group(note_all, name="g")
    points.failing = {"g.after_commit"}
    answers = await asyncio.gather(*(group.submit(word) for word in "abc"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StorageUnavailable] * 3
    assert await database.read(words) == ["a", "b", "c"]


async def test_a_caller_that_went_away_does_not_disturb_the_rest(database: Database, points: Points) -> None:
    gate = Gate(database, points)
    group = database.group(gate.handle, name="g")
    first = asyncio.create_task(group.submit("first"))
    assert await asyncio.to_thread(gate.entered.wait, 20)
    gone, stays = (asyncio.create_task(group.submit(word)) for word in ("gone", "stays"))
    await asyncio.sleep(0)
    gone.cancel()
    gate.opened.set()
    assert [await first, await stays] == ["FIRST", "STAYS"]
    assert "stays" in await database.read(words)


# ---- closing ------------------------------------------------------------------------------------------------------


async def test_closing_finishes_what_was_handed_in(database_url: str, on: On) -> None:
    await on(database_url, make_notes)
    database = await open_database(database_url)
    group: Group[str, str] = database.group(note_all, name="g")
    handed_in = [asyncio.create_task(group.submit(f"g{number:02}")) for number in range(20)]
    handed_in += [asyncio.create_task(_write(database, f"w{number:02}")) for number in range(20)]
    await asyncio.sleep(0)
    await database.close()
    assert [await task for task in handed_in] == [f"G{n:02}" for n in range(20)] + [f"W{n:02}" for n in range(20)]
    assert len(await on(database_url, words)) == 40


async def _write(database: Database, word: str) -> str:
    return await database.write(lambda c: note(c, word))


async def test_a_closed_database_takes_nothing_more(database_url: str, on: On) -> None:
    await on(database_url, make_notes)
    database = await open_database(database_url)
    group: Group[str, str] = database.group(note_all, name="g")
    await group.submit("before")
    await database.close()
    await database.close()
    for late in (group.submit("late"), _write(database, "late"), database.read(words)):
        with pytest.raises(StorageUnavailable, match="closed"):
            await late
    assert await on(database_url, words) == ["before"]


async def test_a_database_never_used_closes(database_url: str) -> None:
    database = await open_database(database_url)
    database.group(note_all, name="g")
    await database.close()


async def test_another_kind_of_database_is_refused() -> None:
    with pytest.raises(ValueError, match="must begin with sqlite:/// or postgresql://"):
        await open_database("mysql://localhost/otklik")
