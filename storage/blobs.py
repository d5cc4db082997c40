"""Raw input, content-addressed and counted."""

from __future__ import annotations

from sqlalchemy import Connection, select

from storage.bulk import Row, insert_rows
from storage.tables import blobs


def keep(connection: Connection, rows: list[Row]) -> None:
    """Insert blob rows; a content that is already there is counted once more.

    One statement may not touch one row twice on PostgreSQL, so equal contents of a batch are counted together.
    """
    counted: dict[bytes, Row] = {}
    for row in rows:
        known = counted.get(row["sha256"])
        if known is None:
            counted[row["sha256"]] = dict(row)
        else:
            known["refs"] += row["refs"]
    # a fixed order keeps two writers from waiting for each other in a circle
    insert_rows(
        connection,
        blobs,
        [counted[key] for key in sorted(counted)],
        on_conflict="ON CONFLICT (sha256) DO UPDATE SET refs = blobs.refs + excluded.refs",
    )


def fetch(connection: Connection, sha256: bytes) -> bytes | None:
    """The bytes, or None where retention has removed them."""
    found = connection.execute(select(blobs.c.bytes).where(blobs.c.sha256 == sha256)).scalar()
    return None if found is None else bytes(found)
