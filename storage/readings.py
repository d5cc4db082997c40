"""What users have read: a ticket may become unread to everybody again."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, delete

from storage.tables_console import readings


def forget(connection: Connection, ticket_id: UUID) -> None:
    """Let a ticket be unread to everybody."""
    connection.execute(delete(readings).where(readings.c.ticket_id == ticket_id))
