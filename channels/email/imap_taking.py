"""Mails that were fetched become messages and are handed to `accept`, many at a time.

Commits are shared, so what was fetched together is handed in together, in the order of arrival. A mail that names
another of the same batch, or has the same content as one, waits for that one's commit: nodes and groups do not see what
others have not committed, and an answer would miss the ticket it belongs to.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from channels.base import Accept, Cursor, Journal
from channels.email import headers
from channels.email.imap_health import MailboxHealth
from channels.email.imap_options import MailboxOptions
from channels.email.receiving import Read, receive
from tickets.message import Accepted, InboundMessage, Unreadable

Fault = Callable[[str], Awaitable[None]]
"""Called at named points; may raise, hang or kill."""

EVER = timedelta(days=20 * 365)
"""Window of what is known to have come before the server gave it another UID."""

_HEAD = 65_536
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Fetched:
    """One mail as the server has it. `whole` is False where it is too large and `raw` its header alone."""

    uid: int
    raw: bytes
    arrived: datetime | None
    size: int
    whole: bool = True


@dataclass(slots=True)
class _Read:
    """A mail that was read, in the context that bears its trace."""

    mail: Fetched
    external_id: str
    message: InboundMessage | Unreadable
    context: contextvars.Context


class Taking:
    """Of one mailbox."""

    def __init__(
        self,
        options: MailboxOptions,
        accept: Accept,
        read: Read,
        journal: Journal,
        clock: Callable[[], datetime],
        fault: Fault,
        health: MailboxHealth,
    ) -> None:
        self._options = options
        self._accept = accept
        self._read = read
        self._journal = journal
        self._clock = clock
        self._fault = fault
        self._health = health

    async def take(self, mails: Sequence[Fetched], cursor: Cursor) -> None:
        """Return when all of them are taken in for good, or held, and noted where there is no receipt.

        Raises:
            NotAcceptedNow: of some nothing was kept; to be fetched again.
        """
        account, place = self._options.account, self._options.place(cursor.uidvalidity)
        sums = {f"{place}{mail.uid}": hashlib.sha256(mail.raw).digest() for mail in mails}
        # a process that died between the commit of an entry and its note left these
        held = await self._journal.held(account, sums)
        read: list[_Read] = []
        for mail in mails:
            external_id = f"{place}{mail.uid}"
            if external_id in held:
                kind = "quarantined" if mail.whole else "too_large"
                await self._journal.note(account, external_id, kind, "", held[external_id])
                continue
            read.append(await self._read_one(mail, external_id, cursor))
        await self._widen(read, cursor)
        wave: list[_Read] = []
        for one in read:
            if any(_depends(one.message, earlier.message) for earlier in wave):
                await self._commit(wave)
                wave = []
            wave.append(one)
        await self._commit(wave)

    async def _widen(self, read: Sequence[_Read], cursor: Cursor) -> None:
        """Let what came under another UID be recognised however long ago that was."""
        old = [
            one.message
            for one in read
            if isinstance(one.message, InboundMessage) and one.message.digest and one.mail.uid < cursor.renumbered_below
        ]
        if not old:
            return
        place = self._options.place(cursor.uidvalidity)
        before = dict(await self._journal.came_before(self._options.account, place, [each.digest for each in old]))
        for message in old:
            if before.get(message.digest, 0) > 0:
                before[message.digest] -= 1
                message.window = EVER

    async def _read_one(self, mail: Fetched, external_id: str, cursor: Cursor) -> _Read:
        options, now = self._options, self._clock()
        arrived = min(mail.arrived, now) if mail.arrived is not None else now
        envelope: dict[str, Any] = {
            "protocol": "imap",
            "mailbox": options.name,
            "folder": options.folder,
            "uidvalidity": cursor.uidvalidity,
            "uid": mail.uid,
            "external_id": external_id,
            "arrived_at": mail.arrived.astimezone(UTC).isoformat() if mail.arrived is not None else "",
            "received_at": now.isoformat(),
            "size": mail.size,
        }
        context = contextvars.copy_context()
        if not mail.whole:
            detail = f"{mail.size} octets, more than mailbox.{options.name}.max_size; only the header was fetched"
            entry = Unreadable("email", options.account, "too_large", arrived, detail, envelope)
            return _Read(mail, external_id, entry, context)
        reading = receive(
            self._read,
            mail.raw,
            door="imap",
            account=options.account,
            received_at=arrived,
            envelope=envelope,
            mail_from=None,
            rcpt_to=recipients(mail.raw, options.address),
            external_id=external_id,
        )
        message = await asyncio.get_running_loop().create_task(reading, context=context)
        return _Read(mail, external_id, message, context)

    async def _commit(self, wave: Sequence[_Read]) -> None:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(self._one(each), context=each.context) for each in wave]
        if not tasks:
            return
        # all of them end before anything else is done, whatever becomes of one
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _one(self, one: _Read) -> None:
        await self._fault("imap.before_accept")
        accepted = await self._accept(one.message, one.mail.raw)
        await self._fault("imap.after_accept")
        outcome = "joined" if accepted.joined else "accepted"
        if accepted.quarantine_id:
            outcome = "quarantined"
            await self._held(one, accepted)
        self._health.mails[(outcome,)] += 1

    async def _held(self, one: _Read, accepted: Accepted) -> None:
        message = one.message
        # why a mail that was read is held (spam, a mistake of ours) stands in its entry alone
        reason = message.reason if isinstance(message, Unreadable) else "held"
        kind = "too_large" if reason == "too_large" else "quarantined"
        await self._journal.note(self._options.account, one.external_id, kind, reason, accepted.quarantine_id)
        told = _log.warning if isinstance(message, Unreadable) else _log.info
        told("mailbox_mail_held", mailbox=self._options.name, uid=one.mail.uid, why=reason)


def recipients(raw: bytes, address: str) -> tuple[str, ...]:
    """Whom a delivered mail was for: the mailbox, and what its own server wrote down when it delivered it.

    To and Cc are read with the mail itself; these add who is in neither of them (Bcc, aliases, lists).
    """
    end = raw.find(b"\r\n\r\n", 0, _HEAD)
    fields, _ = headers.split_fields(raw[: end if end >= 0 else _HEAD])
    found = [address] if address else []
    for name in (b"delivered-to", b"x-original-to"):
        values = fields.get(name)
        if values:
            found += [box for _, box in headers.mailboxes(values[:5]) if box]
    return tuple(dict.fromkeys(found))[:20]


def _depends(message: InboundMessage | Unreadable, earlier: InboundMessage | Unreadable) -> bool:
    if isinstance(message, Unreadable) or isinstance(earlier, Unreadable):
        return False
    if message.digest and message.digest == earlier.digest:
        return True
    return bool(earlier.message_id) and earlier.message_id in message.refs.message_ids
