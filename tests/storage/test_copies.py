"""Copies: whole and of one moment, made while the program works; brought back whole or not at all."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, inspect, select, text

from bench.postgres import PostgresServer
from storage import schema
from storage.copies import Copy, CopyRefused, backup, restore
from storage.database import Database, open_database
from storage.errors import StorageUnavailable
from storage.schema import SchemaError
from storage.tables import messages, metadata, receipts, tickets

On = Callable[..., Any]
TICKETS = 12

ROOT = Path(schema.__file__).parents[1]


@pytest.fixture
async def filled(database_url: str, on: On, world: Any, store: Any) -> str:
    """The URL of a database at the newest schema with rows in every table."""
    await schema.upgrade(database_url)

    def fill(connection: Connection) -> None:
        for number in range(1, TICKETS + 1):
            store(connection, world(number))

    await on(database_url, fill)
    return database_url


@pytest.fixture
def other_url(database_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Another empty database of the same kind."""
    if database_url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'other' / 'otklik.sqlite'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create_database()


@pytest.fixture
async def at_work(database_url: str) -> AsyncIterator[Database]:
    """The database as a running program holds it."""
    database = await open_database(database_url)
    yield database
    await database.close()


async def test_what_was_copied_comes_back(filled: str, other_url: str, on: On, contents: Any, tmp_path: Path) -> None:
    before = await on(filled, contents)
    made = await backup(filled, tmp_path / "copy")
    assert made.revision == schema.HEAD
    assert made.rows == {name: len(rows) for name, rows in before.items() if rows}
    assert set(made.rows) == set(metadata.tables), "no table is left out"

    assert await restore(other_url, tmp_path / "copy") == made
    assert await on(other_url, contents) == before
    assert await schema.check(other_url) == ""


