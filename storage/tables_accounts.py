"""Tables: accounts of staff, their sessions, and the audit log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from storage.metadata import metadata
from storage.types import Instant, Json, Key

users = Table(
    "users",
    metadata,
    Column("id", Key, primary_key=True),
    Column("login", String(80), nullable=False),
    Column("login_key", String(160), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("language", String(8), nullable=False),
    Column("theme", String(8), nullable=False),
    Column("shortcuts", Boolean, nullable=False),
    Column("password", Text, nullable=False),
    Column("password_changed_at", Instant),
    Column("totp", Text, nullable=False),
    Column("totp_step", BigInteger),
    Column("subject", String(512), unique=True),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    Column("last_seen_at", Instant),
)
"""Logins of staff. `login_key` is the login as it is looked for, whatever its case. `password` is an argon2id string,
empty where there is none; `totp` the sealed secret of the second factor, empty where it is off, and `totp_step` the
last time step a code was taken of (RFC 6238, section 5.2). `subject` is issuer and subject of OpenID Connect."""

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", Key, primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
    Column("used_at", Instant),
    sqlite_with_rowid=False,
)
"""Codes that stand in for a lost second factor, once each; only digests are kept."""

sessions = Table(
    "sessions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("user_id", Key, nullable=False, index=True),
    Column("stage", String(8), nullable=False),
    Column("method", String(8), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    Column("address", String(64), nullable=False),
    Column("agent", String(255), nullable=False),
    sqlite_with_rowid=False,
)
"""Who is logged in where. Only a digest of the cookie's secret is kept. `stage` is `password` while a code of the
second factor is awaited, else `full`; a stage that is reached makes a new row with a new secret. `method` is how it
began: `password` or `oidc`."""

throttles = Table(
    "throttles",
    metadata,
    Column("key", String(80), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Instant, nullable=False, index=True),
    Column("blocked_until", Instant),
)
"""Tries that did not succeed, by login, by address and by person; `key` names which without telling the login."""

audit = Table(
    "audit",
    metadata,
    Column("id", Key, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("who", String(160), nullable=False),
    Column("action", String(40), nullable=False),
    Column("object", String(160), nullable=False),
    Column("detail", Json, nullable=False),
    Column("address", String(64), nullable=False),
    Index("ix_audit_who_id", "who", "id"),
    Index("ix_audit_object_id", "object", "id"),
    sqlite_with_rowid=False,
)
"""Who saw and did what; only ever added to. `who` is the label of an actor, `object` what it was about."""
