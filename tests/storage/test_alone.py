"""Only one server works on a SQLite file, only one worker bears a name."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys

import pytest

from storage import alone
from storage.alone import Alone
from storage.errors import StorageUnavailable

HOLDER = """
import asyncio, sys
from storage.alone import Alone

async def main():
    await Alone(sys.argv[1], "node").take()
    print("held", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_the_second_of_a_name_is_refused_until_the_first_lets_go(
    laid_out_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "PATIENCE", 0.2)
    first, second = Alone(laid_out_url, "node"), Alone(laid_out_url, "node")
    await first.take()
    with pytest.raises(StorageUnavailable, match=r"another (server|process)"):
        await second.take()
    await first.let_go()
    await second.take()
    await second.let_go()


async def test_a_killed_holder_lets_go(laid_out_url: str) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, laid_out_url], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    late = Alone(laid_out_url, "node")
    await late.take()
    await late.let_go()


@pytest.mark.parametrize("laid_out_url", ["postgresql"], indirect=True)
async def test_workers_of_other_names_share_a_postgresql_database(laid_out_url: str) -> None:
    first, second = Alone(laid_out_url, "left"), Alone(laid_out_url, "right")
    await first.take()
    await second.take()
    await first.let_go()
    await second.let_go()


STARTING_UP = b"SFATAL\x00VFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"


async def starting_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What PostgreSQL says to whoever comes during its recovery (PostgreSQL manual, 54.7, ErrorResponse)."""
    await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
    writer.write(b"E" + (len(STARTING_UP) + 4).to_bytes(4, "big") + STARTING_UP)
    await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_server_that_is_still_starting_up_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone, "WATCH", 0.01)
    turned_away = asyncio.Event()
    count = 0

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        await starting_up(reader, writer)
        count += 1
        if count == 3:
            turned_away.set()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    watcher = Alone(f"postgresql://otklik@127.0.0.1:{port}/otklik?ssl=disable", "node")
    with pytest.raises(StorageUnavailable, match="starting up"):
        await watcher.take()
    watch = asyncio.create_task(watcher.keep())
    await turned_away.wait()
    assert not watch.done()
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    server.close()
    await server.wait_closed()
