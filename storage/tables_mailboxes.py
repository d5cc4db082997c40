"""Tables: mailboxes that are read by IMAP."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, String, Table, Text

from storage.metadata import metadata
from storage.types import Instant, Key

mailboxes = Table(
    "mailboxes",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("folder", Text, nullable=False),
    Column("uidvalidity", BigInteger, nullable=False),
    Column("last_uid", BigInteger, nullable=False),
    Column("renumbered_below", BigInteger, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
"""How far each was read: everything up to `last_uid` was taken in or noted. UIDs below `renumbered_below` may be those
of messages that had other UIDs before."""

mailbox_problems = Table(
    "mailbox_problems",
    metadata,
    Column("mailbox", String(80), primary_key=True),
    Column("external_id", String(255), primary_key=True),
    Column("site", String(6), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("quarantine_id", Key),
    sqlite_with_rowid=False,
)
"""Mails of a mailbox that have no receipt, and why: `quarantined` and `too_large` are held there, `unfetchable` could
not be had and is tried again later."""

credentials = Table(
    "credentials",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
"""Credentials that change while the program runs, such as OAuth refresh tokens; encrypted."""
