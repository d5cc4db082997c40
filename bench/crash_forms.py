"""Web forms as part of the load of the crash rig: opened, filled in, sent, and looked up by their receipt."""

from __future__ import annotations

import asyncio
import random
import re

import aiohttp

from bench import form_load

NEVER_SENT = -1
_NUMBER = re.compile(r'class="ticket-number">([^<]+)<')
_GONE = (OSError, EOFError, TimeoutError, aiohttp.ClientError)


class Browser:
    """One reader's browser, with the proof of work done as its scripts would."""

    def __init__(self, web: aiohttp.ClientSession, base: str, chance: random.Random) -> None:
        self._web = web
        self._base = base
        self._random = chance

    async def fill(self, name: str, author: str) -> bytes | None:
        """Open the form and fill it in: the body to send; None while the gateway is away."""
        try:
            consent = await form_load.consent_of(self._web, self._base)
            nonce, proof = await form_load.opened(self._web, self._base)
        except (*_GONE, RuntimeError, ValueError, KeyError):
            return None
        what = f"crash {name} end\nНе печатает чек {name}"
        fields = [("nonce", nonce), ("altcha", proof), *form_load.answers(author, what, consent)]
        return form_load.body(fields, self._random.randbytes(self._random.choice((0, 300, 20_000))))

    async def send(self, raw: bytes) -> tuple[int, str]:
        """Send it: the status and where it leads; 0 without an answer, `NEVER_SENT` where nobody listened."""
        headers = {"Content-Type": f"multipart/form-data; boundary={form_load.BOUNDARY}"}
        url = f"{self._base}/form/support"
        try:
            async with self._web.post(url, data=raw, headers=headers, allow_redirects=False) as response:
                await response.read()
                return response.status, response.headers.get("Location", "")
        except aiohttp.ClientConnectorError:
            return NEVER_SENT, ""
        except _GONE:
            return 0, ""

    async def receipt(self, path: str) -> tuple[int, str]:
        """The page a form was answered with, asked for until it answers: its status, and the ticket's number on it."""
        while True:
            try:
                async with self._web.get(self._base + path) as response:
                    status, page = response.status, await response.text()
            except _GONE:
                status, page = 0, ""
            if status not in (0, 503):
                found = _NUMBER.search(page)
                return status, found[1] if status == 200 and found else ""
            await asyncio.sleep(self._random.uniform(0.02, 0.2))
