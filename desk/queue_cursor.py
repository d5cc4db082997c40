"""Where the next page of the queue begins, as a word for an address.

A place is a list of integers, instants and keys. The word is no secret and needs no proof: one that was altered begins
the list somewhere else, or at its beginning.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

_LONGEST = 200


def encode(place: Sequence[Any]) -> str:
    """A place as a word.

    >>> decode(encode([1, UUID(int=7)]))
    [1, UUID('00000000-0000-0000-0000-000000000007')]
    """
    parts = []
    for value in place:
        match value:
            case datetime():
                parts.append(f"t{value.isoformat()}")
            case UUID():
                parts.append(f"k{value.hex}")
            case _:
                parts.append(f"n{int(value)}")
    return base64.urlsafe_b64encode("|".join(parts).encode()).decode().rstrip("=")


def decode(word: str) -> list[Any] | None:
    """The place of a word; None where it is none."""
    if not word or len(word) > _LONGEST:
        return None
    try:
        parts = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)).decode("ascii").split("|")
        return [_value(part) for part in parts]
    except (ValueError, binascii.Error, IndexError):
        return None


def _value(part: str) -> Any:
    match part[0]:
        case "t":
            at = datetime.fromisoformat(part[1:])
            if at.tzinfo is None or not 1970 < at.year <= 9000:
                raise ValueError(part)
            return at
        case "k":
            return UUID(part[1:])
        case "n" if abs(number := int(part[1:])) < 1 << 62:
            return number
    raise ValueError(part)