async def test_a_copy_is_one_private_file_and_nothing_beside_it(filled: str, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    await backup(filled, folder / "Копия 1")
    await backup(filled, folder / "Копия 1")
    assert [path.name for path in folder.iterdir()] == ["Копия 1"]
    assert stat.S_IMODE((folder / "Копия 1").stat().st_mode) == 0o600


async def test_a_copy_made_while_writes_go_on_is_of_one_moment(
    filled: str, at_work: Database, other_url: str, on: On, world: Any, store: Any, tmp_path: Path
) -> None:
    """Each ticket comes with its message and receipt in one commit: a copy has all three or none."""
    stop = asyncio.Event()
    committed = TICKETS

    async def keep_writing() -> None:
        nonlocal committed
        while not stop.is_set():
            rows = world(committed + 1)
            await at_work.write(lambda c, rows=rows: store(c, rows))  # type: ignore[misc]
            committed += 1

    writer = asyncio.create_task(keep_writing())
    while committed < TICKETS + 3:
        await asyncio.sleep(0)
    before = committed
    made = await backup(filled, tmp_path / "copy")
    after = committed
    while committed < after + 3:
        await asyncio.sleep(0)
    stop.set()
    await writer

    assert before <= made.rows["receipts"] <= after + 1
    await restore(other_url, tmp_path / "copy")

    def counts(connection: Connection) -> list[int]:
        joined = (
            receipts.join(messages, messages.c.id == receipts.c.message_id),
            messages.join(tickets, tickets.c.id == messages.c.ticket_id),
        )
        whole = [connection.execute(select(func.count()).select_from(each)).scalar_one() for each in joined]
        single = [
            connection.execute(select(func.count()).select_from(t)).scalar_one() for t in (receipts, messages, tickets)
        ]
        return whole + single

    assert await on(other_url, counts) == [made.rows["receipts"]] * 5


def columns(connection: Any) -> dict[str, set[str]]:
    """The columns of each table there is."""
    inspector = inspect(connection)
    return {name: {c["name"] for c in inspector.get_columns(name)} for name in inspector.get_table_names()}


def _later(table: str, there: set[str]) -> set[str]:
    return {column.name for column in metadata.tables[table].columns} - there


async def test_a_copy_of_an_older_schema_is_taken_to_the_newest(
    database_url: str, other_url: str, on: On, world: Any, store: Any, contents: Any, tmp_path: Path
) -> None:
    await schema.upgrade(database_url, "0001")
    there = await on(database_url, columns)
    added = frozenset(
        {*metadata.tables} - {*there}
        | {f"{name}.{column}" for name in there if name in metadata.tables for column in _later(name, there[name])}
    )
    await on(database_url, lambda c: store(c, world(1), without=added))
    assert (await backup(database_url, tmp_path / "copy")).revision == "0001"

    await restore(other_url, tmp_path / "copy")

    assert await schema.check(other_url) == ""
    await schema.upgrade(database_url)
    assert await on(other_url, contents) == await on(database_url, contents)


# ---- refusals while copying ---------------------------------------------------------------------------------------


async def test_an_empty_database_is_not_copied(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(CopyRefused, match=r"there is nothing to copy|there is no database at"):
        await backup(database_url, tmp_path / "copy")
    assert not any(tmp_path.glob("*copy*"))


async def test_a_target_that_cannot_be(filled: str, tmp_path: Path) -> None:
    with pytest.raises(CopyRefused, match="is a folder: name a file in it"):
        await backup(filled, tmp_path)
    with pytest.raises(CopyRefused, match="there is no folder"):
        await backup(filled, tmp_path / "missing" / "copy")


async def test_no_room_for_the_copy(filled: str, tmp_path: Path) -> None:
    """A file size limit of the process is the nearest to a full disk that needs no rights."""
    program = (
        "import asyncio, resource, sys; from pathlib import Path; from storage import copies\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)\n"
        "try: asyncio.run(copies.backup(sys.argv[1], Path(sys.argv[2])))\n"
        "except copies.CopyRefused as error: print(error)\n"
    )
    # SQLite needs room for the shared memory file beside the database itself
    arguments = (filled, str(tmp_path / "copy"), "65536" if filled.startswith("sqlite") else "4096")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert b"the copy cannot be written" in out
    assert not any(tmp_path.glob("*copy*"))


async def test_a_failed_copy_leaves_the_last_good_one(filled: str, on: On, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"the last good one")
    await on(filled, lambda c: c.execute(text("DELETE FROM alembic_version")))
    with pytest.raises(CopyRefused):
        await backup(filled, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"the last good one"


async def test_the_database_file_is_not_its_own_copy(sqlite_url: str) -> None:
    await schema.upgrade(sqlite_url)
    path = schema.sqlite_path(sqlite_url)
    link = path.with_name("link")
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(CopyRefused, match="is the database itself"):
            await backup(sqlite_url, name)
        with pytest.raises(CopyRefused, match="is the database itself"):
            await restore(sqlite_url, name, force=True)


@pytest.mark.parametrize("work", [backup, restore])
async def test_a_server_that_is_away(work: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "copy", "w") as archive:
        manifest = {"format": "otklik-postgresql-copy-1", "revision": schema.HEAD, "server": "", "members": []}
        archive.writestr("manifest.json", json.dumps(manifest))
    with pytest.raises(StorageUnavailable):
        await work("postgresql://otklik@127.0.0.1:1/otklik", tmp_path / "copy")


# ---- refusals while bringing back ---------------------------------------------------------------------------------


async def test_rows_are_replaced_only_by_force(
    filled: str, on: On, world: Any, store: Any, contents: Any, tmp_path: Path
) -> None:
    made = await backup(filled, tmp_path / "copy")
    copied = await on(filled, contents)
    await on(filled, lambda c: store(c, world(TICKETS + 1)))
    later = await on(filled, contents)

    with pytest.raises(CopyRefused, match="the database is not empty"):
        await restore(filled, tmp_path / "copy")
    assert await on(filled, contents) == later

    assert await restore(filled, tmp_path / "copy", force=True) == made
    assert await on(filled, contents) == copied


async def test_an_empty_schema_needs_no_force(filled: str, other_url: str, tmp_path: Path) -> None:
    made = await backup(filled, tmp_path / "copy")
    await schema.upgrade(other_url)
    assert await restore(other_url, tmp_path / "copy") == made


async def test_a_database_at_work_is_left_alone(
    filled: str, at_work: Database, on: On, contents: Any, tmp_path: Path
) -> None:
    await backup(filled, tmp_path / "copy")
    before = await on(filled, contents)
    await at_work.read(lambda c: c.execute(text("SELECT 1")))
    with pytest.raises(CopyRefused, match=r"the database is in use.*stop `otklik serve`"):
        await restore(filled, tmp_path / "copy", force=True)
    assert await on(filled, contents) == before

    await at_work.close()
    await restore(filled, tmp_path / "copy", force=True)


async def test_a_database_at_work_in_another_process_is_left_alone(filled: str, tmp_path: Path) -> None:
    await backup(filled, tmp_path / "copy")
    program = (
        "import asyncio, sys; from storage.database import open_database; from sqlalchemy import text\n"
        "async def work():\n"
        "    database = await open_database(sys.argv[1])\n"
        "    await database.read(lambda c: c.execute(text('SELECT count(*) FROM tickets')))\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.to_thread(sys.stdin.read)\n"
        "    await database.close()\n"
        "asyncio.run(work())\n"
    )
    pipe = asyncio.subprocess.PIPE
    serve = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, filled, cwd=ROOT, stdout=pipe, stdin=pipe
    )
    assert serve.stdout is not None
    await serve.stdout.readline()
    try:
        with pytest.raises(CopyRefused, match="the database is in use"):
            await restore(filled, tmp_path / "copy", force=True)
    finally:
        await serve.communicate(b"")
    await restore(filled, tmp_path / "copy", force=True)


async def test_a_copy_of_the_other_kind_is_refused(sqlite_url: str, postgres_url: str, on: On, tmp_path: Path) -> None:
    for url in (sqlite_url, postgres_url):
        await schema.upgrade(url)
        await backup(url, tmp_path / url[:6])
    with pytest.raises(CopyRefused, match="a copy of a SQLite database and cannot be brought back to PostgreSQL"):
        await restore(postgres_url, tmp_path / "sqlite")
    with pytest.raises(CopyRefused, match="a copy of a PostgreSQL database and cannot be brought back to SQLite"):
        await restore(sqlite_url, tmp_path / "postgr")


async def test_what_is_no_copy_is_refused(database_url: str, tmp_path: Path) -> None:
    for content in (b"", b"PK", b"From: a@example.ru\r\n\r\n", bytes(4096)):
        (tmp_path / "copy").write_bytes(content)
        with pytest.raises(CopyRefused, match="is not a copy of a database"):
            await restore(database_url, tmp_path / "copy")
    with pytest.raises(CopyRefused, match="No such file"):
        await restore(database_url, tmp_path / "missing")


async def test_a_copy_that_was_cut_off_is_refused(
    filled: str, other_url: str, on: On, contents: Any, tmp_path: Path
) -> None:
    await backup(filled, tmp_path / "copy")
    size = (tmp_path / "copy").stat().st_size
    await schema.upgrade(other_url)
    for part in (0.97, 0.5, 0.02):
        os.truncate(tmp_path / "copy", int(size * part))
        with pytest.raises(CopyRefused, match=r"is damaged|cannot be read"):
            await restore(other_url, tmp_path / "copy")
        assert not any((await on(other_url, contents)).values())


async def test_a_copy_of_a_newer_schema_is_refused(filled: str, other_url: str, on: On, tmp_path: Path) -> None:
    await on(filled, lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    await backup(filled, tmp_path / "copy")
    with pytest.raises(CopyRefused, match="at schema 9999, which this program does not know"):
        await restore(other_url, tmp_path / "copy")


async def test_postgresql_a_member_that_was_altered_changes_nothing(
    postgres_url: str, postgres_server: PostgresServer, on: On, world: Any, store: Any, contents: Any, tmp_path: Path
) -> None:
    await schema.upgrade(postgres_url)
    await on(postgres_url, lambda c: store(c, world(1)))
    await backup(postgres_url, tmp_path / "good")
    other = postgres_server.create_database()
    await schema.upgrade(other)
    await on(other, lambda c: store(c, world(2)))
    before = await on(other, contents)

    for name in ("people", "tokens"):
        with zipfile.ZipFile(tmp_path / "good") as good, zipfile.ZipFile(tmp_path / "bad", "w") as bad:
            for member in good.namelist():
                data = good.read(member)
                bad.writestr(member, data.replace("жжж".encode(), "щщщ".encode()) if member.startswith(name) else data)
        with pytest.raises(CopyRefused, match=rf"is damaged: {name}\.pgcopy is not what its manifest says"):
            await restore(other, tmp_path / "bad", force=True)
        assert await on(other, contents) == before


@pytest.mark.parametrize(
    "change, said",
    [
        ({"format": "otklik-postgresql-copy-2"}, "is of the form 'otklik-postgresql-copy-2'"),
        ({"revision": 7}, "is not a copy of a database"),
        ({"members": [{"table": "pg_authid", "columns": [], "rows": 0, "sha256": ""}]}, "missing or unknown"),
        ({"members": [{"table": "tickets", "columns": [], "rows": 0, "sha256": ""}]}, "missing or unknown"),
    ],
)
async def test_postgresql_a_manifest_that_was_altered_is_refused(
    postgres_url: str, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    manifest = {"format": "otklik-postgresql-copy-1", "revision": schema.HEAD, "server": "18", "members": []} | change
    with zipfile.ZipFile(tmp_path / "copy", "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
    with pytest.raises(CopyRefused, match=said):
        await restore(postgres_url, tmp_path / "copy")


async def test_postgresql_tables_of_another_program_are_left_alone_even_by_force(
    postgres_url: str, postgres_server: PostgresServer, on: On, tmp_path: Path
) -> None:
    await schema.upgrade(postgres_url)
    await backup(postgres_url, tmp_path / "copy")
    other = postgres_server.create_database()
    await on(other, lambda c: c.execute(text("CREATE TABLE tickets (id integer)")))
    with pytest.raises(SchemaError, match="not Otklik's own"):
        await restore(other, tmp_path / "copy", force=True)
    await on(other, lambda c: c.execute(text("SELECT id FROM tickets")))


async def test_sqlite_a_damaged_database_is_moved_away_by_hand(sqlite_url: str, tmp_path: Path) -> None:
    await schema.upgrade(sqlite_url)
    await backup(sqlite_url, tmp_path / "copy")
    path = schema.sqlite_path(sqlite_url)
    path.write_bytes(b"\xff" * 8192)
    with pytest.raises(CopyRefused, match="is damaged: move it away, then bring the copy back"):
        await restore(sqlite_url, tmp_path / "copy", force=True)
    path.rename(tmp_path / "away")
    assert await restore(sqlite_url, tmp_path / "copy") == Copy("sqlite", schema.HEAD, {})


async def test_sqlite_a_damaged_page_is_noticed(
    sqlite_url: str, on: On, world: Any, store: Any, tmp_path: Path
) -> None:
    await schema.upgrade(sqlite_url)
    await on(sqlite_url, lambda c: store(c, world(1)))
    await backup(sqlite_url, tmp_path / "copy")
    with (tmp_path / "copy").open("r+b") as file:
        file.seek(4096 * 5)
        file.write(b"\x07" * 4096)
    with pytest.raises(CopyRefused, match=r"is damaged|cannot be read"):
        await restore(f"sqlite:///{tmp_path / 'other'}", tmp_path / "copy")


async def test_sqlite_a_copy_is_a_plain_database_file(sqlite_url: str, tmp_path: Path) -> None:
    """It opens read-only, on a medium that cannot be written, without files beside it."""
    await schema.upgrade(sqlite_url)
    await backup(sqlite_url, tmp_path / "copy")
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(tmp_path / "copy", alone / "copy")
    connection = sqlite3.connect(f"{(alone / 'copy').as_uri()}?mode=ro", uri=True)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert connection.execute("SELECT count(*) FROM tickets").fetchone() == (0,)
    assert [path.name for path in alone.iterdir()] == ["copy"]
    connection.close()
