"""Every table, in one place. Keys are UUIDv7 and rows carry their site, so that sites can be joined later.

Narrow tables are clustered by their key on SQLite: keys grow with time, so a commit appends to the end of one tree
instead of touching a table and an index. There are no foreign keys: intake would pay for each on PostgreSQL, and every
row is written in one transaction with the row it names; `storage.integrity` looks for orphans.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.metadata import metadata
from storage.types import Instant, Json, Key

# ---- what came in -------------------------------------------------------------------------------------------------

blobs = Table(
    "blobs",
    metadata,
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("size", Integer, nullable=False),
    Column("bytes", LargeBinary, nullable=False),
    Column("refs", Integer, nullable=False, server_default="1"),
    Column("created_at", Instant, nullable=False),
)
"""Raw input as it came, once for each content; `refs` counts the receipts and quarantine entries that hold it."""

receipts = Table(
    "receipts",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", String(6), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("account", String(80), nullable=False),
    Column("external_id", String(255), nullable=False),
    Column("message_id", Key, nullable=False, index=True),
    Column("raw_sha256", LargeBinary(32), nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("envelope", Json, nullable=False),
    # looked up by the sender's name for it alone
    UniqueConstraint("external_id", "channel", "account"),
    sqlite_with_rowid=False,
)
"""One delivery to us each. Several receipts of one message: the same content came again."""

messages = Table(
    "messages",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", String(6), nullable=False),
    Column("ticket_id", Key, nullable=False, index=True),
    Column("direction", String(3), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("account", String(80), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("public", Boolean, nullable=False),
    Column("sender_kind", String(16), nullable=False),
    Column("sender_value", Text, nullable=False),
    Column("sender_name", Text, nullable=False),
    Column("recipients", Json, nullable=False),
    Column("subject", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("reply_text", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("message_id", Text, nullable=False),
    Column("digest", LargeBinary(32)),
    Column("raw_sha256", LargeBinary(32)),
    Column("sent_at", Instant),
    Column("at", Instant, nullable=False),
    Column("detail", Json, nullable=False),
    Index("ix_messages_message_id", "message_id"),
    Index("ix_messages_digest_at", "digest", "at"),
)
"""What was said on a ticket, in either direction; `detail` holds authenticity, defects and why this kind."""

attachments = Table(
    "attachments",
    metadata,
    Column("id", Key, primary_key=True),
    Column("message_id", Key, nullable=False, index=True),
    Column("part", String(255), nullable=False),
    Column("name", Text, nullable=False),
    Column("content_type", String(255), nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("inline", Boolean, nullable=False),
    Column("content_id", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Files of a message; their bytes are decoded on demand from the raw message by `part`."""

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", String(6), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("account", String(80), nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("reason", String(40), nullable=False),
    Column("detail", Text, nullable=False),
    Column("envelope", Json, nullable=False),
    Column("raw_sha256", LargeBinary(32), nullable=False, index=True),
    Column("state", String(10), nullable=False),
    Column("ticket_id", Key),
    Column("replays", Integer, nullable=False),
)
"""Input no message could be made of; `state` is held, replayed or discarded."""

# ---- tickets ------------------------------------------------------------------------------------------------------

