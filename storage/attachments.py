"""Where the bytes of a file are: in the raw input it came with, or kept by themselves."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, select

from storage.cells import Row
from storage.tables import attachments, messages, tickets
from storage.tables_conversation import message_files


def one(connection: Connection, attachment_id: UUID) -> Row | None:
    """A file's row with the channel and `raw_sha256` of its message, the ticket's id and number, and in `own_sha256`
    the bytes it has by itself; None for nobody's id."""
    found = (
        connection.execute(
            select(
                attachments,
                messages.c.channel,
                messages.c.direction,
                messages.c.public,
                messages.c.raw_sha256,
                messages.c.ticket_id,
                tickets.c.number,
                message_files.c.sha256.label("own_sha256"),
            )
            .join(messages, messages.c.id == attachments.c.message_id)
            .join(tickets, tickets.c.id == messages.c.ticket_id)
            .outerjoin(message_files, message_files.c.attachment_id == attachments.c.id)
            .where(attachments.c.id == attachment_id)
        )
        .mappings()
        .first()
    )
    return dict(found) if found is not None else None
