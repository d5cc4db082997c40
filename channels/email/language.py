"""The language a text is written in, as far as an answer has to know it."""

from __future__ import annotations

import re

_CYRILLIC = re.compile("[А-яёЁ]+")
_LATIN = re.compile("[A-Za-z]+")
_ENGLISH = frozenset(
    "the and is are to of not my please hello thanks thank for with you have has can cannot in on it we this error "
    "does hi".split()
)
_SAMPLE = 400


def detect(text: str) -> str:
    """`ru`, `en`, or empty where it is neither or cannot be told.

    >>> detect("Не работает VPN, error 691"), detect("The printer does not work"), detect("Der Drucker geht nicht")
    ('ru', 'en', '')
    """
    sample = text[:_SAMPLE]
    if not sample.isascii():
        cyrillic = sum(map(len, _CYRILLIC.findall(sample)))
        if cyrillic and cyrillic * 3 >= sum(map(len, _LATIN.findall(sample))):
            return "ru" if not any(letter in sample for letter in "іїєґІЇЄҐў") else ""
    words = sample.lower().split()
    known = sum(word in _ENGLISH for word in words)
    return "en" if known * 8 >= len(words) and known else ""
