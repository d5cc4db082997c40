"""Consents and parked files of web forms; pages of authors and one-time links."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import Instant, Key

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take the schema from 0003 to 0004."""
    _forms()
    _pages()


def _forms() -> None:
    op.create_table(
        "consent_texts",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_consent_texts"),
    )
    op.create_table(
        "consents",
        sa.Column("id", Key, nullable=False),
        sa.Column("site", sa.String(6), nullable=False),
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("person_id", Key, nullable=False),
        sa.Column("form", sa.String(80), nullable=False),
        sa.Column("field", sa.String(40), nullable=False),
        sa.Column("version", sa.String(16), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("text_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("given_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_consents"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_consents_ticket_id", "consents", ["ticket_id"])
    op.create_index("ix_consents_person_id", "consents", ["person_id"])
    op.create_table(
        "form_files",
        sa.Column("id", Key, nullable=False),
        sa.Column("nonce", sa.String(40), nullable=False),
        sa.Column("field", sa.String(40), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("content_type", sa.String(255), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("bytes", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_form_files"),
    )
    op.create_index("ix_form_files_nonce", "form_files", ["nonce"])
    op.create_index("ix_form_files_expires_at", "form_files", ["expires_at"])


def _pages() -> None:
    op.create_index("ix_tickets_contact_id", "tickets", ["contact_id"])
    op.create_table(
        "link_revocations",
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("person_id", Key, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "person_id", name="pk_link_revocations"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ratings",
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("person_id", Key, nullable=False),
        sa.Column("score", sa.SmallInteger, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", name="pk_ratings"),
        sqlite_with_rowid=False,
    )
    for name, last in (("entrances", "used_at"), ("author_sessions", "revoked_at")):
        op.create_table(
            name,
            sa.Column("id", Key, nullable=False),
            sa.Column("digest", sa.LargeBinary(32), nullable=False),
            sa.Column("person_id", Key, nullable=False),
            sa.Column("address_key", sa.Text, nullable=False),
            sa.Column("created_at", Instant, nullable=False),
            sa.Column("expires_at", Instant, nullable=False),
            sa.Column(last, Instant),
            sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
            sa.UniqueConstraint("digest", name=f"uq_{name}_digest"),
            sqlite_with_rowid=False,
        )
        op.create_index(f"ix_{name}_expires_at", name, ["expires_at"])
