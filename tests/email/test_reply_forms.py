"""The forms in which mail programs quote, head and sign: what the writer typed is left, and all of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.html import to_text
from channels.email.reply import strip_quotes

NEW = "Принтер так и не печатает.\nПришлите инженера."
OLD = "Добрый день! Ваше обращение № 1042 зарегистрировано.\nС уважением, служба поддержки"
MARKED = "\n".join("> " + line for line in OLD.split("\n"))

FORMS = tomllib.loads((Path(__file__).parent / "replies.toml").read_text(encoding="utf-8"))
INTRODUCTIONS: list[str] = FORMS["introductions"]
BLOCKS: list[str] = FORMS["blocks"]
TAILS: list[str] = FORMS["tails"]
KEPT: list[str] = FORMS["kept"]
HTML: dict[str, str] = FORMS["html"]


@pytest.mark.parametrize("introduction", INTRODUCTIONS)
def test_introductions(introduction: str) -> None:
    assert strip_quotes(f"{NEW}\n\n{introduction}\n\n{MARKED}\n") == NEW
    assert strip_quotes(f"{NEW}\n\n{introduction}\n{MARKED}\n") == NEW
    assert strip_quotes(f"{NEW}\n{introduction}\n{MARKED}\n") == NEW
    assert strip_quotes(f"{NEW}\n\n{introduction}\n\n{OLD}\n") == NEW


@pytest.mark.parametrize("introduction", INTRODUCTIONS)
def test_introductions_inside_the_quotation(introduction: str) -> None:
    marked = "\n".join("> " + line for line in introduction.split("\n"))
    assert strip_quotes(f"{NEW}\n\n{marked}\n>\n{MARKED}\n") == NEW


@pytest.mark.parametrize("introduction", INTRODUCTIONS)
def test_answers_below_and_between(introduction: str) -> None:
    text = f"{introduction}\n> Перезагрузили компьютер?\nДа, три раза.\n\n> Какая модель принтера?\nHP 1020\n"
    assert strip_quotes(text) == "Да, три раза.\n\nHP 1020"
    assert strip_quotes(f"{introduction}\n{MARKED}\n\n{NEW}\n") == NEW


def test_a_link_that_was_wrapped_out_of_the_quotation_goes_with_it() -> None:
    text = f"{NEW}\n\n{INTRODUCTIONS[0]}\n> Смотрите\n (https://example.ru/c/YzOTYzMmE) >\n> и ответьте\n"
    assert strip_quotes(text) == NEW


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks(block: str) -> None:
    assert strip_quotes(f"{NEW}\n\n{block}\n\n{OLD}\n") == NEW
    assert strip_quotes(f"{NEW}\n\n\n\n{block}\n{OLD}\n") == NEW


@pytest.mark.parametrize("tail", TAILS)
def test_tails(tail: str) -> None:
    assert strip_quotes(f"{NEW}\n\n{tail}\n") == NEW
    assert strip_quotes(f"{NEW}\n\n{tail}\n\n{INTRODUCTIONS[0]}\n\n{MARKED}\n") == NEW
    assert strip_quotes(f"{NEW}\n\n{tail}\n\n{BLOCKS[3]}\n\n{OLD}\n") == NEW


@pytest.mark.parametrize("text", KEPT)
def test_a_persons_own_words(text: str) -> None:
    assert strip_quotes(text) == text
    assert strip_quotes(f"{text}\n\n{INTRODUCTIONS[0]}\n{MARKED}\n") == text


@pytest.mark.parametrize("program", HTML)
def test_html(program: str) -> None:
    whole, fresh = to_text(HTML[program].format(new="Пришлите<br>инженера.", old="Ваше обращение<br>зарегистрировано."))
    assert "зарегистрировано" in whole
    assert strip_quotes(fresh) == "Пришлите\nинженера."


LINES = st.sampled_from(
    [*INTRODUCTIONS, *BLOCKS, *TAILS, *KEPT, MARKED, OLD, NEW, "", " ", ">", "> >", "--", "----", ":"]
)


@given(st.lists(st.one_of(LINES, st.text(max_size=40)), max_size=15).map("\n".join))
def test_what_is_left_is_made_of_lines_of_the_text(text: str) -> None:
    kept = strip_quotes(text)
    assert bool(kept.strip()) == bool(text.strip())
    lines = iter(line.strip() for line in text.split("\n"))
    for line in kept.split("\n"):
        if line.strip():
            # In order, each at most once; one may have lost the introduction that stood behind it.
            assert any(given.startswith(line.strip()) for given in lines), line
