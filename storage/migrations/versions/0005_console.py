"""What staff pages keep: tags, views, drafts, search."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.search_words import FTS5, Words
from storage.types import Instant, Json, Key

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0004 to 0005."""
    _queue()
    _search()
    _conversation()


def _queue() -> None:
    op.add_column("tickets", sa.Column("snoozed_until", Instant))
    op.add_column("tickets", sa.Column("merged_into_id", Key))
    condition = sa.text("snoozed_until IS NOT NULL")
    op.create_index(
        "ix_tickets_snoozed_until", "tickets", ["snoozed_until"], sqlite_where=condition, postgresql_where=condition
    )
    op.create_table(
        "ticket_tags",
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("tag", sa.String(40), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "tag", name="pk_ticket_tags"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_ticket_tags_tag", "ticket_tags", ["tag", "ticket_id"])
    op.create_table(
        "saved_views",
        sa.Column("id", Key, nullable=False),
        sa.Column("owner_id", Key, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("filters", Json, nullable=False),
        sa.Column("shared", sa.Boolean, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_views"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_saved_views_owner_id", "saved_views", ["owner_id"])
    op.create_table(
        "readings",
        sa.Column("user_id", Key, nullable=False),
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "ticket_id", name="pk_readings"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bulk_actions",
        sa.Column("id", Key, nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("done", Json, nullable=False),
        sa.Column("failed", Json, nullable=False),
        sa.Column("undone", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bulk_actions"),
        sqlite_with_rowid=False,
    )


def _search() -> None:
    op.create_table(
        "search_entries",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False, autoincrement=False),
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("words", Words, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_search_entries"),
        sa.UniqueConstraint("ticket_id", name="uq_search_entries_ticket_id"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("ix_search_entries_words", "search_entries", ["words"], postgresql_using="gin")
    else:
        for statement in FTS5:
            op.execute(statement)
    op.create_table(
        "log_readers",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("event_id", Key, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_log_readers"),
    )


def _conversation() -> None:
    condition = sa.text("merged_into_id IS NOT NULL")
    op.create_index(
        "ix_tickets_merged_into_id", "tickets", ["merged_into_id"], sqlite_where=condition, postgresql_where=condition
    )
    op.create_table(
        "message_files",
        sa.Column("attachment_id", Key, nullable=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("attachment_id", name="pk_message_files"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_message_files_sha256", "message_files", ["sha256"])
    op.create_table(
        "participants",
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("because", sa.String(10), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "key", name="pk_participants"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "drafts",
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "user_id", "mode", name="pk_drafts"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "draft_files",
        sa.Column("id", Key, nullable=False),
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("content_type", sa.String(255), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_draft_files"),
    )
    op.create_index("ix_draft_files_ticket_id", "draft_files", ["ticket_id"])
    op.create_index("ix_draft_files_sha256", "draft_files", ["sha256"])
    op.create_table(
        "submissions",
        sa.Column("nonce", sa.String(64), nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("message_id", Key),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("before", Json, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("undone", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("nonce", name="pk_submissions"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_submissions_ticket_id", "submissions", ["ticket_id"])
    op.create_table(
        "canned_answers",
        sa.Column("id", Key, nullable=False),
        sa.Column("owner_id", Key),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_canned_answers"),
    )
    op.create_index("ix_canned_answers_owner_id", "canned_answers", ["owner_id"])
