"""The memory of a program that has begun and will live long."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys


def settle_memory() -> None:
    """Keep the collector away from what lives as long as the program, and from running at every few mails.

    A group of mails makes thousands of short-lived objects that reference counts free; each full collection on top
    would walk the whole program (measured: a quarter of the time of intake).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    # the thread that writes to SQLite gives the interpreter lock away at every statement and would wait these 5 ms
    # for it each time the event loop is busy
    sys.setswitchinterval(0.0005)
    if sys.platform == "linux":
        # what starting up needed goes back to the system
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
