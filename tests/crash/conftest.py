"""One ticket's whole way under faults: a gateway in a process of its own, a relay in the test, a database of each kind.

A `Scene` plays the part of everybody around the gateway: the client that tries again until it is answered, the
supervisor that starts again what has died and kills what stands still, the relay that writes down what it gets.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import aiosmtplib
import pytest

from bench import product
from bench.crash_rig import CONCURRENCY, reading
from bench.crash_verify import illegal_states
from bench.postgres import PostgresServer
from bench.processes import free_ports
from channels.testing import SimulatedRelay
from desk.tokens import TokenBook
from storage import schema
from storage.database import open_database
from tests.eventually import PATIENCE, eventually
from tests.gateway_process import GatewayProcess
from tests.stage import apart

AUTHOR = "irina@north.example"
QUICK = 0.7
"""Seconds until a client or the supervisor loses patience with a gateway that is going to hang."""

PATIENT = 15.0
"""The same for one that is not: a machine may be busy."""

STUCK = 3.0
"""The same for one a part of which fails and is not tried again by itself."""

STANDSTILL = 1.5
"""Seconds after which one that is going to hang and is not ready is taken to stand."""

_OUTBOX = f"""
quick = ["100 ms"]
every = "200 ms"
lease = "2 s"
poll = "100 ms"
concurrency = {CONCURRENCY}
"""
_PROGRESS = """
SELECT (SELECT count(*) FROM receipts) AS receipts, (SELECT count(*) FROM events) AS events,
       (SELECT count(*) FROM attempts) AS attempts, (SELECT count(*) FROM attempts WHERE outcome IS NOT NULL) AS over,
       (SELECT count(*) FROM deliveries) AS planned,
       (SELECT count(*) FROM deliveries WHERE state IN ('queued', 'sending')) AS waiting
