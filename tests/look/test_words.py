"""The words of the pages: both languages, the same facts, plurals, and never a fact taken for markup."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from markupsafe import Markup

from web.look import words
from web.look.page import Look

WEB = Path(__file__).parents[2] / "web"


def facts(form: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(form) if name}


def test_both_languages_name_the_same_facts(look: Look) -> None:
    for key in look.words.every():
        named = [facts(form) for language in ("ru", "en") for form in look.words.forms(key, language)]
        assert all(each == named[0] for each in named), key


def test_every_phrase_a_template_names_is_written_down(look: Look) -> None:
    missing = {
        f"{template.relative_to(WEB)}: {key}"
        for template in WEB.glob("*/templates/*.j2")
        for key in re.findall(r"""\bt\(["']([a-z0-9_.]+)["']\s*[,)]""", template.read_text(encoding="utf-8"))
        if key not in look.words
    }
    assert not missing


@pytest.mark.parametrize(
    "n, russian, english",
    [
        (1, "Не больше 1 файла", "No more than 1 file"),
        (2, "Не больше 2 файлов", "No more than 2 files"),
        (5, "Не больше 5 файлов", "No more than 5 files"),
        (21, "Не больше 21 файла", "No more than 21 files"),
    ],
)
def test_a_counted_phrase_takes_the_form_of_its_number(look: Look, n: int, russian: str, english: str) -> None:
    assert look.words.say("files.many", "ru", {"n": n}).replace("\u00a0", " ") == russian
    assert look.words.say("files.many", "en", {"n": n}).replace("\u00a0", " ") == english


def test_a_number_does_not_part_from_its_noun(look: Look) -> None:
    assert "5\u00a0файлов" in look.words.say("files.many", "ru", {"n": 5})


def test_facts_are_escaped_and_links_of_ours_are_not(look: Look) -> None:
    said = look.words.say("part.drop", "ru", {"name": "<b>", "value": Markup("<b>да</b>")})
    assert "&lt;b&gt;" in said
    assert "<b>да</b>" in said


def test_what_others_wrote_keeps_its_spaces(look: Look) -> None:
    assert "в 1 м" in look.words.say("part.drop", "ru", {"name": "x", "value": "в 1 м"})


def test_a_brace_in_a_fact_is_no_field(look: Look) -> None:
    assert "{n.__class__}" in look.words.say("part.drop", "en", {"name": "{n.__class__}", "value": "{0}"})


@pytest.mark.parametrize(
    "text, complaint",
    [
        ('["a"]\nru = "а"', "needs ru and en"),
        ('["a"]\nru = "а"\nen = ""', "must be a text"),
        ('["a"]\nru = ["а", "б"]\nen = "a"', "3 forms"),
        ('["a"]\nru = "{n.x}"\nen = "a"', "plain name"),
        ('["a"]\nru = "{"\nen = "a"', "a.ru"),
        ("[[", "words.toml"),
    ],
)
def test_a_mistake_in_a_file_of_words_is_told_at_the_start(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "area").mkdir()
    (tmp_path / "area/words.toml").write_text(text, encoding="utf-8")
    with pytest.raises(words.WordsError, match=complaint):
        words.load(tmp_path)


def test_a_phrase_stands_in_one_file_only(tmp_path: Path) -> None:
    for area in ("one", "two"):
        (tmp_path / area).mkdir()
        (tmp_path / area / "words.toml").write_text('["a"]\nru = "а"\nen = "a"', encoding="utf-8")
    with pytest.raises(words.WordsError, match="twice"):
        words.load(tmp_path)
