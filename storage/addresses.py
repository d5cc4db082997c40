"""What is known of a mailbox: that mail to it comes back, that its owner wants none, or that it is its owner's."""

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


def opt_out(connection: Connection, values: Iterable[str], now: datetime) -> None:
    """Note that the owners of these mailboxes complained: nothing is sent there until somebody says otherwise."""
    for value in values:
        connection.execute(
            update(addresses)
            .where(addresses.c.key == f"email:{value.strip().casefold()}", addresses.c.opted_out_at.is_(None))
            .values(opted_out_at=now)
        )


def verify(connection: Connection, values: Iterable[str]) -> None:
    """Note that the owners of these mailboxes have shown to be their owners."""
    for value in values:
        connection.execute(
            update(addresses)
            .where(addresses.c.key == f"email:{value.strip().casefold()}", addresses.c.verified.is_(False))
            .values(verified=True)
        )
