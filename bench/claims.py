"""Whether the cost of claiming work grows with the history of work done."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import time
from datetime import UTC, datetime, timedelta

import psycopg
from sqlalchemy import Connection

from bench import figures, product
from bench.processes import BenchError
from bench.rounds import Result, Sample, paired
from bench.workshop import Workshop
from storage import outbox
from storage.database import open_database

SMALL, LARGE = 10_000, 1_000_000
BATCH = 100
CLAIMS = 20
"""Claims in one round."""
PROVIDER = "local"
LEASE = timedelta(minutes=2)
_START = 1_767_225_600_000_000
"""The first of January 2026 in microseconds since 1970; row k follows a second after row k - 1."""


class Claimer:
    """The outbox's own claim on a database made by `fill`."""

    def __init__(self, database_url: str) -> None:
        self._runner = asyncio.Runner()
        self._database = self._runner.run(open_database(database_url))

    def claim(self, limit: int) -> int:
        """Claim up to `limit` due deliveries in one transaction; how many were got."""
        now = datetime.now(UTC)

        def unit(connection: Connection) -> int:
            taken = outbox.claim(connection, provider=PROVIDER, owner="bench", now=now, most=limit, lease=LEASE)
            return len(taken)

        return self._runner.run(self._database.write(unit, name="outbox.claim"))

    def close(self) -> None:
        """Let go of the database."""
        self._runner.run(self._database.close())
        self._runner.close()


def growth(shop: Workshop, base: str) -> Result:
    """`claim_growth_sqlite` and `claim_growth_pg`."""
    due = (shop.rounds + 1) * CLAIMS * BATCH + 2000
    urls: list[str] = []
    claimers: list[Claimer] = []
    figure = figures.claim_growth(base)
    try:
        for rows in (LARGE, SMALL):
            url = product.with_schema(shop, base)
            urls.append(url)
            fill(url, rows, due)
            claimers.append(Claimer(url))
            timed(claimers[-1])
        large, small = claimers
        return paired(figure, lambda: timed(large), lambda: timed(small), shop.rounds, (f"{due} due besides",))
    finally:
        for claimer in claimers:
            claimer.close()
        for url in urls:
            shop.discard(url)


def timed(claimer: Claimer) -> Sample:
    """One round: the median time of a claim in milliseconds."""
    times = []
    for _ in range(CLAIMS):
        started = time.perf_counter()
        got = claimer.claim(BATCH)
        times.append((time.perf_counter() - started) * 1e3)
        if got != BATCH:
            raise BenchError(f"{BATCH} deliveries were due, {got} were claimed")
    return Sample(statistics.median(times))


_DELIVERIES = """
INSERT INTO deliveries (
    id, site, notification_id, ticket_id, step, channel, provider, address, language, priority, state, reason,
    created_at, updated_at, due_at, tries, fence, lease_owner, provider_id, subject, text
)
SELECT key_of(k), 'BEN', key_of(k), key_of(k), 1, 'email', '{provider}', 'user' || k || '@customer.example', 'en',
       k % 3, '{state}', '', instant_of(k), instant_of(k), instant_of(k), {tries}, {tries}, '', '',
       'Your request has been received', 'Your request has been received and a specialist has been assigned to it.'
FROM numbers
"""
_ATTEMPTS = """
INSERT INTO attempts (
    delivery_id, number, provider, started_at, ended_at, outcome, code, detail, provider_id, cost, exchange
)
SELECT key_of(k), 1, '{provider}', instant_of(k), instant_of(k), 'accepted', '250', '2.0.0 Ok', '', '', ''
FROM numbers
"""


def fill(database_url: str, history: int, due: int) -> None:
    """Fill a database with `history` deliveries sent long ago, one attempt each, and `due` ones waiting."""
    last = history + due
    steps = [
        (_DELIVERIES.format(provider=PROVIDER, state="sent", tries=1), 1, history),
        (_ATTEMPTS.format(provider=PROVIDER), 1, history),
        (_DELIVERIES.format(provider=PROVIDER, state="queued", tries=0), history + 1, last),
    ]
    if database_url.startswith("postgresql"):
        _fill_postgres(database_url, steps)
    else:
        _fill_sqlite(database_url.removeprefix("sqlite:///"), steps)


def _fill_postgres(dsn: str, steps: list[tuple[str, int, int]]) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION pg_temp.key_of(k bigint) RETURNS uuid LANGUAGE sql IMMUTABLE "
            "RETURN lpad(to_hex(k), 32, '0')::uuid"
        )
        connection.execute(
            "CREATE FUNCTION pg_temp.instant_of(k bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE "
            f"RETURN to_timestamp({_START // 1_000_000} + k)"
        )
        for sql, first, last in steps:
            statement = sql.replace("key_of(", "pg_temp.key_of(").replace("instant_of(", "pg_temp.instant_of(")
            connection.execute(f"{statement.replace('FROM numbers', f'FROM generate_series({first}, {last}) k')}")
        # What autovacuum would have done long before a history is that long, and no checkpoint into the measurement.
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _fill_sqlite(path: str, steps: list[tuple[str, int, int]]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.create_function("key_of", 1, lambda k: int(k).to_bytes(16, "big"), deterministic=True)
        connection.create_function("instant_of", 1, lambda k: _START + k * 1_000_000, deterministic=True)
        connection.execute("BEGIN IMMEDIATE")
        for sql, first, last in steps:
            numbers = (
                f"WITH RECURSIVE numbers(k) AS (SELECT {first} UNION ALL SELECT k + 1 FROM numbers WHERE k < {last})"
            )
            connection.execute(sql.replace("\nSELECT", f"\n{numbers}\nSELECT", 1))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
