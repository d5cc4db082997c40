"""The trail: one line of log for every request, input and try, so cheap that it need not be switched off.

The usual way of an event to the log masks people in every text it meets, which costs more than a whole request may.
Here only ids, counts and codes are told, so that there is nothing to mask, and a line is one encoding and one write.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

import msgspec

from tickets.trace import Trail, untold

_encode = msgspec.json.Encoder().encode


def trail(level: str, format: str, *, told: bool = True, stream: TextIO | None = None) -> Trail:
    """Where what happens to inputs is told; `stream` is standard error. The trail speaks at the level `info`."""
    if not told or level not in ("debug", "info"):
        return untold
    write = _to_stream(stream) if stream is not None else _to_descriptor(sys.stderr.fileno())
    line = _console if format == "console" else _json

    def tell(event: str, trace: str, /, **facts: str | int | float | None) -> None:
        write(line(event, trace, facts))

    return tell


def _json(event: str, trace: str, facts: dict[str, str | int | float | None]) -> bytes:
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return _encode({"event": event, "trace": trace, **facts, "level": "info", "logger": "trail", "at": at}) + b"\n"


def _console(event: str, trace: str, facts: dict[str, str | int | float | None]) -> bytes:
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    told = " ".join(f"{name}={value}" for name, value in facts.items() if value not in ("", None))
    return f"{at} [info     ] {event:<14} {told} trace={trace}\n".encode()


def _to_stream(stream: TextIO) -> Callable[[bytes], object]:
    return lambda line: stream.write(line.decode())


def _to_descriptor(descriptor: int) -> Callable[[bytes], object]:
    def write(line: bytes) -> None:
        try:
            os.write(descriptor, line)
        except OSError:
            # nobody reads the log any more: no reason to stop working
            return

    return write
