"""Days of the week in a sentence: when we close a ticket nobody answers for."""

from __future__ import annotations

from datetime import datetime

from outbound.dates import moment, zone_info

_ON = {
    "ru": (
        "в понедельник",
        "во вторник",
        "в среду",
        "в четверг",
        "в пятницу",
        "в субботу",
        "в воскресенье",
    ),
    "en": (
        "on Monday",
        "on Tuesday",
        "on Wednesday",
        "on Thursday",
        "on Friday",
        "on Saturday",
        "on Sunday",
    ),
}
_AT = {"ru": "в", "en": "at"}
_NBSP = "\u00a0"


def on_day(at: datetime, *, zone: str, now: datetime, language: str) -> str:
    """When something will happen, as one says it.

    >>> from datetime import UTC
    >>> at, now = datetime(2026, 11, 24, 11, 0, tzinfo=UTC), datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
    >>> on_day(at, zone="Asia/Novosibirsk", now=now, language="ru").replace(_NBSP, " ")
    'во вторник, 24 ноября, в 18:00'
    >>> on_day(at, zone="Asia/Novosibirsk", now=now, language="en").replace(_NBSP, " ")
    'on Tuesday, 24 Nov, at 18:00'
    """
    local = at.astimezone(zone_info(zone))
    day = moment(at, zone=zone, now=now, language=language).rpartition(", ")[0]
    weekday = _ON[language][local.weekday()].replace(" ", _NBSP)
    return f"{weekday}, {day}, {_AT[language]}{_NBSP}{local:%H:%M}"
