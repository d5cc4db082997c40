"""Intake, tickets, organisation and outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import Instant, Json, Key

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Take an empty database to 0001."""
    _intake()
    _tickets()
    _organisation()
    _outbox()
    _running()
    if op.get_bind().dialect.name == "postgresql":
        # raw mail does not shrink, so trying to compress it only costs time
        op.execute("ALTER TABLE blobs ALTER COLUMN bytes SET STORAGE EXTERNAL")
        # every delivery is rewritten a few times: room for it on its page, and the remains are swept away often
        op.execute("ALTER TABLE deliveries SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02)")


def _intake() -> None:
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("bytes", sa.LargeBinary, nullable=False),
        sa.Column("refs", sa.Integer, nullable=False, server_default="1"),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blobs"),
    )
    op.create_table(
        "receipts",
        sa.Column("id", Key, nullable=False),
        sa.Column("site", sa.String(6), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("external_id", sa.String(255), nullable=False),
        sa.Column("message_id", Key, nullable=False),
        sa.Column("raw_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("envelope", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_receipts"),
        sa.UniqueConstraint("channel", "account", "external_id", name="uq_receipts_channel_account_external_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_receipts_message_id", "receipts", ["message_id"])
    op.create_table(
        "messages",
        sa.Column("id", Key, nullable=False),
        sa.Column("site", sa.String(6), nullable=False),
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("direction", sa.String(3), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("public", sa.Boolean, nullable=False),
        sa.Column("sender_kind", sa.String(16), nullable=False),
        sa.Column("sender_value", sa.Text, nullable=False),
        sa.Column("sender_name", sa.Text, nullable=False),
        sa.Column("recipients", Json, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("reply_text", sa.Text, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary(32)),
        sa.Column("raw_sha256", sa.LargeBinary(32)),
        sa.Column("sent_at", Instant),
        sa.Column("at", Instant, nullable=False),
        sa.Column("detail", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
    )
    op.create_index("ix_messages_digest_at", "messages", ["digest", "at"])
    op.create_index("ix_messages_message_id", "messages", ["message_id"])
    op.create_index("ix_messages_ticket_id", "messages", ["ticket_id"])
    op.create_table(
        "attachments",
        sa.Column("id", Key, nullable=False),
        sa.Column("message_id", Key, nullable=False),
        sa.Column("part", sa.String(255), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("content_type", sa.String(255), nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("inline", sa.Boolean, nullable=False),
        sa.Column("content_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attachments"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_attachments_message_id", "attachments", ["message_id"])
    op.create_table(
        "quarantine",
        sa.Column("id", Key, nullable=False),
        sa.Column("site", sa.String(6), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("envelope", Json, nullable=False),
        sa.Column("raw_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("ticket_id", Key),
        sa.Column("replays", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quarantine"),
    )
    op.create_index("ix_quarantine_raw_sha256", "quarantine", ["raw_sha256"])


def _tickets() -> None:
    op.create_table(
        "tickets",
        sa.Column("id", Key, nullable=False),
        sa.Column("site", sa.String(6), nullable=False),
        sa.Column("number", sa.String(24), nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("type", sa.String(40), nullable=False),
        sa.Column("category", sa.String(80), nullable=False),
        sa.Column("impact", sa.String(8), nullable=False),
        sa.Column("urgency", sa.String(8), nullable=False),
        sa.Column("priority", sa.String(8), nullable=False),
        sa.Column("customer", sa.String(80), nullable=False),
        sa.Column("contact_id", Key, nullable=False),
        sa.Column("centre", sa.String(40), nullable=False),
        sa.Column("line", sa.SmallInteger, nullable=False),
        sa.Column("team", sa.String(80), nullable=False),
        sa.Column("assignee_id", Key),
        sa.Column("agreement", sa.String(80), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("decision", Json, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("respond_by", Instant),
        sa.Column("resolve_by", Instant),
        sa.Column("responded_at", Instant),
        sa.Column("resolved_at", Instant),
        sa.Column("closed_at", Instant),
        sa.Column("paused_at", Instant),
        sa.Column("alarm_at", Instant),
        sa.Column("alarm", sa.String(16), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tickets"),
        sa.UniqueConstraint("number", name="uq_tickets_number"),
    )
    _partial_index("ix_tickets_alarm_at", "tickets", ["alarm_at"], "alarm_at IS NOT NULL")
    _partial_index(
        "ix_tickets_open_assignee", "tickets", ["assignee_id"], "status IN ('new', 'in_progress', 'waiting')"
    )
    op.create_index("ix_tickets_status_id", "tickets", ["status", "id"])
    op.create_table(
        "events",
        sa.Column("id", Key, nullable=False),
        sa.Column("site", sa.String(6), nullable=False),
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("what", sa.String(24), nullable=False),
        sa.Column("old", sa.Text),
        sa.Column("new", sa.Text),
        sa.Column("message_id", Key),
        sa.Column("reasons", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_events_ticket_id", "events", ["ticket_id"])
    op.create_table(
        "counters",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )


def _organisation() -> None:
    op.create_table(
        "people",
        sa.Column("id", Key, nullable=False),
        sa.Column("site", sa.String(6), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("customer", sa.String(80), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "addresses",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("person_id", Key, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("dead_at", Instant),
        sa.Column("opted_out_at", Instant),
        sa.PrimaryKeyConstraint("key", name="pk_addresses"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_addresses_person_id", "addresses", ["person_id"])
    op.create_table(
        "centres",
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("zone", sa.String(64), nullable=False),
        sa.Column("addresses", Json, nullable=False),
        sa.Column("calendar", sa.String(40), nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_centres"),
    )
    op.create_table(
        "agreements",
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("calendar", sa.String(40), nullable=False),
        sa.Column("targets", Json, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_agreements"),
    )
    op.create_table(
        "customers",
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("centre", sa.String(40), nullable=False),
        sa.Column("agreement", sa.String(80), nullable=False),
        sa.Column("team", sa.String(80), nullable=False),
        sa.Column("domains", Json, nullable=False),
        sa.Column("addresses", Json, nullable=False),
        sa.Column("phones", Json, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("vip", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_customers"),
        sa.UniqueConstraint("id", name="uq_customers_id"),
    )
    op.create_table(
        "teams",
        sa.Column("code", sa.String(80), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("centre", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("code", name="pk_teams"),
    )
    op.create_table(
        "members",
        sa.Column("login", sa.String(80), nullable=False),
        sa.Column("id", Key, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("team", sa.String(80), nullable=False),
        sa.Column("line", sa.SmallInteger, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("lead", sa.Boolean, nullable=False),
        sa.Column("away", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("login", name="pk_members"),
        sa.UniqueConstraint("id", name="uq_members_id"),
    )


def _outbox() -> None:
    op.create_table(
        "notifications",
        sa.Column("id", Key, nullable=False),
        sa.Column("site", sa.String(6), nullable=False),
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("event_id", Key, nullable=False),
        sa.Column("event", sa.String(24), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("person_id", Key),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("dedupe_key", sa.String(120), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        sa.UniqueConstraint("dedupe_key", name="uq_notifications_dedupe_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_notifications_ticket_id", "notifications", ["ticket_id"])
    op.create_table(
        "deliveries",
        sa.Column("id", Key, nullable=False),
        sa.Column("site", sa.String(6), nullable=False),
        sa.Column("notification_id", Key, nullable=False),
        sa.Column("ticket_id", Key, nullable=False),
        sa.Column("step", sa.SmallInteger, nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(24), nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("updated_at", Instant, nullable=False),
        sa.Column("due_at", Instant, nullable=False),
        sa.Column("expires_at", Instant),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("tries_before", sa.Integer, nullable=False, server_default="0"),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("lease_owner", sa.String(80), nullable=False),
        sa.Column("lease_until", Instant),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("subject", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("html", sa.Text),
        sa.Column("envelope", Json),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sqlite_with_rowid=False,
    )
    _partial_index("ix_deliveries_due", "deliveries", ["provider", "priority", "due_at", "id"], "state = 'queued'")
    _partial_index("ix_deliveries_lease", "deliveries", ["lease_until"], "state = 'sending'")
    op.create_index("ix_deliveries_notification_id", "deliveries", ["notification_id"])
    _partial_index(
        "ix_deliveries_trouble", "deliveries", ["state", "updated_at"], "state IN ('failed', 'expired', 'unknown')"
    )
    op.create_table(
        "attempts",
        sa.Column("delivery_id", Key, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
        sa.Column("outcome", sa.String(10)),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("provider_id", sa.Text, nullable=False),
        sa.Column("cost", sa.String(20), nullable=False),
        sa.Column("exchange", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "number", name="pk_attempts"),
        sqlite_with_rowid=False,
    )


def _running() -> None:
    op.create_table(
        "duties",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("until", Instant, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_duties"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", Key, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("scopes", Json, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("expires_at", Instant),
        sa.Column("revoked_at", Instant),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("digest", name="uq_tokens_digest"),
        sa.UniqueConstraint("name", name="uq_tokens_name"),
    )


def _partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(condition), postgresql_where=sa.text(condition))
