"""The verdict of an Rspamd by HTTP (rspamd.com/doc/developers/protocol.html: `/checkv2`)."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from channels.email.breaker import Breaker
from channels.email.filter_verdict import FilterFailed, FilterRests, FilterSilent, Verdict

if TYPE_CHECKING:
    from aiohttp import StreamReader

SPAM = frozenset({"reject", "add header", "rewrite subject"})
"""Actions that call a mail spam. `greylist` and `soft reject` ask to wait, and say nothing about it."""
LONGEST_ANSWER = 1_000_000


class Rspamd:
    """One Rspamd. `url` is that of its scanner (`http://127.0.0.1:11333`), `timeout` in seconds for a whole mail."""

    def __init__(self, url: str, password: str = "", timeout: float = 5.0) -> None:
        self._url = url.rstrip("/")
        self._password = password
        self._timeout = timeout
        self.breaker = Breaker("rspamd", self.ping)

    async def ping(self) -> None:
        """Whether it is there: any answer will do.

        Raises:
            aiohttp.ClientError: it is not.
        """
        import aiohttp

        async with aiohttp.ClientSession() as session, session.get(f"{self._url}/ping", allow_redirects=False):
            return

    async def verdict(self, raw: bytes, envelope: Mapping[str, Any]) -> Verdict:
        """Ask about one mail.

        Raises:
            FilterFailed: it gave none.
        """
        import aiohttp

        if self.breaker.resting:
            raise FilterRests
        fields = {
            "From": _line(envelope["mail_from"]),
            "Helo": _line(envelope["helo"]),
            "IP": envelope["peer"],
            "User": _line(envelope.get("login", "")),
            "Password": self._password,
        }
        named = [(name, value) for name, value in fields.items() if value]
        named += [("Rcpt", _line(recipient)) for recipient in envelope["rcpt_to"]]
        try:
            async with (
                asyncio.timeout(self._timeout),
                aiohttp.ClientSession() as session,
                session.post(f"{self._url}/checkv2", data=raw, headers=named, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise FilterFailed(f"answered {answer.status}")
                said = await _whole(answer.content)
        except TimeoutError:
            self.breaker.silent()
            raise FilterSilent(f"no answer in {self._timeout:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise FilterFailed(type(error).__name__) from None
        return read(said)


def read(said: bytes) -> Verdict:
    """The verdict of an answer.

    >>> read(b'{"action": "add header", "score": 8.25, "required_score": 15.0}')
    Verdict(spam=True, told='add header', score=8.25, limit=15.0)

    Raises:
        FilterFailed: it is none.
    """
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        raise FilterFailed("an answer that is no JSON") from None
    action = answer.get("action") if isinstance(answer, dict) else None
    if not isinstance(action, str) or answer.get("is_skipped") is True:
        raise FilterFailed("an answer without a verdict")
    return Verdict(action in SPAM, action[:40], _number(answer.get("score")), _number(answer.get("required_score")))


def _number(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


async def _whole(content: StreamReader) -> bytes:
    """An answer as it comes, in however many pieces.

    Raises:
        FilterFailed: it has no end.
    """
    said = bytearray()
    async for piece in content.iter_any():
        said += piece
        if len(said) > LONGEST_ANSWER:
            raise FilterFailed("an answer without an end")
    return bytes(said)


def _line(text: str) -> str:
    return "".join(each for each in text if each.isprintable())
