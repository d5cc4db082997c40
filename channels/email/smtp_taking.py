"""The way of one mail from its last octet to the reply, whoever received it.

A mail is read into a message, examined, and handed to `accept` in a task of its own, shielded from everything that may
happen to the connection. The 250 is written after `accept` returned. If the client has gone by then, the mail is stored
all the same and the client's second try meets the duplicate check: better twice than never. If anything fails before,
the answer is 451 and the client keeps the mail. An examination that fails costs its verdict, never the mail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

import structlog

from channels.base import Accept, NotAcceptedNow
from channels.email.receiving import Read, error_place, receive
from channels.email.smtp_data import DataReceiver
from tickets.message import InboundMessage, Unreadable

Fault = Callable[[str], Awaitable[None]]
"""Called at the named points `smtp.before_accept` and `smtp.after_accept`; may raise, hang or kill."""


class Examine(Protocol):
    """Looks at a mail before it is accepted: who really sent it, and whether it is spam."""

    async def __call__(
        self, message: InboundMessage | Unreadable, raw: bytes, envelope: dict[str, Any], *, trusted: bool
    ) -> None:
        """Add what was found to `message` (`authenticity`, `kind`, `kind_because`) and to `envelope`.

        `trusted` says that the client is a relay of ours. Bounded in time; must not fail.
        """
        ...


_log = structlog.get_logger()


async def no_fault(point: str) -> None:
    """Nothing goes wrong here."""


class Taking:
    """Makes mails durable. `account` names the door they came in by."""

    def __init__(
        self,
        account: str,
        accept: Accept,
        read: Read,
        clock: Callable[[], datetime],
        fault: Fault,
        examine: Examine | None,
    ) -> None:
        self.account = account
        self.read = read
        self.examine = examine
        self.tasks: set[asyncio.Task[str]] = set()
        self._accept = accept
        self._clock = clock
        self._fault = fault

    async def take(self, raw: bytes, envelope: dict[str, Any], receiver: DataReceiver, *, trusted: bool) -> str:
        """Make one mail durable and say so in one reply line; `receiver` is released when that is over."""
        task = asyncio.get_running_loop().create_task(self._take(raw, envelope, receiver, trusted))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return await asyncio.shield(task)

    async def _take(self, raw: bytes, envelope: dict[str, Any], receiver: DataReceiver, trusted: bool) -> str:
        try:
            message = await self._message(raw, envelope)
            if self.examine is not None:
                await self._examined(self.examine, message, raw, envelope, trusted)
                if isinstance(message, Unreadable):
                    message = replace(message, envelope={**message.envelope, **envelope})
            await self._fault("smtp.before_accept")
            accepted = await self._accept(message, raw)
            await self._fault("smtp.after_accept")
        except NotAcceptedNow:
            _log.warning("smtp.not_accepted_now", size=len(raw))
            return "451 4.3.0 Cannot store mail now, try again later"
        except Exception as error:
            _log.error("smtp.failed", error=type(error).__name__, where=error_place(error), size=len(raw))
            return "451 4.3.0 Try again later"
        finally:
            receiver.release()
        return f"250 2.0.0 Accepted as {accepted.number}" if accepted.number else "250 2.0.0 Accepted"

    @staticmethod
    async def _examined(
        examine: Examine,
        message: InboundMessage | Unreadable,
        raw: bytes,
        envelope: dict[str, Any],
        trusted: bool,
    ) -> None:
        try:
            await examine(message, raw, envelope, trusted=trusted)
        except Exception as error:
            _log.error("smtp.examination_failed", error=type(error).__name__, where=error_place(error))

    async def _message(self, raw: bytes, envelope: dict[str, Any]) -> InboundMessage | Unreadable:
        now = self._clock()
        envelope["received_at"] = now.isoformat()
        return await receive(
            self.read,
            raw,
            door="smtp",
            account=self.account,
            received_at=now,
            envelope=envelope,
            mail_from=envelope["mail_from"],
            rcpt_to=tuple(envelope["rcpt_to"]),
        )
