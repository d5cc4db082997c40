"""Tables: what staff pages keep: tags, views, drafts, search."""

from __future__ import annotations

from sqlalchemy import DDL, BigInteger, Boolean, Column, Index, Integer, String, Table, Text, event

from storage.metadata import metadata
from storage.search_words import FTS5, Words
from storage.types import Instant, Json, Key

# ---- queue --------------------------------------------------------------------------------------------------------

ticket_tags = Table(
    "ticket_tags",
    metadata,
    Column("ticket_id", Key, primary_key=True),
    Column("tag", String(40), primary_key=True),
    Column("at", Instant, nullable=False),
    Index("ix_ticket_tags_tag", "tag", "ticket_id"),
    sqlite_with_rowid=False,
)
"""Words staff put on a ticket, folded to lower case."""

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Key, primary_key=True),
    Column("owner_id", Key, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("filters", Json, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("position", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    sqlite_with_rowid=False,
)
"""Named filters of the queue: `filters` are pairs of the page's query; a shared one is seen by all staff."""

readings = Table(
    "readings",
    metadata,
    Column("user_id", Key, primary_key=True),
    Column("ticket_id", Key, primary_key=True),
    Column("at", Instant, nullable=False),
    sqlite_with_rowid=False,
)
"""When a user last had a ticket before their eyes: what was said later is unread."""

bulk_actions = Table(
    "bulk_actions",
    metadata,
    Column("id", Key, primary_key=True),
    Column("user_id", Key, nullable=False),
    Column("at", Instant, nullable=False),
    Column("action", Text, nullable=False),
    Column("done", Json, nullable=False),
    Column("failed", Json, nullable=False),
    Column("undone", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
"""What was done to many tickets at once: `done` holds number, version after it, and what undoes it; `failed` number and
reason."""

# ---- search -------------------------------------------------------------------------------------------------------

search_entries = Table(
    "search_entries",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("ticket_id", Key, nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("words", Words, nullable=False),
    Index("ix_search_entries_words", "words", postgresql_using="gin").ddl_if(dialect="postgresql"),
)
"""What a ticket is found by; `position` grows with the time the ticket was made, `version` is the ticket's when its
words were gathered. SQLite indexes the words in the virtual table `search_words`, see `storage.search_words`."""

for _statement in FTS5:
    event.listen(search_entries, "after_create", DDL(_statement.replace("%", "%%")).execute_if(dialect="sqlite"))  # type: ignore[no-untyped-call]

log_readers = Table(
    "log_readers",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("event_id", Key, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
"""How far somebody has read: the key of the last event, or of the last ticket of a walk through all of them."""
