"""Fault points: nothing by default; killed, raised or hung at the pass they were armed for."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.faults import FaultInjected, Faults

ROOT = Path(__file__).parents[2]


async def test_nothing_is_armed_by_default() -> None:
    faults = Faults.from_environment({})
    faults.sync_point("send.after")
    await faults.point("send.after")


async def test_only_the_pass_asked_for_fails() -> None:
    faults = Faults.parse("send.after=raise@2")
    faults.sync_point("send.after")
    faults.sync_point("send.before")
    with pytest.raises(FaultInjected, match=r"send\.after"):
        await faults.point("send.after")
    await faults.point("send.after")


async def test_a_hanging_task_can_be_cancelled() -> None:
    faults = Faults.parse("send.after=hang")
    task = asyncio.create_task(faults.point("send.after"))
    done, _ = await asyncio.wait([task], timeout=0.05)
    assert not done
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_kill_leaves_no_time_for_anything() -> None:
    code = (
        "from gateway.faults import Faults\n"
        "try: Faults.parse('here=kill').sync_point('here')\n"
        "finally: print('still here', flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not done.stdout


@pytest.mark.parametrize("text", ["x", "x=", "x=explode", "x=kill@0", "X=kill", "x=kill@", "=kill"])
def test_a_misspelt_fault_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no fault; one looks like"):
        Faults.parse(text)
