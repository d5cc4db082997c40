"""Receipts are looked up by what their sender calls them, so that comes first in their unique index."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0009 to 0010."""
    # SQLite copies the table, PostgreSQL only makes the index
    with op.batch_alter_table("receipts", table_kwargs={"sqlite_with_rowid": False}) as receipts:
        receipts.drop_constraint("uq_receipts_channel_account_external_id", type_="unique")
        receipts.create_unique_constraint(
            "uq_receipts_external_id_channel_account", ["external_id", "channel", "account"]
        )
