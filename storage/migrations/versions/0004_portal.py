"""Pages of authors, consents, and one-time links."""

from __future__ import annotations

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0003 to 0004."""
