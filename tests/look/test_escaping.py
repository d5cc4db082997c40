"""What templates write is escaped exactly as MarkupSafe escapes it."""

from __future__ import annotations

from collections import UserString
from enum import StrEnum
from pathlib import Path

import pytest
from jinja2 import DictLoader, StrictUndefined, UndefinedError
from markupsafe import Markup, escape

from web.look.escaping import PageEnvironment, written


class Word(StrEnum):
    """A code that is a text."""

    HOSTILE = "<i>"


class Drawn:
    """Something that says itself what it looks like in a page."""

    def __html__(self) -> str:
        return "<b>x</b>"


VALUES = [
    "", "Касса № 5", "<script>", "a & b", "'\"", "&amp;", Markup("<b>"), Markup(), 0, -3, 1.5, True, None, Word.HOSTILE,
    Drawn(), UserString("<u>"), ["<x>"], Path("<y>"), b"<z>",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_every_value_is_written_as_the_library_writes_it(value: object) -> None:
    assert str(written(value)) == str(escape(value))


@pytest.mark.parametrize("value", VALUES)
def test_templates_write_so_in_outputs_macros_calls_and_sets(value: object) -> None:
    templates = {
        "page": "{% macro m(x) %}<p title='{{ x }}'>{{ caller() }}</p>{% endmacro %}"
        "{% set kept %}{{ value }}{% endset %}{% call m(value) %}{{ value }}{% endcall %}{{ kept }}"
        "{% for each in [value] %}{{ each }}{% endfor %}"
    }
    page = PageEnvironment(loader=DictLoader(templates), autoescape=True).get_template("page").render(value=value)
    said = str(escape(value))
    assert page == f"<p title='{said}'>{said}</p>{said}{said}"


def test_what_nobody_gave_is_a_mistake() -> None:
    environment = PageEnvironment(
        loader=DictLoader({"page": "{{ missing }}"}), autoescape=True, undefined=StrictUndefined
    )
    with pytest.raises(UndefinedError):
        environment.get_template("page").render()
