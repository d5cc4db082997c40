"""Tables: consents and parked files of web forms; pages of authors and one-time links."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, SmallInteger, String, Table, Text

from storage.metadata import metadata
from storage.types import Instant, Key

# ---- web forms ----------------------------------------------------------------------------------------------------

consent_texts = Table(
    "consent_texts",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("text", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)
"""What people agreed to, word for word, once for each wording; `digest` is its SHA-256."""

consents = Table(
    "consents",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", String(6), nullable=False),
    Column("ticket_id", Key, nullable=False, index=True),
    Column("person_id", Key, nullable=False, index=True),
    Column("form", String(80), nullable=False),
    Column("field", String(40), nullable=False),
    Column("version", String(16), nullable=False),
    Column("language", String(8), nullable=False),
    Column("text_digest", LargeBinary(32), nullable=False),
    Column("given_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)
"""Who agreed to what and when; `version` is the beginning of the text's digest, as the form carried it."""

form_files = Table(
    "form_files",
    metadata,
    Column("id", Key, primary_key=True),
    Column("nonce", String(40), nullable=False, index=True),
    Column("field", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("content_type", String(255), nullable=False),
    Column("size", Integer, nullable=False),
    Column("bytes", LargeBinary, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
)
"""Files chosen in a form that is not sent yet; they are found by the form's nonce and go when their hour is over."""

# ---- pages of authors ---------------------------------------------------------------------------------------------

link_revocations = Table(
    "link_revocations",
    metadata,
    Column("ticket_id", Key, primary_key=True),
    Column("person_id", Key, primary_key=True),
    Column("at", Instant, nullable=False),
    sqlite_with_rowid=False,
)
"""Links of a person to the page of a ticket that were given out up to `at` open nothing any more."""

ratings = Table(
    "ratings",
    metadata,
    Column("ticket_id", Key, primary_key=True),
    Column("person_id", Key, nullable=False),
    Column("score", SmallInteger, nullable=False),
    Column("comment", Text, nullable=False),
    Column("at", Instant, nullable=False),
    sqlite_with_rowid=False,
)
"""How the author found the work, 1 (bad) to 5 (good), and in their words; the last one given counts."""

entrances = Table(
    "entrances",
    metadata,
    Column("id", Key, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("person_id", Key, nullable=False),
    Column("address_key", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("used_at", Instant),
    sqlite_with_rowid=False,
)
"""One-time links to "my tickets", sent to an address; only a digest of the secret is kept."""

author_sessions = Table(
    "author_sessions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("person_id", Key, nullable=False),
    Column("address_key", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("revoked_at", Instant),
    sqlite_with_rowid=False,
)
"""Authors who followed a one-time link; only a digest of the cookie's secret is kept."""
