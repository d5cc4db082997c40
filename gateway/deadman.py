"""The dead man's handle: an address is called as long as everything works, and somebody there notices the silence.

It covers what no alarm of our own can: that the machine is off, the network gone, the program not started.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

PATIENCE = 10.0
"""Seconds the other side may take to answer."""


class DeadMan:
    """Calls `url` every `every` seconds while `healthy` says so."""

    def __init__(
        self, url: str, method: str, every: float, healthy: Callable[[], Awaitable[bool]], *, patience: float = PATIENCE
    ) -> None:
        self.url = url
        self.method = method
        self.every = every
        self.heard_at = 0.0
        self._healthy = healthy
        self._patience = patience
        self._failing = False

    async def keep(self) -> None:
        """Call again and again."""
        while True:
            if self.url:
                await self.call()
            await asyncio.sleep(self.every)

    async def call(self) -> bool:
        """Call once, if there is reason to; whether the sign of life was taken."""
        if not await self._healthy():
            return False
        import aiohttp

        told = ""
        try:
            timeout = aiohttp.ClientTimeout(total=self._patience)
            async with (
                aiohttp.ClientSession(timeout=timeout) as client,
                client.request(self.method, self.url, allow_redirects=False) as answer,
            ):
                told = "" if answer.status < 400 else str(answer.status)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            told = type(error).__name__
        if told and not self._failing:
            # the address may hold a secret, and the words of the error the address
            log.warning("deadman_not_heard", error=told)
        elif self._failing and not told:
            log.info("deadman_heard_again")
        self._failing = bool(told)
        if not told:
            self.heard_at = asyncio.get_running_loop().time()
        return not told
