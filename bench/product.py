"""The gateway as the bench runs it: the real program in its own process, with settings, schema and an organisation."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.processes import ROOT, BenchError, Child, Children, free_ports, run, wait_for
from bench.workshop import Workshop
from storage import schema

ORGANISATION = ROOT / "bench" / "organisation.toml"
INTAKE = ("smtp", "http")
"""Duties of a gateway whose intake is measured: what it queues stays queued."""
ALL = ("http", "smtp", "imap", "worker", "clock")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway; `token` may write tickets."""

    child: Child
    smtp_port: int
    http_port: int
    token: str
    database_url: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows an intake leaves behind."""

    receipts: int
    messages: int
    tickets: int
    quarantine: int
    deliveries: int
    queued: int

    def __sub__(self, other: Counts) -> Counts:
        return Counts(
            self.receipts - other.receipts,
            self.messages - other.messages,
            self.tickets - other.tickets,
            self.quarantine - other.quarantine,
            self.deliveries - other.deliveries,
            self.queued - other.queued,
        )


_COUNTS = """
SELECT (SELECT count(*) FROM receipts), (SELECT count(*) FROM messages WHERE direction = 'in'),
       (SELECT count(*) FROM tickets), (SELECT count(*) FROM quarantine), (SELECT count(*) FROM deliveries),
       (SELECT count(*) FROM deliveries WHERE state = 'queued')
"""


def start(
    children: Children,
    folder: Path,
    database_url: str,
    *,
    name: str,
    duties: Sequence[str] = INTAKE,
    token: bool = False,
) -> Gateway:
    """Prepare an empty database, load the organisation and serve.

    Raises:
        BenchError: any step failed.
    """
    smtp_port, http_port = free_ports(2)
    config = write_settings(folder, database_url, smtp_port, http_port, duties)
    asyncio.run(schema.upgrade(database_url))
    command("org", "import", str(ORGANISATION), config=config)
    secret = ""
    if token:
        printed = command(
            "token", "create", "bench", "--scope", "tickets:write", "--limit", "0", "--json", config=config
        )
        secret = json.loads(printed)["token"]
    return _serve(children, config, name, smtp_port, http_port, secret, database_url)


def start_on(children: Children, folder: Path, database_url: str, *, name: str, duties: Sequence[str]) -> Gateway:
    """Serve a database that is there already.

    Raises:
        BenchError: it did not come up.
    """
    smtp_port, http_port = free_ports(2)
    config = write_settings(folder, database_url, smtp_port, http_port, duties)
    return _serve(children, config, name, smtp_port, http_port, "", database_url)


def _serve(
    children: Children, config: Path, name: str, smtp_port: int, http_port: int, secret: str, database_url: str
) -> Gateway:
    child = children.start(name, argv("serve", config=config), announces=False)
    wait_for(f"http://127.0.0.1:{http_port}/readyz", child)
    return Gateway(child, smtp_port, http_port, secret, database_url)


def write_settings(folder: Path, database_url: str, smtp_port: int, http_port: int, duties: Sequence[str]) -> Path:
    """Write the settings file of a gateway on the loopback address; nothing listens at its relay."""
    path = folder / "otklik.toml"
    only = "" if set(duties) == set(ALL) else f"[serve]\nonly = {json.dumps(list(duties))}\n"
    path.write_text(
        f'[site]\nprefix = "BEN"\n'
        f"[database]\nurl = {json.dumps(database_url)}\n"
        f'[smtp]\nlisten = "127.0.0.1:{smtp_port}"\n'
        f'[http]\nlisten = "127.0.0.1:{http_port}"\n'
        f'[mail]\nsender = "support@desk.example"\n'
        # a round sends more under one name than any person writes in an hour
        f"[outbox]\nacknowledgements = 1000000\nunverified_acknowledgements = 1000000\n"
        f"domain_acknowledgements = 0\ntotal_acknowledgements = 0\n"
        '[form.support]\nwork = 500\nfill_time = "0 s"\n'
        "[form.support.caps]\nclient = 10000000\nsender = 10000000\nform = 10000000\n"
        "[forms]\nper_hour = 10000000\n"
        f'[log]\nlevel = "warning"\n{only}'
    )
    return path


def with_schema(shop: Workshop, base: str) -> str:
    """The URL of a new database with the schema in it and nothing else."""
    url = shop.database(base)
    asyncio.run(schema.upgrade(url))
    return url


def command(*arguments: str, config: Path, given: str = "", timeout: float = 120.0) -> str:
    """Run one command of the gateway to its end, with `given` as its input, and return what it printed."""
    return run(argv(*arguments, config=config), given=given, timeout=timeout)


def argv(*arguments: str, config: Path) -> list[str]:
    """How a command of the gateway is called."""
    return [sys.executable, "-m", "gateway", *arguments, "--config", str(config)]


def query(database_url: str, sql: str) -> list[tuple[Any, ...]]:
    """Ask in plain SQL, past all code of the gateway; a statement without an answer gives none."""
    if database_url.startswith("postgresql"):
        with psycopg.connect(database_url, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []
    lite = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        return lite.execute(sql).fetchall()
    finally:
        lite.close()


def counts(database_url: str) -> Counts:
    """Count rows in plain SQL, past all code of the gateway."""
    return Counts(*query(database_url, _COUNTS)[0])


def check_intake(before: Counts, after: Counts, sent: int) -> None:
    """Make sure that every input sent became what it must become.

    Raises:
        BenchError: inputs are missing, doubled or in quarantine, or tickets without a queued acknowledgement.
    """
    added = after - before
    if added.receipts != sent or added.messages != sent or added.quarantine:
        raise BenchError(f"{sent} inputs were accepted, but the database gained {added}")
    if not 0 < added.tickets <= sent or added.queued < added.tickets:
        raise BenchError(f"tickets without a queued acknowledgement: {added}")
