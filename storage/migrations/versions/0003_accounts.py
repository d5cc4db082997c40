"""Accounts of staff, their sessions, and the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import Instant, Json, Key

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0002 to 0003."""
    op.create_table(
        "users",
        sa.Column("id", Key, nullable=False),
        sa.Column("login", sa.String(80), nullable=False),
        sa.Column("login_key", sa.String(160), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("theme", sa.String(8), nullable=False),
        sa.Column("shortcuts", sa.Boolean, nullable=False),
        sa.Column("password", sa.Text, nullable=False),
        sa.Column("password_changed_at", Instant),
        sa.Column("totp", sa.Text, nullable=False),
        sa.Column("totp_step", sa.BigInteger),
        sa.Column("subject", sa.String(512)),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("disabled_at", Instant),
        sa.Column("last_seen_at", Instant),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("login_key", name="uq_users_login_key"),
        sa.UniqueConstraint("subject", name="uq_users_subject"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", Key, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("used_at", Instant),
        sa.PrimaryKeyConstraint("user_id", "digest", name="pk_recovery_codes"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sessions",
        sa.Column("id", Key, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", Key, nullable=False),
        sa.Column("stage", sa.String(8), nullable=False),
        sa.Column("method", sa.String(8), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("seen_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.Column("revoked_at", Instant),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.UniqueConstraint("digest", name="uq_sessions_digest"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_table(
        "throttles",
        sa.Column("key", sa.String(80), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", Instant, nullable=False),
        sa.Column("blocked_until", Instant),
        sa.PrimaryKeyConstraint("key", name="pk_throttles"),
    )
    op.create_index("ix_throttles_last_at", "throttles", ["last_at"])
    op.create_table(
        "audit",
        sa.Column("id", Key, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("who", sa.String(160), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("object", sa.String(160), nullable=False),
        sa.Column("detail", Json, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_audit_who_id", "audit", ["who", "id"])
    op.create_index("ix_audit_object_id", "audit", ["object", "id"])
