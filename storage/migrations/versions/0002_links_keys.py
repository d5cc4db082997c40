"""Links between tickets, the last deadline event told, and the installation's own keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import Instant, Json, Key

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0001 to 0002."""
    op.create_table(
        "links",
        sa.Column("id", Key, nullable=False),
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("other_id", Key, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("reason", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_links_other_id", "links", ["other_id"])
    op.create_index("ix_links_ticket_id", "links", ["ticket_id"])
    op.create_table(
        "keys",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("id", sa.String(4), nullable=False),
        sa.Column("secret", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_keys"),
    )
    # rows that are there already get the empty word; from then on the program says it itself
    with op.batch_alter_table("tickets") as tickets:
        tickets.add_column(sa.Column("alarmed", sa.String(16), nullable=False, server_default=""))
    with op.batch_alter_table("tickets") as tickets:
        tickets.alter_column("alarmed", existing_type=sa.String(16), existing_nullable=False, server_default=None)
