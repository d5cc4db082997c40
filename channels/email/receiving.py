"""From raw bytes to what `accept` is given: the same for every door that mail comes through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from channels.email.reading_room import read_mail
from tickets import trace as traces
from tickets.key import new_key
from tickets.message import InboundMessage, Unreadable

Read = Callable[..., InboundMessage | Unreadable]
"""`read(raw, account=, external_id=, received_at=, mail_from=, rcpt_to=)`: total, any bytes give one or the other."""

_log = structlog.get_logger()


async def receive(
    read: Read,
    raw: bytes,
    *,
    door: str,
    account: str,
    received_at: datetime,
    envelope: dict[str, Any],
    mail_from: str | None,
    rcpt_to: tuple[str, ...],
    external_id: str = "",
) -> InboundMessage | Unreadable:
    """Read one mail under a trace of its own; `envelope` goes along with whatever comes of it.

    Without an `external_id` it is the trace: nobody else can have given it. A mail that breaks the reader would break
    it at every try, so it becomes an `Unreadable` for a person to look at.
    """
    trace = new_key()
    traces.begin(trace)
    structlog.contextvars.bind_contextvars(trace=trace.hex)
    given = {
        "account": account,
        "external_id": external_id or str(trace),
        "received_at": received_at,
        "mail_from": mail_from,
        "rcpt_to": rcpt_to,
    }
    try:
        message = await read_mail(read, raw, **given)
    except Exception as error:
        event = f"{door}.read_failed"
        _log.error(event, error=type(error).__name__, where=error_place(error), size=len(raw))
        return Unreadable("email", account, "reader_failed", received_at, type(error).__name__, envelope)
    if isinstance(message, Unreadable):
        return replace(message, envelope={**message.envelope, **envelope})
    message.extra = {**message.extra, "envelope": envelope}
    message.fresh = not external_id
    return message


def error_place(error: BaseException) -> str:
    """File and line an error comes from; its text may name people and is left out."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return f"{step.tb_frame.f_code.co_filename}:{step.tb_lineno}" if step is not None else ""
