"""Files an organisation is written in: TOML, the same shape in JSON, or CSV for customers or staff.

```toml
[[centre]]
code = "msk"
name = "Москва"
zone = "Europe/Moscow"
addresses = ["support@example.ru"]
default = true

[[agreement]]
code = "gold"
name = "Золотое"
calendar = "24x7"
respond = { critical = "15 min", high = "1 h" }
resolve = { critical = "4 h", high = "12 h" }

[[group]]
code = "desk"
name = "Первая линия"
centre = "msk"

[[staff]]
login = "petrova"
name = "Анна Петрова"
email = "petrova@example.ru"
group = "desk"

[[customer]]
code = "romashka"
name = "ООО «Ромашка»"
agreement = "gold"
domains = ["romashka.example"]
phones = ["8 (495) 000-12-34"]
```

A CSV file has the keys as its header; a column `login` makes it a list of staff. Columns are parted by commas,
semicolons or tabs, several values in one cell by commas or semicolons. An empty cell stands for the key's default, for
the language of staff it says nothing.
"""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from desk import organisation_values as read
from desk.organisation_kinds import KINDS, Key, code_key

_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")
_HEADER = re.compile(r"\s*\[\[\s*([A-Za-z0-9_-]+)\s*\]\]")
_INNER = re.compile(r"\s*\[\s*[A-Za-z0-9_-]+\s*\.\s*([A-Za-z0-9_-]+)\s*\]")
_OTHER = re.compile(r"\s*\[")
_KEY = re.compile(r"\s*\"?([A-Za-z0-9_-]+)\"?\s*[=.]")
_YES = frozenset({"true", "yes", "1", "+", "да"})
_NO = frozenset({"false", "no", "0", "-", "нет"})
_ABSURD = "this is no organisation: a number of thousands of digits, or lists in lists in lists"
_LONGEST_KEY = 60
_AROUND_THE_CLOCK = "24x7"


class Refused(ValueError):
    """Files that cannot be imported. `problems` are all that were found, one line each: where, what, how to mend it."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a file. `values` has the keys that were written, `lines` where each stands ("" is the entry)."""

    kind: str
    code: str
    values: Mapping[str, Any]
    source: str
    position: int
    lines: Mapping[str, int] = field(default_factory=dict)

    def at(self, key: str = "") -> str:
        """Where the entry or one of its keys stands, for people."""
        return _place(self.source, self.kind, self.code, self.position, self.lines, key)


@dataclass(frozen=True, slots=True)
class Bundle:
    """What one or several files list; a kind that no file mentions is not in `entries`."""

    entries: Mapping[str, Mapping[str, Listed]] = field(default_factory=dict)

    @classmethod
    def joined(cls, bundles: Iterable[Bundle]) -> Bundle:
        """Several files as one.

        Raises:
            Refused: two of them list the same entry.
        """
        entries: dict[str, dict[str, Listed]] = {}
        problems: list[str] = []
        for bundle in bundles:
            for kind, listed in bundle.entries.items():
                for each in listed.values():
                    _add(entries.setdefault(kind, {}), each, problems)
                entries.setdefault(kind, {})
        if problems:
            raise Refused(problems)
        return cls(entries)


def parse(text: str, source: str) -> Bundle:
    """Read one file; the suffix of its name `source` says what it is: `.json`, `.csv`, everything else is TOML.

    Raises:
        Refused: something in it is wrong.
    """
    text = text.removeprefix("\ufeff")
    suffix = PurePath(source).suffix.lower()
    if suffix == ".csv":
        return _parse_csv(text, source)
    if suffix == ".json":
        return _parse_tree(_json(text, source), source, {})
    text = text.replace("\r\n", "\n")
    return _parse_tree(_toml(text, source), source, _lines(text))


def _toml(text: str, source: str) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _AT_LINE.search(str(error))
        number = int(line[1]) if line and line[1] else text.count("\n") + 1
        raise Refused([f"{source}:{number}: this is not TOML: {_AT_LINE.sub('', str(error))}"]) from None
    except (ValueError, RecursionError):
        raise Refused([f"{source}: {_ABSURD}"]) from None


