"""Retries: the curve, the provider's wish, the end of patience, and the spread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.schedule import JITTER, RetryPolicy, delay, next_try

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

waits = st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(hours=6))
policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 30),
    horizon=st.timedeltas(min_value=timedelta(minutes=1), max_value=timedelta(days=5)),
    quick=st.lists(waits, max_size=6).map(tuple),
    every=waits,
)
keys = st.binary(min_size=1, max_size=32)
asked_waits = st.none() | st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=4))


@pytest.mark.parametrize(
    "attempt, wait",
    [
        (1, timedelta(seconds=10)),
        (2, timedelta(seconds=30)),
        (3, timedelta(minutes=2)),
        (4, timedelta(minutes=10)),
        (5, timedelta(minutes=30)),
        (6, HOUR),
        (7, HOUR),
        (1_000_000, HOUR),
    ],
)
def test_quick_tries_first_then_one_an_hour(attempt: int, wait: timedelta) -> None:
    assert delay(RetryPolicy(), attempt) == wait


def test_the_defaults_try_for_three_days() -> None:
    policy = RetryPolicy()
    tries, now = 1, NOON
    while (due := next_try(policy, tries, now, NOON)) is not None:
        tries, now = tries + 1, due
    assert 70 <= tries <= 80
    assert timedelta(days=3) - HOUR < now - NOON <= timedelta(days=3)


def test_tries_are_numbered_from_one() -> None:
    with pytest.raises(ValueError, match="numbered from 1"):
        delay(RetryPolicy(), 0)


@pytest.mark.parametrize(
    "wrong, complaint",
    [
        ({"attempts": 0}, "attempts must be 1 or more"),
        ({"horizon": timedelta(0)}, "longer than zero"),
        ({"every": timedelta(0)}, "longer than zero"),
        ({"quick": (timedelta(seconds=-1),)}, "longer than zero"),
    ],
)
def test_a_policy_without_sense_is_refused(wrong: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


def test_a_wait_beyond_the_horizon_gives_up_at_once() -> None:
    assert next_try(RetryPolicy(), 1, NOON, NOON, timedelta.max, key=b"id") is None
    assert next_try(RetryPolicy(), 1, NOON, NOON, timedelta(days=4)) is None


def test_a_thousand_failures_do_not_return_in_one_second() -> None:
    for asked in (None, HOUR):
        due = [next_try(RetryPolicy(), 6, NOON, NOON, asked, key=n.to_bytes(16, "big")) for n in range(1000)]
        per_second: dict[int, int] = {}
        for at in due:
            assert at is not None
            second = int(at.timestamp())
            per_second[second] = per_second.get(second, 0) + 1
        assert max(per_second.values()) < 20


@given(policies, st.integers(1, 40), keys, asked_waits)
def test_never_earlier_than_the_provider_asked(
    policy: RetryPolicy, attempt: int, key: bytes, asked: timedelta | None
) -> None:
    due = next_try(policy, attempt, NOON, NOON, asked, key=key)
    if due is not None and asked is not None:
        assert due >= NOON + asked


@given(policies, st.integers(1, 40), keys, asked_waits)
def test_at_most_a_tenth_off_the_longer_of_curve_and_wish(
    policy: RetryPolicy, attempt: int, key: bytes, asked: timedelta | None
) -> None:
    due = next_try(policy, attempt, NOON, NOON, asked, key=key)
    if due is not None:
        wanted = max(delay(policy, attempt), asked or timedelta(0))
        tolerance = wanted * JITTER + timedelta(microseconds=2)
        assert abs((due - NOON) - wanted) <= tolerance


@given(policies, st.integers(1, 40), keys, asked_waits, st.timedeltas(timedelta(0), timedelta(days=5)))
def test_never_beyond_attempts_or_horizon(
    policy: RetryPolicy, attempt: int, key: bytes, asked: timedelta | None, age: timedelta
) -> None:
    due = next_try(policy, attempt, NOON + age, NOON, asked, key=key)
    if attempt >= policy.attempts:
        assert due is None
    if due is not None:
        assert NOON + age < due <= NOON + policy.horizon


@given(policies, st.integers(1, 40), keys)
def test_the_same_question_has_the_same_answer(policy: RetryPolicy, attempt: int, key: bytes) -> None:
    assert next_try(policy, attempt, NOON, NOON, key=key) == next_try(policy, attempt, NOON, NOON, key=key)
