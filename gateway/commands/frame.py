"""What every command shares: its settings, its ways to answer, its ways to refuse."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import typer

if TYPE_CHECKING:
    from gateway.settings import Settings

Item = TypeVar("Item")


class Refused(Exception):
    """The command ran and the answer is no: one line on the error stream, exit status 1."""


class Unusable(Exception):
    """The command cannot be used like this: one line on the error stream, exit status 2."""


@dataclass(frozen=True)
class Frame:
    """One run of the program. `config` is what `--config` named, `as_json` whether `--json` was given."""

    config: Path | None = None
    as_json: bool = False

    @cached_property
    def settings(self) -> Settings:
        """The settings of this run.

        Raises:
            gateway.settings_errors.SettingsError: they are wrong.
        """
        from gateway import settings

        return settings.load(settings.find(self.config, os.environ), os.environ)

    def answer(self, document: Any, text: str | Callable[[], str]) -> None:
        """Print one answer: the document with `--json`, else the text."""
        if self.as_json:
            print(as_json(document))
        else:
            print(text if isinstance(text, str) else text())

    def rows(self, items: Iterable[Item], text: Callable[[Item], str], document: Callable[[Item], Any]) -> int:
        """Print a list, one item a line or one JSON object a line, and return how many there were."""
        number = 0
        for number, item in enumerate(items, start=1):  # noqa: B007 - it is the count afterwards
            print(as_json(document(item)) if self.as_json else text(item))
        return number


def frame_of(context: typer.Context) -> Frame:
    """The run a command belongs to."""
    found = context.find_object(Frame)
    if found is None:
        raise LookupError("a command was run outside the program")
    return found


def new_app(help: str) -> typer.Typer:
    """The application object of a command module that is one command."""
    return typer.Typer(
        help=help,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def new_group(help: str) -> typer.Typer:
    """The application object of a command module that has commands of its own, be it only one."""
    app = new_app(help)
    app.callback()(_nothing_first)
    return app


def _nothing_first() -> None:
    pass


def as_json(document: Any) -> str:
    r"""One JSON document on one line: readable Cyrillic, ISO 8601 times, bare UUIDs.

    >>> as_json({"тема": "Принтер", "at": date(2026, 11, 21), "tags": ("a",)})
    '{"тема": "Принтер", "at": "2026-11-21", "tags": ["a"]}'
    """
    return json.dumps(document, ensure_ascii=False, default=_plain)


def complain(line: str) -> None:
    """Put one line on the error stream."""
    print(f"otklik: {' '.join(line.split())}", file=sys.stderr)


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, UUID | Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
