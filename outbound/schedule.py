"""When a delivery that failed is tried again.

A pure function of the policy, the number of the try and the clock: nothing here sleeps, the retries themselves live in
the database. The curve is made of tenacity's wait objects, which are functions from an attempt number to seconds.

Quick first tries get over a relay that restarts or greylists; after them one try an hour until the horizon. RFC 5321
4.5.4.1 asks for waits of half an hour and more between later tries and for giving up after four or five days; three
days are enough for a person to learn that a notification of ours did not come.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenacity.wait import wait_base

JITTER = 0.1
"""The largest share a wait is moved by."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a delivery is worth trying.

    `attempts` bounds the tries, the first one included; `horizon` the time from entering the queue to the last try.
    `quick` are the waits after the first tries, `every` the wait after all later ones.

    Raises:
        ValueError: fewer than one attempt, or a time that is not positive.
    """

    attempts: int = 100
    horizon: timedelta = timedelta(days=3)
    quick: tuple[timedelta, ...] = (
        timedelta(seconds=10),
        timedelta(seconds=30),
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(minutes=30),
    )
    every: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts must be 1 or more, not {self.attempts}")
        if any(wait <= timedelta(0) for wait in (*self.quick, self.every, self.horizon)):
            raise ValueError("the waits and the horizon of a retry policy must be longer than zero")


def delay(policy: RetryPolicy, attempt_number: int) -> timedelta:
    """The wait after try number `attempt_number` (from 1) failed, before jitter.

    >>> [str(delay(RetryPolicy(), number)) for number in range(1, 8)]
    ['0:00:10', '0:00:30', '0:02:00', '0:10:00', '0:30:00', '1:00:00', '1:00:00']

    Raises:
        ValueError: there is no such try.
    """
    if attempt_number < 1:
        raise ValueError(f"tries are numbered from 1, there is no number {attempt_number}")
    return _wait(policy, min(attempt_number, len(policy.quick) + 1))


def next_try(
    policy: RetryPolicy,
    attempt: int,
    now: datetime,
    first_queued_at: datetime,
    retry_after: timedelta | None = None,
    *,
    key: bytes = b"",
) -> datetime | None:
    """When to try again after try number `attempt` (from 1) failed at `now`; None when it is not worth trying again.

    The curve, or what the provider asked for if that is longer. `key`, the id of the delivery, moves the instant by at
    most a tenth of the wait, the same way each time it is asked, so that a thousand deliveries which failed together do
    not return together. A wait the provider asked for is only made longer, never shorter.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    >>> print(next_try(RetryPolicy(), 1, noon, noon))
    2026-11-20 12:00:10+00:00
    >>> print(next_try(RetryPolicy(), 1, noon, noon, timedelta(minutes=5)))
    2026-11-20 12:05:00+00:00
    >>> print(next_try(RetryPolicy(attempts=1), 1, noon, noon))
    None

    Raises:
        ValueError: there is no such try.
    """
    share = _share(key, attempt)
    wait = delay(policy, attempt) * (1 + JITTER * share)
    if retry_after is not None and retry_after > policy.horizon:
        return None
    if retry_after is not None:
        wait = max(wait, retry_after * (1 + JITTER * abs(share)))
    if attempt >= policy.attempts or now + wait > first_queued_at + policy.horizon:
        return None
    return now + wait


def _share(key: bytes, attempt: int) -> float:
    """A number between -1 and 1 that depends on nothing but the delivery and the try; 0 without a key."""
    if not key:
        return 0.0
    drawn = int.from_bytes(blake2b(key, digest_size=6, salt=attempt.to_bytes(8, "big")).digest(), "big")
    return drawn / (2**47) - 1.0


@lru_cache(maxsize=1024)
def _wait(policy: RetryPolicy, attempt_number: int) -> timedelta:
    from tenacity import RetryCallState, Retrying

    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt_number
    return timedelta(seconds=_curve(policy)(state))


def _curve(policy: RetryPolicy) -> wait_base:
    from tenacity import wait_chain, wait_fixed

    return wait_chain(*(wait_fixed(wait) for wait in policy.quick), wait_fixed(policy.every))
