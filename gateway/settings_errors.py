"""A wrong setting, told in one line: where it stands, its key, what was expected, what was given, how to mend it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]+")
_LONGEST_GIVEN = 60

_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "a text in quotes",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "greater_than_equal": "{ge} or more",
    "greater_than": "more than {gt}",
    "less_than_equal": "{le} or less",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "string_pattern_mismatch": "a text like {pattern}",
    "string_too_short": "a text that is not empty",
    "date_from_datetime_parsing": "a day such as 2026-12-31",
    "date_parsing": "a day such as 2026-12-31",
    "date_type": "a day such as 2026-12-31",
}
"""What each of pydantic's complaints means to the person who wrote the setting."""


class SettingsError(Exception):
    """The settings cannot be used; the text is one line and holds no secret."""

    def __init__(self, where: str, key: str, problem: str) -> None:
        parts = (where, key, problem)
        super().__init__(_CONTROL.sub(" ", ": ".join(part for part in parts if part)))
        self.where = where
        self.key = key


def expected(details: ErrorDetails) -> str:
    """What should have stood there."""
    if details["type"] == "value_error":
        return str(details["ctx"]["error"])
    template = _EXPECTED.get(details["type"])
    return template.format(**details.get("ctx", {})) if template else details["msg"]


def wrong_value(where: str, path: Iterable[str | int], details: ErrorDetails, *, secret: bool) -> SettingsError:
    """The value of a known key was refused."""
    whole_table = details["type"] == "value_error" and isinstance(details["input"], Mapping)
    given = "" if secret or whole_table else f"; got {shown(details['input'])}"
    return SettingsError(where, dotted(path), f"expected {expected(details)}{given}")


def unknown_key(where: str, path: Iterable[str | int], known: Iterable[str]) -> SettingsError:
    """There is no such key; the nearest of the known ones is named, or all of them."""
    path = list(path)
    known = sorted(known)
    near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
    mend = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return SettingsError(where, dotted(path), f"there is no such key; {mend}")


def shown(value: Any) -> str:
    """A given value as it may be printed: scalars cut to a readable length, tables and lists by name only."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_GIVEN else f"{text[:_LONGEST_GIVEN]}…"


def dotted(path: Iterable[str | int]) -> str:
    """A key's full name; people count the places of a list from 1.

    >>> dotted(["relay", "main", "port"]), dotted(["rules", 0, "when"])
    ('relay.main.port', 'rules[1].when')
    """
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text
