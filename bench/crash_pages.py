"""Replies from the pages of authors, as part of the load of the crash rig.

A browser opens the page of a ticket, and sends the form it got there, the same bytes, until it is answered by the
redirect that says "taken". Tickets it works on are nobody else's, because a reply may put them back to work.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from bench.crash_rig import Rig

_FIELD = re.compile(r'name="(nonce|proof)" value="([^"]*)"')
_BOUNDARY = "crash-rig-form"
_GONE = (OSError, EOFError, TimeoutError, aiohttp.ClientError)
_MESSAGES = """
SELECT m.id, m.text, t.number, r.raw_sha256 AS digest
FROM messages m JOIN tickets t ON t.id = m.ticket_id LEFT JOIN receipts r ON r.message_id = m.id
WHERE m.channel = 'web' AND m.account = 'page'
"""
_MARK = re.compile(r"page-(\S+)-end")


@dataclass(slots=True)
class PageReply:
    """One reply; `answered` says that the page told its author that it is taken."""

    id: str
    number: str
    digest: str
    tries: int = 0
    answered: bool = False


class Pages:
    """Browsers on pages of authors. `link` gives the address of a ticket's page by its number."""

    def __init__(
        self, link: Callable[[str], str], *, note: Callable[..., None], handed_over: Callable[[], None], seed: int
    ) -> None:
        self.replies: list[PageReply] = []
        self.unexpected: list[str] = []
        self._link = link
        self._note = note
        self._handed_over = handed_over
        self._random = random.Random(seed)

    async def reply(self, web: aiohttp.ClientSession, base: str, number: str, name: str) -> None:
        """Open the page of a ticket and write there until it is taken."""
        while True:
            drawn = await self._get(web, base, number)
            if drawn is not None:
                break
            await asyncio.sleep(self._random.uniform(0.05, 0.3))
        address, fields = drawn
        if not fields:
            return
        text = f"Ещё одно: page-{name}-end. " + "Подробности. " * self._random.choice((1, 10, 300))
        photo = self._random.randbytes(self._random.choice((0, 500, 40_000)))
        raw = _form(fields | {"text": text}, photo)
        reply = PageReply(name, number, sha256(raw).hexdigest())
        self.replies.append(reply)
        headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        while not reply.answered:
            reply.tries += 1
            self._note("try", id=name, how="page", digest=reply.digest)
            self._handed_over()
            status = await _post(web, f"{address}/reply", raw, headers)
            if status == 303:
                reply.answered = True
                self._note("answer", id=name, number=number, status=status)
            elif status in (0, 503):
                await asyncio.sleep(self._random.uniform(0.02, 0.2))
            else:
                self.unexpected.append(f"a reply on the page of {number}: {status}")
                return

    async def _get(self, web: aiohttp.ClientSession, base: str, number: str) -> tuple[str, dict[str, str]] | None:
        try:
            address = base + await asyncio.to_thread(self._link, number)
            async with web.get(address) as answer:
                page = await answer.text()
        except Exception:
            # the gateway or the database is down at the moment
            return None
        if answer.status >= 500:
            return None
        if answer.status != 200:
            self.unexpected.append(f"the page of {number}: {answer.status}")
            return address, {}
        form = re.search(r'action="[^"]*/reply#reply".*?</form>', page, re.DOTALL)
        return address, dict(_FIELD.findall(form[0])) if form else {}


def found(rig: Rig, pages: Pages, figures: dict[str, int]) -> Iterator[str]:
    """What is wrong with the replies after the crashes: lost, doubled, on another ticket, with other bytes."""
    kept: dict[str, set[tuple[Any, str, str]]] = {}
    for row in rig.rows(_MESSAGES):
        mark = _MARK.search(row["text"])
        if mark is None or row["digest"] is None:
            yield f"a reply nobody wrote, or without a receipt: {row['text'][:60]!r}"
            continue
        kept.setdefault(mark[1], set()).add((str(row["id"]), row["number"], bytes(row["digest"]).hex()))
    for reply in pages.replies:
        there = kept.pop(reply.id, set())
        if reply.answered and not there:
            yield f"LOST: the reply {reply.id} on the page of {reply.number} was taken and is not there"
        if len(there) > 1:
            yield f"DOUBLE: the reply {reply.id} is there {len(there)} times"
        for _, number, digest in there:
            if (number, digest) != (reply.number, reply.digest):
                yield f"the reply {reply.id} is on {number} instead of {reply.number}, or its bytes are others"
    for name in kept:
        yield f"a reply nobody wrote: {name}"
    figures["replies on pages"] = len(pages.replies)
    figures["replies acknowledged"] = sum(reply.answered for reply in pages.replies)
    figures["replies sent again"] = sum(reply.tries - 1 for reply in pages.replies)


def _form(fields: dict[str, str], photo: bytes) -> bytes:
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    if photo:
        head = 'Content-Disposition: form-data; name="files"; filename="photo.bin"\r\n'
        parts.append(
            f"--{_BOUNDARY}\r\n{head}Content-Type: application/octet-stream\r\n\r\n".encode() + photo + b"\r\n"
        )
    return b"".join([*parts, f"--{_BOUNDARY}--\r\n".encode()])


async def _post(web: aiohttp.ClientSession, address: str, raw: bytes, headers: dict[str, str]) -> int:
    try:
        async with web.post(address, data=raw, headers=headers, allow_redirects=False) as answer:
            await answer.read()
            return answer.status
    except _GONE:
        return 0
