"""Groups under way at once keep equal parts of the work, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from storage import flusher
from storage.database import Database, Group, open_database
from storage.errors import StorageUnavailable
from storage.pace import Pace


@pytest.mark.parametrize(
    "under_way, waiting, worthwhile, share",
    [
        (0, 1, True, 1),  # a lone unit waits for nobody
        (0, 32, True, 16),
        (16, 16, True, 16),
        (31, 1, False, 1),  # a straggler is better off with the next group
        (31, 10, False, 10),
        (31, 11, True, 11),
        (1, 1, True, 1),
        (21, 11, True, 11),
        (0, 0, False, 0),
        (5, 0, False, 0),
    ],
)
def test_what_waits_is_shared_out_between_two_groups(
    under_way: int, waiting: int, worthwhile: bool, share: int
) -> None:
    pace = Pace(lanes=2, under_way=under_way)
    assert (pace.worthwhile(waiting), pace.share(waiting)) == (worthwhile, share)


@given(lanes=st.integers(1, 5), under_way=st.integers(0, 500), waiting=st.integers(1, 500))
def test_some_of_what_waits_is_always_taken_and_never_more(lanes: int, under_way: int, waiting: int) -> None:
    assert 1 <= Pace(lanes, under_way).share(waiting) <= waiting


@given(lanes=st.integers(1, 5), waiting=st.integers(1, 500))
def test_where_nothing_is_under_way_anything_is_worth_a_group(lanes: int, waiting: int) -> None:
    assert Pace(lanes).worthwhile(waiting)


class Held:
    """A group whose commits of chosen units wait in the database until they are let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []

    def handle(self, connection: Connection, units: list[int]) -> list[int]:
        self.groups.append(units)
        if 0 in units:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7)")
        return units


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    database = await open_database(postgres_url)
    yield database
    await database.close()


@pytest.fixture
async def holder(postgres_url: str) -> AsyncIterator[threading.Event]:
    """Holds the lock that unit 0 asks for until the event is set."""
    other = await open_database(postgres_url)
    held, done = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    async def hold() -> None:
        engine = getattr(other, "engine")  # noqa: B009 - only PostgreSQL has one
        async with engine.begin() as connection:
            await connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7)")
            held.set()
            await loop.run_in_executor(None, done.wait, 20)

    task = asyncio.create_task(hold())
    await held.wait()
    yield done
    done.set()
    await task
    await other.close()


async def eight(group: Group[int, int], kept: Held) -> list[asyncio.Task[int]]:
    """Two groups of four; the first waits for the lock, the second is answered."""
    tasks = [asyncio.create_task(group.submit(number)) for number in range(8)]
    assert await asyncio.gather(*tasks[4:]) == [4, 5, 6, 7]
    while len(kept.groups) < 2:
        await asyncio.sleep(0.001)
    assert sorted(kept.groups) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    return tasks[:4]


async def test_a_straggler_goes_with_others_that_come(
    database: Database, holder: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher, "PATIENCE", 3600.0)
    kept = Held()
    group: Group[int, int] = database.group(kept.handle, name="g")
    held = await eight(group, kept)
    straggler = asyncio.create_task(group.submit(8))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(kept.groups) == 2, "one is less than half of a part of five"
    others = [asyncio.create_task(group.submit(number)) for number in (9, 10)]
    assert await asyncio.gather(straggler, *others) == [8, 9, 10]
    assert kept.groups[2:] == [[8, 9, 10]]
    holder.set()
    assert await asyncio.gather(*held) == [0, 1, 2, 3]


async def test_a_straggler_whom_nobody_follows_goes_after_a_moment(database: Database, holder: threading.Event) -> None:
    kept = Held()
    group: Group[int, int] = database.group(kept.handle, name="g")
    held = await eight(group, kept)
    assert await asyncio.wait_for(group.submit(8), 20) == 8, "it does not wait for the end of the group that is held"
    assert not held[0].done()
    holder.set()
    assert await asyncio.gather(*held) == [0, 1, 2, 3]


async def test_many_who_come_at_once_are_two_groups(database: Database) -> None:
    kept = Held()
    group: Group[int, int] = database.group(kept.handle, name="g")
    assert await asyncio.gather(*(group.submit(number) for number in range(1, 33))) == list(range(1, 33))
    assert [len(units) for units in kept.groups] == [16, 16]


async def test_closing_takes_everything_that_waits(
    postgres_url: str, holder: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher, "PATIENCE", 3600.0)
    database = await open_database(postgres_url)
    kept = Held()
    group: Group[int, int] = database.group(kept.handle, name="g")
    held = await eight(group, kept)
    straggler = asyncio.create_task(group.submit(8))
    await asyncio.sleep(0)
    closing = asyncio.create_task(database.close())
    # put off until then, it goes now, beside the group that is held
    assert await asyncio.wait_for(straggler, 20) == 8
    assert not closing.done()
    holder.set()
    assert await asyncio.gather(*held) == [0, 1, 2, 3]
    await closing
    with pytest.raises(StorageUnavailable):
        await group.submit(9)


async def test_what_failed_is_not_taken_for_under_way(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flusher, "PATIENCE", 3600.0)

    def handle(connection: Connection, units: list[int]) -> list[int]:
        if 13 in units:
            raise ValueError("unlucky")
        return units

    group: Group[int, int] = database.group(handle, name="g")
    answers = await asyncio.gather(*(group.submit(number) for number in range(10, 20)), return_exceptions=True)
    assert [answer for answer in answers if isinstance(answer, int)] == [n for n in range(10, 20) if n != 13]
    assert isinstance(answers[3], ValueError)
    assert await asyncio.wait_for(group.submit(20), 20) == 20, "a lone unit is seen to at once"
