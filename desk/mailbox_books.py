"""The books of mailboxes: what channels that read them ask and tell, kept in the database.

These are the ports `Cursors`, `Journal`, `Kept` and `Ownership` of `channels.base`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog

from channels.base import Cursor, NotAcceptedNow
from desk.vault import Unopened, Vault
from storage import duties, mailboxes
from storage.database import Connection, Database
from storage.errors import StorageError
from tickets.clock import Clock

T = TypeVar("T")

AGAIN_AFTER = timedelta(hours=1)
"""When a mail that could not be fetched is tried again."""

log = structlog.get_logger(__name__)


class _Book:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            return await self._database.read(query)
        except StorageError as error:
            raise NotAcceptedNow(str(error)) from error

    async def _write(self, unit: Callable[[Connection], T], name: str) -> T:
        try:
            return await self._database.write(unit, name=name)
        except StorageError as error:
            raise NotAcceptedNow(str(error)) from error


class MailboxCursors(_Book):
    """How far each mailbox was read."""

    async def get(self, mailbox: str) -> Cursor | None:
        """See `channels.base.Cursors`."""
        row = await self._read(lambda c: mailboxes.cursor(c, mailbox))
        if row is None:
            return None
        return Cursor(row["folder"], row["uidvalidity"], row["last_uid"], row["renumbered_below"])

    async def put(self, mailbox: str, cursor: Cursor) -> None:
        """See `channels.base.Cursors`."""
        row = {
            "name": mailbox,
            "folder": cursor.folder,
            "uidvalidity": cursor.uidvalidity,
            "last_uid": cursor.last_uid,
            "renumbered_below": cursor.renumbered_below,
            "updated_at": self._clock.now(),
        }
        await self._write(lambda c: mailboxes.put_cursor(c, row), "mailbox.cursor")


class MailboxJournal(_Book):
    """What became of each mail."""

    def __init__(self, database: Database, clock: Clock, site: str) -> None:
        super().__init__(database, clock)
        self._site = site

    async def known(self, account: str, external_ids: Sequence[str]) -> Mapping[str, str]:
        """See `channels.base.Journal`."""
        now = self._clock.now()
        question = partial(
            mailboxes.known, account=account, external_ids=external_ids, now=now, again_after=AGAIN_AFTER
        )
        return await self._read(question)

    async def held(self, account: str, digests: Mapping[str, bytes]) -> Mapping[str, str]:
        """See `channels.base.Journal`."""
        found = await self._read(lambda c: mailboxes.held(c, account, digests))
        return {external_id: entry.hex for external_id, entry in found.items()}

    async def came_before(self, account: str, place: str, digests: Sequence[bytes]) -> Mapping[bytes, int]:
        """See `channels.base.Journal`."""
        counts: dict[bytes, int] = {}
        for digest, external_id in await self._read(lambda c: mailboxes.deliveries_of(c, account, digests)):
            counts[digest] = counts.get(digest, 0) + (-1 if external_id.startswith(place) else 1)
        return counts

    async def note(self, account: str, external_id: str, kind: str, detail: str, quarantine_id: str = "") -> None:
        """See `channels.base.Journal`."""
        now = self._clock.now()
        row = {
            "mailbox": account,
            "external_id": external_id,
            "site": self._site,
            "kind": kind,
            "detail": detail[:500],
            "tries": 1,
            "first_at": now,
            "last_at": now,
            "quarantine_id": UUID(quarantine_id) if quarantine_id else None,
        }
        await self._write(lambda c: mailboxes.note(c, row), "mailbox.note")

    async def settled(self, account: str, external_id: str) -> None:
        """See `channels.base.Journal`."""
        await self._write(lambda c: mailboxes.settled(c, account, external_id), "mailbox.settled")


class MailboxCredentials(_Book):
    """Refresh tokens, sealed."""

    def __init__(self, database: Database, clock: Clock, vault: Vault) -> None:
        super().__init__(database, clock)
        self._vault = vault

    async def get(self, name: str) -> dict[str, str] | None:
        """See `channels.base.Kept`; what does not open any more is as good as nothing."""
        sealed = await self._read(lambda c: mailboxes.sealed(c, f"mailbox {name}"))
        if sealed is None:
            return None
        try:
            return self._vault.open(f"mailbox {name}", sealed)
        except Unopened:
            log.warning("mailbox_credentials_do_not_open", mailbox=name)
            return None

    async def put(self, name: str, value: Mapping[str, str]) -> None:
        """See `channels.base.Kept`."""
        sealed, now = self._vault.seal(f"mailbox {name}", value), self._clock.now()
        await self._write(lambda c: mailboxes.seal(c, f"mailbox {name}", sealed, now), "mailbox.credentials")


class MailboxOwnership:
    """One owner of each mailbox among the nodes: rows leased by the database's clock."""

    def __init__(self, database: Database, owner: str, lease: timedelta = timedelta(seconds=60)) -> None:
        self._database = database
        self._owner = owner
        self._lease = lease
        self._held_at: dict[str, float] = {}

    async def hold(self, name: str) -> bool:
        """See `channels.base.Ownership`; while the database is away it is ours for half of the lease."""
        try:
            ours = await self._database.write(
                lambda c: duties.hold(c, name, self._owner, self._lease), name="mailbox.hold"
            )
        except StorageError as error:
            log.warning("mailbox_waits_for_storage", error=str(error))
            at = self._held_at.get(name)
            return at is not None and time.monotonic() - at < self._lease.total_seconds() / 2
        if ours:
            self._held_at[name] = time.monotonic()
        return ours

    async def let_go(self, name: str) -> None:
        """See `channels.base.Ownership`."""
        try:
            await self._database.write(lambda c: duties.let_go(c, name, self._owner), name="mailbox.let_go")
        except StorageError as error:
            log.warning("mailbox_waits_for_storage", error=str(error))
