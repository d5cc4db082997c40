"""Text as searchable tokens: what a person wrote, and what a person looks for, folded and stemmed alike.

Tokens of a text stand in the order of its words, so that phrases can be found; a break between two fields keeps a
phrase from running over it. Words are folded (NFKC, lower case, ё as е, no stress marks) and stemmed by their script:
Cyrillic by the Russian Snowball stemmer, Latin by the English one (https://snowballstem.org/algorithms/). Anything with
a digit stays as it is.

Addresses and telephone numbers give tokens of their own besides: `a:` a whole address, `d:` its domain, `p:` the digits
of a number, its last ten and its last seven, because people leave the country and the city out.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

BREAK = "#"
"""Stands between two fields; nobody looks for it."""

LONGEST = 48
"""Characters of a token; what is longer is no word."""

_WORD = re.compile(r"[^\W_]+")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w@.])\+?\d(?:[\s().‑–-]{0,3}\d){6,14}(?!\w)")
_CYRILLIC = re.compile(r"[а-я]+")
_LATIN = re.compile(r"[a-z]+")
_UNSEEN: dict[int, str | None] = {
    0x0301: None,
    0x0300: None,
    0x00AD: None,
    0x200B: None,
    0xFEFF: None,
    ord("ё"): "е",
    ord("Ё"): "е",
}
_UNSEEN[ord("№")] = " "
_UNSAFE = re.compile(r"[^0-9a-z\u0080-\U0010ffff@._+-]")

_YO = {ord("ё"): "е", ord("Ё"): "Е"}

_stemmers = threading.local()


def fold(text: str) -> str:
    """Text in the one spelling tokens have.

    >>> fold("Ёлки, ЗАЁМ")
    'елки, заем'
    """
    return unicodedata.normalize("NFKC", text.translate(_UNSEEN)).translate(_UNSEEN).lower()


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """The stem of a folded word.

    >>> stem("кассами"), stem("printers"), stem("e17")
    ('касс', 'printer', 'e17')
    """
    if _CYRILLIC.fullmatch(word):
        return str(_stemmer("russian").stemWord(word))[:LONGEST]
    if _LATIN.fullmatch(word):
        return str(_stemmer("english").stemWord(word))[:LONGEST]
    return word[:LONGEST]


def _stemmer(language: str) -> Any:
    # a stemmer keeps its state while it works, so threads do not share one
    found = getattr(_stemmers, language, None)
    if found is None:
        # Not at the top: most of what imports this module never stems a word.
        import Stemmer  # type: ignore[import-not-found]

        found = Stemmer.Stemmer(language, 0)
        setattr(_stemmers, language, found)
    return found


def plain_words(text: str) -> list[str]:
    """The words of a folded text, not stemmed."""
    return _WORD.findall(text)


def words(text: str) -> list[str]:
    """The stems of a text in order.

    >>> words("Касса №2 не печатает чеки: ошибка E-17")
    ['касс', '2', 'не', 'печата', 'чек', 'ошибк', 'e', '17']
    """
    return [stem(word) for word in _WORD.findall(fold(text))]


def spans(text: str, marked: frozenset[str]) -> list[tuple[tuple[int, int], str]]:
    """Where the words with one of some stems stand in a text as it was written, and their stems.

    >>> spans("Кассы №2 и КАССА", frozenset({"касс"}))
    [((0, 5), 'касс'), ((11, 16), 'касс')]
    """
    found = ((each.span(), stem(fold(each.group()))) for each in _beginnings(marked).finditer(text.translate(_YO)))
    return [(span, known) for span, known in found if known in marked]


@lru_cache(maxsize=256)
def _beginnings(marked: frozenset[str]) -> re.Pattern[str]:
    # a Russian stem is the beginning of its words, of an English one at least all but its last letter is
    begin = sorted({known if len(known) < 4 or _CYRILLIC.fullmatch(known) else known[:-1] for known in marked})
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, begin))})[^\W_]*", re.IGNORECASE)


def address_tokens(text: str) -> Iterator[str]:
    """`a:` and `d:` of every mail address in a text."""
    for found in _ADDRESS.findall(fold(text)):
        yield f"a:{found[:200]}"
        yield f"d:{found.rpartition('@')[2][:200]}"


def phone_tokens(text: str) -> Iterator[str]:
    """`p:` of every telephone number in a text, whole and by its ends.

    >>> list(phone_tokens("звоните 8 (913) 000-00-07"))
    ['p:79130000007', 'p:9130000007', 'p:0000007']
    """
    for found in _PHONE.findall(text):
        digits = "".join(filter(str.isdigit, unicodedata.normalize("NFKC", found)))
        if len(digits) == 11 and digits[0] == "8":
            digits = f"7{digits[1:]}"
        yield from dict.fromkeys((f"p:{digits}", f"p:{digits[-10:]}", f"p:{digits[-7:]}"))


def phone_query(digits: str) -> str:
    """The token by which a number of seven digits or more is found."""
    if len(digits) > 11:
        return f"p:{digits}"
    return f"p:{digits[-10:]}" if len(digits) >= 10 else f"p:{digits[-7:]}"


def facet(kind: str, value: str) -> str:
    """The token of a property, by which a list without words is found: `facet("customer", "romashka")`.

    Characters a token cannot hold become `_`: two values may share a token, so what it finds is looked at again.
    """
    return f"{kind}:{_UNSAFE.sub('_', fold(value))[:LONGEST]}"


def text_of(fields: Iterable[str], facets: Iterable[str]) -> str:
    """The tokens of a ticket as one string: its texts, the addresses and numbers in them, and its properties."""
    tokens: list[str] = []
    special: dict[str, None] = {}
    for field in fields:
        if field:
            tokens += words(field)
            tokens.append(BREAK)
            special.update(dict.fromkeys(address_tokens(field)))
            special.update(dict.fromkeys(phone_tokens(field)))
    # properties first: they are few, and a text that is too long is cut at its end
    return " ".join([*facets, *special, BREAK, *tokens])
