"""Only one server works on a SQLite file, only one worker bears a name."""

from __future__ import annotations

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


async def test_workers_of_other_names_share_a_postgresql_database(laid_out_url: str) -> None:
    if laid_out_url.startswith("sqlite"):
        pytest.skip("SQLite has one server, whatever its name")
    first, second = Alone(laid_out_url, "left"), Alone(laid_out_url, "right")
    await first.take()
    await second.take()
    await first.let_go()
    await second.let_go()
