"""Copies of a PostgreSQL database: a ZIP file that needs no client programs to make or to bring back.

Each table is a member in the binary form of COPY (PostgreSQL manual, COPY, "Binary Format"), compressed; the last
member, `manifest.json`, tells revision, columns, rows and SHA-256 of each. All are read in one REPEATABLE READ
transaction and streamed, so memory does not grow with the database. While that lasts no dead row can be removed and
claiming from the outbox slows down a little.

Bringing one back is one transaction as well: the tables are dropped and made anew at the copy's revision, filled,
checked against the manifest and taken to the newest revision.

BUGS: rights given to other roles on the tables, and publications of them, are not in a copy and must be given again.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.all_tables import metadata
from storage.copies import Copy, CopyRefused, refuse_unknown
from storage.schema import HEAD, migrate, own_revision, postgres_engine, revision_of, take_turns

MANIFEST = "manifest.json"
FORMAT = "otklik-postgresql-copy-1"

_CHUNK = 1 << 18


class Member(msgspec.Struct, frozen=True):
    """One table of a copy; `sha256` is of the uncompressed member, in hexadecimal."""

    table: str
    columns: list[str]
    rows: int
    sha256: str

    @property
    def name(self) -> str:
        """The member's name in the ZIP file."""
        return f"{self.table}.pgcopy"


class Manifest(msgspec.Struct, frozen=True):
    """What a copy holds. `server` is the version of PostgreSQL it was made from."""

    format: str
    revision: str
    server: str
    members: list[Member]

    def described(self) -> Copy:
        """The same for people."""
        return Copy("postgresql", self.revision, {m.table: m.rows for m in self.members if m.rows})


async def write(url: str, target: Path) -> Copy:
    """Copy the database into the empty file `target`.

    Raises:
        CopyRefused: there is nothing to copy.
    """
    engine = postgres_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            revision = await connection.run_sync(revision_of)
            if not revision:
                raise CopyRefused("the database has no tables yet: there is nothing to copy")
            server = (await connection.execute(text("SHOW server_version"))).scalar_one()
            columns = await connection.run_sync(_columns)
            with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                members = [await _write_table(connection, archive, name, columns[name]) for name in columns]
                manifest = Manifest(FORMAT, revision, str(server), members)
                archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
            return manifest.described()
    finally:
        await engine.dispose()


async def bring_back(url: str, source: Path, *, force: bool) -> Copy:
    """Put the copy in the place of what the database holds.

    Raises:
        CopyRefused: the copy is damaged, or the database is in use or holds rows.
        SchemaError: the database belongs to a newer program or to another one.
    """
    engine = postgres_engine(url)
    try:
        with zipfile.ZipFile(source) as archive:
            manifest = _manifest(archive, source)
            async with engine.begin() as connection:
                await connection.run_sync(take_turns)
                await connection.run_sync(_cleared, force)
                await connection.run_sync(migrate, manifest.revision)
                for member in manifest.members:
                    await _read_table(connection, archive, member, source)
                await connection.run_sync(migrate, HEAD)
        return manifest.described()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise CopyRefused(f"{source} is damaged or not complete: {error}") from error
    finally:
        await engine.dispose()


def _columns(connection: Connection) -> dict[str, list[str]]:
    """The columns of every table of ours that is there."""
    inspector = inspect(connection)
    there = set(inspector.get_table_names())
    return {name: [c["name"] for c in inspector.get_columns(name)] for name in metadata.tables if name in there}


async def _driver(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection


async def _write_table(connection: AsyncConnection, archive: zipfile.ZipFile, table: str, columns: list[str]) -> Member:
    digest = hashlib.sha256()
    with archive.open(f"{table}.pgcopy", "w", force_zip64=True) as member:

        async def keep(data: bytes) -> None:
            digest.update(data)
            member.write(data)

        driver = await _driver(connection)
        status = await driver.copy_from_table(table, columns=columns, output=keep, format="binary")
    return Member(table, columns, int(status.split()[-1]), digest.hexdigest())


async def _read_table(connection: AsyncConnection, archive: zipfile.ZipFile, member: Member, source: Path) -> None:
    digest = hashlib.sha256()

    async def chunks() -> AsyncIterator[bytes]:
        with archive.open(member.name) as file:
            while data := file.read(_CHUNK):
                digest.update(data)
                yield data

    driver = await _driver(connection)
    status = await driver.copy_to_table(member.table, columns=member.columns, source=chunks(), format="binary")
    if digest.hexdigest() != member.sha256 or int(status.split()[-1]) != member.rows:
        raise CopyRefused(f"{source} is damaged: {member.name} is not what its manifest says")


def _manifest(archive: zipfile.ZipFile, source: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
        inside = set(archive.namelist())
    except (KeyError, msgspec.MsgspecError) as error:
        raise CopyRefused(f"{source} is not a copy of a database") from error
    if manifest.format != FORMAT:
        raise CopyRefused(f"{source} is of the form {manifest.format!r}, this program reads {FORMAT!r}")
    refuse_unknown(manifest.revision, source)
    for member in manifest.members:
        if member.table not in metadata.tables or member.name not in inside:
            raise CopyRefused(f"{source} is damaged: {member.name} is missing or unknown")
    return manifest


def _cleared(connection: Connection, force: bool) -> None:
    """Make room: nobody else at work, no rows (or `force`), no tables."""
    own_revision(connection)
    others = connection.execute(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'otklik' AND pid <> pg_backend_pid()"
        )
    ).scalar_one()
    if others:
        raise CopyRefused(
            f"the database is in use ({others} connections): stop `otklik serve` on every node and other commands first"
        )
    there = [metadata.tables[name] for name in _columns(connection)]
    if not force and any(connection.execute(table.select().limit(1)).first() for table in there):
        raise CopyRefused("the database is not empty: --force replaces what it holds")
    metadata.drop_all(connection, tables=there)
    connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
