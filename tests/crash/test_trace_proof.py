"""What the proof accepts and what it does not: small traces, each an order of events."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import trace
from bench.trace_proof import prove

MARK = "tr000001ce"
HEARD = f'10 read(7<socket:[70]>, "Subject: {MARK}\\r\\n.\\r\\n", 65536) = 40'
TOLD = '10 write(7<socket:[70]>, "250 2.0.0 Accepted as BEN-26-000001\\r\\n", 40) = 40'

LOGGED = f'11 pwrite64(9</d/otklik.sqlite-wal>, "...{MARK}...", 4096, 56) = 4096'
SYNCED = "11 fdatasync(9</d/otklik.sqlite-wal>) = 0"
SYNC_BEGINS = "11 fdatasync(9</d/otklik.sqlite-wal> <unfinished ...>"
SYNC_ENDS = "11 <... fdatasync resumed>) = 0"
OTHER_SYNCED = "11 fdatasync(8</d/otklik.sqlite>) = 0"

HANDED = f'10 write(8<socket:[80]>, "B...{MARK}", 900) = 900'
COMMIT = '10 write(8<socket:[80]>, "Q\\0\\0\\0\\fCOMMIT;\\0", 13) = 13'
COMMITTED = '10 read(8<socket:[80]>, "C\\0\\0\\0\\vCOMMIT\\0Z\\0\\0\\0\\5I", 65536) = 18'
PG_LOGGED = '12 pwrite64(5</p/data/pg_wal/000000010000000000000001>, "..."..., 8192, 0) = 8192'
PG_SYNCED = "12 fdatasync(5</p/data/pg_wal/000000010000000000000001>) = 0"

SQLITE = {
    "written, synced, told": ([HEARD, LOGGED, SYNCED, TOLD], True),
    "the sync ends before it is told": ([HEARD, LOGGED, SYNC_BEGINS, SYNC_ENDS, TOLD], True),
    "told before the sync ends": ([HEARD, LOGGED, SYNC_BEGINS, TOLD, SYNC_ENDS], False),
    "told without a sync": ([HEARD, LOGGED, TOLD], False),
    "the sync failed": ([HEARD, LOGGED, SYNCED.replace("= 0", "= -1 EIO (Input/output error)"), TOLD], False),
    "the sync was before the write": ([HEARD, SYNCED, LOGGED, TOLD], False),
    "another file was synced": ([HEARD, LOGGED, OTHER_SYNCED, TOLD], False),
    "told without a write": ([HEARD, SYNCED, TOLD], False),
    "told out of nothing": ([LOGGED, SYNCED, TOLD], False),
}
POSTGRESQL = {
    "committed, then told": ([HEARD, HANDED, COMMIT, PG_LOGGED, PG_SYNCED, COMMITTED, TOLD], True),
    "told before the commit was answered": ([HEARD, HANDED, COMMIT, PG_LOGGED, PG_SYNCED, TOLD, COMMITTED], False),
    "answered without a sync": ([HEARD, HANDED, COMMIT, PG_LOGGED, COMMITTED, TOLD, PG_SYNCED], False),
    "synced before the commit": ([HEARD, HANDED, PG_LOGGED, PG_SYNCED, COMMIT, COMMITTED, TOLD], False),
    "never committed": ([HEARD, HANDED, PG_LOGGED, PG_SYNCED, TOLD], False),
}


@pytest.mark.parametrize(
    "database,lines,holds",
    [
        pytest.param(database, lines, holds, id=f"{database}: {name}")
        for database, table in (("sqlite", SQLITE), ("postgresql", POSTGRESQL))
        for name, (lines, holds) in table.items()
    ],
)
def test_an_order_of_events(tmp_path: Path, database: str, lines: list[str], holds: bool) -> None:
    path = tmp_path / "strace.txt"
    path.write_text("\n".join(lines) + "\n")
    proof = prove(path, database)
    assert proof.acknowledged == 1
    assert (proof.missing == []) is holds


@pytest.mark.peers
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_fifty_real_acknowledgements(database: str) -> None:
    proof = trace.trace(database, 50)
    assert (proof.acknowledged, proof.missing) == (50, [])
