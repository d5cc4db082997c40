"""Single values of the organisation's files: what each accepts, and its one canonical spelling.

Readers take what TOML or JSON gave and return the value as it is stored, or raise `Unfit`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from router.probe import unicode_domain
from router.roster import TOP_LINE
from router.words import LANGUAGES
from tickets.address import fold
from tickets.priority import Priority

WORKING_DAY = 8 * 60
"""Minutes of the "day" in a target: eight working hours, whatever the calendar's own day is."""

Reader = Callable[[Any], Any]

_CODE = re.compile(r"[a-z0-9][a-z0-9._-]*")
_MAILBOX = re.compile(r"[^@\s<>()\[\],;:\\\"]{1,64}@(?:[\w-]{1,63}\.)*[\w-]{1,63}")
_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.)+[\w-]{2,63}")
_PHONE_MARKS = re.compile(r"[\s\u00a0()./\u2010-\u2015-]+")
_RUSSIAN_PHONE = re.compile(r"(?:\+?7|8)([3-9]\d{9})|(9\d{9})", re.ASCII)
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_TERM = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*([a-zа-я]+)\.?", re.ASCII | re.IGNORECASE)
_LONGEST_TERM = 366 * 24 * 60
_LONGEST_NAME = 200
_LONGEST_GIVEN = 60
_HUGE = 10**30

_UNITS = {
    **dict.fromkeys(("m", "min", "minute", "minutes", "мин"), 1),
    **dict.fromkeys(("h", "hour", "hours", "ч"), 60),
    **dict.fromkeys(("d", "day", "days", "д", "дн"), WORKING_DAY),
}

_PUBLIC_DOMAINS = frozenset(
    {"bk.ru", "gmail.com", "hotmail.com", "icloud.com", "inbox.ru", "internet.ru", "list.ru", "live.com", "mail.ru"}
    | {"me.com", "outlook.com", "proton.me", "rambler.ru", "vk.com", "xmail.ru", "ya.ru", "yahoo.com", "yandex.com"}
    | {"yandex.ru", "googlemail.com"}
)
"""Where anybody can have a mailbox: as a customer's domain they would claim the mail of strangers."""


class Unfit(ValueError):
    """A value that cannot be taken. `expected` completes the word "expected", `mend` says what to do.

    `inside` is the key within a table of values.
    """

    inside = ""

    def __init__(self, expected: str, given: Any, mend: str = "") -> None:
        super().__init__("; ".join(part for part in (f"expected {expected}", f"got {shown(given)}", mend) if part))


def shown(value: Any) -> str:
    """A given value as it may be printed on one line, cut to a readable length."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) > _HUGE:
        return "a huge number"
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else f'"{value}"'
    text = "".join(each if each.isprintable() else " " for each in text)
    return text if len(text) <= _LONGEST_GIVEN else f"{text[:_LONGEST_GIVEN]}…"


def near(word: str, known: Iterable[str]) -> str:
    """The mend for a wrong word: the nearest known one, else the first of all known ones."""
    known = sorted(known)
    if found := difflib.get_close_matches(word[:80].casefold(), known, n=1, cutoff=0.6):
        return f"did you mean {found[0]}?"
    return f"known: {', '.join(known[:12])}{', …' if len(known) > 12 else ''}"


def code(longest: int) -> Reader:
    """A reader of codes and logins: what other entries, rules and commands call an entry by."""

    def read(value: Any) -> str:
        expected = f"1 to {longest} small Latin letters, digits, dots, dashes and underscores"
        if not isinstance(value, str):
            raise Unfit(expected, value, "put it in quotes" if isinstance(value, int) else "")
        if len(value) > longest or not _CODE.fullmatch(value):
            small = value.strip().lower().replace(" ", "-")
            fits = len(small) <= longest and _CODE.fullmatch(small)
            raise Unfit(expected, value, f'write "{small}"' if fits else "")
        return value

    return read


def name(value: Any) -> str:
    """What people call something: one line; no-break spaces from word processors become plain ones."""
    text = value.replace("\u00a0", " ").replace("\u202f", " ").strip() if isinstance(value, str) else ""
    if not text or not text.isprintable() or len(text) > _LONGEST_NAME:
        raise Unfit(f"a text of one line, 1 to {_LONGEST_NAME} characters", value)
    return text


def mailbox(value: Any) -> str:
    """A mailbox (RFC 5321 `Mailbox`, without quoted local parts), folded."""
    text = fold(value) if isinstance(value, str) else ""
    if len(text) > 254 or not _MAILBOX.fullmatch(text) or not text.isprintable():
        raise Unfit('a mailbox such as "support@example.ru"', value)
    return text


def domain(value: Any) -> str:
    """A mail domain, folded, labels in `xn--` form decoded."""
    text = unicode_domain(fold(value)) if isinstance(value, str) else ""
    if len(text) > 253 or not _DOMAIN.fullmatch(text):
        mend = "put whole mailboxes under addresses" if isinstance(value, str) and "@" in value else ""
        raise Unfit('a mail domain such as "example.ru"', value, mend)
    if text in _PUBLIC_DOMAINS:
        mend = f"anybody can have a mailbox at {text}: list the customer's mailboxes under addresses"
        raise Unfit("a domain of the customer's own", value, mend)
    return text


def phone(value: Any) -> str:
    """A phone number in E.164; Russian numbers in every usual spelling, others with their plus.

    >>> phone("8 (495) 000-12-34"), phone("9161234567"), phone("+44 20 7946 0123")
    ('+74950001234', '+79161234567', '+442079460123')
    """
    expected = 'a phone number such as "+7 495 000-12-34"'
    if not isinstance(value, str):
        raise Unfit(expected, value, "put it in quotes" if isinstance(value, int) else "")
    if found := _RUSSIAN_PHONE.fullmatch(_PHONE_MARKS.sub("", value)):
        return f"+7{found[1] or found[2]}"
    import phonenumbers

    try:
        number = phonenumbers.parse(value, "RU")
    except phonenumbers.NumberParseException:
        raise Unfit(expected, value) from None
    if number.extension:
        raise Unfit(expected, value, "leave the extension out: callers' numbers come without it")
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if not phonenumbers.is_valid_number(number) or not _E164.fullmatch(text):
        raise Unfit(expected, value, "there is no such number" if _E164.fullmatch(text) else "")
    return str(text)


def zone(value: Any) -> str:
    """An IANA time zone."""
    from zoneinfo import ZoneInfo, available_timezones

    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        found = difflib.get_close_matches(shown(value).strip('"'), available_timezones(), n=1)
        mend = f"did you mean {found[0]}?" if found else ""
        raise Unfit('an IANA time zone such as "Europe/Moscow"', value, mend) from None
    return str(value)


def language(value: Any) -> str:
    """A language texts exist in."""
    if value not in LANGUAGES:
        raise Unfit(" or ".join(f'"{each}"' for each in LANGUAGES), value)
    return str(value)


def flag(value: Any) -> bool:
    """Yes or no."""
    if not isinstance(value, bool):
        raise Unfit("true or false", value, "write it without quotes" if value in ("true", "false") else "")
    return value


def line(value: Any) -> int:
    """A support line."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= TOP_LINE:
        raise Unfit(f"a support line, 1 to {TOP_LINE}", value)
    return value


