"""The schema: its steps give exactly the tables of `storage.tables`, rows survive them, two nodes take turns."""

from __future__ import annotations

import asyncio
import re
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from bench.postgres import PostgresServer
from storage import schema
from storage.all_tables import metadata
from storage.errors import StorageUnavailable

ROOT = Path(schema.__file__).parents[1]

POSTGRES_FACTS = """
    SELECT 'column', table_name || '.' || column_name,
           concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default)
      FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text || '.' || conname, pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace
"""

SQLITE_FACTS = "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"


def facts(connection: Connection) -> set[tuple[str, ...]]:
    """What the database itself says of its tables: types, defaults, keys, indexes with their conditions."""
    if connection.dialect.name == "postgresql":
        rows = [tuple(row) for row in connection.execute(text(POSTGRES_FACTS))]
        return {row for row in rows if not row[1].startswith("alembic_version")}
    found = set()
    for kind, name, sql in connection.execute(text(SQLITE_FACTS)):
        if name != "alembic_version":
            # a step puts its column at the end of the table
            parts = re.split(r",\s*(?![^(]*\)[^(]*$)|\(\s*\n|\n\)", sql) if kind == "table" else [sql]
            found |= {(kind, name, " ".join(part.replace('"', "").split())) for part in parts if part.strip()}
    return found


async def test_the_steps_give_exactly_the_tables_of_the_program(
    database_url: str, on: Callable[..., Any], postgres_server: PostgresServer, tmp_path: Path
) -> None:
    assert await schema.upgrade(database_url) == list(schema.REVISIONS)
    stepped = await on(database_url, facts)

    def difference(connection: Connection) -> list[Any]:
        # what only one of the databases has is compared below, by its own words
        own = ("search_words", "ix_search_entries_words")
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_object": lambda _item, name, *_: not str(name).startswith(own),
        }
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert await on(database_url, difference) == []

    postgres = database_url.startswith("postgresql")
    straight = postgres_server.create_database() if postgres else f"sqlite:///{tmp_path / 'straight.sqlite'}"
    await on(straight, metadata.create_all)
    assert stepped == await on(straight, facts)
    assert any("WHERE" in fact[2] for fact in stepped), "the conditions of partial indexes are compared"


def test_the_program_knows_every_revision_in_order() -> None:
    steps = ScriptDirectory(str(ROOT / "storage" / "migrations")).walk_revisions()
    assert [step.revision for step in steps][::-1] == list(schema.REVISIONS)
    assert schema.REVISIONS[-1] == schema.HEAD


def test_no_step_offers_a_way_back() -> None:
    for step in (ROOT / "storage" / "migrations" / "versions").glob("0*.py"):
        assert "def downgrade" not in step.read_text(), step.name


async def test_rows_of_the_previous_schema_survive(
    database_url: str, on: Callable[..., Any], world: Any, store: Any, contents: Any
) -> None:
    assert await schema.upgrade(database_url, "0001") == ["0001"]
    rows = world(1)
    there = await on(database_url, lambda c: set(inspect(c).get_table_names()))
    added = frozenset({*metadata.tables} - there) | {
        "tickets.alarmed",
        "tickets.snoozed_until",
        "tickets.merged_into_id",
        "addresses.standing",
        "addresses.acknowledgement_id",
    }
    await on(database_url, lambda c: store(c, rows, without=added))

    assert await schema.upgrade(database_url) == list(schema.REVISIONS[1:])

    found = await on(database_url, contents)
    expected = {name: [] if name in added else rows[name] for name in rows}
    expected["tickets"] = [row | {"alarmed": ""} for row in rows["tickets"]]
    expected["addresses"] = [row | {"standing": None, "acknowledgement_id": None} for row in rows["addresses"]]
    for name, some in expected.items():
        assert sorted(found[name], key=repr) == sorted(some, key=repr), name


async def test_upgrading_twice_does_nothing(database_url: str, on: Callable[..., Any]) -> None:
    await schema.upgrade(database_url)
    before = await on(database_url, facts)
    assert await schema.upgrade(database_url) == []
    assert await on(database_url, facts) == before


