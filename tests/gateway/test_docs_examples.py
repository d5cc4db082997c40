"""What the pages show works: settings and organisations are read, commands parse, lists are complete."""

from __future__ import annotations

import importlib
import re
import shlex
import tomllib
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from desk.organisation_file import parse
from desk.organisation_kinds import KINDS
from gateway import settings
from gateway.cli import COMMANDS, hoisted
from outbound.environment import FILTERS
from outbound.sample import sample_context
from router.decide import Router
from router.rules import Assignments, Conditions
from router.table import run_cases
from tickets.organisation import Organisation
from web.api.access import SCOPES
from web.api.catalogue import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

_TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r'"(/etc/otklik/[^"]+)"')


def text(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


EXAMPLES = [
    pytest.param(example, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, example in enumerate(_TOML.findall(page.read_text(encoding="utf-8")), 1)
]


def made_up(example: str, folder: Path) -> str:
    """The example with its files and folders really there."""

    def make(found: re.Match[str]) -> str:
        path = folder / found[1].removeprefix("/etc/otklik/")
        if path.name == "templates":
            path.mkdir(exist_ok=True)
        else:
            path.write_text("postgresql://otklik:secret@127.0.0.1/otklik\n")
        return f'"{path}"'

    return _PLACE.sub(make, example)


@pytest.mark.parametrize("example", EXAMPLES)
def test_toml_is_read_by_the_program(example: str, tmp_path: Path) -> None:
    keys = set(tomllib.loads(example))
    if keys <= set(KINDS):
        assert set(parse(example, "example.toml").entries) == keys
    elif keys == {"cases"}:
        cases = tomllib.loads(example)["cases"]
        assert len(run_cases(Router((), {}), Organisation(), cases, NOON)) == len(cases)
    else:
        file = tmp_path / "otklik.toml"
        file.write_text(made_up(example, tmp_path), encoding="utf-8")
        settings.load(file, {})


def commands() -> list[tuple[str, Any]]:
    """Every command that does something, with its words."""
    found: list[tuple[str, Any]] = []
    for name in COMMANDS:
        command = typer.main.get_command(importlib.import_module(f"gateway.commands.{name}").app)
        inner = getattr(command, "commands", None)
        found += [(f"{name} {word}", each) for word, each in inner.items()] if inner else [(name, command)]
    return found


COMMAND = [pytest.param(words, command, id=words) for words, command in commands()]


def section(words: str) -> str:
    """What the page says of one command."""
    after = re.split(rf"^##+ otklik {words}$", text("commands.md"), maxsplit=1, flags=re.MULTILINE)
    assert len(after) == 2, f"docs/commands.md has no heading for otklik {words}"
    return re.split(r"^##+ ", after[1], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("words, command", COMMAND)
def test_every_option_of_every_command_is_documented(words: str, command: Any) -> None:
    there = {option for each in command.params for option in each.opts if option.startswith("--")} - {"--help"}
    there |= {option for each in command.params for option in each.secondary_opts}
    rows = "\n".join(line.partition(" | ")[0] for line in section(words).splitlines() if line.startswith("|"))
    assert set(re.findall(r"`(--[a-z-]+)`", rows)) == there


@pytest.mark.parametrize("words, command", COMMAND)
def test_the_example_of_every_command_parses(words: str, command: Any) -> None:
    (example,) = re.findall(r"^```\n(.+)\n```$", section(words), re.MULTILINE)
    called = hoisted(shlex.split(example.partition(" > ")[0])[1:])
    begins = words.split()
    assert begins == [word for word in called if word in begins][: len(begins)]
    command.make_context(words, called[called.index(begins[-1]) + 1 :])


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_of_templates_is_documented(name: str) -> None:
    assert f"| `{name}` |" in text("templates.md")


def test_everything_a_template_may_use_is_documented() -> None:
    page = text("templates.md")
    for name, value in sample_context("received").items():
        for inner in value if isinstance(value, dict) else ():
            assert f"`{name}.{inner}`" in page
        assert isinstance(value, dict) or f"`{name}`" in page


@pytest.mark.parametrize("key", [each.name for each in (*fields(Conditions), *fields(Assignments))])
def test_every_key_of_a_rule_is_documented(key: str) -> None:
    assert f"`{key}`" in text("routing.md")


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_the_organisation_is_documented(kind: str) -> None:
    row = next(line for line in text("routing.md").splitlines() if line.startswith(f"| `{kind}` |") and "name" in line)
    assert all(f"`{key}`" in row for key in KINDS[kind])


def test_the_calls_of_the_api_are_those_of_the_program() -> None:
    # that these are the calls the program serves, tests/api makes sure
    there = {f"{operation.method} {operation.path}" for operation in OPERATIONS}
    assert set(re.findall(r"^\| `([A-Z]+ /\S+)` \|", text("api.md"), re.MULTILINE)) == there


@pytest.mark.parametrize("scope", SCOPES)
def test_every_scope_is_documented(scope: str) -> None:
    assert f"`{scope}`" in text("api.md")
