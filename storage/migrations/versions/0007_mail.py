"""What comes back about mail of ours, whom we thank how often, whom we do not listen to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import Instant, Json, Key

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0006 to 0007."""
    op.add_column("addresses", sa.Column("standing", Json))
    op.create_table(
        "delivery_reports",
        sa.Column("id", Key, nullable=False),
        sa.Column("site", sa.String(6), nullable=False),
        sa.Column("delivery_id", Key, nullable=False),
        sa.Column("attempt", sa.SmallInteger),
        sa.Column("message_id", Key, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("permanent", sa.Boolean, nullable=False),
        sa.Column("proof", sa.String(16), nullable=False),
        sa.Column("moved", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_delivery_reports"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_delivery_reports_delivery_id", "delivery_reports", ["delivery_id"])
    op.create_index("ix_delivery_reports_address", "delivery_reports", ["address"])
    op.create_table(
        "acknowledged_hours",
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("hour", Instant, nullable=False),
        sa.Column("node", sa.String(80), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("scope", "hour", "node", name="pk_acknowledged_hours"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sender_rules",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("verdict", sa.String(8), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("hits", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_sender_rules"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "copied_people",
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "key", name="pk_copied_people"),
        sqlite_with_rowid=False,
    )
