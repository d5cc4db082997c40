"""The pages say what is true: every setting, event and command stands in them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gateway.cli import COMMANDS
from gateway.settings import Settings
from gateway.settings_reference import reference
from gateway.settings_source import submodel
from tickets.event import Event

ROOT = Path(__file__).parents[2]


def pages() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")])


def test_the_settings_page_is_the_one_the_program_makes() -> None:
    written = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert written == reference(), "run `make docs`"


def test_the_settings_page_has_every_key() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    for section, info in Settings.model_fields.items():
        assert f"[{section}" in page
        model = submodel(info.annotation)
        for key, field in model.model_fields.items() if model else ():
            assert f"| `{key}` |" in page
            assert field.description, f"{section}.{key} has no description"


@pytest.mark.parametrize("event", list(Event))
def test_every_event_is_documented(event: Event) -> None:
    assert f"`{event}`" in pages()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"otklik {command}" in pages()


def test_no_two_decisions_share_a_number() -> None:
    numbers = [page.name[:4] for page in ROOT.glob("docs/decisions/[0-9]*.md")]
    assert len(numbers) == len(set(numbers))


def test_no_lock_names_an_index() -> None:
    for lock in ROOT.glob("requirements/*.txt"):
        assert "://" not in lock.read_text()


def test_a_wheel_carries_every_package() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    tops = {name.partition(".")[0] for name in listed}
    there = {
        ".".join(found.parent.relative_to(ROOT).parts) for top in tops for found in (ROOT / top).rglob("__init__.py")
    }
    assert set(listed) == there
