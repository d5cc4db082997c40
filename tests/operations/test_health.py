"""Whether work may be sent here, the guard of the disk, and the sign of life to somebody who misses it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from aiohttp import web

from gateway.deadman import DeadMan
from gateway.disk import DiskGuard, DiskOptions
from tests.operations.conftest import Start, a_mail

GB = 1_000_000_000


async def ready(running: Any) -> tuple[int, dict[str, Any]]:
    status, body = await running.get("/readyz")
    return status, json.loads(body)


async def test_all_is_well(laid_out_url: str, start: Start) -> None:
    running = await start(laid_out_url)
    status, told = await ready(running)
    assert (status, told["status"], told["database"]) == (200, "ok", "ok")
    assert told["duties"] == {"http": "ok", "smtp": "ok", "imap": "ok", "worker": "ok", "clock": "ok"}
    assert (await running.get("/healthz"))[0] == 200


async def test_a_database_that_is_away(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    await running.program.opened.close()
    status, told = await ready(running)
    assert (status, told["status"]) == (503, "the database does not answer")
    assert (await running.get("/healthz"))[0] == 200


async def test_a_door_that_is_closed(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    await running.program.listener.stop(0.1)
    status, told = await ready(running)
    assert (status, told["status"]) == (503, "the duty smtp closed")


async def test_a_duty_that_stands_still(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    running.program.deadline_clock.turned_at -= 1000
    status, told = await ready(running)
    assert (status, told["duties"]["clock"]) == (503, "stands still")


async def test_before_the_doors_close_it_says_no(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    running.program.operations.readiness.stopping = True
    assert (await ready(running))[1]["status"] == "stopping"


async def test_a_write_that_failed_is_not_held_against_it_for_ever(laid_out_url: str, start: Start) -> None:
    running = await start(laid_out_url, only=("http",))
    running.program.opened.counts.failed("intake")
    assert (await ready(running))[0] == 200
    assert running.program.opened.counts.writable


# ---- the disk -----------------------------------------------------------------------------------------------------


class Disk:
    """A disk whose free space is told it."""

    def __init__(self, *free: int) -> None:
        self.free = list(free)

    def __call__(self, _folder: Path) -> int:
        return self.free.pop(0)


LOOKS = [
    pytest.param([5 * GB], ["ok"], [], id="room"),
    pytest.param([5 * GB, GB], ["ok", "low"], [], id="a warning comes first"),
    pytest.param([GB, GB // 10], ["low", "full"], ["the disk is nearly full"], id="then the doors close"),
    pytest.param([GB // 10, GB], ["full", "low"], ["the disk is nearly full", ""], id="and open again"),
    pytest.param([199_000_000, 201_000_000], ["full", "full"], ["the disk is nearly full"], id="but do not flap"),
    pytest.param([GB // 10, 5 * GB], ["full", "ok"], ["the disk is nearly full", ""], id="room was made"),
]


@pytest.mark.parametrize("free, states, told", LOOKS)
async def test_the_guard_looks(tmp_path: Path, free: list[int], states: list[str], told: list[str]) -> None:
    heard: list[str] = []
    guard = DiskGuard(DiskOptions(tmp_path), heard.append, free=Disk(*free))
    for state in states:
        await guard.look()
        assert guard.state == state
    assert heard == told


async def test_a_folder_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    heard: list[str] = []
    guard = DiskGuard(DiskOptions(tmp_path / "gone"), heard.append)
    await guard.look()
    assert (guard.state, guard.free, heard) == ("ok", None, [])


async def test_before_the_disk_is_full_senders_are_told_to_come_again(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file)
    guard = running.program.operations.disk
    guard._measure = Disk(GB // 10, 5 * GB)
    await guard.look()
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await running.send()
    assert refused.value.code == 451
    body = {"contact": {"kind": "email", "value": "a@b.example"}, "text": "Help"}
    headers = {"Authorization": f"Bearer {running.token}"}
    async with running.session.post(f"{running.base}/api/v1/tickets", json=body, headers=headers) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"]
    status, told = await ready(running)
    assert (status, told["status"], told["disk"]["state"]) == (503, "the disk is nearly full", "full")
    assert running.told("disk_full")
    await guard.look()
    assert "Accepted" in await running.send(a_mail("Место появилось"))
    assert (await ready(running))[0] == 200


async def test_the_disk_of_a_postgresql_elsewhere_is_not_seen(postgres_url: str) -> None:
    from gateway import assemble
    from gateway.settings import Settings

    settings = Settings.model_validate({"database": {"url": postgres_url}})
    assert assemble.disk_options(settings).folder is None


# ---- the dead man's handle ----------------------------------------------------------------------------------------


class Watchman:
    """A server that is called; `status` is what it answers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.status = 200
        self.port = 0

    async def heard(self, request: web.Request) -> web.Response:
        """Note who called."""
        self.calls.append((request.method, request.path_qs))
        return web.Response(status=self.status)


@pytest.fixture
async def watchman() -> AsyncIterator[Watchman]:
    """Somebody who misses signs of life."""
    found = Watchman()
    application = web.Application()
    application.router.add_route("*", "/{tail:.*}", found.heard)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.port = runner.addresses[0][1]
    yield found
    await runner.cleanup()


async def well() -> bool:
    return True


async def ill() -> bool:
    return False


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_sign_of_life(watchman: Watchman, method: str) -> None:
    deadman = DeadMan(f"http://127.0.0.1:{watchman.port}/ping/k3y?of=otklik", method, 60, well)
    assert await deadman.call()
    assert watchman.calls == [(method, "/ping/k3y?of=otklik")]


async def test_silence_where_something_is_wrong(watchman: Watchman) -> None:
    deadman = DeadMan(f"http://127.0.0.1:{watchman.port}/ping", "GET", 60, ill)
    assert not await deadman.call()
    assert watchman.calls == []


@pytest.mark.parametrize("status", [404, 500])
async def test_a_sign_that_is_not_taken_is_none(watchman: Watchman, status: int) -> None:
    watchman.status = status
    assert not await DeadMan(f"http://127.0.0.1:{watchman.port}/ping", "GET", 60, well).call()


async def test_nobody_there(laid_out_file: str, start: Start) -> None:
    running = await start(laid_out_file, '[deadman]\nurl = "http://127.0.0.1:9/secret-of-ours"\n')
    deadman = running.program.operations.deadman
    assert not await deadman.call()
    assert not await deadman.call()
    assert len(running.told("deadman_not_heard")) == 1
    assert "secret-of-ours" not in running.stream.getvalue()


async def test_the_running_program_calls(laid_out_file: str, start: Start, watchman: Watchman) -> None:
    url = f"http://127.0.0.1:{watchman.port}/ping"
    running = await start(laid_out_file, f'[deadman]\nurl = "{url}"\n')
    assert await running.program.operations.deadman.call()
    running.program.operations.readiness.stopping = True
    assert not await running.program.operations.deadman.call()
