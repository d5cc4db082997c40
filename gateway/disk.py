"""The guard of the disk: warns before it is full, and closes the doors while there is still room to finish.

A database that runs out of disk fails in the middle of whatever it is doing; one that is told to stop a little earlier
only sends its guests away. What is on its way out goes on below the floor: recording a try needs little, and not
recording it would send a mail twice.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

log = structlog.get_logger(__name__)

State = Literal["ok", "low", "full"]

_BACK = 1.1
"""A state is left for a better one when there is this much more than its limit, so that it does not flicker."""


@dataclass(frozen=True, slots=True)
class DiskOptions:
    """Limits in bytes of free space, the pause between two looks in seconds; `folder` None watches nothing."""

    folder: Path | None
    warn: int = 2_000_000_000
    floor: int = 200_000_000
    every: float = 10.0


def free_space(folder: Path) -> int:
    """Bytes an ordinary user may still write there.

    Raises:
        OSError: the folder is gone.
    """
    return shutil.disk_usage(folder).free


class DiskGuard:
    """Looks at the free space; `changed` hears why inputs are to be refused, or "" when they are welcome again."""

    def __init__(
        self,
        options: DiskOptions,
        changed: Callable[[str], None],
        *,
        free: Callable[[Path], int] = free_space,
    ) -> None:
        self.options = options
        self.free: int | None = None
        self.state: State = "ok"
        self._changed = changed
        self._measure = free

    async def keep(self) -> None:
        """Look again and again."""
        while True:
            await self.look()
            await asyncio.sleep(self.options.every)

    async def look(self) -> None:
        """Look once."""
        folder = self.options.folder
        if folder is None:
            self.free, self.state = None, "ok"
            return
        try:
            # in a thread: a network file system may not answer
            self.free = await asyncio.to_thread(self._measure, folder)
        except OSError as error:
            log.warning("disk_unseen", error=error.strerror or type(error).__name__)
            return
        before, self.state = self.state, self._judge(self.free)
        if self.state == before:
            return
        if self.state == "ok":
            log.info("disk_has_room", free=self.free)
        elif self.state == "low":
            log.warning("disk_low", free=self.free, floor=self.options.floor)
        else:
            log.error("disk_full", free=self.free, floor=self.options.floor)
        if "full" in (self.state, before):
            self._changed("the disk is nearly full" if self.state == "full" else "")

    def _judge(self, free: int) -> State:
        floor = self.options.floor * (_BACK if self.state == "full" else 1)
        warn = self.options.warn * (_BACK if self.state != "ok" else 1)
        return "full" if free < floor else "low" if free < warn else "ok"
