"""Tables: what the API keeps besides tickets."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, SmallInteger, String, Table

from storage.metadata import metadata
from storage.types import Instant, Json, Key

token_limits = Table(
    "token_limits",
    metadata,
    Column("token_id", Key, primary_key=True),
    Column("customer", String(80), nullable=False),
    Column("centre", String(40), nullable=False),
    Column("per_minute", Integer),
    sqlite_with_rowid=False,
)
"""What some tokens are kept to: tickets of one customer or centre (empty: of all), requests a minute (0: any number;
none: what the settings say). A token without a row is kept to nothing of its own."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("token_id", Key, primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request", LargeBinary(32), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Column("status", SmallInteger),
    Column("headers", Json),
    Column("body", LargeBinary),
)
"""Changes that were asked for under an Idempotency-Key. The row is written in the transaction of the change, its answer
(`status`, `headers`, `body`) right after; `request` is a digest of what was asked. Keys of new tickets are not here:
they are receipts."""
