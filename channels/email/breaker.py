"""Services that answer nothing at all are left alone, so that not every mail waits for them in vain.

A question that got no answer in time says little: whoever wrote the mail may have made it slow to answer. So it never
counts by itself. It only has the service looked at, beside the mails, by something that is quick to answer; one that
does not answer that either rests, and is looked at again every now and then until it does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

LOOK = 1.0
"""Seconds a service has to show that it is there."""
AGAIN = 10.0
"""Seconds between two looks at one that rests."""

_log = structlog.get_logger()


class Breaker:
    """Knows whether one service is worth asking.

    `alive` asks it for a sign of life and raises whatever it likes where there is none; `name` is what the log calls
    the service, `look` and `again` are in seconds.
    """

    def __init__(
        self,
        name: str,
        alive: Callable[[], Awaitable[object]],
        *,
        look: float = LOOK,
        again: float = AGAIN,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._alive = alive
        self._look_for = look
        self._again = again
        self._monotonic = monotonic
        self._rests = False
        self._next = 0.0
        self._looking: asyncio.Task[None] | None = None

    @property
    def resting(self) -> bool:
        """Whether it is left alone at present; if it is, it is looked at again before long."""
        if self._rests and self._monotonic() >= self._next:
            self.silent()
        return self._rests

    def silent(self) -> None:
        """A question got no answer in time: find out, without waiting, whether the service is there."""
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def settled(self) -> None:
        """Wait until a look under way is over."""
        if self._looking is not None:
            await asyncio.wait([self._looking])

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(self._look_for):
                await self._alive()
            rests = False
        except Exception as error:
            rests = True
            if not self._rests:
                _log.warning("smtp.service_rests", service=self._name, error=type(error).__name__)
        finally:
            self._looking = None
        if self._rests and not rests:
            _log.info("smtp.service_answers_again", service=self._name)
        self._rests, self._next = rests, self._monotonic() + self._again
