"""The language a text is written in, as far as an answer has to know it."""

from __future__ import annotations

_ENGLISH_NAMES = (
    "the and is are to of not my please hello thanks thank for with you have has can cannot in on it we this "
    "error does hi"
)
_ENGLISH = frozenset(_ENGLISH_NAMES.split())
_SAMPLE = 400


def detect(text: str) -> str:
    """`ru`, `en`, or empty where it is neither or cannot be told.

    >>> detect("Не работает VPN, error 691"), detect("The printer does not work"), detect("Der Drucker geht nicht")
    ('ru', 'en', '')
    """
    sample = text[:_SAMPLE]
    if not sample.isascii():
        # Cyrillic takes two octets a letter in UTF-8: what the text grows by is the number of such letters.
        beyond = len(sample.encode("utf-8", "replace")) - len(sample)
        if beyond * 4 >= len(sample) - beyond and any(letter in sample for letter in "оеаи"):
            return "ru" if not any(letter in sample for letter in "іїєґІЇЄҐў") else ""
        if beyond * 4 >= len(sample) - beyond and any(letter in sample for letter in "ОЕАИ"):
            return "ru"
    words = sample.lower().split()
    known = sum(map(_ENGLISH.__contains__, words))
    return "en" if known * 8 >= len(words) and known else ""
