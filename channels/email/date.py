"""The Date field of a mail as an instant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

_DATE = re.compile(
    rb"(?:[A-Za-z]{3},?\s*)?(\d{1,2})\s+([A-Za-z]{3})[a-z]*\s+(\d{4})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*"
    rb"(?:([+-])(\d{2}):?(\d{2})|GMT|UTC?|Z)"
)
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_MONTHS = {m: n for n, m in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}


def instant(value: bytes) -> datetime | None:
    """A Date field (RFC 5322 3.3) in UTC; None where it names no instant, or none a mail can have been sent at."""
    try:
        written = _written(value)
    except (ValueError, OverflowError, TypeError, IndexError, AttributeError):
        return None
    if written is None or not _FIRST_YEAR < written.year < _LAST_YEAR:
        return None
    return (written if written.tzinfo else written.replace(tzinfo=UTC)).astimezone(UTC)


def _written(value: bytes) -> datetime | None:
    found = _DATE.match(value)
    number = _MONTHS.get(found[2].lower()) if found else None
    if found is None or number is None:
        return parsedate_to_datetime(value[:200].decode("latin-1"))
    day, _, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    zone = timezone(-offset if sign == b"-" else offset)
    # A leap second is written as 60.
    return datetime(int(year), number, int(day), int(hour), int(minute), min(int(second or 0), 59), tzinfo=zone)
