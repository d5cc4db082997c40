"""The acknowledgement an address was given last stands in its row; whom an author wrote to is told by the message."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import Key

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0008 to 0009."""
    op.add_column("addresses", sa.Column("acknowledgement_id", Key))
    op.drop_table("copied_people")
