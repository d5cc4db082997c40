"""An organisation as TOML text that imports back to the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from desk.organisation_kinds import KINDS, values_of
from desk.organisation_values import term
from tickets.organisation import Organisation

_HEAD = '# Terms count working time; a "day" is 8 working hours.\n'
_LONGEST_LINE = 110
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
}


def export(organisation: Organisation) -> str:
    """Every entry, with every key that differs from its default (TOML 1.0). Ids are not written."""
    tables = []
    for kind, entries in values_of(organisation).items():
        for entry in entries.values():
            days = entry.get("calendar") != "24x7"
            lines = [f"[[{kind}]]"]
            for name, key in KINDS[kind].items():
                if key.required or key.site or entry[name] != key.default:
                    lines.append(_line(name, entry[name], days))
            tables.append("\n".join(lines) + "\n")
    return "\n".join([_HEAD, *tables])


def quoted(text: str) -> str:
    r"""A basic string (TOML 1.0, "String").

    >>> quoted('ООО "Ромашка"\t\x7f')
    '"ООО \\"Ромашка\\"\\t\\u007F"'
    """
    return '"' + "".join(_ESCAPES.get(each) or _escaped(each) for each in text) + '"'


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04X}" if number < 0x20 or 0x7F <= number < 0xA0 or number in {0x2028, 0x2029} else character


def _line(name: str, value: Any, days: bool) -> str:
    if isinstance(value, Mapping):
        terms = (f"{priority} = {quoted(term(minutes, days=days))}" for priority, minutes in value.items())
        return f"{name} = {{ {', '.join(terms)} }}"
    if isinstance(value, tuple):
        return _list(name, [quoted(each) for each in value])
    if isinstance(value, bool):
        return f"{name} = {'true' if value else 'false'}"
    return f"{name} = {value}" if isinstance(value, int) else f"{name} = {quoted(value)}"


def _list(name: str, values: Iterable[str]) -> str:
    values = list(values)
    line = f"{name} = [{', '.join(values)}]"
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{name} = [\n" + "".join(f"    {each},\n" for each in values) + "]"
