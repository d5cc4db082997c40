"""What is known of a mailbox: that mail to it comes back, or that its owner wants none."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, update

from storage.tables import addresses


def revive(connection: Connection, values: Iterable[str]) -> None:
    """Note that a provider took mail for these mailboxes after all."""
    for value in values:
        connection.execute(
            update(addresses)
            .where(addresses.c.key == f"email:{value.strip().casefold()}", addresses.c.dead_at.is_not(None))
            .values(dead_at=None)
        )


def mark_dead(connection: Connection, values: Iterable[str], now: datetime) -> None:
    """Note that a provider said these mailboxes do not exist; nothing is sent there until somebody says otherwise."""
    for value in values:
        connection.execute(
            update(addresses)
            .where(addresses.c.key == f"email:{value.strip().casefold()}", addresses.c.dead_at.is_(None))
            .values(dead_at=now)
        )