tickets = Table(
    "tickets",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", String(6), nullable=False),
    Column("number", String(24), nullable=False, unique=True),
    Column("serial", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("type", String(40), nullable=False),
    Column("category", String(80), nullable=False),
    Column("impact", String(8), nullable=False),
    Column("urgency", String(8), nullable=False),
    Column("priority", String(8), nullable=False),
    Column("customer", String(80), nullable=False),
    Column("contact_id", Key, nullable=False),
    Column("centre", String(40), nullable=False),
    Column("line", SmallInteger, nullable=False),
    Column("team", String(80), nullable=False),
    Column("assignee_id", Key),
    Column("agreement", String(80), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("decision", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("respond_by", Instant),
    Column("resolve_by", Instant),
    Column("responded_at", Instant),
    Column("resolved_at", Instant),
    Column("closed_at", Instant),
    Column("paused_at", Instant),
    Column("alarm_at", Instant),
    Column("alarm", String(16), nullable=False),
    Column("alarmed", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("snoozed_until", Instant),
    Column("merged_into_id", Key),
    Index(
        "ix_tickets_open_assignee",
        "assignee_id",
        sqlite_where=text("status IN ('new', 'in_progress', 'waiting')"),
        postgresql_where=text("status IN ('new', 'in_progress', 'waiting')"),
    ),
    Index(
        "ix_tickets_alarm_at",
        "alarm_at",
        sqlite_where=text("alarm_at IS NOT NULL"),
        postgresql_where=text("alarm_at IS NOT NULL"),
    ),
    Index("ix_tickets_contact_id", "contact_id"),
    Index(
        "ix_tickets_merged_into_id",
        "merged_into_id",
        sqlite_where=text("merged_into_id IS NOT NULL"),
        postgresql_where=text("merged_into_id IS NOT NULL"),
    ),
    Index("ix_tickets_status_id", "status", "id"),
    Index(
        "ix_tickets_snoozed_until",
        "snoozed_until",
        sqlite_where=text("snoozed_until IS NOT NULL"),
        postgresql_where=text("snoozed_until IS NOT NULL"),
    ),
)
"""`team` is the group's code, `alarm_at` when the next deadline event (`alarm`) is due and `alarmed` the last one
told; `version` counts changes. A ticket with `snoozed_until` is out of the queue until then or until its author writes;
one with `merged_into_id` lives on as that other ticket."""

events = Table(
    "events",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", String(6), nullable=False),
    Column("ticket_id", Key, nullable=False, index=True),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("what", String(24), nullable=False),
    Column("old", Text),
    Column("new", Text),
    Column("message_id", Key),
    Column("reasons", Json, nullable=False),
    sqlite_with_rowid=False,
)
"""The one log of what happened to a ticket: history, notifications and live pages read it."""

links = Table(
    "links",
    metadata,
    Column("id", Key, primary_key=True),
    Column("ticket_id", Key, nullable=False, index=True),
    Column("other_id", Key, nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    Column("reason", Json, nullable=False),
    sqlite_with_rowid=False,
)
"""`review`: a stranger named the other ticket; `follow_up`: came after it was long closed."""

counters = Table(
    "counters",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""Last value given out: ticket serials by site and year, the version of the organisation."""

# ---- people and organisation --------------------------------------------------------------------------------------

people = Table(
    "people",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", String(6), nullable=False),
    Column("name", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("customer", String(80), nullable=False),
    Column("created_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)
"""Those who write and call; `customer` is the code of the organisation they belong to, if known."""

addresses = Table(
    "addresses",
    metadata,
    Column("key", Text, primary_key=True),
    Column("person_id", Key, nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("value", Text, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("dead_at", Instant),
    Column("opted_out_at", Instant),
    Column("standing", Json),
    Column("acknowledgement_id", Key),
    sqlite_with_rowid=False,
)
"""`key` is `kind:folded value`: one address belongs to one person. `standing` is how often it was acknowledged of late
(see `desk.cap`), `acknowledgement_id` the delivery of the last acknowledgement."""

centres = Table(
    "centres",
    metadata,
    Column("code", String(40), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("zone", String(64), nullable=False),
    Column("addresses", Json, nullable=False),
    Column("calendar", String(40), nullable=False),
    Column("is_default", Boolean, nullable=False),
)

agreements = Table(
    "agreements",
    metadata,
    Column("code", String(80), primary_key=True),
    Column("name", Text, nullable=False),
    Column("calendar", String(40), nullable=False),
    Column("targets", Json, nullable=False),
)

customers = Table(
    "customers",
    metadata,
    Column("code", String(80), primary_key=True),
    Column("id", Key, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("centre", String(40), nullable=False),
    Column("agreement", String(80), nullable=False),
    Column("team", String(80), nullable=False),
    Column("domains", Json, nullable=False),
    Column("addresses", Json, nullable=False),
    Column("phones", Json, nullable=False),
    Column("language", String(8), nullable=False),
    Column("vip", Boolean, nullable=False),
)

teams = Table(
    "teams",
    metadata,
    Column("code", String(80), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("centre", String(40), nullable=False),
)
"""Groups of staff; the table is not called so because the word is reserved in SQL."""

members = Table(
    "members",
    metadata,
    Column("login", String(80), primary_key=True),
    Column("id", Key, nullable=False, unique=True),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("team", String(80), nullable=False),
    Column("line", SmallInteger, nullable=False),
    Column("language", String(8), nullable=False),
    Column("lead", Boolean, nullable=False),
    Column("away", Boolean, nullable=False),
)

# ---- running ------------------------------------------------------------------------------------------------------

duties = Table(
    "duties",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("owner", String(80), nullable=False),
    Column("fence", Integer, nullable=False),
    Column("until", Instant, nullable=False),
)
"""Who of the nodes does what only one may do; `until` is by the database's clock."""

keys = Table(
    "keys",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("id", String(4), nullable=False),
    Column("secret", LargeBinary(32), nullable=False),
    Column("created_at", Instant, nullable=False),
)
"""Secrets made by the installation itself where the settings give none (`reply`: signs reply tokens)."""

tokens = Table(
    "tokens",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("scopes", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
)
"""API tokens; only a digest of the secret is kept."""
