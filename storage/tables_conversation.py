"""Tables: what staff pages keep around a ticket's conversation: files, participants, drafts, canned answers."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, LargeBinary, String, Table, Text

from storage.metadata import metadata
from storage.types import Instant, Json, Key

message_files = Table(
    "message_files",
    metadata,
    Column("attachment_id", Key, primary_key=True),
    Column("sha256", LargeBinary(32), nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""Where the bytes of a file we send lie: files of what came in are parts of the raw message, ours are blobs."""

participants = Table(
    "participants",
    metadata,
    Column("ticket_id", Key, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("because", String(10), nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Mailboxes that get a copy of every public answer. `key` is that of `addresses`; `because` is `copy` (put there by
staff) or `merged` (wrote a ticket that was merged into this one)."""

drafts = Table(
    "drafts",
    metadata,
    Column("ticket_id", Key, primary_key=True),
    Column("user_id", Key, primary_key=True),
    Column("mode", String(8), primary_key=True),
    Column("text", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)
"""What somebody has begun to write on a ticket; `mode` is `reply` or `comment`."""

draft_files = Table(
    "draft_files",
    metadata,
    Column("id", Key, primary_key=True),
    Column("ticket_id", Key, nullable=False, index=True),
    Column("user_id", Key, nullable=False),
    Column("name", Text, nullable=False),
    Column("content_type", String(255), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", LargeBinary(32), nullable=False, index=True),
    Column("at", Instant, nullable=False),
)
"""Files chosen for what is not sent yet."""

submissions = Table(
    "submissions",
    metadata,
    Column("nonce", String(64), primary_key=True),
    Column("user_id", Key, nullable=False),
    Column("ticket_id", Key, nullable=False, index=True),
    Column("message_id", Key),
    Column("version", Integer, nullable=False),
    Column("before", Json, nullable=False),
    Column("at", Instant, nullable=False),
    Column("undone", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
"""Forms that were taken, each once: `nonce` is the form's. `version` is the ticket's after it, `before` what its status
columns held before, for whoever takes the answer back."""

canned_answers = Table(
    "canned_answers",
    metadata,
    Column("id", Key, primary_key=True),
    Column("owner_id", Key, index=True),
    Column("language", String(8), nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("by", Text, nullable=False),
)
"""Texts kept ready; without an owner everybody has them."""
