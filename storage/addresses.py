"""What is known of a mailbox: that mail to it comes back, that its owner wants none, or that it is its owner's."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Column, Connection, update

from storage.tables import addresses


def revive(connection: Connection, values: Iterable[str]) -> None:
    """Note that a provider took mail for these mailboxes after all."""
    for value in values:
        connection.execute(
            update(addresses)
            .where(addresses.c.key == f"email:{value.strip().casefold()}", addresses.c.dead_at.is_not(None))
            .values(dead_at=None)
        )


def mark_dead(connection: Connection, values: Iterable[str], now: datetime, *, spare_verified: bool = False) -> None:
    """Note that a provider said these mailboxes do not exist; nothing is sent there until somebody says otherwise.

    With `spare_verified` those stay as they are whose owners have shown to be their owners.
    """
    _mark(connection, values, addresses.c.dead_at, now, spare_verified)


def opt_out(connection: Connection, values: Iterable[str], now: datetime, *, spare_verified: bool = False) -> None:
    """Note that the owners of these mailboxes complained: nothing is sent there until somebody says otherwise.

    `spare_verified` as above.
    """
    _mark(connection, values, addresses.c.opted_out_at, now, spare_verified)


def _mark(
    connection: Connection, values: Iterable[str], mark: Column[datetime], now: datetime, spare_verified: bool
) -> None:
    for value in values:
        meant = update(addresses).where(addresses.c.key == f"email:{value.strip().casefold()}", mark.is_(None))
        if spare_verified:
            meant = meant.where(addresses.c.verified.is_(False))
        connection.execute(meant.values({mark: now}))


def verify(connection: Connection, values: Iterable[str]) -> None:
    """Note that the owners of these mailboxes have shown to be their owners."""
    for value in values:
        connection.execute(
            update(addresses)
            .where(addresses.c.key == f"email:{value.strip().casefold()}", addresses.c.verified.is_(False))
            .values(verified=True)
        )
