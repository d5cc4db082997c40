"""How late the event loop is, and the watchdog that is told that it turns."""

from __future__ import annotations

import asyncio

from gateway.sd_notify import Notifier

BEAT = 0.5
"""Seconds between two looks."""


class Pulse:
    """Sleeps a little, again and again, and notes how much longer it took."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._worst = 0.0

    async def keep(self) -> None:
        """Beat until cancelled."""
        loop = asyncio.get_running_loop()
        told = loop.time()
        while True:
            begun = loop.time()
            await asyncio.sleep(BEAT)
            now = loop.time()
            self._worst = max(self._worst, now - begun - BEAT)
            if self._notifier.watchdog and now - told >= min(self._notifier.watchdog, 30.0) - BEAT:
                self._notifier.alive()
                told = now

    def worst(self) -> float:
        """The longest delay since this was last asked, in seconds."""
        found, self._worst = self._worst, 0.0
        return found
