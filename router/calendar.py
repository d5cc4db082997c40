"""Working calendars: when somebody is there, and how deadlines are counted in the hours they are.

How it works. The working time of one UTC year is laid out once as sorted spans of UTC microseconds with running totals.
Adding working time or measuring it is then a binary search, a year at a time; the number of minutes does not matter.

An instant belongs to the working time when its wall clock in the calendar's zone shows a time inside one of the day's
ranges. So an hour the clock repeats in autumn counts twice, an hour it skips in spring counts not at all, and no
instant is ever counted that a person looking at the clock on the wall would call closed.

Years before 2 and after 9998 are out of reach.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from router.production import check_country, is_eve, production_year

Hours = Sequence[tuple[time, time]]
"""Ranges of one day, `(start, end)` by the wall clock; an end of 00:00 is the midnight that ends the day."""

HORIZON = 30
"""Years looked ahead before a search for working time is given up."""

_PROBE_YEAR = 2026
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_MINUTE = 60_000_000
_DAY = 86_400_000_000
_HOUR = 3_600_000_000
_NAMES = ("", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_Span = tuple[int, int]


class OutOfReach(ValueError):
    """The working time asked for does not come within `HORIZON` years."""


@dataclass(frozen=True, slots=True)
class _Year:
    """Spans of one UTC year in UTC microseconds: where each starts and ends, and the working time up to its end."""

    starts: list[int]
    ends: list[int]
    totals: list[int]
    total: int

    def before(self, tick: int) -> int:
        """Working time of the year before an instant."""
        at = bisect_right(self.starts, tick) - 1
        if at < 0:
            return 0
        rest = self.ends[at] - tick
        return self.totals[at] - rest if rest > 0 else self.totals[at]


@dataclass(frozen=True, eq=False)
class Calendar:
    """When a centre works.

    `week` gives the hours of ISO weekdays (1 is Monday); a weekday left out is a day off. `holidays` is the ISO 3166
    code of the country whose official days off are kept, "" for none. In Russia the working day before a holiday is an
    hour shorter (Labour Code, article 95) and a weekend made working takes the hours of the day it was exchanged for,
    unless the week has hours of its own there. Single dates win over all of it: nobody works on `days_off`;
    `working_days` and `short_days` have exactly the hours given (they differ in what people mean by them).

    An empty `zone` leaves the zone to whoever works by the calendar, see `in_zone`; by itself it then means UTC.

    Raises:
        ValueError: an unknown zone or country, hours that overlap or run backwards, a date with two meanings, or no
            working time at all.
    """

    code: str
    zone: str
    week: Mapping[int, Hours]
    holidays: str = ""
    days_off: Collection[date] = ()
    working_days: Mapping[date, Hours] = field(default_factory=dict)
    short_days: Mapping[date, Hours] = field(default_factory=dict)
    _zone: ZoneInfo = field(init=False, repr=False)
    _week: dict[int, tuple[_Span, ...]] = field(init=False, repr=False)
    _dates: dict[date, tuple[_Span, ...]] = field(init=False, repr=False)
    _years: dict[int, _Year] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        try:
            zone = ZoneInfo(self.zone or "UTC")
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"calendar {self.code!r}: {self.zone!r} is no time zone; use an IANA name such as Europe/Moscow"
            ) from error
        for weekday in self.week:
            if weekday not in range(1, 8):
                raise ValueError(f"calendar {self.code!r}: weekday {weekday!r}; weekdays are 1 (Monday) to 7 (Sunday)")
        week = {day: self._spans(hours, _NAMES[day]) for day, hours in self.week.items()}
        if not any(week.values()):
            raise ValueError(f"calendar {self.code!r} has no working time at all; give hours to at least one weekday")
        dates: dict[date, tuple[_Span, ...]] = dict.fromkeys(self.days_off, ())
        for table in (self.working_days, self.short_days):
            for day, hours in table.items():
                if day in dates:
                    raise ValueError(f"calendar {self.code!r}: {day} is listed twice; keep one of the two")
                dates[day] = self._spans(hours, str(day))
        object.__setattr__(self, "_zone", zone)
        object.__setattr__(self, "_week", week)
        object.__setattr__(self, "_dates", {})
        if self.holidays:
            try:
                check_country(self.holidays)
            except ValueError as error:
                raise ValueError(f"calendar {self.code!r}: {error}") from None
            if not self._year(_PROBE_YEAR).total:
                raise ValueError(f"calendar {self.code!r} has no working time: its hours fall on holidays only")
            self._years.clear()
        self._dates.update(dates)

    @classmethod
    def around_the_clock(cls, code: str, zone: str = "UTC") -> Calendar:
        """The calendar that never closes; `zone` is for showing times to people."""
        return cls(code, zone, {day: ((time(0), time(0)),) for day in range(1, 8)})

    def in_zone(self, zone: str) -> Calendar:
        """The same hours by the wall clocks of `zone`.

        Raises:
            ValueError: not an IANA time zone.
        """
        return Calendar(self.code, zone, self.week, self.holidays, self.days_off, self.working_days, self.short_days)

    def add_working(self, start: datetime, minutes: int) -> datetime:
        """The instant by which `minutes` of working time have passed since `start`; see `add`.

        >>> office = Calendar("msk", "Europe/Moscow", {d: ((time(9), time(18)),) for d in range(1, 6)})
        >>> office.add_working(datetime(2026, 11, 20, 14, 30, tzinfo=UTC), 60).isoformat()
        '2026-11-23T06:30:00+00:00'
        """
        return self._after(start, minutes * _MINUTE)

    def add(self, start: datetime, work: timedelta) -> datetime:
        """The earliest instant by which `work` of working time has passed since `start`; exact to the microsecond.

        Work that fills a day to the brim ends when the day closes, not when the next one opens; no work at all ends
        where it starts.

        Raises:
            ValueError: `work` is negative.
            OutOfReach: the calendar does not have that much working time within `HORIZON` years.
        """
        return self._after(start, work // _TICK)

    def working_between(self, a: datetime, b: datetime) -> timedelta:
        """Working time from `a` to `b`, exact to the microsecond; negative when `b` comes first."""
        if b < a:
            return -self.working_between(b, a)
        first, last = a.astimezone(UTC).year, b.astimezone(UTC).year
        ticks = self._year(last).before((b - _EPOCH) // _TICK) - self._year(first).before((a - _EPOCH) // _TICK)
        ticks += sum(self._year(number).total for number in range(first, last))
        return timedelta(microseconds=ticks)

    def is_open(self, at: datetime) -> bool:
        """Whether somebody works at this instant; a range's end is closed already."""
        tick = (at - _EPOCH) // _TICK
        year = self._year(at.astimezone(UTC).year)
        index = bisect_right(year.starts, tick) - 1
        return index >= 0 and tick < year.ends[index]

    def next_open(self, at: datetime) -> datetime:
        """`at` itself when open, else the next opening.

        Raises:
            OutOfReach: there is none within `HORIZON` years.
        """
        if self.is_open(at):
            return at.astimezone(UTC)
        tick = (at - _EPOCH) // _TICK
        first = at.astimezone(UTC).year
        for number in range(first, first + HORIZON + 1):
            year = self._year(number)
            index = bisect_left(year.starts, tick)
            if index < len(year.starts):
                return _EPOCH + timedelta(microseconds=year.starts[index])
        raise OutOfReach(f"calendar {self.code!r} does not open within {HORIZON} years")

    def local(self, at: datetime) -> datetime:
        """The same instant by the calendar's wall clock."""
        return at.astimezone(self._zone)

    def hours_on(self, day: date) -> tuple[tuple[timedelta, timedelta], ...]:
        """The hours of one date as offsets from its midnight, holidays and single dates applied."""
        return tuple((timedelta(microseconds=a), timedelta(microseconds=b)) for a, b in self._day(day))

    def _after(self, start: datetime, work: int) -> datetime:
        if work <= 0:
            if work < 0:
                raise ValueError(f"working time to add must not be negative, got {timedelta(microseconds=work)}")
            return start.astimezone(UTC)
        first = number = (start if start.tzinfo is UTC else start.astimezone(UTC)).year
        year = self._year(number)
        left = work + year.before((start - _EPOCH) // _TICK)
        while left > year.total:
            left -= year.total
            number += 1
            if number > first + HORIZON:
                raise OutOfReach(f"calendar {self.code!r} has not that much working time in {HORIZON} years")
            year = self._year(number)
        totals = year.totals
        at = bisect_left(totals, left)
        return _EPOCH + timedelta(microseconds=year.ends[at] - totals[at] + left)

    def _spans(self, hours: Hours, where: str) -> tuple[_Span, ...]:
        spans: list[_Span] = []
        for start, end in hours:
            span = (_since_midnight(start), _since_midnight(end) or _DAY)
            if span[0] >= span[1]:
                raise ValueError(
                    f"calendar {self.code!r}, {where}: {start:%H:%M}-{end:%H:%M} ends before it starts; "
                    "split a night shift at midnight"
                )
            if spans and span[0] < spans[-1][1]:
                raise ValueError(
                    f"calendar {self.code!r}, {where}: {start:%H:%M}-{end:%H:%M} starts before the range "
                    "in front of it ends; list ranges in order, without overlap"
                )
            spans.append(span)
        return tuple(spans)

    def _day(self, day: date) -> tuple[_Span, ...]:
        if (given := self._dates.get(day)) is not None:
            return given
        spans = self._week.get(day.isoweekday(), ())
        if not self.holidays:
            return spans
        law = production_year(self.holidays, day.year)
        if day in law.off:
            return ()
        model = day
        if not spans and day in law.worked:
            model = law.worked[day]
            spans = self._week.get(model.isoweekday(), ())
        return _shortened(spans) if is_eve(self.holidays, model) else spans

    def _year(self, number: int) -> _Year:
        found = self._years.get(number)
        if found is None:
            found = self._years[number] = self._lay_out(number)
        return found

    def _lay_out(self, number: int) -> _Year:
        first = (datetime(number, 1, 1, tzinfo=UTC) - _EPOCH) // _TICK
        last = (datetime(number + 1, 1, 1, tzinfo=UTC) - _EPOCH) // _TICK
        offsets = self._offsets(first, last)
        starts: list[int] = []
        ends: list[int] = []
        totals: list[int] = []
        total = 0
        pieces: list[_Span] = []
        day = date(number - 1, 12, 30)
        while day < date(number + 1, 1, 3):
            midnight = (day.toordinal() - _EPOCH.toordinal()) * _DAY
            for start, end in self._day(day):
                for since, until, offset in offsets:
                    a, b = max(since, midnight + start - offset), min(until, midnight + end - offset)
                    if a < b:
                        pieces.append((a, b))
            day += timedelta(days=1)
        for a, b in sorted(pieces):
            total += b - a
            if ends and a == ends[-1]:
                ends[-1], totals[-1] = b, total
            else:
                starts.append(a)
                ends.append(b)
                totals.append(total)
        return _Year(starts, ends, totals, total)

    def _offsets(self, first: int, last: int) -> list[tuple[int, int, int]]:
        """`(since, until, offset from UTC)` over a year, in microseconds; zones change at most once a day."""
        found: list[tuple[int, int, int]] = []
        since, offset = first, self._offset(first)
        for tick in range(first, last, _DAY):
            until = min(tick + _DAY, last)
            if self._offset(until) == offset:
                continue
            low, high = tick, until
            while high - low > 1_000_000:
                middle = (low + high) // 2_000_000 * 1_000_000
                low, high = (middle, high) if self._offset(middle) == offset else (low, middle)
            found.append((since, high, offset))
            since, offset = high, self._offset(high)
        found.append((since, last, offset))
        return [piece for piece in found if piece[0] < piece[1]]

    def _offset(self, tick: int) -> int:
        local = (_EPOCH + timedelta(microseconds=tick)).astimezone(self._zone)
        return (local.utcoffset() or timedelta()) // _TICK


def _since_midnight(at: time) -> int:
    return at.hour * _HOUR + at.minute * _MINUTE + at.second * 1_000_000 + at.microsecond


def _shortened(spans: tuple[_Span, ...]) -> tuple[_Span, ...]:
    """A day's ranges without their last working hour."""
    kept = list(spans)
    left = _HOUR
    while kept and left:
        start, end = kept.pop()
        if end - start > left:
            kept.append((start, end - left))
            left = 0
        else:
            left -= end - start
    return tuple(kept)
