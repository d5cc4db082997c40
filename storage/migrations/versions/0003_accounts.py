"""Accounts of staff, their sessions, and the audit log."""

from __future__ import annotations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0002 to 0003."""
