"""A duty is held by one node at a time, for as long as its lease lasts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, event, select

from storage import duties, schema
from storage.database import Database, open_database
from storage.tables import duties as table

HOUR = timedelta(hours=1)
OVER = timedelta(0)


@pytest.fixture
async def database(laid_out_url: str) -> AsyncIterator[Database]:
    """An open database with today's schema, of each kind."""
    opened = await open_database(laid_out_url)
    yield opened
    await opened.close()


async def hold(database: Database, owner: str, lease: timedelta = HOUR) -> bool:
    return await database.write(lambda c: duties.hold(c, "clock", owner, lease))


async def fence(database: Database) -> list[tuple[str, int]]:
    return await database.read(lambda c: [(r.owner, r.fence) for r in c.execute(select(table))])


async def test_who_holds_a_duty_keeps_it(database: Database) -> None:
    assert await hold(database, "one")
    assert not await hold(database, "two")
    assert await hold(database, "one")
    assert await fence(database) == [("one", 1)]


async def test_a_lease_that_ended_is_free_for_all_and_the_fence_counts_owners(database: Database) -> None:
    assert await hold(database, "one", OVER)
    assert await hold(database, "one", OVER)
    assert await hold(database, "two")
    assert not await hold(database, "one")
    assert await fence(database) == [("two", 2)]


async def test_only_the_owner_lets_go(database: Database) -> None:
    assert await hold(database, "one")
    await database.write(lambda c: duties.let_go(c, "clock", "two"))
    assert not await hold(database, "two")
    await database.write(lambda c: duties.let_go(c, "clock", "one"))
    assert await hold(database, "two")


async def test_an_owner_that_lets_go_between_two_statements_leaves_the_duty_for_the_next_time(
    postgres_url: str,
) -> None:
    await schema.upgrade(postgres_url)
    database = await open_database(postgres_url)
    assert await hold(database, "one")

    def let_go_meanwhile(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT") and "FROM duties" in statement:
            with psycopg.connect(postgres_url) as other:
                other.execute("DELETE FROM duties")

    def unit(connection: Connection) -> bool:
        event.listen(connection, "before_cursor_execute", let_go_meanwhile)
        try:
            return duties.hold(connection, "clock", "two", HOUR)
        finally:
            event.remove(connection, "before_cursor_execute", let_go_meanwhile)

    assert not await database.write(unit)
    assert await fence(database) == []
    assert await hold(database, "two")
    await database.close()
