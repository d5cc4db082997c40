"""How a mailbox fares: what was read of it, since when it is not, and when it is tried again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import structlog

from tickets.measure import Count

_log = structlog.get_logger()


class MailboxHealth:
    """Of one mailbox. `state` is one word: `starting`, `ok`, `failing` or `standby` (another node reads it).

    `problem` says in one line why the last try failed. Times are of the monotonic clock; `wall` is the other one's.
    """

    def __init__(self, name: str, silent: float, *, now: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.silent_after = silent
        self.state = "starting"
        self.problem = ""
        self.connected = False
        self.failures = 0
        self.mails: Count = Count()
        self.connections = 0
        self.problems = 0
        self._now = now
        self._read_at = now()
        self._told = False

    @property
    def age(self) -> float:
        """Seconds since the folder was last looked through to its end, or since the beginning."""
        return self._now() - self._read_at

    @property
    def silent(self) -> bool:
        """Whether nothing could be read for longer than is right."""
        return self.state != "standby" and self.age > self.silent_after

    def read(self) -> None:
        """The folder was looked through: whatever is in it is taken in or noted."""
        if self._told:
            _log.info("mailbox_recovered", mailbox=self.name, minutes=round(self.age / 60, 1))
        elif self.failures:
            _log.info("mailbox_reconnected", mailbox=self.name, tries=self.failures)
        self._read_at = self._now()
        self._told = False
        self.state, self.problem, self.failures = "ok", "", 0

    def failed(self, why: str) -> None:
        """It could not be read for now."""
        self.state, self.problem = "failing", why
        self.failures += 1
        self.connected = False
        if self.failures == 1 or self.failures % 20 == 0:
            _log.warning("mailbox_failed", mailbox=self.name, why=why, tries=self.failures)

    def standby(self) -> None:
        """Another node reads it."""
        self.state, self.problem, self.failures, self.connected = "standby", "", 0, False
        self._read_at = self._now()
        self._told = False

    def look(self) -> None:
        """Tell once when it has been silent for too long."""
        if self.silent and not self._told:
            self._told = True
            minutes = round(self.age / 60, 1)
            _log.error("mailbox_silent", mailbox=self.name, minutes=minutes, why=self.problem or "no answer")

    def told(self) -> str:
        """For people and probes: `ok`, or what is wrong."""
        if self.silent:
            return f"nothing fetched for {self.age / 60:.0f} min: {self.problem or 'no answer'}"
        return self.state if self.state != "failing" else f"failing: {self.problem}"


class BackOff:
    """Waits between tries: doubled each time, up to a longest, with jitter so that nodes do not come together."""

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = longest
        self._tries = 0

    def next(self) -> float:
        """Seconds until the next try."""
        whole = min(self._longest, self._first * 2.0**self._tries)
        self._tries = min(self._tries + 1, 30)
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - nobody gains by knowing it

    def reset(self) -> None:
        """It worked."""
        self._tries = 0