"""


class Scene(GatewayProcess):
    """See the module."""

    def __init__(self, folder: Path, url: str, token: str, relay: SimulatedRelay) -> None:
        self.relay = relay
        self.smtp_port, self.http_port = free_ports(2)
        self._token = token
        self._ahead = timedelta()
        self._patience = PATIENT
        sections = {
            "site": 'prefix = "FLT"',
            "relay.local": f"port = {relay.port}\nconnections = {CONCURRENCY}",
            "outbox": _OUTBOX,
            "serve": 'node = "scene"\ngrace = "1 s"',
        }
        super().__init__(folder, url, apart(url, self.smtp_port, self.http_port, sections))

    # ---- the supervisor -------------------------------------------------------------------------------------------

    async def live(self, faults: str = "", *, ahead: timedelta = timedelta(), patience: float = PATIENT) -> None:
        """Start the gateway; returns when it is ready, has died, or stands still."""
        self._ahead = ahead
        self._patience = QUICK if "hang" in faults else min(patience, STUCK) if "raise" in faults else patience
        before = self.log.read_text().count("ready") if self.log.exists() else 0
        process = self.begin(faults, ahead)

        def started() -> bool:
            return not process.is_alive() or (self.log.exists() and self.log.read_text().count("ready") > before)

        try:
            await eventually(started, within=STANDSTILL if "hang" in faults else PATIENCE)
        except TimeoutError:
            if "hang" not in faults:
                pytest.fail(f"the gateway did not start: {self.log.read_text()[-2000:]}")

    async def again(self) -> None:
        """Kill it if it lives, and start it without faults."""
        await self.kill()
        await self.live(ahead=self._ahead)

    async def quiet(self, enough: Callable[[dict[str, int]], bool] = lambda seen: True) -> dict[str, int]:
        """Wait until everything planned is over; start what died, kill and start what stands still."""
        now = asyncio.get_running_loop().time
        last, since = self.progress(), now()

        async def look() -> dict[str, int] | None:
            nonlocal last, since
            if (seen := self.progress()) != last:
                last, since = seen, now()
            if seen["planned"] and not seen["waiting"] and enough(seen):
                return seen
            if self.dead or now() - since > self._patience:
                await self.again()
                since = now()
            return None

        try:
            return await eventually(look)
        except TimeoutError:
            pytest.fail(f"never quiet: {self.progress()} {self.log.read_text()[-2000:]}")

    # ---- clients --------------------------------------------------------------------------------------------------

    async def mail(self, raw: bytes, patience: float = 0) -> bool:
        """Send one mail once; whether it was accepted."""
        try:
            _, answer = await aiosmtplib.send(
                raw, sender=AUTHOR, recipients=["support@desk.example"], hostname="127.0.0.1", port=self.smtp_port,
                timeout=patience or self._patience, start_tls=False,
            )  # fmt: skip
        except (aiosmtplib.SMTPException, OSError):
            return False
        return answer.startswith("2.0.0 Accepted")

    async def insist(self, raw: bytes) -> None:
        """Send one mail until it is accepted."""
        for turn in range(8):
            if await self.mail(raw):
                return
            if self.dead or turn % 2:
                await self.again()
        pytest.fail(f"never accepted: {self.log.read_text()[-2000:]}")

    async def move(self, number: str, status: str) -> None:
        """Ask for a new status until it is there: 200, or 409 because an earlier request got through."""
        url = f"http://127.0.0.1:{self.http_port}/api/v1/tickets/{number}/status"
        headers = {"Authorization": f"Bearer {self._token}"}
        for turn in range(8):
            try:
                async with (
                    aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=self._patience)) as web,
                    web.post(url, json={"status": status, "comment": ""}) as answer,
                ):
                    if answer.status in (200, 409):
                        return
            except (OSError, TimeoutError, aiohttp.ClientError):
                pass
            if self.dead or turn % 2:
                await self.again()
        pytest.fail(f"never moved: {self.log.read_text()[-2000:]}")

    # ---- what is there --------------------------------------------------------------------------------------------

    def progress(self) -> dict[str, int]:
        """Counts that change whenever something happens."""
        return dict(self.rows(_PROGRESS)[0])

    async def assert_whole(self, contents: int = 1) -> None:
        """One message and ticket a content; acknowledged once, or again under the same Message-ID where a send was
        lost in a crash; every attempt a request the relay saw, but those; no illegal state."""
        assert self.rows("SELECT count(*) AS n FROM tickets") == [{"n": contents}]
        assert self.rows("SELECT count(*) AS n FROM messages WHERE direction = 'in'") == [{"n": contents}]
        assert await illegal_states(self.url) == []
        outcomes = [row["outcome"] for row in self.rows("SELECT outcome FROM attempts")]
        unknown = outcomes.count("unknown")
        assert None not in outcomes
        assert len(outcomes) - unknown <= len(self.relay.received) <= len(outcomes)
        planned = self.rows(
            "SELECT n.event, d.state FROM deliveries d JOIN notifications n ON n.id = d.notification_id "
            f"WHERE d.address = '{AUTHOR}'"
        )
        assert [row["event"] for row in planned].count("received") == contents
        assert {row["state"] for row in planned} == {"sent"}
        heard = self.relay.to(AUTHOR)
        assert len({mail.message_id for mail in heard}) == len(planned)
        assert len(planned) <= len(heard) <= len(planned) + unknown


def a_mail(number: int = 1) -> bytes:
    """A mail of the author."""
    return (
        f"From: Irina <{AUTHOR}>\r\nTo: support@desk.example\r\nDate: Fri, 20 Nov 2026 10:00:00 +0300\r\n"
        f"Message-ID: <{number}@north.example>\r\nSubject: printer {number}\r\n\r\nIt is silent.\r\n"
    ).encode()


@pytest.fixture
def mail() -> bytes:
    """See `a_mail`."""
    return a_mail()


def _furnish(url: str, folder: Path) -> str:
    """Lay out schema and organisation, make a token; returns the token."""

    async def token() -> str:
        database = await open_database(url)
        try:
            return await TokenBook(database).create("scene", ["tickets:write"], datetime.now(UTC), None)
        finally:
            await database.close()

    config = folder / "template.toml"
    config.write_text(f"[database]\nurl = {json.dumps(url)}\n")
    asyncio.run(schema.upgrade(url))
    product.command("org", "import", str(product.ORGANISATION), config=config)
    made = asyncio.run(token())
    with reading(url) as connection:
        connection.execute("DELETE FROM keys")
        connection.commit()
    return made


@pytest.fixture(scope="session")
def furnished_sqlite(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A database file to copy, and the token in it."""
    folder = tmp_path_factory.mktemp("template")
    file = folder / "otklik.sqlite"
    token = _furnish(f"sqlite:///{file}", folder)
    with reading(f"sqlite:///{file}") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return file, token


@pytest.fixture(scope="session")
def furnished_postgres(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """The name of a PostgreSQL database to copy, and the token in it."""
    url = postgres_server.create_database()
    token = _furnish(url, tmp_path_factory.mktemp("template"))
    yield url.rpartition("?")[0].rpartition("/")[2], token
    postgres_server.drop_database(url)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URL of a furnished database, once of each kind where a test asks for it, and the token in it."""
    if request.param == "sqlite":
        file, token = request.getfixturevalue("furnished_sqlite")
        shutil.copy(file, tmp_path / "otklik.sqlite")
        yield f"sqlite:///{tmp_path / 'otklik.sqlite'}", token
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    template, token = request.getfixturevalue("furnished_postgres")
    url = server.create_database(template)
    yield url, token
    server.drop_database(url)


@pytest.fixture
async def scene(place: tuple[str, str], tmp_path: Path) -> AsyncIterator[Scene]:
    """A scene in a place."""
    relay = SimulatedRelay()
    await relay.start()
    made = Scene(tmp_path, *place, relay)
    yield made
    await made.kill()
    await relay.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Failing and standing still are tried on SQLite each time; on PostgreSQL, by the same code, in `make faults`."""
    for item in items:
        if item.get_closest_marker("slow") and "postgresql" in item.name:
            item.add_marker("long")
