"""The PostgreSQL server tests and rigs run against: Cyrillic right, committed data back after a crash, no traces."""

from __future__ import annotations

import asyncpg
import pytest

from bench.postgres import PostgresFailed, PostgresServer


async def test_a_fresh_database_knows_cyrillic(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    try:
        assert await connection.fetchval("SELECT lower('ПРИВЕТ, ЁЖ')") == "привет, ёж"
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        await connection.close()


def test_data_survive_a_crash_and_the_folder_goes_with_the_server() -> None:
    server = PostgresServer()
    try:
        server.start()
        server.execute("CREATE TABLE kept (x int)")
        server.execute("INSERT INTO kept VALUES (7)")
        server.kill()
        assert server.pid is None
        server.start()
        assert server.execute("SELECT x FROM kept") == "7"
        server.stop()
        with pytest.raises(PostgresFailed):
            server.execute("SELECT 1")
    finally:
        server.close()
    assert not server.folder.exists()


def test_a_wrong_statement_says_why(postgres_server: PostgresServer) -> None:
    with pytest.raises(PostgresFailed, match="nothing_like_this"):
        postgres_server.execute("SELECT * FROM nothing_like_this")


async def test_every_kind_of_database_is_offered_empty(database_url: str) -> None:
    assert database_url.startswith(("sqlite:///", "postgresql://"))
