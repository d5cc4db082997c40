"""Durations, sizes and socket addresses as people write them in settings.

Every reader raises `ValueError` with what was expected, in words that complete "expected ...".
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import NamedTuple

_DURATION_UNITS = {
    "ms": 0.001,
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
    **dict.fromkeys(("w", "week", "weeks"), 7 * 86400),
}
_SIZE_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*([A-Za-z]+)")
_MAX_DURATION = timedelta(days=3660)


class SocketAddress(NamedTuple):
    """Where a listener listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_duration(text: str) -> timedelta:
    """Read a duration: numbers with units, added up. A bare 0 is none at all.

    >>> parse_duration("1 h 30 min"), parse_duration("3 days"), parse_duration("250ms")
    (datetime.timedelta(seconds=5400), datetime.timedelta(days=3), datetime.timedelta(microseconds=250000))

    Raises:
        ValueError: this is no duration, or one longer than ten years.
    """
    if text.strip() == "0":
        return timedelta()
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip() or any(unit.lower() not in _DURATION_UNITS for _, unit in parts):
        raise ValueError('a duration such as "30 s", "5 min", "1 h 30 min" or "3 days"')
    total = timedelta(seconds=sum(float(number) * _DURATION_UNITS[unit.lower()] for number, unit in parts))
    if total > _MAX_DURATION:
        raise ValueError("a duration of ten years at most")
    return total


def format_duration(value: timedelta) -> str:
    """The shortest spelling `parse_duration` reads back.

    >>> format_duration(timedelta(minutes=90)), format_duration(timedelta()), format_duration(timedelta(days=3))
    ('1 h 30 min', '0', '3 days')
    """
    rest = round(value / timedelta(milliseconds=1))
    words = []
    for unit, size in (("days", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)):
        number, rest = divmod(rest, size)
        if number:
            words.append(f"{number} {'day' if unit == 'days' and number == 1 else unit}")
    return " ".join(words) or "0"


def parse_size(text: str) -> int:
    """Read a size in bytes. KB, MB and GB are powers of 1000; KiB, MiB and GiB of 1024.

    >>> parse_size("25 MB"), parse_size("64KiB"), parse_size("100")
    (25000000, 65536, 100)

    Raises:
        ValueError: this is no size.
    """
    found = re.fullmatch(r"\s*(\d{1,12})\s*([A-Za-z]*)\s*", text)
    if found is None or (found[2].upper() or "B") not in _SIZE_UNITS:
        raise ValueError('a size such as "25 MB" or "512 KiB"')
    return int(found[1]) * _SIZE_UNITS[found[2].upper() or "B"]


def format_size(value: int) -> str:
    """The shortest spelling `parse_size` reads back.

    >>> format_size(25_000_000), format_size(2048), format_size(1001)
    ('25 MB', '2 KiB', '1001 B')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value and value % size == 0:
            return f"{value // size} {unit}"
    return f"{value} B"


def parse_socket_address(text: str) -> SocketAddress:
    """Read `host:port`; an IPv6 address stands in brackets. Port 0 lets the system choose.

    >>> parse_socket_address("127.0.0.1:8080"), str(parse_socket_address("[::1]:25"))
    (SocketAddress(host='127.0.0.1', port=8080), '[::1]:25')

    Raises:
        ValueError: this is none.
    """
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]]+)):(\d{1,5})", text.strip())
    if found is None or int(found[3]) > 65535:
        raise ValueError('an address and a port such as "127.0.0.1:8080"')
    return SocketAddress(found[1] or found[2], int(found[3]))
