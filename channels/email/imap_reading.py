"""Looking through a folder: what is in it and was not taken in yet is fetched, taken in, and marked only then.

Two ways lead to a mail, and each finds what the other misses. The **cursor**: whatever has a higher UID than the last
one taken. The **re-scan**: all mail of the last days, whatever its flags and whatever the cursor says, held against the
receipts; it finds what appeared below the cursor, as some servers show mail out of order, and what somebody moved in.
Nothing goes by `\\Seen`, so that a person who reads the box in webmail hides nothing.

Order: fetch (BODY.PEEK[], flags stay as they are), `accept` and its commit, mark or move, cursor. A process that dies
anywhere in between finds the mails above its cursor again, recognises those with a receipt, and marks them.

A set of mails that cannot be fetched is fetched one by one; one that cannot be fetched alone either is tried
`TRIES` times, then noted as a problem and passed over, so that it keeps no other mail waiting. Later re-scans try it
again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import structlog

from channels.base import Cursor, Cursors, Journal
from channels.email.imap_health import MailboxHealth
from channels.email.imap_options import MailboxOptions
from channels.email.imap_taking import Fault, Fetched, Taking
from channels.email.imap_thread import OwnThread
from channels.email.imap_wire import Broken, Refused, Wire

T = TypeVar("T")

TRIES = 3
"""How often a mail is fetched alone before it is passed over."""
CHUNK = 500
"""Messages looked up at once."""
TOGETHER = 64
"""Messages fetched at once, if they are small."""

_HEADER = b"BODY[HEADER]"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Group:
    """What is fetched at once."""

    uids: tuple[int, ...]
    size: int
    oversized: bool = False


class FolderReading:
    """The folder of one mailbox. `suspects` live longer than a connection: uid and how often it failed alone."""

    def __init__(
        self,
        options: MailboxOptions,
        taking: Taking,
        cursors: Cursors,
        journal: Journal,
        thread: OwnThread,
        health: MailboxHealth,
        clock: Callable[[], datetime],
        fault: Fault,
    ) -> None:
        self._options = options
        self._taking = taking
        self._cursors = cursors
        self._journal = journal
        self._thread = thread
        self._health = health
        self._clock = clock
        self._fault = fault
        self._suspects: dict[int, int] = {}
        self._again: set[int] = set()
        self._wire: Wire
        self._writable = False
        self.cursor = Cursor(options.folder, 0)
        self.ending: Callable[[], bool] = lambda: False

    async def enter(self, wire: Wire) -> None:
        """Take up a connection that was signed in: select the folder, find the cursor."""
        options = self._options
        self._wire = wire
        selected = await self._thread.call(lambda: wire.select(readonly=options.after == "leave"))
        self._writable = selected.writable and options.after != "leave"
        if options.after != "leave" and not selected.writable:
            _log.warning("mailbox_read_only", mailbox=options.name, folder=options.folder)
        if self._writable and options.after == "move":
            await self._thread.call(lambda: wire.ensure_folder(options.move_to))
        cursor = await self._cursors.get(options.name)
        if cursor is None or cursor.folder != options.folder:
            cursor = Cursor(options.folder, selected.uidvalidity)
            await self._cursors.put(options.name, cursor)
        elif cursor.uidvalidity != selected.uidvalidity:
            # RFC 3501, section 2.3.1.1: every UID means another message now
            _log.warning("mailbox_renumbered", mailbox=options.name, old=cursor.uidvalidity, new=selected.uidvalidity)
            cursor = Cursor(options.folder, selected.uidvalidity, 0, selected.uidnext or 2**32)
            self._suspects.clear()
            await self._cursors.put(options.name, cursor)
        self.cursor = cursor

    async def look(self, *, rescan: bool) -> None:
        """Take in whatever is new; with `rescan` also what the cursor has missed.

        Raises:
            MailboxError: the connection is of no use any more.
            NotAcceptedNow: the database is away.
        """
        wire, options, last = self._wire, self._options, self.cursor.last_uid
        since = () if options.since is None else ("SINCE", imap_date(options.since))
        if rescan:
            first = self._clock().date() - timedelta(days=options.days + 1)
            if options.since is not None:
                first = max(first, options.since)
            recent = await self._thread.call(lambda: wire.search("SINCE", imap_date(first)))
            await self._pass([uid for uid in recent if uid <= last], new=False)
        # the server always names its last message, be it above or below (RFC 3501, section 9: seq-range)
        found = await self._thread.call(lambda: wire.search("UID", f"{last + 1}:*", *since))
        await self._pass([uid for uid in found if uid > last], new=True)

    async def _pass(self, uids: Sequence[int], *, new: bool) -> None:
        for start in range(0, len(uids), CHUNK):
            chunk = uids[start : start + CHUNK]
            ids = {self._options.external_id(self.cursor.uidvalidity, uid): uid for uid in chunk}
            known = await self._journal.known(self._options.account, list(ids))
            self._again = {uid for external_id, uid in ids.items() if known.get(external_id) == "again"}
            missing = [uid for external_id, uid in ids.items() if external_id not in known or uid in self._again]
            if not new and missing:
                _log.info("mailbox_cursor_missed", mailbox=self._options.name, mails=len(missing))
            not_taken = (None, "unfetchable", "again")
            left = [uid for external_id, uid in ids.items() if known.get(external_id) not in not_taken]
            if new or self._options.after == "move":
                # taken by a process that died before it could mark them
                await self._mark(left)
            for group in await self._groups(missing):
                if self.ending():
                    return
                await self._group(group)
                if new:
                    await self._advance(group.uids[-1])
            if new and chunk:
                await self._advance(chunk[-1])

    async def _advance(self, uid: int) -> None:
        if uid > self.cursor.last_uid:
            self.cursor = replace(self.cursor, last_uid=uid)
            await self._cursors.put(self._options.name, self.cursor)

    # ---- what is fetched at once ----------------------------------------------------------------------------------

    async def _groups(self, uids: Sequence[int]) -> list[_Group]:
        """In ascending order, each within the bounds; suspects and what is too large by themselves."""
        plain = [uid for uid in uids if uid not in self._suspects]
        facts = await self._together(plain, self._wire.facts) if plain else {}
        groups: list[_Group] = []
        run: list[int] = []
        total = 0

        def close() -> None:
            nonlocal run, total
            if run:
                groups.append(_Group(tuple(run), total))
            run, total = [], 0

        for uid in uids:
            size = facts.get(uid, {}).get(b"RFC822.SIZE")
            if not isinstance(size, int) or size > self._options.max_size:
                close()
                groups.append(_Group((uid,), size if isinstance(size, int) else 0, oversized=isinstance(size, int)))
                continue
            if run and (total + size > self._options.batch or len(run) >= TOGETHER):
                close()
            run.append(uid)
            total += size
        close()
        return groups

    async def _together(
        self, uids: Sequence[int], ask: Callable[[Sequence[int]], dict[int, dict[bytes, Any]]]
    ) -> dict[int, dict[bytes, Any]]:
        """Ask about several at once; where that fails each is suspect and asked about alone from now on."""
        try:
            return await self._thread.call(lambda: ask(uids))
        except Refused as no:
            self._suspect(uids)
            _log.warning("mailbox_fetch_refused", mailbox=self._options.name, mails=len(uids), why=str(no))
            return {}
        except Broken:
            self._suspect(uids)
            raise

    def _suspect(self, uids: Sequence[int]) -> None:
        for uid in uids:
            self._suspects.setdefault(uid, 0)

    # ---- one group ------------------------------------------------------------------------------------------------

    async def _group(self, group: _Group) -> None:
        alone = len(group.uids) == 1
        if alone:
            mails = await self._alone(group)
        else:
            room = group.size * 2 + self._options.batch
            found = await self._together(group.uids, lambda uids: self._wire.bodies(uids, room))
            mails = [mail for uid in group.uids if (mail := _fetched(uid, found.get(uid), b"BODY[]"))]
            for uid in sorted(set(group.uids) - {mail.uid for mail in mails}):
                mails += await self._alone(_Group((uid,), 0))
            mails.sort(key=lambda mail: mail.uid)
        if not mails:
            return
        await self._fault("imap.after_fetch")
        await self._taking.take(mails, self.cursor)
        await self._mark([mail.uid for mail in mails])
        for mail in mails:
            self._suspects.pop(mail.uid, None)
            if mail.uid in self._again:
                external_id = self._options.external_id(self.cursor.uidvalidity, mail.uid)
                await self._journal.settled(self._options.account, external_id)

    async def _alone(self, group: _Group) -> list[Fetched]:
        """One mail by itself; nothing where it has gone, or was noted and is passed over."""
        (uid,) = group.uids
        while True:
            try:
                mail = await self._fetch_one(uid, group)
                if mail is not None:
                    return [mail]
                if not await self._thread.call(lambda: self._wire.search("UID", str(uid))):
                    # deleted or moved by somebody before we came
                    self._suspects.pop(uid, None)
                    return []
                why = "the server has it and does not give it out"
            except Refused as no:
                why = str(no)
            except Broken as broken:
                await self._failed(uid, str(broken))
                raise
            if await self._failed(uid, why):
                return []
            await asyncio.sleep(0.1)

    async def _fetch_one(self, uid: int, group: _Group) -> Fetched | None:
        wire, size, oversized = self._wire, group.size, group.oversized
        if not size:
            facts = await self._thread.call(lambda: wire.facts([uid]))
            told = facts.get(uid, {}).get(b"RFC822.SIZE")
            size = told if isinstance(told, int) else 0
            oversized = size > self._options.max_size
        if not oversized:
            # what the server says of a size may be wrong, and by much: nobody trusts it with memory
            found = await self._thread.call(lambda: wire.bodies([uid], self._options.max_size))
            return _fetched(uid, found.get(uid), b"BODY[]")
        found = await self._thread.call(lambda: wire.headers([uid]))
        mail = _fetched(uid, found.get(uid), _HEADER)
        return None if mail is None else replace(mail, size=size, whole=False)

    async def _failed(self, uid: int, why: str) -> bool:
        """Count a failure of one mail alone; whether it is passed over from now on."""
        self._suspects[uid] = self._suspects.get(uid, 0) + 1
        if self._suspects[uid] < TRIES:
            return False
        external_id = self._options.external_id(self.cursor.uidvalidity, uid)
        await self._journal.note(self._options.account, external_id, "unfetchable", why)
        self._suspects.pop(uid, None)
        self._health.problems += 1
        self._health.mails[("unfetchable",)] += 1
        _log.error("mailbox_mail_unfetchable", mailbox=self._options.name, uid=uid, why=why)
        return True

    # ---- afterwards -----------------------------------------------------------------------------------------------

    async def _mark(self, uids: Sequence[int]) -> None:
        if not uids or not self._writable:
            return
        wire, options = self._wire, self._options
        await self._fault("imap.before_mark")
        try:
            if options.after == "move":
                await self._thread.call(lambda: wire.move(uids, options.move_to))
            else:
                await self._thread.call(lambda: wire.mark_seen(uids))
        except Refused as no:
            # the mail is safe with us; whether it looks read is not worth stopping for
            _log.warning("mailbox_not_marked", mailbox=options.name, mails=len(uids), why=str(no))
        await self._fault("imap.after_mark")


def _fetched(uid: int, answer: dict[bytes, Any] | None, item: bytes) -> Fetched | None:
    raw = (answer or {}).get(item)
    if answer is None or not isinstance(raw, bytes):
        return None
    arrived = answer.get(b"INTERNALDATE")
    aware = isinstance(arrived, datetime) and arrived.tzinfo is not None
    return Fetched(uid, raw, arrived if aware else None, len(raw))


def imap_date(day: date) -> str:
    """A date as RFC 3501 writes it, whatever the locale."""
    return f"{day.day}-{_MONTHS[day.month - 1]}-{day.year}"
