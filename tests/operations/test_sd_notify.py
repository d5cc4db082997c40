"""What systemd is told: by a socket as its own, since a service manager is not at hand in a test."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.pulse import Pulse
from gateway.sd_notify import Notifier


class Manager:
    """The other end of the socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(5)
        self.path = str(path)

    def heard(self) -> list[str]:
        """The lines of the next message."""
        return self.socket.recv(4096).decode().split("\n")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager that listens."""
    found = Manager(tmp_path / "notify")
    yield found
    found.socket.close()


def test_the_life_of_a_service(manager: Manager) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.path})
    notifier.ready("HTTP 127.0.0.1:8080")
    assert manager.heard() == ["READY=1", "STATUS=HTTP 127.0.0.1:8080"]
    notifier.reloading()
    reloading, since = manager.heard()
    assert reloading == "RELOADING=1"
    assert since.removeprefix("MONOTONIC_USEC=").isdigit()
    notifier.ready()
    assert manager.heard() == ["READY=1"]
    notifier.alive()
    assert manager.heard() == ["WATCHDOG=1"]
    notifier.stopping()
    assert manager.heard() == ["STOPPING=1"]


def test_an_abstract_socket() -> None:
    name = f"otklik-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/at/all"}])
def test_without_a_manager_nothing_is_told_and_nothing_fails(environ: dict[str, str]) -> None:
    notifier = Notifier(environ)
    notifier.ready()
    notifier.stopping()
    assert notifier.watchdog == 0


@pytest.mark.parametrize(
    "environ, seconds",
    [
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "often"}, 0.0),
        ({}, 0.0),
    ],
)
def test_a_sign_of_life_is_sent_twice_in_the_time_that_is_given(environ: dict[str, str], seconds: float) -> None:
    assert Notifier(environ).watchdog == seconds


async def test_the_loop_itself_sends_them(manager: Manager) -> None:
    import asyncio

    pulse = Pulse(Notifier({"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "1000000"}))
    beating = asyncio.create_task(pulse.keep())
    assert await asyncio.to_thread(manager.heard) == ["WATCHDOG=1"]
    assert pulse.worst() >= 0.0
    beating.cancel()
