"""Official non-working days: what the law of a country says about a date, before any centre adds its own hours.

The dates come from the `holidays` package, which knows the yearly decrees of the Russian government on moved days off.
It is imported at the first question and each year is asked once; after that an answer is a look-up in plain sets.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holidays import HolidayBase

EVES: dict[str, frozenset[tuple[int, int]]] = {
    "RU": frozenset({(1, day) for day in range(1, 9)} | {(2, 23), (3, 8), (5, 1), (5, 9), (6, 12), (11, 4)}),
}
"""Holidays, as `(month, day)`, that shorten the working day right before them by an hour.

RU: the non-working holidays of article 112 of the Labour Code; article 95 shortens their eves. Days off that were
merely moved next to a holiday shorten nothing.
"""

_MOVED_FROM = re.compile(r"перенесено с (\d\d)\.(\d\d)\.(\d{4})")


@dataclass(frozen=True, slots=True)
class ProductionYear:
    """One year of a country's production calendar.

    `off` are the dates nobody works by law, moved days off included. `worked` are weekend dates made working, each
    with the date whose day off was put there instead: the hours worked are those of that date (rules of 13.08.2009
    No. 588n, item 1). Where the exchange is not known, the date stands for itself.
    """

    off: frozenset[date]
    worked: Mapping[date, date]


def check_country(country: str) -> None:
    """Refuse a country whose holidays are not known.

    Raises:
        ValueError: not an ISO 3166-1 alpha-2 code the `holidays` package has data for.
    """
    if _module_of(country) is None:
        raise ValueError(
            f"holidays of {country!r} are not known; use an ISO 3166 code such as RU, KZ or DE, or leave it empty"
        )


def _module_of(country: str) -> str | None:
    """The module of the `holidays` package that knows a country by this two-letter code."""
    from holidays.registry import COUNTRIES

    if len(country) != len("RU"):
        return None
    return next((module for module, names in COUNTRIES.items() if country in names[1:]), None)


def _calendar_of(country: str) -> type[HolidayBase]:
    """The class of one country, without the two hundred others its package would import along (9 MB, 60 ms)."""
    import holidays

    module = _module_of(country) or ""
    package = "holidays.countries"
    if package not in sys.modules:
        bare = ModuleType(package)
        bare.__path__ = [f"{folder}/countries" for folder in holidays.__path__]
        sys.modules[package] = bare
        try:
            found = import_module(f"{package}.{module}")
        finally:
            del sys.modules[package]
    else:
        found = import_module(f"{package}.{module}")
    calendar: type[HolidayBase] = getattr(found, country)
    return calendar


@cache
def production_year(country: str, year: int) -> ProductionYear:
    """The production calendar of `country` in `year`.

    Years whose decree is not published yet hold the holidays alone.
    """
    language = "ru" if country == "RU" else None
    named = _calendar_of(country)(years=(year, year + 1), language=language)
    off = frozenset(day for day in named if day.year == year)
    exchanged: dict[date, date] = {}
    for day, name in named.items():
        if found := _MOVED_FROM.search(name):
            exchanged[date(int(found[3]), int(found[2]), int(found[1]))] = day
    worked = {day: exchanged.get(day, day) for day in named.weekend_workdays if day.year == year}
    return ProductionYear(off, worked)


def is_eve(country: str, day: date) -> bool:
    """Whether the law of `country` shortens work on `day` because a holiday follows.

    >>> is_eve("RU", date(2026, 5, 8)), is_eve("RU", date(2026, 5, 7)), is_eve("DE", date(2026, 5, 8))
    (True, False, False)
    """
    following = day + timedelta(days=1)
    return (following.month, following.day) in EVES.get(country, frozenset())
