"""The process in which large and odd mails are read: `python -m channels.email.reading_worker`, started by the room.

Jobs come on the standard input, each as eight octets of length and a pickle, which only this program writes. Messages
leave on the standard output as a length, a letter (`M` a message, `U` unreadable) and MessagePack. The processor time
of one job is bounded by the kernel, which ends the process wherever it is, be it in a library that never returns; so is
its memory. The end of the input ends the process.
"""

from __future__ import annotations

import contextlib
import pickle
import resource
import signal
import sys
from typing import Any, BinaryIO

import msgspec

from channels.email import read
from channels.email.reading_room import LENGTH
from tickets.message import Unreadable


def serve(jobs: BinaryIO, answers: BinaryIO, seconds: float) -> None:
    """Read one mail after the other until the jobs end; at most `seconds` of processor time for each."""
    while True:
        head = jobs.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return
        raw, given = pickle.loads(jobs.read(LENGTH.unpack(head)[0]))  # noqa: S301 - the room wrote it
        signal.setitimer(signal.ITIMER_PROF, seconds)
        found = _read(raw, given)
        answer = (b"U" if isinstance(found, Unreadable) else b"M") + msgspec.msgpack.encode(found)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def _read(raw: bytes, given: dict[str, Any]) -> object:
    found = read.read(raw, **given)
    if isinstance(found, Unreadable) and found.detail.startswith("MemoryError"):
        # It might be read with less: the room does.
        raise MemoryError
    return found


def main(seconds: float, memory: int) -> None:
    """Bound the memory (octets of address space), then serve."""
    with contextlib.suppress(OSError, ValueError):
        # A container may forbid it, and then bounds the memory itself.
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What the terminal sends to all of the program is the parent's to act on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    serve(sys.stdin.buffer, sys.stdout.buffer, seconds)


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
