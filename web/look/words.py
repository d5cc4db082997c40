"""The words of the pages, in both languages, from `web/<area>/words*.toml`.

```toml
["queue.title"]
ru = "Очередь"
en = "Queue"

["queue.count"]                                   # counted: the form is chosen by the fact `n`
ru = ["{n} заявка", "{n} заявки", "{n} заявок"]   # 1, 2, 5
en = ["{n} ticket", "{n} tickets"]                # 1, 2
```

Words are plain text with facts in braces. Our words get their non-breaking spaces here; facts are escaped and otherwise
left alone, so that nothing anybody else wrote is changed. A fact that is `Markup` goes in as it is: a link, say.
"""

from __future__ import annotations

import re
import string
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.plural import PluralRule
from markupsafe import Markup, escape

from outbound.typography import bind
from outbound.words import LANGUAGES

_FORMS = {"ru": ("one", "few", "many"), "en": ("one", "other")}
"""Plural categories of Unicode CLDR in the order in which the forms stand in the file."""
_PLURAL = {
    "ru": PluralRule(
        {
            "one": "v = 0 and i % 10 = 1 and i % 100 != 11",
            "few": "v = 0 and i % 10 = 2..4 and i % 100 != 12..14",
            "many": "v = 0 and i % 10 = 0 or v = 0 and i % 10 = 5..9 or v = 0 and i % 100 = 11..14",
        }
    ),
    "en": PluralRule({"one": "i = 1 and v = 0"}),
}
"""The rules of CLDR, written out: the locales they stand in take six megabytes."""
_COUNTED = re.compile(r"(?<=\{n\}) (?=\w)")


class WordsError(ValueError):
    """A file of words says what it must not, or not enough."""


class WordBook:
    """Every phrase of the pages, by key."""

    def __init__(self, phrases: dict[str, dict[str, tuple[str, ...]]]) -> None:
        self._phrases = phrases

    def __contains__(self, key: str) -> bool:
        return key in self._phrases

    def every(self) -> list[str]:
        """Every key there is."""
        return sorted(self._phrases)

    def forms(self, key: str, language: str) -> tuple[str, ...]:
        """The forms of a phrase: one, or as many as the language has plurals."""
        return self._phrases[key][language]

    def say(self, key: str, language: str, facts: dict[str, Any]) -> Markup:
        """A phrase with its facts.

        Raises:
            KeyError: nobody wrote down such a phrase, or a fact it needs is not given.
        """
        forms = self._phrases[key][language]
        form = forms[0]
        if len(forms) > 1:
            category = _PLURAL[language](abs(facts["n"]))
            names = _FORMS[language]
            # fractions are "other" in Russian and take the form of 2: «1,5 часа»
            form = forms[names.index(category) if category in names else 1]
        return Markup(form).format(**facts) if "{" in form else Markup(form)  # noqa: S704 - escaped when it was read


def load(folder: Path) -> WordBook:
    """Read every `words*.toml` under `folder`.

    Raises:
        WordsError: a phrase stands twice, lacks a language or has not as many forms as the language.
    """
    paths = sorted(folder.glob("*/words*.toml"))
    return WordBook(_read(tuple((path, path.stat().st_mtime_ns) for path in paths)))


@lru_cache(maxsize=4)
def _read(files: tuple[tuple[Path, int], ...]) -> dict[str, dict[str, tuple[str, ...]]]:
    """The phrases of some files; `files` say when they were written, so that a change is read and nothing else."""
    phrases: dict[str, dict[str, tuple[str, ...]]] = {}
    for path, _ in files:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise WordsError(f"{path}: {error}") from error
        for key, entry in table.items():
            if key in phrases:
                raise WordsError(f"{path}: {key} is written down twice")
            if not isinstance(entry, dict) or set(entry) != set(LANGUAGES):
                raise WordsError(f"{path}: {key} needs {' and '.join(LANGUAGES)}, and nothing else")
            phrases[key] = {
                language: _bound(entry[language], language, f"{path}: {key}.{language}") for language in LANGUAGES
            }
    return phrases


def _bound(value: Any, language: str, where: str) -> tuple[str, ...]:
    forms = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    wanted = 1 if isinstance(value, str) else len(_FORMS[language])
    if len(forms) != wanted or not all(isinstance(form, str) and form for form in forms):
        raise WordsError(f"{where} must be a text, or {len(_FORMS[language])} forms of one")
    for form in forms:
        try:
            names = {name for _, name, _, _ in string.Formatter().parse(form) if name is not None}
        except ValueError as error:
            raise WordsError(f"{where}: {error}") from error
        if not all(name.isidentifier() for name in names):
            raise WordsError(f"{where}: a fact in braces must be a plain name")
    return tuple(str(escape(_COUNTED.sub("\u00a0", bind(form, language)))) for form in forms)
