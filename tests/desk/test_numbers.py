"""Numbers of tickets: each once; without gaps where they come one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from desk.numbers import Numbers
from storage import counters
from storage.database import Connection, Database, open_database

NAME = "OTK-2026"


@pytest.fixture
async def database(laid_out_url: str) -> AsyncIterator[Database]:
    opened = await open_database(laid_out_url)
    yield opened
    await opened.close()


async def taken(database: Database, numbers: Numbers, count: int) -> list[int]:
    given, _ = await database.write(lambda c: numbers.take(c, NAME, count))
    await numbers.filled()
    return given


async def last(database: Database) -> int:
    return await database.read(lambda c: counters.value(c, NAME))


async def used_up(database: Database, numbers: Numbers) -> list[int]:
    """All that is in stock, and the number after it that comes from the database: single tickets take nothing ahead."""
    given, before = [], await last(database)
    while await last(database) == before:
        given += await taken(database, numbers, 1)
    return given


async def test_one_ticket_at_a_time_takes_nothing_ahead(database: Database) -> None:
    numbers = Numbers(database)
    assert [await taken(database, numbers, 1) for _ in range(5)] == [[1], [2], [3], [4], [5]]
    await numbers.close()
    assert await last(database) == 5


@pytest.mark.parametrize("sizes", [[2, 2, 2], [3, 1, 7, 1], [5] * 20, [40, 2, 300]], ids=str)
async def test_groups_one_after_another_get_each_number_once_and_in_order(database: Database, sizes: list[int]) -> None:
    numbers = Numbers(database)
    given = [await taken(database, numbers, size) for size in sizes]
    flat = [number for group in given for number in group]
    assert flat == list(range(1, sum(sizes) + 1))


async def test_what_was_taken_ahead_and_not_used_is_given_back(database: Database) -> None:
    numbers = Numbers(database)
    given = [number for _ in range(3) for number in await taken(database, numbers, 4)]
    await numbers.close()
    assert await last(database) == max(given)
    assert await taken(database, Numbers(database), 1) == [max(given) + 1]


async def test_nothing_is_given_back_once_somebody_took_a_number_after_it(database: Database) -> None:
    here, there = Numbers(database), Numbers(database)
    mine = [await taken(database, here, 4) for _ in range(3)]
    theirs = await taken(database, there, 1)
    await here.close()
    assert not {number for group in mine for number in group} & set(theirs)
    assert await taken(database, there, 1) == [theirs[0] + 1]


async def test_numbers_of_a_transaction_that_failed_are_given_out_again(database: Database) -> None:
    numbers = Numbers(database)
    first = [*await taken(database, numbers, 3), *await taken(database, numbers, 3)]

    def failing(connection: Connection) -> None:
        _, lent = numbers.take(connection, NAME, 5)
        numbers.give_back({NAME: lent})
        raise ValueError("the group fails")

    with pytest.raises(ValueError, match="the group fails"):
        await database.write(failing)
    again = [number for _ in range(3) for number in await taken(database, numbers, 5)]
    await numbers.close()
    given = [*first, *again]
    assert len(set(given)) == len(given)
    # what was lent came back: nothing below the last number is missing but what is given back at the end
    assert await last(database) == max(given)
    assert sorted(given) == list(range(1, max(given) + 1))


async def test_two_programs_never_give_out_the_same(database: Database) -> None:
    nodes = [Numbers(database), Numbers(database)]
    groups = await asyncio.gather(*(taken(database, nodes[k % 2], 1 + k % 6) for k in range(40)))
    assert all(group == sorted(group) for group in groups)
    given = [number for group in groups for number in group]
    # what was given and what both hold in stock is every number there is, each once
    stock = [number for node in nodes for number in await used_up(database, node)]
    assert sorted([*given, *stock]) == list(range(1, await last(database) + 1))
