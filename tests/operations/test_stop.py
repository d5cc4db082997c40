"""The stop: within ten seconds, whatever goes on, and nothing that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import aiosmtplib
import pytest
from aiohttp import web

from channels.testing import HANG, SimulatedRelay
from desk.tokens import TokenBook
from gateway.clock import SystemClock
from storage.database import open_database
from storage.tickets import Filter, listing
from tests.eventually import eventually
from tests.operations.conftest import a_mail
from web.server import HttpServer

ROOT = Path(__file__).parents[2]

SETTINGS = """
[database]
url = "{url}"
[http]
listen = "127.0.0.1:0"
[smtp]
listen = "127.0.0.1:0"
[relay.main]
port = {relay}
[serve]
node = "n"
"""


class Gateway:
    """`otklik serve` in a process of its own."""

    def __init__(self, folder: Path, url: str, relay: int) -> None:
        self.url = url
        self.config = folder / "otklik.toml"
        self.config.write_text(SETTINGS.format(url=url, relay=relay), encoding="utf-8")
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes]
        self.http = ""
        self.smtp = 0

    async def start(self, *more: str, **environ: str) -> None:
        """Start, and wait until the doors are open."""
        command = [sys.executable, "-m", "gateway", "--config", str(self.config), "--json", "serve", *more]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | environ,
            )
        assert self.process.stdout is not None
        line = await asyncio.to_thread(self.process.stdout.readline)
        assert line, self.log.read_text()
        told = json.loads(line)
        self.http, self.smtp = told["http"], int((told["smtp"] or ":0").rpartition(":")[2])

    def kill(self) -> None:
        """Make sure that it is gone."""
        if hasattr(self, "process"):
            self.process.kill()
            self.process.communicate()

    async def token(self) -> str:
        """A token of the API."""
        database = await open_database(self.url)
        try:
            return await TokenBook(database).create("t", ["tickets:write"], SystemClock().now(), None)
        finally:
            await database.close()

    async def kept(self) -> set[str]:
        """The numbers of all tickets there are."""
        database = await open_database(self.url)
        try:
            found: set[str] = set()
            before = None
            while True:
                wanted = Filter(before=before, limit=200)
                rows = await database.read(lambda c, wanted=wanted: listing(c, wanted))
                found |= {row["number"] for row in rows}
                if len(rows) <= 200:
                    return found
                before = rows[199]["id"]
        finally:
            await database.close()

    async def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; exit status and seconds until the process is gone."""
        begun = time.monotonic()
        self.process.send_signal(number)
        status = await asyncio.to_thread(self.process.wait, 30)
        return status, time.monotonic() - begun

    def told(self) -> list[dict[str, Any]]:
        """What it logged."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
async def relay() -> AsyncIterator[SimulatedRelay]:
    """Somewhere to deliver to."""
    found = SimulatedRelay()
    await found.start()
    yield found
    await found.stop()


@pytest.fixture
async def gateway(laid_out_url: str, tmp_path: Path, relay: SimulatedRelay) -> AsyncIterator[Gateway]:
    """A gateway that is not started yet."""
    found = Gateway(tmp_path, laid_out_url, relay.port)
    yield found
    found.kill()


async def mails(gateway: Gateway, writer: int, acknowledged: set[str]) -> None:
    """Send mails until the door is closed."""
    door: dict[str, Any] = {"hostname": "127.0.0.1", "port": gateway.smtp, "start_tls": False, "use_tls": False}
    number = 0
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        while True:
            number += 1
            _, reply = await aiosmtplib.send(a_mail(f"Письмо {writer}-{number}"), timeout=20, **door)
            acknowledged.add(reply.rpartition(" ")[2])


async def submissions(gateway: Gateway, writer: int, token: str, acknowledged: set[str]) -> None:
    """Make tickets by the API until the door is closed."""
    headers = {"Authorization": f"Bearer {token}"}
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                body = {"contact": {"kind": "email", "value": f"w{writer}@firm.example"}, "text": "Помогите"}
                async with session.post(f"{gateway.http}/api/v1/tickets", json=body) as answer:
                    if answer.status == 201:
                        acknowledged.add((await answer.json())["number"])
                    elif answer.status >= 500:
                        return


async def test_under_load_every_acknowledged_input_is_there(gateway: Gateway) -> None:
    token = await gateway.token()
    await gateway.start()
    acknowledged: set[str] = set()
    load = [asyncio.create_task(mails(gateway, n, acknowledged)) for n in range(6)]
    load += [asyncio.create_task(submissions(gateway, n, token, acknowledged)) for n in range(4)]
    # an idle client, one in the middle of a mail and one in the middle of a request must not hold it up
    held = [await asyncio.open_connection("127.0.0.1", gateway.smtp)]
    held += [await asyncio.open_connection("127.0.0.1", int(gateway.http.rpartition(":")[2])) for _ in range(2)]
    held[1][1].write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    held[2][1].write(b"POST /api/v1/tickets HTTP/1.1\r\nHost: x\r\nContent-Le")
    await eventually(lambda: len(acknowledged) >= 60)
    status, seconds = await gateway.end()
    await asyncio.wait(load, timeout=20)
    for _, writer in held:
        writer.close()
    assert status == 0, gateway.log.read_text()
    assert seconds < 10
    assert acknowledged <= await gateway.kept()
    assert [line for line in gateway.told() if line["level"] == "error"] == []


async def test_a_relay_that_never_answers_does_not_hold_it_up(gateway: Gateway, relay: SimulatedRelay) -> None:
    relay.script([HANG] * 10)
    token = await gateway.token()
    await gateway.start()
    acknowledged: set[str] = set()
    load = asyncio.create_task(submissions(gateway, 1, token, acknowledged))
    await eventually(lambda: len(acknowledged) >= 5)
    status, seconds = await gateway.end()
    await asyncio.wait([load], timeout=20)
    assert (status, seconds < 10) == (0, True), gateway.log.read_text()
    assert acknowledged <= await gateway.kept()


async def test_sighup_reloads_and_the_manager_hears_of_it(gateway: Gateway, tmp_path: Path) -> None:
    import socket

    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(20)

    async def heard() -> str:
        return (await asyncio.to_thread(manager.recv, 4096)).decode().partition("\n")[0]

    with manager:
        await gateway.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert await heard() == "READY=1"
        text = gateway.config.read_text(encoding="utf-8")
        gateway.config.write_text(text + "[deadlines]\nnear_percent = 50\n", encoding="utf-8")
        gateway.process.send_signal(signal.SIGHUP)
        assert [await heard(), await heard()] == ["RELOADING=1", "READY=1"]
        gateway.config.write_text(text + "[deadlines]\nnear_precent = 50\n", encoding="utf-8")
        gateway.process.send_signal(signal.SIGHUP)
        assert [await heard(), await heard()] == ["RELOADING=1", "READY=1"]
        assert (await gateway.end())[0] == 0
        assert await heard() == "STOPPING=1"
    told = gateway.told()
    assert [line["changed"] for line in told if line["event"] == "reloaded"] == [["deadlines.near_percent"]]
    (refused,) = [line for line in told if line["event"] == "reload_refused"]
    assert "otklik.toml:13: deadlines.near_precent: there is no such key; did you mean near_percent?" in refused["why"]


async def test_duties_apart_serve_one_database(postgres_url: str, tmp_path: Path, relay: SimulatedRelay) -> None:
    nodes = []
    try:
        for name, duties in (("in", "http,smtp"), ("out", "worker,clock")):
            folder = tmp_path / name
            folder.mkdir()
            node = Gateway(folder, postgres_url, relay.port)
            nodes.append(node)
            metrics = '[metrics]\nlisten = "127.0.0.1:0"\n'
            text = node.config.read_text().replace('node = "n"', f'node = "{name}"')
            node.config.write_text(text + metrics)
            await node.start("--only", duties)
        door: dict[str, Any] = {"hostname": "127.0.0.1", "port": nodes[0].smtp, "start_tls": False, "use_tls": False}
        await aiosmtplib.send(a_mail(), **door)
        await relay.wait(1, within=30)
        assert nodes[1].http is None
        for node in nodes:
            assert (await node.end())[0] == 0
        told = [[line["event"] for line in node.told()] for node in nodes]
        assert [events.count("input_taken") for events in told] == [1, 0]
        assert [events.count("delivery_tried") for events in told] == [0, 1]
    finally:
        for node in nodes:
            node.kill()


async def test_streams_without_an_end_are_cut() -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": hello\n\n")
        await asyncio.Event().wait()
        return response

    server = HttpServer("127.0.0.1", 0, [web.get("/live", stream)])
    await server.start()
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{server.port}/live") as answer:
        assert await answer.content.readline() == b": hello\n"
        async with asyncio.timeout(20):
            await server.stop(120.0)
        with contextlib.suppress(aiohttp.ClientError):
            await answer.content.read()
    assert server.traffic.in_flight == 0


async def test_a_request_under_way_is_answered_before_the_end() -> None:
    going, enough = asyncio.Event(), asyncio.Event()

    async def slow(_request: web.Request) -> web.Response:
        going.set()
        await enough.wait()
        return web.Response(text="done")

    server = HttpServer("127.0.0.1", 0, [web.get("/slow", slow)])
    await server.start()
    port = server.port

    async def closed() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionError:
            return True
        writer.close()
        return False

    async with aiohttp.ClientSession() as session:
        asked = asyncio.create_task(session.get(f"http://127.0.0.1:{port}/slow"))
        await going.wait()
        stopping = asyncio.create_task(server.stop(60.0))
        await eventually(closed)
        enough.set()
        await stopping
        assert await (await asked).text() == "done"
