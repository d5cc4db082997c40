"""A gateway in a process of its own that reads a mailbox."""

from __future__ import annotations

import json
from pathlib import Path

from bench.processes import free_ports
from tests.eventually import eventually
from tests.gateway_process import GatewayProcess

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
{more}
"""


class ReadingGateway(GatewayProcess):
    """`mailbox` are lines of its settings."""

    def __init__(self, folder: Path, url: str, mailbox: str, only: list[str] | None = None, more: str = "") -> None:
        smtp, http = free_ports(2)
        told = {"url": json.dumps(url), "smtp": smtp, "http": http, "mailbox": mailbox, "only": json.dumps(only or [])}
        super().__init__(folder, url, SETTINGS.format(**told, more=more))

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
