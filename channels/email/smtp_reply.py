"""What a relay's refusal means (RFC 5321, section 4.2; RFC 3463): one table, one place. No I/O here."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import Enum

from channels.base import SendFailed


class Stage(Enum):
    """How far the conversation had come."""

    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"


ADDRESS_DEAD = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
"""No such mailbox, no such domain, bad address syntax, moved away, domain takes no mail, mailbox disabled."""

_ABOUT_THE_MESSAGE = frozenset({"5.2.3", "5.3.4", "5.6.0", "5.6.1", "5.6.3", "5.6.7"})
_CREDENTIALS = frozenset({530, 534, 535, 538})

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b\s*")
_WAIT = re.compile(
    r"(?:try again|retry|wait|come back|greylist\w*)\D{0,40}?(\d{1,5})\s*(s|sec|seconds?|m|min|minutes?|h|hours?)\b",
    re.IGNORECASE,
)
_UNITS = {"s": 1, "m": 60, "h": 3600}
_CONTROLS = re.compile("[\x00-\x20\x7f\ud800-\udfff]+")


def words(text: str) -> str:
    """A server's words on one line, of a length fit for a ledger."""
    return _CONTROLS.sub(" ", text).strip()[:500]


def failure(stage: Stage, code: int, text: str, exchange: str = "") -> SendFailed:
    """Name a refusal.

    4xx is temporary, 5xx permanent, with these exceptions, all temporary because they are a matter of our account or
    configuration that says nothing about the recipient: any refusal while connecting, encrypting or signing in; 421
    and missing or wrong credentials at any stage; a refused sender, unless the refusal is about size or content of
    this very message. Only the answer to a recipient or to the mail itself can condemn an address.

    >>> (failure(Stage.RCPT, 550, "5.1.1 no such user").retryable, failure(Stage.RCPT, 451, "4.7.1 later").retryable)
    (False, True)
    """
    found = _ENHANCED.match(text)
    enhanced = found[1] if found else ""
    ours = stage is Stage.CONNECT or code in _CREDENTIALS
    if stage is Stage.MAIL and code != 552 and enhanced not in _ABOUT_THE_MESSAGE:
        ours = True
    retryable = ours or not 500 <= code <= 599
    dead = not retryable and enhanced in ADDRESS_DEAD and stage in (Stage.RCPT, Stage.DATA)
    return SendFailed(
        f"{code} {enhanced}".strip(),
        words(text[found.end() :] if found else text),
        retryable=retryable,
        retry_after=_retry_after(text) if retryable else None,
        address_dead=dead,
        exchange=exchange,
        # the content was not handed over before all recipients were taken
        provider_down=ours or (code == 421 and stage is not Stage.DATA),
    )


def _retry_after(text: str) -> timedelta | None:
    """The pause a greylisting server asks for, a day at most."""
    found = _WAIT.search(text)
    if found is None:
        return None
    return min(timedelta(seconds=int(found[1]) * _UNITS[found[2][0].lower()]), timedelta(days=1))