def list_of(read: Reader, example: str) -> Reader:
    """A reader of lists; of several spellings of one value the first is kept."""

    def read_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            mend = "put it in square brackets" if isinstance(value, str) else ""
            raise Unfit(f'a list such as ["{example}"]', value, mend)
        return tuple(dict.fromkeys(read(each) for each in value))

    return read_all


def or_nothing(read: Reader) -> Reader:
    """A reader that lets "" through: nothing is named."""
    return lambda value: "" if value == "" else read(value)


def says_days(value: str) -> bool:
    """Whether a term counts in days.

    >>> says_days("1 day 4 h"), says_days("12 h")
    (True, False)
    """
    return any(_UNITS.get(unit.lower()) == WORKING_DAY for _, unit in _TERM.findall(value))


def targets(value: Any) -> dict[str, int]:
    """Working minutes by priority."""
    expected = 'a table such as { critical = "30 min", high = "4 h", normal = "2 days" }'
    if not isinstance(value, Mapping):
        raise Unfit(expected, value)
    known = [each.value for each in Priority]
    for priority in value:
        if priority not in known:
            raise Unfit(expected, priority, near(str(priority), known))
    found = {}
    for priority in known:
        if priority in value:
            try:
                found[priority] = minutes(value[priority])
            except Unfit as error:
                error.inside = priority
                raise
    return found


def minutes(value: Any) -> int:
    """A term in working minutes; numbers with units are added up and a day is eight working hours.

    >>> minutes("30 min"), minutes("1 h 30 min"), minutes("2 days")
    (30, 90, 960)
    """
    expected = 'a term such as "30 min", "4 h" or "2 days" (a day is 8 working hours)'
    if not isinstance(value, str):
        raise Unfit(expected, value, f'write "{value} min"' if type(value) is int and 0 < value < _HUGE else "")
    parts = _TERM.findall(value)
    if not parts or _TERM.sub("", value).strip() or any(unit.lower() not in _UNITS for _, unit in parts):
        raise Unfit(expected, value)
    total = round(sum(float(number) * _UNITS[unit.lower()] for number, unit in parts), 6)
    if not 1 <= total <= _LONGEST_TERM or total != int(total):
        raise Unfit("a term of whole minutes, one minute to 366 days of 24 hours", value)
    return int(total)


def term(value: int, *, days: bool = True) -> str:
    """The shortest spelling `minutes` reads back; `days=False` where a day could be taken for 24 hours.

    >>> term(90), term(960), term(960, days=False), term(600)
    ('1 h 30 min', '2 days', '16 h', '10 h')
    """
    if days and value % WORKING_DAY == 0:
        return f"{value // WORKING_DAY} day{'s' if value != WORKING_DAY else ''}"
    hours, rest = divmod(value, 60)
    return " ".join([f"{hours} h"] * bool(hours) + [f"{rest} min"] * bool(rest or not hours))
