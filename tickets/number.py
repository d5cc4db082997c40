"""Ticket numbers: for people, not for machines. `MSK-26-000123`: site prefix, year, serial within site and year."""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = re.compile(r"[A-Z][A-Z0-9]{1,5}")
_NUMBER = re.compile(r"(?<![0-9A-Z-])([A-Z][A-Z0-9]{1,5})-(\d{2})-(\d{6,9})(?![0-9-])", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class TicketNumber:
    """A site's prefix, the last two digits of the year in the site's zone, and a serial."""

    prefix: str
    year: int
    serial: int

    def __str__(self) -> str:
        return f"{self.prefix}-{self.year % 100:02d}-{self.serial:06d}"

    @classmethod
    def parse(cls, text: str) -> TicketNumber:
        """Read a whole number.

        Raises:
            ValueError: the text is not a ticket number.
        """
        found = _NUMBER.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is no ticket number; one looks like MSK-26-000123")
        return cls(found[1].upper(), int(found[2]), int(found[3]))


def find_numbers(text: str) -> tuple[str, ...]:
    """Every ticket number in a text, in canonical spelling, in order, each once.

    >>> find_numbers("Re: [msk-26-000123] принтер, см. также MSK-26-000007")
    ('MSK-26-000123', 'MSK-26-000007')
    """
    return tuple(dict.fromkeys(f"{m[1].upper()}-{m[2]}-{m[3]}" for m in _NUMBER.finditer(text)))
