"""What is being written on a ticket: drafts, their files, and forms that were taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, func, select, text, update

from storage import blobs
from storage.bulk import insert_rows
from storage.cells import Row
from storage.lookup import Lookup
from storage.tables import attachments, events, messages
from storage.tables import blobs as blob_rows
from storage.tables_conversation import draft_files, drafts, message_files, submissions
from storage.tables_outbox import deliveries, notifications
from tickets.key import new_key

# ---- drafts -------------------------------------------------------------------------------------------------------


def drafts_of(connection: Connection, ticket_id: UUID, user_id: UUID) -> dict[str, str]:
    """The texts somebody has begun, by mode."""
    query = select(drafts.c.mode, drafts.c.text).where(drafts.c.ticket_id == ticket_id, drafts.c.user_id == user_id)
    return {row[0]: row[1] for row in connection.execute(query)}


def keep_draft(connection: Connection, ticket_id: UUID, user_id: UUID, mode: str, text: str, now: datetime) -> None:
    """Keep a text in place of the one before; an empty one is forgotten."""
    connection.execute(
        delete(drafts).where(drafts.c.ticket_id == ticket_id, drafts.c.user_id == user_id, drafts.c.mode == mode)
    )
    if text.strip():
        row = {"ticket_id": ticket_id, "user_id": user_id, "mode": mode, "text": text, "updated_at": now}
        insert_rows(connection, drafts, [row], on_conflict="ON CONFLICT DO NOTHING")


def draft_files_of(connection: Connection, ticket_id: UUID, user_id: UUID) -> list[Row]:
    """Files chosen for what somebody is writing, in the order they were chosen."""
    query = (
        select(draft_files)
        .where(draft_files.c.ticket_id == ticket_id, draft_files.c.user_id == user_id)
        .order_by(draft_files.c.id)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def keep_file(connection: Connection, row: Row, octets: bytes) -> None:
    """Keep a file with its bytes."""
    blobs.hold(connection, row["sha256"], octets, row["at"])
    insert_rows(connection, draft_files, [row])


def drop_file(connection: Connection, file_id: UUID, ticket_id: UUID, user_id: UUID) -> bool:
    """Forget a chosen file; whether it was there."""
    own = (draft_files.c.id == file_id, draft_files.c.ticket_id == ticket_id, draft_files.c.user_id == user_id)
    sha256 = connection.execute(select(draft_files.c.sha256).where(*own)).scalar()
    if sha256 is None:
        return False
    connection.execute(delete(draft_files).where(*own))
    blobs.release(connection, bytes(sha256))
    return True


def files_sent(connection: Connection, files: Sequence[Row]) -> None:
    """Chosen files became those of a message: the message holds their bytes now."""
    if files:
        connection.execute(delete(draft_files).where(draft_files.c.id.in_([f["id"] for f in files])))


# ---- files of messages --------------------------------------------------------------------------------------------

_SENT_FILES = Lookup(
    select(attachments.c.id, attachments.c.message_id, attachments.c.name, attachments.c.content_type,
           attachments.c.size, message_files.c.sha256)
    .join(message_files, message_files.c.attachment_id == attachments.c.id)
    .order_by(attachments.c.message_id, attachments.c.id),
    attachments.c.message_id,
)  # fmt: skip


def sent_files(connection: Connection, message_ids: Iterable[UUID]) -> list[Row]:
    """Files of messages of ours, in order."""
    return _SENT_FILES.rows(connection, message_ids)


def file_bytes(connection: Connection, attachment_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The bytes of files we send, by attachment."""
    query = (
        select(message_files.c.attachment_id, blob_rows.c.bytes)
        .join(blob_rows, blob_rows.c.sha256 == message_files.c.sha256)
        .where(message_files.c.attachment_id.in_(attachment_ids))
    )
    return {row[0]: bytes(row[1]) for row in connection.execute(query)}


def message_of(connection: Connection, ticket_ids: Sequence[UUID], message_id: UUID) -> Row | None:
    """A message of these tickets."""
    query = select(messages).where(messages.c.id == message_id, messages.c.ticket_id.in_(ticket_ids))
    row = connection.execute(query).mappings().one_or_none()
    return dict(row) if row is not None else None


