"""The parts of the crash rig: a gateway to be killed and started again, its relay, its database on a real disk."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from bench import crash_mailbox, product
from bench.postgres import PostgresFailed, PostgresServer
from bench.processes import BenchError, Child, Children, free_ports, tail, wait_for
from gateway.clock import SystemClock
from outbound.portal_token import PageTokens

SENDER = "support@desk.example"
CONCURRENCY = 8
"""Sends under way at once: no more can be lost by one kill."""

_SETTINGS = """\
[site]
prefix = "CRS"
[database]
url = {url}
lock_timeout = "5 s"
[smtp]
listen = "127.0.0.1:{smtp}"
[http]
listen = "127.0.0.1:{http}"
[mail]
sender = "{sender}"
[relay.local]
host = "127.0.0.1"
port = {relay}
timeout = "5 s"
connections = {concurrency}
[outbox]
quick = ["200 ms", "500 ms"]
every = "1 s"
lease = "10 s"
poll = "200 ms"
concurrency = {concurrency}
[form.support]
work = 50
fill_time = "0 s"
[form.support.caps]
client = 1000000
form = 1000000
[forms]
per_hour = 1000000
[serve]
node = "crash"
grace = "20 s"
{only}[log]
level = "warning"
{mailbox}"""

_MEMORY = ("tmpfs", "ramfs")


def file_system(path: Path) -> str:
    """The type of the file system a path lies on (proc(5), /proc/PID/mounts)."""
    best, kind = "", "unknown"
    for line in Path("/proc/self/mounts").read_text().splitlines():
        where, name = line.split()[1:3]
        inside = where == "/" or str(path) == where or str(path).startswith(where + "/")
        if inside and len(where) >= len(best):
            best, kind = where, name
    return kind


def use_real_disk() -> None:
    """Have temporary folders on a disk: data in memory would prove nothing.

    Raises:
        BenchError: neither the usual place nor /var/tmp is on a disk.
    """
    for place in (tempfile.gettempdir(), "/var/tmp"):  # noqa: S108 - the folder made in it is private
        if file_system(Path(place)) not in _MEMORY:
            tempfile.tempdir = place
            return
    raise BenchError("temporary folders are in memory; set TMPDIR to a folder on a disk")


class Rig:
    """One gateway with its relay and its database (`sqlite` or `postgresql`), everything under `folder`.

    With `disk` the folder must be on one: what is shown of kills would mean nothing in memory. With `mailbox` the
    gateway reads one by IMAP besides, whose server is the caller's (`bench.crash_mailbox`), at `imap_port`.
    """

    def __init__(
        self,
        folder: Path,
        database: str,
        children: Children,
        *,
        only: Sequence[str] = (),
        disk: bool = True,
        mailbox: bool = False,
    ) -> None:
        if disk and file_system(folder.resolve()) in _MEMORY:
            raise BenchError(f"{folder} is in memory; the crash rig needs a disk")
        self.folder = folder
        self.database = database
        self.children = children
        self.smtp_port, self.http_port, self.relay_port, self.imap_port = free_ports(4)
        self._mailbox = crash_mailbox.settings(self.imap_port) if mailbox else ""
        self.journal = folder / "relay.jsonl"
        self.config = folder / "otklik.toml"
        self.server: PostgresServer | None = None
        self.token = ""
        self.gateway: Child | None = None
        self._only = only

    def prepare(self, *, relay: bool = True) -> None:
        """Make the database, write the settings, load the organisation, make a token and start the relay.

        Raises:
            BenchError: a step failed.
        """
        if self.database == "postgresql":
            use_real_disk()
            self.server = PostgresServer()
            self.server.start(fsync=True)
            url = self.server.create_database()
        else:
            url = f"sqlite:///{self.folder / 'otklik.sqlite'}"
        self.url = url
        only = f"only = {json.dumps(list(self._only))}\n" if self._only else ""
        self.config.write_text(
            _SETTINGS.format(
                url=json.dumps(url), smtp=self.smtp_port, http=self.http_port, relay=self.relay_port,
                sender=SENDER, concurrency=CONCURRENCY, only=only, mailbox=self._mailbox,
            )
        )  # fmt: skip
        product.command("org", "import", str(product.ORGANISATION), config=self.config)
        scopes = ("--scope", "tickets:write", "--scope", "tickets:read")
        printed = product.command("token", "create", "crash", *scopes, "--limit", "0", "--json", config=self.config)
        self.token = json.loads(printed)["token"]
        if relay:
            self.children.module(
                "relay", "bench.crash_relay", "--port", str(self.relay_port), "--journal", str(self.journal)
            )

    def close(self) -> None:
        """Let go of the PostgreSQL server; the other processes belong to `children`."""
        if self.server is not None:
            self.server.close()

    @property
    def command(self) -> list[str]:
        """How the gateway is started."""
        return [sys.executable, "-m", "gateway", "serve", "--config", str(self.config)]

    def start(self, environment: Mapping[str, str] | None = None, *, ready: bool = True) -> Child:
        """Start the gateway; with `ready`, wait until it says that it can work.

        Raises:
            BenchError: it ended or was not ready in time.
        """
        given = ["env", *(f"{name}={value}" for name, value in environment.items())] if environment else []
        self.gateway = self.children.start("gateway", [*given, *self.command], announces=False)
        if ready:
            wait_for(f"http://127.0.0.1:{self.http_port}/readyz", self.gateway, 60.0)
        return self.gateway

    def kill(self) -> None:
        """SIGKILL, as a power cut for the process.

        Raises:
            BenchError: it had ended by itself before.
        """
        gateway = self._running()
        gateway.check()
        os.kill(gateway.process.pid, signal.SIGKILL)
        gateway.process.wait()
        self.gateway = None

    def stop(self) -> None:
        """SIGTERM; it must end in order.

        Raises:
            BenchError: it did not, or said with its exit status that something was wrong.
        """
        gateway = self._running()
        gateway.check()
        gateway.process.send_signal(signal.SIGTERM)
        status = gateway.process.wait(60)
        if status != 0:
            raise BenchError(f"the gateway ended with status {status}: {tail(gateway.log)}")
        self.gateway = None

    def kill_postgres(self) -> None:
        """SIGKILL the postmaster and start it again: crash recovery from the write-ahead log.

        Raises:
            BenchError: it did not come back.
        """
        assert self.server is not None
        assert self.server.pid is not None
        os.kill(self.server.pid, signal.SIGKILL)
        self.server.kill()
        until = time.monotonic() + 30
        while True:
            try:
                self.server.start(fsync=True)
                return
            except PostgresFailed as error:
                # orphaned backends notice within a moment; until then the shared memory is still in use
                if time.monotonic() > until:
                    raise BenchError(f"PostgreSQL did not come back: {error}") from error
                time.sleep(0.1)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """The answer to a plain SQL query, past all code of the gateway."""
        with reading(self.url) as connection:
            return [dict(row) for row in connection.execute(sql)]

    def page_of(self, number: str) -> str:
        """The address of the author's page of a ticket, signed with the installation's own key.

        Raises:
            LookupError: there is no such ticket.
        """
        for ticket in self.rows(f"SELECT id, contact_id FROM tickets WHERE number = '{number}'"):
            (key,) = self.rows("SELECT id, secret FROM keys WHERE name = 'reply'")
            tokens = PageTokens({key["id"]: bytes(key["secret"])}, key["id"])
            ids = (_uuid(ticket["id"]), _uuid(ticket["contact_id"]))
            return f"/t/{tokens.sign(*ids, SystemClock().now())}"
        raise LookupError(number)

    def drain(self, patience: float) -> float:
        """Wait until nothing is queued or being sent any more; the seconds it took.

        Raises:
            BenchError: it took longer than `patience` seconds.
        """
        started = time.monotonic()
        while True:
            left = self.rows("SELECT count(*) AS n FROM deliveries WHERE state IN ('queued', 'sending')")[0]["n"]
            spent = time.monotonic() - started
            if not left:
                return spent
            if spent > patience:
                raise BenchError(f"{left} deliveries were not over after {spent:.0f} s")
            self._running().check()
            time.sleep(0.2)

    def _running(self) -> Child:
        if self.gateway is None:
            raise BenchError("the gateway is not running")
        return self.gateway


@contextlib.contextmanager
def reading(url: str) -> Iterator[Any]:
    """A plain connection that reads; its rows are mappings."""
    if url.startswith("postgresql"):
        with psycopg.connect(url, row_factory=dict_row) as connection:
            yield connection
        return
    lite = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20)
    lite.row_factory = sqlite3.Row
    try:
        yield lite
    finally:
        lite.close()


def _uuid(value: Any) -> UUID:
    return UUID(bytes=value) if isinstance(value, bytes) else UUID(str(value))
