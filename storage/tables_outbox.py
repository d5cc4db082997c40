"""The tables of the outbox: what is to be told to whom, by which way, and every try."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, SmallInteger, String, Table, Text, text

from storage.metadata import metadata
from storage.types import Instant, Json, Key

notifications = Table(
    "notifications",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", String(6), nullable=False),
    Column("ticket_id", Key, nullable=False, index=True),
    Column("event_id", Key, nullable=False),
    Column("event", String(24), nullable=False),
    Column("role", String(10), nullable=False),
    Column("person_id", Key),
    Column("name", Text, nullable=False),
    Column("dedupe_key", String(120), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)
"""What is to be told to whom."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", String(6), nullable=False),
    Column("notification_id", Key, nullable=False, index=True),
    Column("ticket_id", Key, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("channel", String(16), nullable=False),
    Column("provider", String(40), nullable=False),
    Column("address", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("reason", String(24), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("tries", Integer, nullable=False),
    Column("tries_before", Integer, nullable=False, server_default="0"),
    Column("fence", Integer, nullable=False),
    Column("lease_owner", String(80), nullable=False),
    Column("lease_until", Instant),
    Column("provider_id", Text, nullable=False),
    Column("subject", Text),
    Column("text", Text),
    Column("html", Text),
    Column("envelope", Json),
    Index(
        "ix_deliveries_due",
        "provider",
        "priority",
        "due_at",
        "id",
        sqlite_where=text("state = 'queued'"),
        postgresql_where=text("state = 'queued'"),
    ),
    Index(
        "ix_deliveries_lease",
        "lease_until",
        sqlite_where=text("state = 'sending'"),
        postgresql_where=text("state = 'sending'"),
    ),
    Index(
        "ix_deliveries_trouble",
        "state",
        "updated_at",
        sqlite_where=text("state IN ('failed', 'expired', 'unknown')"),
        postgresql_where=text("state IN ('failed', 'expired', 'unknown')"),
    ),
    sqlite_with_rowid=False,
)
"""By which way it is told. `subject`, `text`, `html`, `envelope` are stored at the first try and never change."""

attempts = Table(
    "attempts",
    metadata,
    Column("delivery_id", Key, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("provider", String(40), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("outcome", String(10)),
    Column("code", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("cost", String(20), nullable=False),
    Column("exchange", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""One try each, written before the network call; no outcome means it is in flight."""