def _json(text: str, source: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for key, value in pairs:
            if key in table:
                raise Refused([f"{source}: {read.shown(key)} stands twice in one object; keep one of the two"])
            table[key] = value
        return table

    try:
        return json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise Refused([f"{source}:{error.lineno}: this is not JSON: {error.msg}"]) from None
    except Refused:
        raise
    except (ValueError, RecursionError):
        raise Refused([f"{source}: {_ABSURD}"]) from None


def _parse_tree(tree: Any, source: str, lines: Mapping[str, list[dict[str, int]]]) -> Bundle:
    if not isinstance(tree, dict):
        raise Refused([f"{source}: expected an object with lists such as customer and staff"])
    entries: dict[str, dict[str, Listed]] = {}
    problems: list[str] = []
    for kind, tables in tree.items():
        if kind not in KINDS:
            problems.append(f"{source}: {read.shown(kind)} is nothing an organisation has; {read.near(kind, KINDS)}")
        elif not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            problems.append(f"{source}: {kind}: expected a list of tables; write [[{kind}]] with double brackets")
        else:
            found = lines.get(kind, [])
            places = found if len(found) == len(tables) else [{}] * len(tables)
            _entries(kind, zip(tables, places, strict=True), source, entries.setdefault(kind, {}), problems)
    if problems:
        raise Refused(problems)
    return Bundle(entries)


def _entries(
    kind: str,
    tables: Iterable[tuple[Mapping[str, Any], Mapping[str, int]]],
    source: str,
    entries: dict[str, Listed],
    problems: list[str],
) -> None:
    for position, (table, lines) in enumerate(tables, start=1):
        listed = _entry(kind, table, source, position, lines, problems)
        if listed is not None:
            _add(entries, listed, problems)


def _entry(
    kind: str, table: Mapping[str, Any], source: str, position: int, lines: Mapping[str, int], problems: list[str]
) -> Listed | None:
    keys, naming = KINDS[kind], code_key(kind)
    values: dict[str, Any] = {}
    code = table.get(naming)
    shown = code if isinstance(code, str) and code.isprintable() and len(code) <= 80 else ""
    before = len(problems)

    def wrong(key: str, problem: str) -> None:
        problems.append(f"{_place(source, kind, shown, position, lines, key)}: {problem}")

    for key, value in table.items():
        if key not in keys:
            wrong(key, f"there is no such key; {read.near(key, keys)}")
            continue
        try:
            values[key] = keys[key].read(value)
        except read.Unfit as error:
            wrong(f"{key}.{error.inside}" if error.inside else key, str(error))
    if naming not in table:
        wrong("", f"{naming} is missing; every {kind} needs one of its own")
    if kind == "agreement" and table.get("calendar") == _AROUND_THE_CLOCK and len(problems) == before:
        for key in ("respond", "resolve"):
            for priority, given in table.get(key, {}).items():
                if read.says_days(given):
                    mend = "a day is 8 working hours, which a clock that never stops does not know: write hours"
                    wrong(f"{key}.{priority}", str(read.Unfit('hours with the calendar "24x7"', given, mend)))
    return Listed(kind, values[naming], values, source, position, lines) if len(problems) == before else None


def _add(entries: dict[str, Listed], listed: Listed, problems: list[str]) -> None:
    earlier = entries.setdefault(listed.code, listed)
    if earlier is not listed:
        naming = code_key(listed.kind)
        problems.append(f"{listed.at(naming)}: {earlier.at()} has it already; give one of them another {naming}")


def _place(source: str, kind: str, code: str, position: int, lines: Mapping[str, int], key: str) -> str:
    line = lines.get(key) or lines.get(key.partition(".")[0]) or lines.get("")
    where = f"{source}:{line}: {kind}" if line else f"{source}: {kind} number {position}"
    named = key if key.isprintable() and len(key) <= _LONGEST_KEY else read.shown(key)
    return " ".join(part for part in (where, code) if part) + (f": {named}" if key else "")


def _lines(text: str) -> dict[str, list[dict[str, int]]]:
    """On which line each entry of each kind and its keys begin, by their looks; tomllib does not tell."""
    found: dict[str, list[dict[str, int]]] = {}
    entry: dict[str, int] = {}
    inner = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            entry, inner = {"": number}, ""
            found.setdefault(header[1], []).append(entry)
        elif header := _INNER.match(line):
            inner = f"{header[1]}."
            entry.setdefault(header[1], number)
        elif _OTHER.match(line):
            inner = ""
        elif key := _KEY.match(line):
            entry.setdefault(inner + key[1], number)
    return found


# ---- CSV ------------------------------------------------------------------------------------------------------------


def _parse_csv(text: str, source: str) -> Bundle:
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    tables: list[tuple[dict[str, Any], dict[str, int]]] = []
    problems: list[str] = []
    header: list[str] = []
    kind = "customer"
    end = 0
    try:
        for row in rows:
            line, end = end + 1, rows.line_num
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not header:
                header = [cell.lower() for cell in cells]
                kind = "staff" if "login" in header else "customer"
                _check_header(header, kind, f"{source}:{line}")
            elif len(cells) != len(header):
                problems.append(f"{source}:{line}: expected {len(header)} cells as in the header; got {len(cells)}")
            else:
                tables.append((_row(dict(zip(header, cells, strict=True)), kind), {"": line}))
    except csv.Error as error:
        raise Refused([f"{source}:{rows.line_num}: this is not CSV: {error}"]) from None
    if not header:
        raise Refused([f"{source}: expected a header such as code,name,domains or login,name,email,group"])
    entries: dict[str, Listed] = {}
    _entries(kind, tables, source, entries, problems)
    if problems:
        raise Refused(problems)
    return Bundle({kind: entries})


def _check_header(header: list[str], kind: str, place: str) -> None:
    keys = KINDS[kind]
    for key in header:
        if key not in keys:
            mend = read.near(key, keys)
            raise Refused([f"{place}: there is no such column {read.shown(key)} in a list of {kind}; {mend}"])
        if header.count(key) > 1:
            raise Refused([f"{place}: the column {key} stands there twice; keep one of the two"])


def _row(cells: Mapping[str, str], kind: str) -> dict[str, Any]:
    """The cells as TOML would have given them; texts that fit nothing stay as they are and are refused later."""
    return {name: _cell(text, KINDS[kind][name]) for name, text in cells.items() if text or not KINDS[kind][name].site}


def _cell(text: str, key: Key) -> Any:
    if not text:
        return list(key.default) if key.form == "list" else key.default
    if key.form == "list":
        return [part.strip() for part in re.split(r"[,;\n]", text) if part.strip()]
    if key.form == "number" and text.isascii() and text.isdecimal():
        return int(text)
    if key.form == "flag":
        return True if text.lower() in _YES else False if text.lower() in _NO else text
    return text
