"""A gateway in a process of its own that reads a mailbox, and can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from bench import crash_child
from bench.crash_rig import reading
from bench.processes import free_ports
from tests.eventually import eventually

SETTINGS = """
[database]
url = {url}
[smtp]
listen = "127.0.0.1:{smtp}"
[http]
listen = "127.0.0.1:{http}"
[mail]
sender = "support@desk.example"
[relay.local]
port = 1
[mailbox.help]
address = "help@desk.example"
host = "127.0.0.1"
{mailbox}
retry = "20 ms"
longest_retry = "200 ms"
[serve]
only = {only}
[log]
level = "warning"
"""


class GatewayProcess:
    """See the module; `faults` are those of its next life."""

    def __init__(self, folder: Path, url: str, mailbox: str, only: list[str] | None = None) -> None:
        smtp, http = free_ports(2)
        self.url = url
        self.config = folder / "otklik.toml"
        self.log = folder / "gateway.log"
        self.lives = 0
        self._process: ForkServerProcess | None = None
        self.config.write_text(
            SETTINGS.format(url=json.dumps(url), smtp=smtp, http=http, mailbox=mailbox, only=json.dumps(only or []))
        )

    def live(self, faults: str = "") -> None:
        """Start it."""
        self.lives += 1
        forks = crash_child.context()
        self._process = crash_child.start(forks, self.config, self.log, faults, timedelta())

    @property
    def dead(self) -> bool:
        """Whether it has died."""
        return self._process is None or not self._process.is_alive()

    async def kill(self) -> None:
        """End it as a power cut would."""
        process, self._process = self._process, None
        if process is not None:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.join)
            process.close()

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Plain SQL."""
        with reading(self.url) as connection:
            return [dict(row) for row in connection.execute(sql)]

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"])

    async def until(self, wanted: int, within: float = 60.0, *, revive: bool = True) -> None:
        """Return when so many mails are taken in and everything is marked; what has died is started again."""

        async def enough() -> bool:
            if self.dead and revive:
                await self.kill()
                self.live()
            return self.count("receipts") + self.count("quarantine") >= wanted

        await eventually(enough, within)
