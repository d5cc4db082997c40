"""Waiting for what has no event of its own to wait for: the one place where tests ask again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

PATIENCE = 40.0
"""Seconds after which a test gives up: far beyond what anything takes on a busy machine, within a test's own time."""

STEP = 0.02
"""Seconds between two looks."""

Found = TypeVar("Found")


async def eventually(look: Callable[[], Found | Awaitable[Found | None] | None], within: float = PATIENCE) -> Found:
    """Look again and again until there is something, and return it.

    Raises:
        TimeoutError: there never was.
    """
    async with asyncio.timeout(within):
        while True:
            seen = look()
            found: Found | None = await seen if isawaitable(seen) else seen
            if found:
                return found
            await asyncio.sleep(STEP)
