"""A gateway in a process of its own, which can be killed like any other."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from bench import crash_child
from bench.crash_rig import reading


class GatewayProcess:
    """One gateway's lives, one after the other, on the same database and with the same settings."""

    def __init__(self, folder: Path, url: str, settings: str) -> None:
        self.url = url
        self.config = folder / "otklik.toml"
        self.log = folder / "gateway.log"
        self.lives = 0
        self.process: ForkServerProcess | None = None
        self.config.write_text(settings)

    def begin(self, faults: str = "", ahead: timedelta = timedelta()) -> ForkServerProcess:
        """Start it with these faults and its clock so far ahead."""
        assert self.process is None
        self.lives += 1
        self.process = crash_child.start(crash_child.context(), self.config, self.log, faults, ahead)
        return self.process

    @property
    def dead(self) -> bool:
        """Whether it has died."""
        return self.process is None or not self.process.is_alive()

    async def kill(self) -> None:
        """End it as a power cut would."""
        process, self.process = self.process, None
        if process is not None:
            if process.pid is not None and process.is_alive():
                # it may die by itself this very moment, and its parent is another process
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.join)
            process.close()

    async def end(self) -> None:
        """Stop it in order; one that still stands somewhere is killed."""
        process = self.process
        if process is not None and process.is_alive():
            process.terminate()
            await asyncio.to_thread(process.join, 5)
        await self.kill()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Plain SQL."""
        with reading(self.url) as connection:
            return [dict(row) for row in connection.execute(sql)]
