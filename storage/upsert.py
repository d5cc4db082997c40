"""INSERT ... ON CONFLICT as each database's own dialect of SQLAlchemy writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection, Table

if TYPE_CHECKING:
    from sqlalchemy.dialects.sqlite import Insert


def insert_into(connection: Connection, table: Table) -> Insert:
    """An insert that knows `on_conflict_do_update`, `on_conflict_do_nothing` and `excluded`, spelt alike in both."""
    if connection.dialect.name == "postgresql":
        # Not at the top: a gateway on SQLite does without the other dialect, and one on PostgreSQL likewise.
        from sqlalchemy.dialects import postgresql

        return cast("Insert", postgresql.insert(table))
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)
