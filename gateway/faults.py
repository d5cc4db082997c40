"""Named fault points: where a test may have the program die, fail or stand still.

The points lie at every commit and every send. Which of them bite is said by the environment variable `OTKLIK_FAULTS`,
a comma-separated list of `point=kind[@nth]`: at the nth pass (the first when left out) and at that one only.

- `kill`: the process gets SIGKILL and does nothing more, as in a power cut;
- `raise`: `FaultInjected` comes out of the point;
- `hang`: the point never returns (a task can still be cancelled, a thread cannot).

>>> Faults.parse("intake.before_commit=kill@3, send.after=hang").points
('intake.before_commit', 'send.after')

A `Faults` without any fault costs one look into an empty dictionary.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

VARIABLE = "OTKLIK_FAULTS"

_FAULT = re.compile(r"(?P<point>[a-z0-9_]+(?:\.[a-z0-9_]+)*)=(?P<kind>[a-z]+)(?:@(?P<nth>[1-9][0-9]*))?")


class Kind(StrEnum):
    """What happens at a point."""

    KILL = "kill"
    RAISE = "raise"
    HANG = "hang"


class FaultInjected(Exception):
    """A fault point was told to fail."""

    def __init__(self, point: str) -> None:
        super().__init__(f"fault injected at {point}")
        self.point = point


@dataclass(slots=True)
class _Armed:
    kind: Kind
    nth: int
    passed: int = 0


class Faults:
    """The faults armed in this process. Points may be passed from any thread."""

    def __init__(self, armed: Mapping[str, tuple[Kind, int]] | None = None) -> None:
        self._armed = {point: _Armed(kind, nth) for point, (kind, nth) in (armed or {}).items()}
        self._lock = threading.Lock()

    @classmethod
    def parse(cls, text: str) -> Faults:
        """Read the form `OTKLIK_FAULTS` has; an empty text arms nothing.

        Raises:
            ValueError: an entry is not `point=kind[@nth]` or names an unknown kind.
        """
        armed: dict[str, tuple[Kind, int]] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            found = _FAULT.fullmatch(entry)
            if found is None or found["kind"] not in set(Kind):
                raise ValueError(
                    f"{entry!r} is no fault; one looks like intake.before_commit=kill@3 ({'|'.join(Kind)})"
                )
            armed[found["point"]] = (Kind(found["kind"]), int(found["nth"] or 1))
        return cls(armed)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Faults:
        """The faults `OTKLIK_FAULTS` arms.

        Raises:
            ValueError: as `parse`.
        """
        return cls.parse(environ.get(VARIABLE, ""))

    @property
    def points(self) -> tuple[str, ...]:
        """The names that are armed, in the order given."""
        return tuple(self._armed)

    def sync_point(self, name: str) -> None:
        """Pass a point from a thread.

        Raises:
            FaultInjected: the point is armed with `raise` and this is its pass.
        """
        if self._armed and self._bites(name) is Kind.HANG:
            threading.Event().wait()

    async def point(self, name: str) -> None:
        """Pass a point from a task.

        Raises:
            FaultInjected: the point is armed with `raise` and this is its pass.
        """
        if self._armed and self._bites(name) is Kind.HANG:
            await asyncio.Event().wait()

    def _bites(self, name: str) -> Kind | None:
        fault = self._armed.get(name)
        if fault is None:
            return None
        with self._lock:
            fault.passed += 1
            if fault.passed != fault.nth:
                return None
        if fault.kind is Kind.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()
        if fault.kind is Kind.RAISE:
            raise FaultInjected(name)
        return fault.kind