def raw_of(connection: Connection, sha256: bytes | None) -> bytes | None:
    """The bytes a message came as; None where there are none, or retention has removed them."""
    return None if sha256 is None else blobs.fetch(connection, sha256)


# ---- forms --------------------------------------------------------------------------------------------------------


def submission(connection: Connection, nonce: str, *, lock: bool = False) -> Row | None:
    """A form that was taken."""
    query = select(submissions).where(submissions.c.nonce == nonce)
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    return dict(row) if row is not None else None


def submitted(connection: Connection, row: Row) -> None:
    """Take note of a form."""
    insert_rows(connection, submissions, [row])


def undone(connection: Connection, nonce: str) -> None:
    """What a form said was taken back."""
    connection.execute(update(submissions).where(submissions.c.nonce == nonce).values(undone=True))


def ways_of(connection: Connection, message_id: UUID) -> list[Row]:
    """Deliveries that tell of a message, locked."""
    query = (
        select(deliveries.c.id, deliveries.c.state, deliveries.c.tries, deliveries.c.reason)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .join(events, events.c.id == notifications.c.event_id)
        .where(events.c.message_id == message_id)
        .order_by(deliveries.c.id)
        .with_for_update(of=deliveries)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def suppress(connection: Connection, ids: Sequence[UUID], reason: str, now: datetime) -> None:
    """Deliveries that were not tried yet are not sent after all."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(ids), text("deliveries.state = 'queued'"))
        .values(state="suppressed", reason=reason, updated_at=now)
    )


def withdraw(connection: Connection, message_id: UUID, detail: dict[str, Any]) -> None:
    """A message of ours is no longer for its author's eyes."""
    connection.execute(update(messages).where(messages.c.id == message_id).values(public=False, detail=detail))


def last_message(connection: Connection, ticket_id: UUID, account: str) -> UUID | None:
    """The newest message somebody of ours wrote on a ticket."""
    query = (
        select(messages.c.id)
        .where(messages.c.ticket_id == ticket_id, messages.c.account == account[:80])
        .order_by(messages.c.id.desc())
        .limit(1)
    )
    found: UUID | None = connection.execute(query).scalar()
    return found


def files_again(connection: Connection, message_id: UUID, ticket_id: UUID, user_id: UUID, now: datetime) -> None:
    """The files of a message are chosen for a draft again; the message keeps its own."""
    for row in sent_files(connection, [message_id]):
        connection.execute(
            update(blob_rows).where(blob_rows.c.sha256 == row["sha256"]).values(refs=blob_rows.c.refs + 1)
        )
        kept = {name: row[name] for name in ("name", "content_type", "size", "sha256")}
        insert_rows(
            connection,
            draft_files,
            [{"id": new_key(), "ticket_id": ticket_id, "user_id": user_id, "at": now, **kept}],
        )


def events_since(connection: Connection, ticket_id: UUID, last: UUID) -> list[Row]:
    """What was written into a ticket's history after an entry, oldest first."""
    query = (
        select(events, messages.c.text.label("said"), messages.c.sender_name)
        .join(messages, messages.c.id == events.c.message_id, isouter=True)
        .where(events.c.ticket_id == ticket_id, events.c.id > last)
        .order_by(events.c.id)
        .limit(50)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def last_event(connection: Connection, ticket_id: UUID) -> UUID | None:
    """The newest entry of a ticket's history."""
    # not max(): PostgreSQL has none for this type
    query = select(events.c.id).where(events.c.ticket_id == ticket_id).order_by(events.c.id.desc()).limit(1)
    found: UUID | None = connection.execute(query).scalar()
    return found


def size_of_files(connection: Connection, ticket_id: UUID, user_id: UUID) -> tuple[int, int]:
    """How many files somebody has chosen on a ticket, and their octets."""
    query = select(func.count(), func.coalesce(func.sum(draft_files.c.size), 0)).where(
        draft_files.c.ticket_id == ticket_id, draft_files.c.user_id == user_id
    )
    count, octets = connection.execute(query).one()
    return int(count), int(octets)
