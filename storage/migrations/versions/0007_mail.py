"""Placeholder: the step of this number is made elsewhere and takes the place of this file."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0006 to 0007."""
