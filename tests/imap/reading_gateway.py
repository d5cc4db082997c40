"""A gateway in a process of its own that reads a mailbox."""

from __future__ import annotations

import json
from pathlib import Path

from bench.processes import free_ports
from tests.eventually import eventually
from tests.gateway_process import GatewayProcess
from tests.stage import apart

READS = """
address = "help@desk.example"
host = "127.0.0.1"
retry = "20 ms"
longest_retry = "200 ms"
"""


class ReadingGateway(GatewayProcess):
    """`mailbox` and `outbox` are lines of its settings, `only` the duties it has."""

    def __init__(self, folder: Path, url: str, mailbox: str, only: list[str] | None = None, outbox: str = "") -> None:
        smtp, http = free_ports(2)
        sections = {
            "relay.local": "port = 1",
            "mailbox.help": READS + mailbox,
            "serve": f"only = {json.dumps(only or [])}",
            "outbox": outbox,
        }
        super().__init__(folder, url, apart(url, smtp, http, sections))

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"])

    async def until(self, wanted: int, within: float = 60.0) -> None:
        """Return when so many mails are taken in; what has died is started again."""

        async def enough() -> bool:
            if self.dead:
                await self.kill()
                self.begin()
            return self.count("receipts") + self.count("quarantine") >= wanted

        await eventually(enough, within)
