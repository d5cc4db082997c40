"""What the API keeps besides tickets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import Instant, Json, Key

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0005 to 0006."""
    op.create_table(
        "token_limits",
        sa.Column("token_id", Key, nullable=False),
        sa.Column("customer", sa.String(80), nullable=False),
        sa.Column("centre", sa.String(40), nullable=False),
        sa.Column("per_minute", sa.Integer),
        sa.PrimaryKeyConstraint("token_id", name="pk_token_limits"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("token_id", Key, nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("request", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("status", sa.SmallInteger),
        sa.Column("headers", Json),
        sa.Column("body", sa.LargeBinary),
        sa.PrimaryKeyConstraint("token_id", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])
