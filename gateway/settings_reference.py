"""The reference of all settings, made from the settings themselves: `docs/settings.md`."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from gateway.quantities import SocketAddress, format_duration, format_size
from gateway.settings import Settings
from gateway.settings_source import is_secret, submodel
from gateway.settings_values import Size
from tickets.priority import Level, Priority

FILE = Path("docs/settings.md")

_HEAD = """\
# Settings

One TOML file, `otklik.toml` in the working folder or the one named by `--config` or `OTKLIK_CONFIG`. Every key has a
working default, so no file is needed to begin with. This page is made from the program (`make docs`) and tested against
it; `otklik check` says whether what you set works.

- **Environment.** `OTKLIK_SECTION__KEY` wins over the file: `OTKLIK_DATABASE__URL` is `url` in `[database]`,
  `OTKLIK_RELAY__MAIN__HOST` is `host` in `[relay.main]`. Lists are separated by commas or written as in TOML, tables as
  in TOML.
- **Secrets.** A key marked *secret* may be given as `KEY_file = "path"` (or `OTKLIK_..._FILE`): the file's text,
  without the line end, is the value. No secret is ever shown.
- **Durations** are written `"30 s"`, `"5 min"`, `"1 h 30 min"`, `"3 days"`; **sizes** `"25 MB"` (powers of 1000) or
  `"512 KiB"` (of 1024); **addresses to listen on** `"127.0.0.1:8080"`, port 0 lets the system choose.
- **Relative paths** start at the settings file's folder, without a file at the working folder.

A wrong setting stops the program with exit status 2 and one line that names the place, the key and the mend:

```
otklik.toml:7: smtp.max_sise: there is no such key; did you mean max_size?
```
"""

_TAIL = """\
## `[[rules]]`

Routing rules in order, each with a `name` that people read in the reasons, conditions (`when`) that must all hold, and
what follows (`then`). A rule with `when = {}` always holds.

```toml
[[rules]]
name = "Printers"
when = { text_contains = ["принтер", "мфу"] }
then = { category = "printing" }
```

## `[priorities]`

Cells of the priority matrix that differ from the usual one, impact first, then urgency.

| impact | urgency high | urgency medium | urgency low |
|---|---|---|---|
"""

_SWITCHES = """
## Variables that are no settings

| variable | meaning |
|---|---|
| `OTKLIK_CONFIG` | The settings file, where `--config` is not given. |
| `OTKLIK_TRACEBACK` | `1` shows the traceback of an internal error. |
| `OTKLIK_FAULTS` | Fault points for tests, such as `intake.before_commit=kill@3`; never set it otherwise. |
"""


def reference() -> str:
    """The whole page, in Markdown."""
    defaults = Settings()
    parts = [_HEAD]
    for name, info in Settings.model_fields.items():
        section = submodel(info.annotation)
        if section is None:
            continue
        named = get_origin(info.annotation) is dict
        title = f"{name}{'.NAME' if named else ''}"
        parts.append(f"## `[{title}]`\n\n{section.__doc__}\n\n{_table(section)}")
        parts += _inner(title, section)
    parts.append(_TAIL + _matrix(defaults) + _SWITCHES)
    return "\n".join(parts)


def _inner(title: str, section: type[BaseModel]) -> list[str]:
    """The tables inside a section, each with its own head."""
    parts = []
    for name, info in section.model_fields.items():
        inner = submodel(info.annotation)
        if inner is not None:
            head = f"[[{title}.{name}]]" if get_origin(info.annotation) is list else f"[{title}.{name}]"
            parts.append(f"### `{head}`\n\n{inner.__doc__}\n\n{_table(inner)}")
    return parts


def _table(section: type[BaseModel]) -> str:
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for name, info in section.model_fields.items():
        meaning = f"*Secret.* {info.description}" if is_secret(info) else str(info.description)
        rows.append(f"| `{name}` | {_default(info)} | {meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(rows) + "\n"


def _default(info: FieldInfo) -> str:
    if submodel(info.annotation) is not None and get_origin(info.annotation) is None:
        return "below"
    if info.is_required():
        return "none"
    if info.default_factory is not None:
        return f"`{_toml((info.examples or [''])[0])}`"
    return f"`{_toml(info.default, size=_is_size(info))}`"


def _is_size(info: FieldInfo) -> bool:
    return any(part in info.metadata for part in get_args(Size)[1:] if not isinstance(part, FieldInfo))


def _toml(value: Any, *, size: bool = False) -> str:
    """A default as it would stand in the file."""
    if size:
        return f'"{format_size(value)}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and not isinstance(value, Enum):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_toml(item)}' for key, item in value.items())}}}"
    if isinstance(value, timedelta):
        return f'"{format_duration(value)}"'
    if isinstance(value, SecretStr) or value is None:
        return '""'
    if isinstance(value, SocketAddress | str):
        return f'"{value}"'
    raise TypeError(f"no way to write {value!r}")


def _matrix(settings: Settings) -> str:
    def row(impact: Level) -> str:
        cells: list[Priority] = [settings.matrix[impact, urgency] for urgency in Level]
        return f"| {impact} | {' | '.join(cells)} |\n"

    return "".join(map(row, Level))


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
