"""The verdict of an Rspamd by HTTP (rspamd.com/doc/developers/protocol.html: `/checkv2`)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from channels.email.filter_verdict import FilterFailed, Verdict

SPAM = frozenset({"reject", "add header", "rewrite subject"})
"""Actions that call a mail spam. `greylist` and `soft reject` ask to wait, and say nothing about it."""
LONGEST_ANSWER = 1_000_000


class Rspamd:
    """One Rspamd. `url` is that of its scanner (`http://127.0.0.1:11333`), `timeout` in seconds for a whole mail."""

    def __init__(self, url: str, password: str = "", timeout: float = 5.0) -> None:
        self._url = url.rstrip("/") + "/checkv2"
        self._password = password
        self._timeout = timeout

    async def verdict(self, raw: bytes, envelope: Mapping[str, Any]) -> Verdict:
        """Ask about one mail.

        Raises:
            FilterFailed: it gave none.
        """
        import aiohttp

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
                session.post(self._url, data=raw, headers=named, allow_redirects=False) as answer,
            ):
                said = await answer.content.read(LONGEST_ANSWER)
                if answer.status != 200:
                    raise FilterFailed(f"answered {answer.status}")
        except TimeoutError:
            raise FilterFailed(f"no answer in {self._timeout:g} s") from None
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
    except ValueError:
        raise FilterFailed("an answer that is no JSON") from None
    action = answer.get("action") if isinstance(answer, dict) else None
    if not isinstance(action, str) or answer.get("is_skipped") is True:
        raise FilterFailed("an answer without a verdict")
    score, limit = (answer.get(name) for name in ("score", "required_score"))
    numbers = [float(each) if isinstance(each, int | float) else None for each in (score, limit)]
    return Verdict(action in SPAM, action[:40], *numbers)


def _line(text: str) -> str:
    return "".join(each for each in text if each.isprintable())
