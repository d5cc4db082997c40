"""Instants, spans and sizes as pages write them: «сегодня, 14:05», «до пн 11:20», «1 ч 20 м», «1,8 МБ».

Every instant is told in the reader's zone. No text here is relative without a day at hand.
"""

from __future__ import annotations

from datetime import datetime

from markupsafe import Markup, escape

from outbound.dates import clock, day, zone_info, zone_words

_NBSP = "\u00a0"
_DAYS = {
    "ru": ("пн", "вт", "ср", "чт", "пт", "сб", "вс"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_LONG_DAYS = {
    "ru": ("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
_NEAR = {
    "ru": {0: "сегодня", -1: "вчера", 1: "завтра"},
    "en": {0: "today", -1: "yesterday", 1: "tomorrow"},
}
_UNTIL = {"ru": "до", "en": "by"}
_SINCE = {"ru": "с", "en": "since"}
_UNITS = {"ru": ("ч", "м"), "en": ("h", "min")}
_SIZES = {"ru": ("байт", "КБ", "МБ", "ГБ"), "en": ("bytes", "KB", "MB", "GB")}

FORMS = ("default", "time", "day", "full", "seconds", "until", "since", "short", "iso")


def told(at: datetime, form: str, *, zone: str, now: datetime, language: str) -> str:
    """An instant in words.

    | form | Russian |
    |---|---|
    | `default` | «сегодня, 14:05», «вчера, 14:05», «20 ноября, 14:05», with the year when it is another |
    | `time` | «14:05» |
    | `seconds` | «14:05:07» today, «19 ноября, 14:05:07» on another day |
    | `day` | «20 ноября», with the year when it is another |
    | `short` | «14:05» today, «вчера, 14:05», else the day alone: for lists |
    | `until` | «до 15:25» today, «до пн 11:20» within six days, else «до 20 ноября, 11:20» |
    | `since` | «с 14:05» today, else «с 19 ноября» |
    | `full` | «пятница, 20 ноября 2026, 14:05, время новосибирское» |
    | `iso` | ISO 8601 with offset, for `datetime` attributes |

    >>> from datetime import UTC, timedelta
    >>> now = datetime(2026, 11, 20, 7, 5, tzinfo=UTC)
    >>> def say(form, **ahead):
    ...     at = now + timedelta(**ahead)
    ...     return told(at, form, zone="Asia/Novosibirsk", now=now, language="ru").replace(_NBSP, " ")
    >>> say("default"), say("default", days=-1), say("default", days=-400)
    ('сегодня, 14:05', 'вчера, 14:05', '16 октября 2025, 14:05')
    >>> say("until", hours=1), say("until", days=3), say("until", days=7)
    ('до 15:05', 'до пн 14:05', 'до 27 ноября, 14:05')
    >>> say("full")
    'пятница, 20 ноября 2026, 14:05, время новосибирское'

    Raises:
        ValueError: there is no such form.
    """
    info = zone_info(zone)
    return _told(at.astimezone(info), form, zone, now.astimezone(info), language)


def element(at: datetime, form: str, *, zone: str, now: datetime, language: str) -> Markup:
    """The same as an HTML element, with the instant for programs and the full form in its tooltip.

    Raises:
        ValueError: there is no such form.
    """
    info = zone_info(zone)
    local, today = at.astimezone(info), now.astimezone(info)
    said = _told(local, form, zone, today, language)
    full = _told(local, "full", zone, today, language)
    iso = local.isoformat(timespec="seconds")
    return Markup(f'<time datetime="{iso}" title="{escape(full)}">{escape(said)}</time>')  # noqa: S704 - escaped


def _told(local: datetime, form: str, zone: str, now: datetime, language: str) -> str:
    """`told`, of instants in the reader's zone."""
    match form:
        case "iso":
            return local.isoformat(timespec="seconds")
        case "time":
            return clock(local)
        case "full":
            whole = day(local, language, year=True)
            return f"{_LONG_DAYS[language][local.weekday()]}, {whole}, {clock(local)}, {zone_words(zone, language)}"
    days = (local.date() - now.date()).days
    near = _NEAR[language].get(days, "") if days <= 0 else ""
    dated = day(local, language, year=local.year != now.year)
    match form:
        case "default":
            return f"{near or dated}, {clock(local)}"
        case "seconds":
            seconds = f"{clock(local)}:{local.second:02d}"
            return seconds if days == 0 else f"{dated}, {seconds}"
        case "day":
            return dated
        case "short":
            return clock(local) if days == 0 else f"{near}, {clock(local)}" if near else dated
        case "until":
            return f"{_UNTIL[language]}{_NBSP}{_point(local, days, dated, language)}"
        case "since":
            return f"{_SINCE[language]}{_NBSP}{clock(local) if days == 0 else dated}"
    raise ValueError(f"there is no form {form!r} of a date; there are {', '.join(FORMS)}")


def _point(local: datetime, days: int, dated: str, language: str) -> str:
    if days == 0:
        return clock(local)
    if 0 < days < 7:
        return f"{_DAYS[language][local.weekday()]}{_NBSP}{clock(local)}"
    return f"{dated}, {clock(local)}"


def left(minutes: float, language: str, *, day: int = 0) -> str:
    """Working time as «1 ч 20 м»; with `day`, the minutes of a working day, «1 день 2 ч». The sign is left out.

    >>> [left(m, "ru").replace(_NBSP, " ") for m in (0, 25, 80, 125, -125, 1500)]
    ['0 м', '25 м', '1 ч 20 м', '2 ч 05 м', '2 ч 05 м', '25 ч']
    >>> [left(m, "ru", day=720).replace(_NBSP, " ") for m in (840, 2400, 3600)]
    ['1 день 2 ч', '3 дня 4 ч', '5 дней']
    """
    from outbound.words import plural

    total = abs(int(minutes))
    hour, minute = _UNITS[language]
    if day and total >= day:
        days, rest = divmod(total, day)
        said = plural(days, language, *(("день", "дня", "дней") if language == "ru" else ("day", "days")))
        return f"{said} {rest // 60}{_NBSP}{hour}" if rest >= 60 else said
    hours, rest = divmod(total, 60)
    if not hours:
        return f"{rest}{_NBSP}{minute}"
    return f"{hours}{_NBSP}{hour}{_NBSP}{rest:02d}{_NBSP}{minute}" if rest else f"{hours}{_NBSP}{hour}"


def number(value: float, language: str, digits: int = 0) -> str:
    """A number with its groups and decimal mark.

    >>> number(1284, "ru").replace(_NBSP, " "), number(99.4, "ru", 1), number(1284, "en")
    ('1 284', '99,4', '1,284')
    """
    said = f"{value:,.{digits}f}"
    if language == "en":
        return said
    # four digits stand together in Russian running text; sums and counts are told in groups here as in the pictures
    return said.replace(",", _NBSP).replace(".", ",")


def size(count: int, language: str) -> str:
    """A size in bytes, in powers of 1000 as the settings have them.

    >>> [size(n, "ru").replace(_NBSP, " ") for n in (512, 1800, 1_800_000, 25_000_000)]
    ['512 байт', '1,8 КБ', '1,8 МБ', '25 МБ']
    """
    units = _SIZES[language]
    amount, unit = float(count), units[0]
    for bigger in units[1:]:
        if amount < 1000:
            break
        amount, unit = amount / 1000, bigger
    whole = unit == units[0] or amount >= 10 or round(amount, 1) == int(amount)
    return f"{number(amount, language, 0 if whole else 1)}{_NBSP}{unit}"
