"""Every part, in every state, in both languages and themes, on one sheet."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import FileSystemLoader, PrefixLoader

from desk.site import Site
from web.look.page import Look

from .conftest import Ask, StoppedClock, visitor
from .sheet import FACTS, ICONS

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PARTS = (ROOT / "web/look/templates/parts.html.j2").read_text(encoding="utf-8")
SHEETS = ["sheet.html.j2", "sheet_public.html.j2"]

VOID = {"meta", "link", "input", "br", "img", "hr"}


@pytest.fixture(scope="session")
def look() -> Look:
    """A look that knows the sheets besides the shipped templates."""
    made = Look(Site(name="Сервисный центр «Гарант-Сервис»", zone="Asia/Novosibirsk"), StoppedClock())
    loader = made._templates.loader
    assert isinstance(loader, PrefixLoader)
    made._templates.loader = PrefixLoader({**loader.mapping, "sheet": FileSystemLoader(HERE)})
    return made


class Outline(HTMLParser):
    """Checks that tags close in order, and collects ids and what points to them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.pointers: list[str] = []
        self.drawings: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID and tag != "use":
            self.open.append(tag)
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for name in ("for", "aria-labelledby", "aria-describedby"):
            self.pointers += (given.get(name) or "").split()
        if tag == "use":
            self.drawings.append(str(given["href"]).partition("#")[2])
        self.handlers += [name for name in given if name.startswith("on") or name == "style"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID and tag != "use":
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def drawn(look: Look, ask: Ask, sheet: str, language: str, theme: str) -> str:
    who = visitor(language=language, theme=theme) if sheet == "sheet.html.j2" else None
    page = look.render(ask("/look", visitor=who, Accept_Language=language), f"sheet/{sheet}", **FACTS)
    return str(page.text)


@pytest.mark.parametrize("sheet", SHEETS)
@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("theme", ["system", "light", "dark"])
def test_the_sheet_is_sound_html(look: Look, ask: Ask, sheet: str, language: str, theme: str) -> None:
    text = drawn(look, ask, sheet, language, theme)
    outline = Outline()
    outline.feed(text)
    outline.close()
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.pointers) <= set(outline.ids)
    assert set(outline.drawings) <= set(ICONS)
    assert not outline.handlers
    assert "<script>alert" not in text


def test_every_part_stands_on_a_sheet() -> None:
    known = set(re.findall(r"{% macro (\w+)\(", PARTS))
    shown = "".join((HERE / sheet).read_text(encoding="utf-8") for sheet in SHEETS) + PARTS
    frames = "".join(
        (ROOT / f"web/look/templates/{name}.html.j2").read_text(encoding="utf-8")
        for name in ("page_staff", "page_public")
    )
    used = {name for name in known if re.search(rf"(?<!macro )\b{name}\(", shown + frames)}
    assert known - used <= {"kbd", "hint", "mark"}


def test_every_part_says_what_it_takes() -> None:
    for at in re.finditer(r"^{% macro (\w+)\(([^)]*)\)", PARTS, re.MULTILINE):
        before = PARTS[: at.start()].rstrip().splitlines()[-1]
        assert before.endswith("#}") or at[1] in {"link", "hint", "kbd", "hidden_fields"}, f"{at[1]} has no comment"


def test_an_icon_that_a_template_names_is_drawn() -> None:
    named = {
        name
        for template in ROOT.glob("web/*/templates/*.j2")
        for name in re.findall(
            r"""(?:\bicon\(|drawing=)["']([a-z_-]+)["'](?! ~)""", template.read_text(encoding="utf-8")
        )
    }
    assert named <= set(ICONS), named - set(ICONS)


# ---- colours ---------------------------------------------------------------------------------------------------

TEXT_ON = {
    "ink": ["surface", "canvas", "sunken", "accent-soft", "hover"],
    "ink-2": ["surface", "canvas", "sunken", "accent-soft", "hover"],
    "ink-3": ["surface", "canvas", "sunken", "accent-soft", "hover"],
    "accent": ["surface", "canvas", "accent-soft"],
    "ok": ["surface", "canvas", "ok-soft"],
    "warn": ["surface", "canvas", "warn-soft"],
    "bad": ["surface", "canvas", "bad-soft"],
    "note-ink": ["note"],
    "on-accent": ["accent", "accent-pressed"],
    "on-inverse": ["inverse"],
    "on-inverse-2": ["inverse"],
}
EDGES_ON = {"control": ["surface", "canvas", "sunken"], "focus": ["surface", "canvas", "sunken", "accent-soft"]}


def tokens(block: int) -> dict[str, str]:
    css = (ROOT / "web/static/otklik.css").read_text(encoding="utf-8")
    blocks = [css.split(":root {")[1].split("}")[0]]
    blocks += [part.split("}")[0] for part in re.split(r':root\[data-theme="(?:dark|system)"\] \{', css)[1:]]
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", blocks[block]))


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("block", [0, 1, 2], ids=["light", "dark", "system in the dark"])
@pytest.mark.parametrize("table, least", [(TEXT_ON, 4.5), (EDGES_ON, 3.0)], ids=["text", "edges"])
def test_colours_can_be_told_from_what_they_stand_on(block: int, table: dict[str, list[str]], least: float) -> None:
    colour = tokens(0) | tokens(block)
    poor = [
        f"{front} on {back}: {contrast(colour[front], colour[back]):.2f}"
        for front, backs in table.items()
        for back in backs
        if contrast(colour[front], colour[back]) < least
    ]
    assert not poor


def test_the_two_ways_into_the_dark_agree() -> None:
    assert tokens(1) == tokens(2)
