"""Spaces that must not break, put into our own words and never into anybody else's.

Template authors type ordinary spaces; the source of a template is bound once, when it is compiled. Expressions,
statements, comments, markup and style sheets are left alone, so that what people wrote passes untouched.
"""

from __future__ import annotations

import re

_NBSP = "\u00a0"
_COMMON = (
    (re.compile(r" (?=[—–])"), _NBSP),
    (re.compile(r"(?<=№) "), _NBSP),
    (re.compile(r"(?<=\d) (?=[^\W\d_]|[%₽])"), _NBSP),
)
_RUSSIAN = (
    (re.compile(r"(?<![\w-])([аивкосуяАИВКОСУЯ]) (?!\n)"), rf"\1{_NBSP}"),
    (re.compile(r"\b(ООО|АО|ПАО|ИП) (?=[«\"])"), rf"\1{_NBSP}"),
)
_NOT_WORDS = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|<style\b.*?</style>|<[^>]*>)", re.DOTALL)


def bind(text: str, language: str) -> str:
    """Our words with non-breaking spaces: before a dash, after №, between number and unit, after one-letter words.

    >>> bind("Ответим в 10 часов — не позже", "ru").replace(chr(0xA0), "_")
    'Ответим в_10_часов_— не позже'
    """
    for pattern, bound in _COMMON + (_RUSSIAN if language == "ru" else ()):
        text = pattern.sub(bound, text)
    return text


def bind_template(source: str, language: str) -> str:
    """The source of a template with its words bound; the number of lines stays.

    >>> bind_template('<a title="в 1 м">Заявка № {{ "в 1 м" }}</a>', "ru").replace(chr(0xA0), "_")
    '<a title="в 1 м">Заявка №_{{ "в 1 м" }}</a>'
    """
    pieces = _NOT_WORDS.split(source)
    pieces[::2] = [bind(piece, language) for piece in pieces[::2]]
    return "".join(pieces)
