"""A look into a mailbox from outside: what is in it, without taking or changing anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from channels.base import Kept
from channels.email import headers
from channels.email.imap_oauth import AccessTokens
from channels.email.imap_options import MailboxOptions
from channels.email.imap_reading import imap_date
from channels.email.imap_thread import OwnThread
from channels.email.imap_wire import Selected, Wire

_HEADER = b"BODY[HEADER]"


@dataclass(frozen=True, slots=True)
class Shown:
    """One message, for a person to find it by."""

    uid: int
    arrived: datetime | None
    sender: str
    subject: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A folder that was entered to look."""

    options: MailboxOptions
    folder: Selected
    idle: bool
    _wire: Wire
    _thread: OwnThread

    async def ids(self) -> list[str]:
        """The external ids of all messages that are to be read, in order."""
        since = self.options.since
        criteria = ("ALL",) if since is None else ("SINCE", imap_date(since))
        uids = await self._thread.call(lambda: self._wire.search(*criteria))
        return [self.options.external_id(self.folder.uidvalidity, uid) for uid in uids]

    async def show(self, external_ids: Sequence[str]) -> dict[str, Shown]:
        """When some of them came, from whom and about what."""
        found: dict[str, Shown] = {}
        by_uid = {int(each.rpartition("/")[2]): each for each in external_ids}
        uids = sorted(by_uid)
        for start in range(0, len(uids), 100):
            some = uids[start : start + 100]
            answers = await self._thread.call(lambda some=some: self._wire.headers(some))  # type: ignore[misc]
            for uid, answer in answers.items():
                found[by_uid[uid]] = _shown(uid, answer.get(b"INTERNALDATE"), answer.get(_HEADER))
        return found


@asynccontextmanager
async def visit(options: MailboxOptions, kept: Kept | None, clock: Callable[[], datetime]) -> AsyncIterator[Visit]:
    """Connect, sign in and enter the folder to look.

    Raises:
        MailboxError: it cannot be entered.
        NoToken: there is no access token.
    """
    token = ""
    if options.oauth is not None and kept is not None:
        token = await AccessTokens(options.name, options.oauth, kept, clock).get()
    wire, thread = Wire(options), OwnThread(f"look into {options.name}")
    try:
        await thread.call(wire.open)
        await thread.call(lambda: wire.sign_in(token))
        folder = await thread.call(lambda: wire.select(readonly=True))
        idle = await thread.call(lambda: wire.has("IDLE"))
        yield Visit(options, folder, idle, wire, thread)
    finally:
        closing = asyncio.ensure_future(thread.call(lambda: wire.close(politely=True)))
        await asyncio.wait([closing], timeout=3.0)
        thread.end()


def _shown(uid: int, arrived: object, raw: object) -> Shown:
    fields, _ = headers.split_fields(raw if isinstance(raw, bytes) else b"")
    senders = [address or name for name, address in headers.mailboxes(fields.get(b"from"))]
    subject = headers.text_of(fields[b"subject"][0], []) if b"subject" in fields else ""
    return Shown(uid, arrived if isinstance(arrived, datetime) else None, "".join(senders[:1]), subject)
