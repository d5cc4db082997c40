"""Working calendars: the law, the clock on the wall, and arithmetic in working time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from router.calendar import Calendar, Hours, OutOfReach

DAY = ((time(9), time(13)), (time(14), time(18)))
WEEK: Mapping[int, Hours] = dict.fromkeys(range(1, 6), DAY)
OFFICE = Calendar("office", "Europe/Moscow", WEEK, "RU")


def moscow(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Moscow"))


def hours_of_year(calendar: Calendar, year: int) -> float:
    zone = ZoneInfo(calendar.zone)
    start, end = datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone)
    return calendar.working_between(start, end) / timedelta(hours=1)


@pytest.mark.parametrize(
    "year, hours",
    [(2021, 1972), (2022, 1973), (2023, 1973), (2024, 1979), (2025, 1972), (2026, 1972)],
)
def test_a_forty_hour_week_in_russia_has_the_official_number_of_hours(year: int, hours: int) -> None:
    assert hours_of_year(OFFICE, year) == hours


@pytest.mark.parametrize(
    "day, ends",
    [
        ("2024-04-27", 18),  # a Saturday worked instead of Monday the 29th: a full day
        ("2024-11-02", 17),  # a Saturday worked instead of 30 April, the eve of a holiday: an hour shorter
        ("2024-12-28", 18),  # worked instead of 30 December; 31 December is off, so the 30th is no eve
        ("2025-11-01", 17),  # worked instead of 3 November, an eve
        ("2027-02-20", 17),  # worked instead of 22 February, an eve
        ("2026-05-08", 17),  # a Friday, the holiday is a Saturday
        ("2026-11-03", 17),
        ("2025-05-07", 18),  # the 8th is a day off moved there, not a holiday of article 112
        ("2026-11-20", 18),
        ("2026-05-11", None),  # Monday after a holiday on Saturday
        ("2024-04-29", None),
        ("2026-01-08", None),
        ("2026-11-21", None),
    ],
)
def test_the_day_ends(day: str, ends: int | None) -> None:
    hours = OFFICE.hours_on(date.fromisoformat(day))
    assert (hours[-1][1] if hours else None) == (None if ends is None else timedelta(hours=ends))


@pytest.mark.parametrize(
    "start, minutes, end",
    [
        ("2026-11-20 10:00", 60, "2026-11-20 11:00"),
        ("2026-11-20 12:30", 60, "2026-11-20 14:30"),  # lunch does not count
        ("2026-11-20 17:30", 60, "2026-11-23 09:30"),  # nor does the weekend
        ("2026-11-20 17:00", 60, "2026-11-20 18:00"),  # a day filled to the brim ends when it closes
        ("2026-11-21 12:00", 1, "2026-11-23 09:01"),
        ("2026-11-20 10:00", 0, "2026-11-20 10:00"),
        ("2026-11-21 10:00", 0, "2026-11-21 10:00"),
        ("2026-12-30 17:00", 120, "2027-01-11 10:00"),  # 31 December to 10 January are off
        ("2024-11-02 16:00", 120, "2024-11-05 10:00"),  # Saturday ends at 17, Monday the 4th is a holiday
        ("2026-01-01 00:00", 1972 * 60, "2026-12-30 18:00"),
    ],
)
def test_minutes_are_counted_in_working_hours(start: str, minutes: int, end: str) -> None:
    assert OFFICE.add_working(moscow(start), minutes) == moscow(end)


@pytest.mark.parametrize(
    "at, is_open, opens",
    [
        ("2026-11-20 08:59:59.999999", False, "2026-11-20 09:00"),
        ("2026-11-20 09:00", True, "2026-11-20 09:00"),
        ("2026-11-20 13:00", False, "2026-11-20 14:00"),
        ("2026-11-20 17:59:59", True, "2026-11-20 17:59:59"),
        ("2026-11-20 18:00", False, "2026-11-23 09:00"),
        ("2026-12-30 23:00", False, "2027-01-11 09:00"),
    ],
)
def test_open_and_next_open(at: str, is_open: bool, opens: str) -> None:
    assert (OFFICE.is_open(moscow(at)), OFFICE.next_open(moscow(at))) == (is_open, moscow(opens))


def test_single_dates_win_over_week_and_law() -> None:
    calendar = Calendar(
        "own",
        "Asia/Vladivostok",
        WEEK,
        "RU",
        days_off=[date(2026, 11, 23)],
        working_days={date(2026, 1, 4): [(time(10), time(12))]},
        short_days={date(2026, 11, 24): [(time(9), time(10))], date(2026, 11, 3): DAY},
    )
    days = ("2026-11-23", "2026-01-04", "2026-11-24", "2026-11-03", "2026-11-25")
    spans = [calendar.hours_on(date.fromisoformat(day)) for day in days]
    assert [sum((b - a).seconds for a, b in day) / 3600 for day in spans] == [0, 2, 1, 8, 8]


def test_a_saturday_with_hours_of_its_own_keeps_them_when_the_country_works() -> None:
    calendar = Calendar("shop", "Europe/Moscow", {**WEEK, 6: ((time(10), time(15)),)}, "RU")
    assert calendar.hours_on(date(2024, 4, 27)) == ((timedelta(hours=10), timedelta(hours=15)),)


def test_the_hour_before_a_holiday_is_taken_from_the_end_of_the_day_whatever_its_ranges() -> None:
    ranges = ((time(9), time(12)), (time(13), time(13, 30)), (time(14), time(14, 15)))
    calendar = Calendar("odd", "Europe/Moscow", dict.fromkeys(range(1, 6), ranges), "RU")
    assert calendar.hours_on(date(2026, 11, 3)) == ((timedelta(hours=9), timedelta(hours=11, minutes=45)),)


def test_other_countries_have_holidays_and_no_short_days() -> None:
    calendar = Calendar("de", "Europe/Berlin", WEEK, "DE")
    assert calendar.hours_on(date(2026, 5, 1)) == ()
    assert calendar.hours_on(date(2026, 4, 30))[-1][1] == timedelta(hours=18)


def test_around_the_clock_is_plain_time() -> None:
    calendar = Calendar.around_the_clock("24x7", "Europe/Berlin")
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert calendar.add_working(start, 10 * 1440) == start + timedelta(days=10)
    assert calendar.is_open(start)
    assert hours_of_year(calendar, 2024) == 366 * 24


@pytest.mark.parametrize(
    "hours, day, worked",
    [
        ((time(0), time(0)), "2026-03-29", 23.0),
        ((time(0), time(0)), "2026-10-25", 25.0),
        ((time(1, 30), time(2, 30)), "2026-03-29", 0.5),  # 02:00 to 03:00 is skipped
        ((time(2), time(3)), "2026-03-29", 0.0),
        ((time(2), time(3)), "2026-10-25", 2.0),  # 02:00 to 03:00 comes twice
        ((time(2), time(2, 30)), "2026-10-25", 1.0),
    ],
)
def test_when_the_clocks_change(hours: tuple[time, time], day: str, worked: float) -> None:
    calendar = Calendar("night", "Europe/Berlin", dict.fromkeys(range(1, 8), (hours,)))
    midnight = datetime.combine(date.fromisoformat(day), time(0), tzinfo=ZoneInfo("Europe/Berlin"))
    following = midnight + timedelta(days=1)
    assert calendar.working_between(midnight, following) / timedelta(hours=1) == worked


def test_a_repeated_half_hour_is_two_spans_and_the_time_between_is_closed() -> None:
    calendar = Calendar("night", "Europe/Berlin", dict.fromkeys(range(1, 8), ((time(2), time(2, 30)),)))
    first = datetime(2026, 10, 25, 0, tzinfo=UTC)
    states = [calendar.is_open(first + timedelta(minutes=15 + 30 * step)) for step in range(4)]
    assert states == [True, False, True, False]


def test_a_skipped_day_does_not_exist() -> None:
    calendar = Calendar("apia", "Pacific/Apia", dict.fromkeys(range(1, 8), ((time(0), time(0)),)))
    assert calendar.working_between(datetime(2011, 12, 1, tzinfo=UTC), datetime(2012, 1, 31, tzinfo=UTC)) == timedelta(
        days=61
    )


@pytest.mark.parametrize(
    "given, says",
    [
        ({"week": {}}, "no working time at all"),
        ({"week": {1: ()}}, "no working time at all"),
        ({"week": {}, "working_days": {date(2026, 1, 1): DAY}}, "no working time at all"),
        ({"zone": "Moscow"}, "use an IANA name"),
        ({"zone": "../etc/passwd"}, "use an IANA name"),
        ({"holidays": "Russia"}, "ISO 3166"),
        ({"week": {0: DAY}}, "weekdays are 1"),
        ({"week": {1: ((time(22), time(6)),)}}, "split a night shift at midnight"),
        ({"week": {1: ((time(9), time(9)),)}}, "ends before it starts"),
        ({"week": {1: ((time(9), time(13)), (time(12), time(18)))}}, "without overlap"),
        ({"days_off": [date(2026, 1, 1)], "working_days": {date(2026, 1, 1): DAY}}, "2026-01-01 is listed twice"),
    ],
)
def test_nonsense_is_refused_in_one_clear_line(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        Calendar(**{"code": "broken", "zone": "Europe/Moscow", "week": WEEK, **given})
    assert "'broken'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_never_comes_is_said_to_be_out_of_reach() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    weekly = Calendar("weekly", "UTC", {1: ((time(9), time(9, 1)),)})
    with pytest.raises(OutOfReach, match="'weekly'"):
        weekly.add_working(start, 31 * 53)
    thirty_years_of_mondays = [date(2025, 12, 29) + timedelta(weeks=week) for week in range(53 * 32)]
    closed = Calendar("closed", "UTC", {1: ((time(9), time(10)),)}, days_off=thirty_years_of_mondays)
    with pytest.raises(OutOfReach, match="'closed'"):
        closed.next_open(start)
    with pytest.raises(ValueError, match="negative"):
        OFFICE.add_working(start, -1)


def test_hours_without_a_zone_take_that_of_their_user() -> None:
    floating = Calendar("office", "", WEEK)
    assert [
        floating.in_zone(zone).next_open(datetime(2026, 11, 20, 20, tzinfo=UTC)).isoformat()
        for zone in ("Europe/Kaliningrad", "Asia/Kamchatka")
    ] == ["2026-11-23T07:00:00+00:00", "2026-11-22T21:00:00+00:00"]


ZONES = (
    "Europe/Moscow",
    "Asia/Yekaterinburg",
    "Asia/Novosibirsk",
    "Asia/Vladivostok",
    "Asia/Kamchatka",
    "Europe/Berlin",
)
ZONES_WITH_ODD_CLOCKS = (*ZONES, "Australia/Lord_Howe", "America/St_Johns", "Asia/Tehran", "Africa/Casablanca")
CALENDARS = {
    (zone, kind): Calendar(f"{kind}-{zone}", zone, week, country)
    for zone in ZONES_WITH_ODD_CLOCKS
    for kind, week, country in (
        ("office", WEEK, "RU"),
        ("night", dict.fromkeys(range(1, 8), ((time(0), time(2, 30)), (time(22), time(0)))), ""),
        ("sunday", {7: ((time(1, 15), time(4)),)}, ""),
    )
}
calendars = st.sampled_from(sorted(CALENDARS)).map(CALENDARS.__getitem__)
instants = st.datetimes(datetime(2010, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
near_a_change = st.builds(
    lambda base, step: base + timedelta(seconds=step),
    st.sampled_from([datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)]),
    st.integers(-90_000, 90_000),
)
moments = instants | near_a_change
minutes = st.integers(0, 20_000)


@given(calendars, moments, minutes)
def test_what_was_added_lies_between(calendar: Calendar, start: datetime, work: int) -> None:
    end = calendar.add_working(start, work)
    assert calendar.working_between(start, end) == timedelta(minutes=work)
    assert calendar.working_between(end, start) == -timedelta(minutes=work)


@given(calendars, moments, minutes)
def test_a_deadline_falls_into_working_hours(calendar: Calendar, start: datetime, work: int) -> None:
    assume(work > 0)
    end = calendar.add_working(start, work)
    assert calendar.is_open(end - timedelta(microseconds=1))


@given(calendars, moments, moments, minutes, minutes)
def test_more_or_later_never_ends_sooner(calendar: Calendar, a: datetime, b: datetime, few: int, many: int) -> None:
    a, b = sorted((a, b))
    few, many = sorted((few, many))
    assert calendar.add_working(a, few) <= calendar.add_working(a, many)
    assert few == 0 or calendar.add_working(a, few) <= calendar.add_working(b, few)


@given(calendars, moments, moments, moments)
def test_measures_add_up(calendar: Calendar, a: datetime, b: datetime, c: datetime) -> None:
    assert calendar.working_between(a, b) + calendar.working_between(b, c) == calendar.working_between(a, c)


@settings(max_examples=40)
@given(calendars, moments)
def test_open_is_what_the_clock_on_the_wall_says(calendar: Calendar, at: datetime) -> None:
    local = at.astimezone(ZoneInfo(calendar.zone))
    clock = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    assert calendar.is_open(at) == any(start <= clock < end for start, end in calendar.hours_on(local.date()))


@given(calendars, moments)
def test_the_next_opening_is_open_and_nothing_was_worked_before(calendar: Calendar, at: datetime) -> None:
    opens = calendar.next_open(at)
    assert opens >= at
    assert calendar.is_open(opens)
    assert calendar.working_between(at, opens) == timedelta(0)


@given(calendars, moments, st.integers(1, 3_000))
def test_counting_minute_by_minute_comes_to_the_same(calendar: Calendar, at: datetime, span: int) -> None:
    start = at.replace(second=0, microsecond=0)
    counted = sum(calendar.is_open(start + timedelta(minutes=each)) for each in range(span))
    assert calendar.working_between(start, start + timedelta(minutes=span)) == timedelta(minutes=counted)
