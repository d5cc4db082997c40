"""The audit log: rows are added and read, never changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from storage.bulk import insert_rows
from storage.cells import Row
from storage.tables_accounts import audit


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are meant; empty fields do not filter.

    `who` is the label of an actor or the login of a member of staff, `object` what it was about, `action` its name or
    the beginning of it before the dot. `before` is the id a page starts below.
    """

    who: str = ""
    object: str = ""
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: UUID | None = None
    limit: int = 50


def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Write entries; all have the same keys."""
    insert_rows(connection, audit, rows)


def listing(connection: Connection, wanted: Filter) -> list[dict[str, Any]]:
    """Entries, newest first: one more than `limit` where there are more."""
    query = select(audit).order_by(audit.c.id.desc()).limit(wanted.limit + 1)
    if wanted.who:
        labels = [wanted.who, *(f"{kind}:{wanted.who}" for kind in ("staff", "cli", "api"))]
        query = query.where(audit.c.who.in_(labels))
    if wanted.object:
        query = query.where(audit.c.object == wanted.object)
    if wanted.action:
        exactly = audit.c.action == wanted.action
        about = audit.c.action.startswith(f"{wanted.action}.", autoescape=True)
        query = query.where(exactly if "." in wanted.action else about)
    if wanted.since is not None:
        query = query.where(audit.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit.c.at < wanted.until)
    if wanted.before is not None:
        query = query.where(audit.c.id < wanted.before)
    return [dict(row) for row in connection.execute(query).mappings()]
