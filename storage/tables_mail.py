"""Tables: what comes back about mail of ours, whom we thank how often, whom we do not listen to."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Integer, SmallInteger, String, Table, Text

from storage.metadata import metadata
from storage.types import Instant, Key

delivery_reports = Table(
    "delivery_reports",
    metadata,
    Column("id", Key, primary_key=True),
    Column("site", String(6), nullable=False),
    Column("delivery_id", Key, nullable=False, index=True),
    Column("attempt", SmallInteger),
    Column("message_id", Key, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at", Instant, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("address", Text, nullable=False, index=True),
    Column("status", String(16), nullable=False),
    Column("permanent", Boolean, nullable=False),
    Column("proof", String(16), nullable=False),
    Column("moved", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
"""What came back about a delivery: `kind` is that of the message (`bounce`, `delivery_delay`, `feedback_report`,
`read_receipt`), `message_id` its key. `attempt` is the try where the return path told it. `recipient` is whom the
report names, `address` the delivery's own, folded; `status` the code of RFC 3463. `proof` is what tied the report to
the delivery (`return_path`, `our_message_id`), `moved` whether the delivery changed its state by it."""

acknowledged_hours = Table(
    "acknowledged_hours",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("hour", Instant, primary_key=True),
    Column("node", String(80), primary_key=True),
    Column("count", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Acknowledgements to addresses nobody has proved, by hour: `scope` is a mail domain, or empty for all of them. Each
node counts in rows of its own."""

sender_rules = Table(
    "sender_rules",
    metadata,
    Column("key", Text, primary_key=True),
    Column("verdict", String(8), nullable=False),
    Column("at", Instant, nullable=False),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("hits", Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""Mailboxes (`email:anna@example.ru`) and domains (`domain:example.ru`) whose mail is spam whatever it says (`block`),
or never is (`allow`)."""
