"""Instants and spans in words, in the reader's language and zone.

Small tables of our own: the short forms here and «время московское» stand in no library of locales.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_NBSP = "\u00a0"
_MONTHS = {
    "ru": (
        *("января", "февраля", "марта", "апреля", "мая", "июня"),
        *("июля", "августа", "сентября", "октября", "ноября", "декабря"),
    ),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}
_UNITS = {"ru": ("д", "ч", "мин"), "en": ("d", "h", "min")}
_ZONES = {
    "Europe/Kaliningrad": "калининградское",
    "Europe/Moscow": "московское",
    "Europe/Samara": "самарское",
    "Europe/Saratov": "саратовское",
    "Europe/Ulyanovsk": "ульяновское",
    "Europe/Volgograd": "волгоградское",
    "Asia/Yekaterinburg": "екатеринбургское",
    "Asia/Omsk": "омское",
    "Asia/Novosibirsk": "новосибирское",
    "Asia/Barnaul": "барнаульское",
    "Asia/Tomsk": "томское",
    "Asia/Novokuznetsk": "новокузнецкое",
    "Asia/Krasnoyarsk": "красноярское",
    "Asia/Irkutsk": "иркутское",
    "Asia/Chita": "читинское",
    "Asia/Yakutsk": "якутское",
    "Asia/Vladivostok": "владивостокское",
    "Asia/Magadan": "магаданское",
    "Asia/Sakhalin": "сахалинское",
    "Asia/Kamchatka": "камчатское",
    "Asia/Almaty": "алматинское",
    "Europe/Minsk": "минское",
}


@lru_cache(maxsize=256)
def zone_info(zone: str) -> tzinfo:
    """The zone of an IANA name; UTC for a name nobody knows, which the words then say."""
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        return UTC


def moment(at: datetime, *, zone: str, now: datetime, language: str) -> str:
    """Day and time in `zone`, with the year only when it is not the year of `now` there.

    >>> at, now = datetime(2026, 11, 20, 7, 5, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC)
    >>> moment(at, zone="Asia/Novosibirsk", now=now, language="ru").replace(_NBSP, " ")
    '20 ноября, 14:05'
    >>> moment(at, zone="Europe/Moscow", now=now.replace(year=2025), language="en").replace(_NBSP, " ")
    '20 Nov 2026, 10:05'
    """
    info = zone_info(zone)
    local = at.astimezone(info)
    return f"{day(local, language, year=local.year != now.astimezone(info).year)}, {clock(local)}"


def day(local: datetime, language: str, *, year: bool) -> str:
    """Day and month, and the year where it is wanted."""
    months = _MONTHS.get(language, _MONTHS["ru"])
    return f"{local.day}{_NBSP}{months[local.month - 1]}{f'{_NBSP}{local.year}' if year else ''}"


def clock(local: datetime) -> str:
    """Hours and minutes. A list tells hundreds of them, and `strftime` takes ten times as long."""
    return f"{local.hour:02d}:{local.minute:02d}"


def zone_words(zone: str, language: str) -> str:
    """Whose time it is: «время новосибирское», "Novosibirsk time"; without a name for it, the name itself.

    >>> zone_words("Asia/Novosibirsk", "ru"), zone_words("America/New_York", "en"), zone_words("UTC", "ru")
    ('время новосибирское', 'New York time', 'UTC')
    """
    if zone_info(zone) is UTC or zone == "UTC":
        return "UTC"
    if language != "en":
        return f"время {_ZONES[zone]}" if zone in _ZONES else f"время {zone}"
    city = zone.rpartition("/")[2].replace("_", " ")
    return f"{city} time" if "/" in zone else zone


def duration(span: timedelta, language: str) -> str:
    """A span in its two largest units, minutes the smallest; a negative one without its sign.

    >>> [duration(timedelta(minutes=m), "ru").replace(_NBSP, " ") for m in (0, 5, 80, 120, 1500, -80)]
    ['0 мин', '5 мин', '1 ч 20 мин', '2 ч', '1 д 1 ч', '1 ч 20 мин']
    """
    minutes = int(abs(span).total_seconds() // 60)
    days, rest = divmod(minutes, 24 * 60)
    amounts = (days, *divmod(rest, 60))
    units = _UNITS.get(language, _UNITS["ru"])
    first = next((n for n, amount in enumerate(amounts) if amount), 2)
    pairs = list(zip(amounts, units, strict=True))[first : first + 2]
    return _NBSP.join(f"{amount}{_NBSP}{unit}" for amount, unit in pairs if amount or first == 2)
