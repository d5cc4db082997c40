"""Where mails are read: ordinary ones on the spot, large and odd ones in processes that can be killed.

Algorithm. Reading takes time linear in a mail, and an ordinary mail takes less than a switch to another process. A mail
that is large, or has more tags, boundaries or text than an ordinary one, goes to a worker process (`reading_worker`).
The kernel ends a worker that computes for more than `seconds`, the room one that does not answer within `patience`.
Such a mail is not lost and not tried again: its beginning is read on the spot, which is small enough to be cheap
whatever it is, and makes a ticket with the defect `reading_cut`; the raw mail is kept whole as ever.

Workers start with the first mail that needs one and leave when there was none for `idle`, so that a gateway which never
meets such a mail has none. At most `workers` run; others wait for a free one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from tickets.message import InboundMessage, Unreadable

LARGE = 262_144
"""Octets from which a mail is read by a worker."""
_SMALL = 16_384
_MOST_TAGS = 4_000
_MOST_BOUNDARIES = 200
_MOST_LINES = 4_000
_MOST_WORDS = 10_000
_WORDY = (b" ", b"-", b":", b"@", b">", b".")
"""What words and phrases are searched in has these; encoded files have none."""
LENGTH = struct.Struct(">Q")
"""How long the pickle is that follows."""
BEGINNING = 65_536
"""Octets that are read of a mail whose reading had to be ended."""
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")

_ROOT = str(Path(__file__).resolve().parents[2])
_log = structlog.get_logger()

Found = InboundMessage | Unreadable


Read = Callable[..., Found]
"""`channels.email.read.read`, or what stands for it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What reading one mail may cost: processor and waiting time in seconds, address space in octets."""

    seconds: float = 2.0
    patience: float = 30.0
    memory: int = 1_500_000_000
    workers: int = 2
    idle: float = 60.0


def is_light(raw: bytes) -> bool:
    """Whether a mail is read in no time: small, or of moderate size without masses of tags, boundaries or text."""
    size = len(raw)
    if size < _SMALL:
        return True
    return (
        size < LARGE
        and _count(raw, b"<") < _MOST_TAGS
        # base64 has no hyphen: the many mails that are mostly that need no second look
        and (_count(raw, b"-") < 2 * _MOST_BOUNDARIES or raw.count(b"\n--") < _MOST_BOUNDARIES)
        and _count(raw, b"\n") < _MOST_LINES
        and sum(_count(raw, each) for each in _WORDY) < _MOST_WORDS
    )


def _count(raw: bytes, octet: bytes) -> int:
    """How often an octet occurs: `bytes.count` looks at each by itself, `replace` finds them many times as fast."""
    return len(raw) - len(raw.replace(octet, b""))


def _answer(data: bytes) -> Found:
    """What a worker answered. It may have been turned against us by the mail it read, so that nothing it says is run.

    Raises:
        _Ended: it is no answer.
    """
    # Not at the top: a gateway that never meets a large mail does without.
    import msgspec

    try:
        if data[:1] == b"U":
            return msgspec.msgpack.decode(data[1:], type=Unreadable)
        return msgspec.msgpack.decode(data[1:], type=InboundMessage)
    except msgspec.DecodeError as error:
        raise _Ended(f"the worker's answer is none: {error}") from None


class ReadingRoom:
    """Reads mails one by one or apart from the event loop. `given` are the keyword arguments every reading gets."""

    def __init__(self, read: Read, bounds: Bounds = Bounds(), **given: Any) -> None:
        self.bounds = bounds
        self._read = read
        self._given = given
        self._seats: asyncio.Semaphore | None = None
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def __call__(self, raw: bytes, **given: Any) -> Found:
        """Read on the spot."""
        return self._read(raw, **{**self._given, **given})

    def become(self, **given: Any) -> None:
        """Read by other settings from now on: whoever holds this room does."""
        self._given = given

    @property
    def workers(self) -> int:
        """How many worker processes there are."""
        return len(self._idle) + len(self._busy)

    async def apart(self, raw: bytes, **given: Any) -> Found:
        """Read light mails on the spot and others in a worker. Total, as reading is."""
        if is_light(raw) or self._closed:
            return self(raw, **given)
        if self._seats is None:
            self._seats = asyncio.Semaphore(self.bounds.workers)
        whole = {**self._given, **given}
        async with self._seats:
            try:
                return await self._by_worker(raw, whole)
            except _Ended as ended:
                _log.warning("mail.reading_ended", size=len(raw), why=str(ended))
            except OSError as error:
                _log.warning("mail.no_reading_worker", size=len(raw), error=error.strerror)
                return await asyncio.to_thread(self._read, raw, **whole)
        return self._beginning(raw, whole)

    async def _by_worker(self, raw: bytes, given: dict[str, Any]) -> Found:
        while self._idle and not self._idle[-1].lives:
            self._end(self._idle.pop())
        worker = self._idle.pop() if self._idle else _Worker(self.bounds)
        self._busy.add(worker)
        try:
            found = await worker.read(raw, given)
        except BaseException:
            self._end(worker)
            raise
        else:
            if self._closed:
                self._end(worker)
            else:
                self._idle.append(worker)
                worker.leave_after(self.bounds.idle, self._dismiss)
            return found
        finally:
            self._busy.discard(worker)

    def _dismiss(self, worker: _Worker) -> None:
        if worker in self._idle:
            self._idle.remove(worker)
            self._end(worker)

    def _end(self, worker: _Worker) -> None:
        """Kill a worker, and see in the background that nothing of it stays."""
        worker.kill()
        task = asyncio.get_running_loop().create_task(worker.gone())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _beginning(self, raw: bytes, given: dict[str, Any]) -> Found:
        found = self._read(raw[:BEGINNING], **given)
        if isinstance(found, Unreadable):
            return replace(found, detail=f"reading_cut {found.detail}".strip())
        # A file that is cut is no file of this mail.
        found.attachments = ()
        found.defects = ("reading_cut", *found.defects)
        return found

    async def close(self) -> None:
        """End all workers."""
        self._closed = True
        for worker in (*self._idle, *self._busy):
            self._end(worker)
        self._idle.clear()
        while self._ending:
            await asyncio.wait(self._ending)


async def read_mail(read: Read, raw: bytes, **given: Any) -> Found:
    """Read one mail without holding up the loop, by a room or by any other reader."""
    if isinstance(read, ReadingRoom):
        return await read.apart(raw, **given)
    return read(raw, **given) if is_light(raw) else await asyncio.to_thread(read, raw, **given)


class _Ended(Exception):
    """The worker did not live to answer; the message says why."""


class _Worker:
    """One process and the two pipes to it."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._process: asyncio.subprocess.Process | None = None
        self._leaving: asyncio.TimerHandle | None = None

    @property
    def lives(self) -> bool:
        """Whether the process, as far as is known, still runs."""
        return self._process is None or self._process.returncode is None

    async def read(self, raw: bytes, given: dict[str, Any]) -> Found:
        """Have one mail read.

        Raises:
            _Ended: the worker was ended for its costs, or died.
            OSError: none could be started.
        """
        if self._leaving is not None:
            self._leaving.cancel()
        try:
            async with asyncio.timeout(self._bounds.patience):
                import pickle

                return await self._exchanged(pickle.dumps((raw, given), protocol=pickle.HIGHEST_PROTOCOL))
        except TimeoutError:
            raise _Ended("no answer in time") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise _Ended("the worker was ended for what reading costs, or died") from None

    async def _exchanged(self, job: bytes) -> Found:
        if self._process is None:
            self._process = await self._started()
        into, out = self._process.stdin, self._process.stdout
        if into is None or out is None:
            raise _Ended("the worker has no pipes")
        into.write(LENGTH.pack(len(job)))
        into.write(job)
        await into.drain()
        head = await out.readexactly(LENGTH.size)
        return _answer(await out.readexactly(LENGTH.unpack(head)[0]))

    async def _started(self) -> asyncio.subprocess.Process:
        # Settings in the environment hold secrets: a process that reads strangers' mail needs none of them.
        kept = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT}
        return await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "channels.email.reading_worker",
            str(self._bounds.seconds), str(self._bounds.memory),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env={**kept, "PYTHONPATH": _ROOT}, start_new_session=True,
        )  # fmt: skip

    def leave_after(self, idle: float, dismiss: Callable[[_Worker], None]) -> None:
        """Be dismissed unless there is another mail before long."""
        self._leaving = asyncio.get_running_loop().call_later(idle, dismiss, self)

    def kill(self) -> None:
        """End the process at once."""
        if self._leaving is not None:
            self._leaving.cancel()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def gone(self) -> None:
        """Wait until the process is no more, and its pipes neither."""
        if self._process is not None:
            await self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
                with contextlib.suppress(ConnectionError):
                    await self._process.stdin.wait_closed()
