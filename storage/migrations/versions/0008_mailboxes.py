"""Mailboxes that are read: how far, what could not be fetched, credentials that change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import Instant, Key

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0007 to 0008."""
    op.create_table(
        "mailboxes",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("uidvalidity", sa.BigInteger, nullable=False),
        sa.Column("last_uid", sa.BigInteger, nullable=False),
        sa.Column("renumbered_below", sa.BigInteger, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_mailboxes"),
    )
    op.create_table(
        "mailbox_problems",
        sa.Column("mailbox", sa.String(80), nullable=False),
        sa.Column("external_id", sa.String(255), nullable=False),
        sa.Column("site", sa.String(6), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("first_at", Instant, nullable=False),
        sa.Column("last_at", Instant, nullable=False),
        sa.Column("quarantine_id", Key),
        sa.PrimaryKeyConstraint("mailbox", "external_id", name="pk_mailbox_problems"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "credentials",
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_credentials"),
    )
