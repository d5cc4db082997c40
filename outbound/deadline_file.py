"""The deadlines of a ticket as a file for calendars (iCalendar, RFC 5545; published, RFC 5546 section 3.2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from outbound.foreign import clean

NAME = "deadline.ics"
CONTENT_TYPE = "text/calendar; charset=utf-8; method=PUBLISH"

_FOLD = 75
_SHOWN = timedelta(minutes=15)
"""How long an entry is drawn: calendars hide what has no length."""


def calendar(
    entries: Sequence[tuple[str, str, datetime]],
    *,
    stamp: datetime,
    description: str = "",
    url: str = "",
    version: int = 0,
) -> bytes:
    """A calendar of entries: a stable id each, its words, and the instant it ends at.

    The same id with a higher `version` moves the entry where it stands already. Empty without entries.
    """
    if not entries:
        return b""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Otklik//Otklik//RU", "CALSCALE:GREGORIAN", "METHOD:PUBLISH"]
    for uid, words, due in entries:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{text(uid)}",
            f"DTSTAMP:{_utc(stamp)}",
            f"SEQUENCE:{version}",
            f"DTSTART:{_utc(due - _SHOWN)}",
            f"DTEND:{_utc(due)}",
            f"SUMMARY:{text(words)}",
            *([f"DESCRIPTION:{text(description)}"] if description else []),
            *([f"URL:{url}"] if url.isascii() and url.isprintable() and url else []),
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return b"".join(fold(line) for line in lines)


def text(words: str) -> str:
    r"""Words as a TEXT value (section 3.3.11).

    >>> text("Касса; чек, \n№5\\")
    'Касса\\; чек\\, \\n№5\\\\'
    """
    plain = clean(words).replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return plain.replace("\t", " ").replace("\n", "\\n")


def fold(line: str) -> bytes:
    """A content line of 75 octets at most, no character split, with its line ends (section 3.1)."""
    octets = line.encode()
    pieces = []
    room = _FOLD
    while len(octets) > room:
        end = room
        while octets[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(octets[:end])
        octets, room = octets[end:], _FOLD - 1
    return b"\r\n ".join([*pieces, octets]) + b"\r\n"


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