async def test_check_says_what_to_do(database_url: str, on: Callable[..., Any]) -> None:
    assert await schema.check(database_url) == "the database has no tables yet: run `otklik db upgrade`"
    assert await schema.current(database_url) == ""
    await schema.upgrade(database_url, "0001")
    assert await schema.check(database_url) == (
        f"the database is at schema 0001, this program needs {schema.HEAD}: run `otklik db upgrade`"
    )
    await schema.upgrade(database_url)
    assert await schema.check(database_url) == ""
    assert await schema.current(database_url) == schema.HEAD
    await on(database_url, lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    assert "run the newer version of Otklik" in await schema.check(database_url)
    with pytest.raises(schema.SchemaError, match="9999, which this program does not know"):
        await schema.upgrade(database_url)


async def test_there_is_no_way_back(database_url: str) -> None:
    await schema.upgrade(database_url)
    with pytest.raises(schema.SchemaError, match="a way back to 0001 is not offered: restore a copy"):
        await schema.upgrade(database_url, "0001")
    assert await schema.current(database_url) == schema.HEAD


async def test_an_unknown_goal_is_refused(database_url: str) -> None:
    with pytest.raises(schema.SchemaError, match="there is no schema '0000'"):
        await schema.upgrade(database_url, "0000")


async def test_tables_of_another_program_are_left_alone(database_url: str, on: Callable[..., Any]) -> None:
    await on(database_url, lambda c: c.execute(text("CREATE TABLE tickets (id integer)")))
    with pytest.raises(schema.SchemaError, match=r"not Otklik's own \(tickets\)"):
        await schema.upgrade(database_url)
    assert await schema.current(database_url) == ""


async def test_a_step_that_fails_leaves_nothing_behind(database_url: str, on: Callable[..., Any]) -> None:
    await schema.upgrade(database_url, "0001")
    await on(database_url, lambda c: c.execute(text("CREATE TABLE keys (name integer)")))
    before = await on(database_url, facts)
    with pytest.raises(Exception, match="keys"):
        await schema.upgrade(database_url)
    assert await schema.current(database_url) == "0001"
    assert await on(database_url, facts) == before


async def test_nodes_that_upgrade_at_the_same_moment_do_it_once(database_url: str) -> None:
    program = "import asyncio, sys; from storage import schema; print(*asyncio.run(schema.upgrade(sys.argv[1])))"

    async def node() -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, database_url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        return out.decode().strip()

    assert sorted(await asyncio.gather(node(), node(), node())) == ["", "", " ".join(schema.REVISIONS)]


async def test_tasks_of_one_process_that_upgrade_at_the_same_moment_do_it_once(database_url: str) -> None:
    applied = await asyncio.gather(*(schema.upgrade(database_url) for _ in range(3)))
    assert sorted(applied) == [[], [], list(schema.REVISIONS)]


async def test_sqlite_makes_the_folders_and_keeps_the_file_private(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b c" / "otklik.sqlite"
    await schema.upgrade(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_looking_does_not_make_a_sqlite_file(sqlite_url: str) -> None:
    await schema.check(sqlite_url)
    assert not schema.sqlite_path(sqlite_url).exists()


async def test_postgresql_keeps_raw_mail_uncompressed_and_leaves_room_for_updates(
    postgres_url: str, on: Callable[..., Any]
) -> None:
    await schema.upgrade(postgres_url)
    storage = text("SELECT attstorage::text FROM pg_attribute WHERE attrelid = 'blobs'::regclass AND attname = 'bytes'")
    assert await on(postgres_url, lambda c: c.execute(storage).scalar()) == "e"
    options = text("SELECT array_to_string(reloptions, ' ') FROM pg_class WHERE relname = 'deliveries'")
    assert await on(postgres_url, lambda c: c.execute(options).scalar()) == (
        "fillfactor=85 autovacuum_vacuum_scale_factor=0.02"
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://otklik@127.0.0.1:1/otklik",
        "postgresql://otklik@/otklik?host=/nowhere",
        "sqlite:////proc/otklik/db",
    ],
)
async def test_a_database_that_is_away_says_so(url: str) -> None:
    with pytest.raises(StorageUnavailable):
        await schema.upgrade(url)


async def test_a_login_that_is_refused_is_a_database_that_is_away(postgres_server: PostgresServer) -> None:
    for url in (postgres_server.url("nobody_made_it"), postgres_server.server_url.replace("postgres@", "nobody@")):
        with pytest.raises(StorageUnavailable, match="does not exist"):
            await schema.check(url)
