"""One try of a delivery: the row it begins with, and what strangers say of its end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

Row = dict[str, Any]


def has_text(delivery: Row) -> bool:
    """Whether its text was made at an earlier try, or given from the start."""
    return delivery["text"] is not None


def started(deliveries: Iterable[Row], now: datetime) -> list[Row]:
    """The attempts that begin with these claims."""
    return [
        {
            "delivery_id": row["id"],
            "number": row["tries"] + 1,
            "fence": row["fence"],
            "provider": row["provider"],
            "started_at": now,
        }
        for row in deliveries
    ]


def printable(text: str) -> str:
    """Words of a stranger's server, fit for any database and screen."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() or c == "\n" else " " for c in clean)[:4000]
