"""Deadlines while a ticket waits for its author."""

from __future__ import annotations

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.calendar import Calendar
from router.deadlines import shift

OFFICE = Calendar("office", "Europe/Moscow", {d: ((time(9), time(13)), (time(14), time(18))) for d in range(1, 6)})
MOSCOW = ZoneInfo("Europe/Moscow")


def moscow(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=MOSCOW)


@pytest.mark.parametrize(
    "deadline, paused, resumed, then",
    [
        ("20 16:00", "20 10:00", "20 11:00", "20 17:00"),
        ("20 16:00", "20 15:00", "23 09:30", "23 10:30"),  # an hour was left
        ("20 16:00", "20 13:10", "20 13:50", "20 16:00"),  # nothing is lost over lunch
        ("20 18:00", "20 17:00", "20 20:00", "23 10:00"),
        ("20 16:00", "20 16:00", "20 17:00", "20 16:00"),  # missed already
        ("20 16:00", "20 17:00", "20 18:00", "20 16:00"),
        ("20 16:00", "20 15:00", "20 15:00", "20 16:00"),
        ("20 16:00", "20 15:00", "20 14:00", "20 16:00"),  # a clock that was put back
        ("21 12:00", "20 17:00", "20 17:30", "23 09:30"),  # a deadline set by hand on a Saturday
        ("22 12:00", "20 18:30", "20 19:00", "22 12:00"),
    ],
)
def test_a_deadline_stands_still_during_a_pause(deadline: str, paused: str, resumed: str, then: str) -> None:
    assert shift(moscow(deadline), moscow(paused), moscow(resumed), OFFICE) == moscow(then)


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(MOSCOW))


@given(moments, moments, moments)
def test_a_pause_gives_back_the_time_that_was_left(a: datetime, b: datetime, c: datetime) -> None:
    paused, resumed = sorted((a, b))
    moved = shift(c, paused, resumed, OFFICE)
    assert moved >= c
    if c > paused:
        assert OFFICE.working_between(resumed, max(moved, resumed)) == OFFICE.working_between(paused, c)
