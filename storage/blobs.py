"""Raw input, content-addressed and counted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables import blobs

COUNT = "ON CONFLICT (sha256) DO UPDATE SET refs = blobs.refs + excluded.refs"
"""A content that is already there is counted once more."""


def counted(rows: list[Row]) -> list[Row]:
    """Blob rows to insert with `COUNT`.

    One statement may not touch one row twice on PostgreSQL, so equal contents of a batch are counted together.
    """
    found: dict[bytes, Row] = {}
    for row in rows:
        known = found.get(row["sha256"])
        if known is None:
            found[row["sha256"]] = dict(row)
        else:
            known["refs"] += row["refs"]
    # a fixed order keeps two writers from waiting for each other in a circle
    return [found[key] for key in sorted(found)]


def fetch(connection: Connection, sha256: bytes) -> bytes | None:
    """The bytes, or None where retention has removed them."""
    found = connection.execute(select(blobs.c.bytes).where(blobs.c.sha256 == sha256)).scalar()
    return None if found is None else bytes(found)


def hold(connection: Connection, sha256: bytes, octets: bytes, now: datetime) -> None:
    """Keep bytes for one more holder."""
    row = {"sha256": sha256, "size": len(octets), "bytes": octets, "refs": 1, "created_at": now}
    insert_rows(connection, blobs, [row], on_conflict=COUNT)


def release(connection: Connection, sha256: bytes) -> None:
    """One holder less; bytes nobody holds any more are removed."""
    connection.execute(update(blobs).where(blobs.c.sha256 == sha256).values(refs=blobs.c.refs - 1))
    connection.execute(delete(blobs).where(blobs.c.sha256 == sha256, blobs.c.refs <= 0))
