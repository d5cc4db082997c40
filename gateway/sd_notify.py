"""Telling systemd how the service is doing (sd_notify(3)): one datagram of `KEY=value` lines to the socket it names.

Without `NOTIFY_SOCKET` nothing is told. `WATCHDOG_USEC` is how often systemd wants a sign of life; half of that is how
often one is sent, from the event loop, so that a loop that stands still is noticed and the service started anew.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Speaks to the service manager, if there is one."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        found = os.environ if environ is None else environ
        self._address = found.get("NOTIFY_SOCKET", "")
        self._watchdog = found.get("WATCHDOG_USEC", "")
        owner = found.get("WATCHDOG_PID", "")
        if owner and owner != str(os.getpid()):
            self._watchdog = ""

    @property
    def watchdog(self) -> float:
        """Seconds between two signs of life; 0 where none is wanted."""
        try:
            return int(self._watchdog) / 2_000_000
        except ValueError:
            return 0.0

    def ready(self, status: str = "") -> None:
        """The doors are open, or a reload is over."""
        self._tell("READY=1", f"STATUS={status}" if status else "")

    def reloading(self) -> None:
        """Settings are read anew; `ready` ends it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The doors close."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """The event loop turns."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._address or not hasattr(socket, "AF_UNIX"):
            return
        # a leading @ stands for the NUL of Linux's abstract sockets
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one,
        ):
            one.sendto("\n".join(filter(None, lines)).encode(), address)
