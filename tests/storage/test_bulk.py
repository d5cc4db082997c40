"""Rows in bulk: what is written by one statement reads back the same, whatever the server thinks of its columns."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    select,
    text,
)

from storage.bulk import UpdateMany, insert_rows, insert_tables
from storage.database import Database, open_database
from storage.lookup import Lookup, LookupTogether
from storage.types import Instant, Json, Key

On = Callable[..., Any]

parcels = Table(
    "parcels",
    MetaData(),
    Column("id", Key, primary_key=True),
    Column("word", String(40), nullable=False),
    Column("weight", SmallInteger),
    Column("sealed", Boolean, nullable=False, server_default=text("false")),
    Column("body", LargeBinary),
    Column("facts", Json),
    Column("at", Instant),
    Column("count", Integer, nullable=False, server_default="7"),
)
labels = Table("labels", parcels.metadata, Column("parcel", Key, primary_key=True), Column("text", String(40)))

AT = datetime(2026, 11, 20, 14, 5, 0, 123456, tzinfo=UTC)


@pytest.fixture
async def database(database_url: str, on: On) -> AsyncIterator[Database]:
    """An open database with parcels and labels."""
    await on(database_url, parcels.metadata.create_all)
    opened = await open_database(database_url)
    yield opened
    await opened.close()


def parcel(word: str, **others: Any) -> dict[str, Any]:
    row = {"word": word, "weight": None, "sealed": True, "body": None, "facts": None, "at": None, "count": 1}
    return {"id": uuid.uuid4(), **row, **others}


def stored(connection: Connection) -> dict[str, dict[str, Any]]:
    return {row["word"]: dict(row) for row in connection.execute(select(parcels)).mappings()}


async def test_every_kind_of_value_reads_back_the_same(database: Database) -> None:
    rows = [
        parcel("пусто"),
        parcel('кавычки " и \\ и {,}', weight=-3, body=b"\x00\xff", facts={"а": [1, None]}, at=AT, sealed=False),
        parcel("", weight=0, body=b"", facts=[], at=AT),
    ]
    await database.write(lambda c: insert_rows(c, parcels, rows))
    assert await database.read(stored) == {row["word"]: row for row in rows}


async def test_columns_not_named_get_their_defaults(database: Database) -> None:
    await database.write(lambda c: insert_rows(c, parcels, [{"word": "one", "id": uuid.uuid4()}]))
    found = (await database.read(stored))["one"]
    assert (found["sealed"], found["count"], found["weight"]) == (False, 7, None)


async def test_two_tables_are_written_together(database: Database) -> None:
    row = parcel("one")
    label = {"text": "хрупкое", "parcel": row["id"]}
    await database.write(lambda c: insert_tables(c, [(labels, [label], ""), (parcels, [row], "")]))
    found = await database.read(lambda c: [dict(r) for r in c.execute(select(labels)).mappings()])
    assert found == [label]
    assert list(await database.read(stored)) == ["one"]


async def test_a_row_that_is_there_already_can_be_left_alone(database: Database) -> None:
    row = parcel("one")
    again = {**row, "word": "two"}
    await database.write(lambda c: insert_rows(c, parcels, [row]))
    await database.write(lambda c: insert_rows(c, parcels, [again], on_conflict="ON CONFLICT DO NOTHING"))
    assert list(await database.read(stored)) == ["one"]


async def test_rows_are_changed_each_in_its_own_way(database: Database) -> None:
    rows = [parcel("one"), parcel("two"), parcel("three")]
    change = UpdateMany(parcels, ("id",), ("weight", "facts"), "word <> 'three'")
    await database.write(lambda c: insert_rows(c, parcels, rows))
    news = [{"facts": {"n": n}, "id": row["id"], "weight": n} for n, row in enumerate(rows)]
    await database.write(lambda c: change.run(c, news))
    found = await database.read(stored)
    assert {word: (row["weight"], row["facts"]) for word, row in found.items()} == {
        "one": (0, {"n": 0}),
        "two": (1, {"n": 1}),
        "three": (None, None),
    }


@pytest.mark.parametrize("count", [0, 1, 3, 300])
async def test_several_questions_at_once_are_answered_each_by_itself(database: Database, count: int) -> None:
    rows = [parcel(f"слово {n}", at=AT, facts=[n]) for n in range(count)]
    await database.write(lambda c: insert_rows(c, parcels, rows))
    by_word = Lookup(select(parcels.c.word, parcels.c.facts, parcels.c.at), parcels.c.word)
    by_id = Lookup(select(parcels.c.id, parcels.c.word), parcels.c.id)
    both = LookupTogether(by_word, by_id)
    words, ids = [row["word"] for row in rows], [row["id"] for row in rows[:2]]

    found = await database.read(lambda c: both.rows(c, (iter([*words, "нет такого", *words]), ids)))

    assert sorted(found[0], key=lambda r: r["word"]) == sorted(
        ({"word": row["word"], "facts": row["facts"], "at": AT} for row in rows), key=lambda r: r["word"]
    )
    assert {row["id"]: row["word"] for row in found[1]} == {row["id"]: row["word"] for row in rows[:2]}


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE parcels ADD COLUMN extra text",
        "ALTER TABLE parcels DROP COLUMN weight",
        "ALTER TABLE parcels DROP COLUMN weight; ALTER TABLE parcels ADD COLUMN weight smallint",
    ],
    ids=["a column more", "a column less", "another order"],
)
async def test_a_node_goes_on_while_the_schema_changes_under_it(postgres_url: str, on: On, change: str) -> None:
    await on(postgres_url, parcels.metadata.create_all)
    opened = await open_database(postgres_url)
    alter = UpdateMany(parcels, ("id",), ("count",))

    def unit(connection: Connection, words: list[str]) -> list[str]:
        rows = [{"id": uuid.uuid4(), "word": word, "count": 1, "facts": [word]} for word in words]
        insert_rows(connection, parcels, rows)
        alter.run(connection, [{"id": row["id"], "count": 2} for row in rows])
        return words

    group = opened.group(unit, name="parcels")
    try:
        for moment in ("before", "after"):
            if moment == "after":
                for statement in change.split(";"):
                    await on(postgres_url, lambda c, s=statement: c.execute(text(s)))
            assert await group.submit(f"group {moment}") == f"group {moment}"
            single = f"single {moment}"
            assert await opened.write(lambda c, word=single: unit(c, [word])) == [single]
        found = await opened.read(lambda c: c.execute(text("SELECT word, facts, count FROM parcels")).all())
    finally:
        await opened.close()
    expected = ["group after", "group before", "single after", "single before"]
    assert sorted(tuple(row) for row in found) == [(word, f'["{word}"]', 2) for word in expected]
