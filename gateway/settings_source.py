"""Where settings come from: one TOML file, environment variables over it, files that hold secrets.

What comes out is one tree of plain values with a note for every key of where it stood.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.settings_errors import SettingsError, dotted

PREFIX = "OTKLIK_"
SWITCHES = frozenset({"OTKLIK_CONFIG", "OTKLIK_FAULTS", "OTKLIK_TRACEBACK"})
"""Variables that steer the program itself and are no settings."""

_AT_LINE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")
_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")

Keys = tuple[str | int, ...]


@dataclass(slots=True)
class Source:
    """The raw values, and for each key the place it came from. `base` is where relative paths start."""

    base: Path
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Keys, str] = field(default_factory=dict)
    default_origin: str = ""

    def origin(self, path: Keys) -> str:
        """The place of a key, or of the nearest table around it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.origins:
                return self.origins[path[:end]]
        return self.default_origin


def read(path: Path | None, environ: Mapping[str, str], model: type[BaseModel]) -> Source:
    """Collect everything that was set.

    Raises:
        SettingsError: a file cannot be read, the TOML is malformed, a variable contradicts the tree, or a secret is
            given twice.
    """
    source = Source(base=path.absolute().parent if path else Path.cwd(), default_origin=str(path or "environment"))
    if path is not None:
        _read_toml(source, path)
    _read_environment(source, environ, model)
    _read_secret_files(source, source.values, model, ())
    return source


def is_secret(info: FieldInfo) -> bool:
    """Whether a field's value must never be shown and may come from a file of its own."""
    return isinstance(info.json_schema_extra, dict) and bool(info.json_schema_extra.get("secret"))


def submodel(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation: of a section itself, or of the sections in a table of sections."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        if (found := submodel(argument)) is not None:
            return found
    return None


def _read_toml(source: Source, path: Path) -> None:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(str(path), "", f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(str(path), "", f"is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    text = text.replace("\r\n", "\n")
    try:
        source.values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _AT_LINE.search(str(error))
        number = int(line[1]) if line and line[1] else text.count("\n") + 1
        problem = _AT_LINE.sub("", str(error))
        raise SettingsError(f"{path}:{number}", "", f"this is not TOML: {problem}") from None
    source.origins = {keys: f"{path}:{number}" for keys, number in _lines(text).items()}


def _lines(text: str) -> dict[Keys, int]:
    """Which line each key begins on, by its looks; tomllib does not tell."""
    lines: dict[Keys, int] = {}
    table: Keys = ()
    counts: dict[Keys, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _split(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_split(key[1])), number)
    return lines


def _split(name: str) -> Keys:
    return tuple(part.strip("\"'") for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^\s.]+", name))


def _read_environment(source: Source, environ: Mapping[str, str], model: type[BaseModel]) -> None:
    collapsed = {name.replace("_", ""): name for name in _section_keys(model)}
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in SWITCHES:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if "__" not in name:
            if meant := collapsed.get(name.replace("_", "")):
                raise SettingsError(variable, "", f"there is no such variable; did you mean {PREFIX}{meant.upper()}?")
            continue
        path = tuple(name.split("__"))
        table = source.values
        for depth, part in enumerate(path[:-1], start=1):
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise SettingsError(variable, dotted(path[:depth]), "this is one value, nothing can stand below it")
        table[path[-1]] = _value(environ[variable], _annotation(model, path))
        source.origins[path] = variable


def _section_keys(model: type[BaseModel]) -> set[str]:
    found = set()
    for section, info in model.model_fields.items():
        inner = submodel(info.annotation)
        if inner is not None and get_origin(info.annotation) is None:
            found |= {f"{section}__{name}" for name in inner.model_fields}
    return found


def _annotation(model: type[BaseModel], path: tuple[str, ...]) -> Any:
    """The declared type of a key; None where the settings know no such key."""
    annotation: Any = model
    for part in path:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            info = annotation.model_fields.get(part)
            annotation = info.annotation if info else None
        elif get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        else:
            return None
    return annotation


def _value(text: str, annotation: Any) -> Any:
    """A variable's text as a value: lists and tables are written as in TOML, a list also with commas alone."""
    if get_origin(annotation) not in {list, dict}:
        return text
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = None
    if isinstance(value, list | dict):
        return value
    if get_origin(annotation) is list:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _read_secret_files(source: Source, values: Any, model: type[BaseModel], path: Keys) -> None:
    if not isinstance(values, dict):
        return
    for name, info in model.model_fields.items():
        if is_secret(info) and get_origin(info.annotation) is dict:
            table = values.get(name)
            if not isinstance(table, dict):
                continue
            for key in [each for each in table if each.endswith("_file")]:
                _take_file(source, table, key.removesuffix("_file"), (*path, name))
        elif is_secret(info):
            _take_file(source, values, name, path)
        elif (inner := submodel(info.annotation)) is not None:
            below = values.get(name)
            if get_origin(info.annotation) is dict and isinstance(below, dict):
                for key, section in below.items():
                    _read_secret_files(source, section, inner, (*path, name, key))
            else:
                _read_secret_files(source, below, inner, (*path, name))


def _take_file(source: Source, table: dict[str, Any], name: str, path: Keys) -> None:
    key = f"{name}_file"
    if key not in table:
        return
    where = source.origin((*path, key))
    full = dotted((*path, key))
    if name in table:
        raise SettingsError(where, full, f"{name} is given as well; keep one of the two")
    given = table.pop(key)
    if not isinstance(given, str) or not given:
        raise SettingsError(where, full, "expected the path of a file that holds the secret")
    try:
        table[name] = (source.base / given).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise SettingsError(where, full, f"{given} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(where, full, f"{given} is not UTF-8 text") from None
    source.origins[(*path, name)] = f"{where} ({given})"
