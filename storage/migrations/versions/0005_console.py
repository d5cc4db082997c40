"""What staff pages keep: tags, views, drafts, search."""

from __future__ import annotations

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0004 to 0005."""
