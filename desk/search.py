"""What somebody typed into the search field, taken apart.

| typed | finds |
|---|---|
| `касса печатает` | both words in any form, anywhere on the ticket |
| `"не печатает"`, `«не печатает»` | the words one after the other |
| `E-17` | its parts one after the other |
| `касс*` | words that begin so |
| `-принтер` | tickets without the word |
| `MSK-26-000412`, `№412`, `412` | the ticket with this number; digits alone are looked for in texts as well |
| `irina@romashka.ru`, `@romashka.ru` | an address, all addresses of a domain |
| `8 913 000-00-07`, `000-00-07` | a telephone number, with or without country and city |
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from desk import stems
from storage.search import Term

LONGEST_QUERY = 300
"""Characters that are read; nobody types more."""

MOST_TERMS = 16

_PART = re.compile(
    r"""(?P<minus>(?<!\S)-)?(?:"(?P<straight>[^"]*)"|«(?P<angled>[^»]*)»|(?P<word>[^\s"«»]+))""", re.VERBOSE
)
_NUMBER = re.compile(r"(?:№|#)?\s*(?P<number>(?:[A-Za-zА-Яа-я]{1,6}-\d{2}-)?\d{1,9})")
_PHONE = re.compile(r"(?<![\w@.№#-])\+?\d(?:[\s().‑–-]{0,3}\d){6,14}(?![\w-])")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DOMAIN = re.compile(r"@([\w-]+(?:\.[\w-]+)+)")


@dataclass(frozen=True, slots=True)
class Query:
    """`terms` must all be met; `number` is a ticket's number if all that was typed may be one; `marked` are the stems
    to be shown in a text that was found."""

    typed: str
    terms: tuple[Term, ...] = ()
    number: str = ""
    marked: frozenset[str] = frozenset()

    @property
    def exact(self) -> bool:
        """Whether a whole number was typed, site and year included: one looks for nothing else then."""
        return "-" in self.number

    @property
    def empty(self) -> bool:
        """Whether nothing can be looked for."""
        return not self.number and not any(not term.negative for term in self.terms)


def parse(typed: str) -> Query:
    """Take a query apart; any text is one.

    >>> parse("№412").number, parse("nsk-26-000412").exact
    ('412', True)
    >>> [term.alternatives for term in parse('касса "не печатает"').terms]
    [(('касс',),), (('не', 'печата'),)]
    >>> parse("8 913 000-00-07").terms[0].alternatives
    (('p:9130000007',),)
    """
    typed = typed.replace("\x00", "")[:LONGEST_QUERY].strip()
    number = _NUMBER.fullmatch(typed)
    terms: list[Term] = []
    rest = typed
    if number is None or len(number["number"]) >= 7:
        rest = _PHONE.sub(lambda found: _phone(found.group(), terms), rest)
    marked: set[str] = set()
    for part in _PART.finditer(rest):
        term = _term(part)
        if term is None or len(terms) >= MOST_TERMS:
            continue
        terms.append(term)
        if not term.negative:
            marked.update(token for phrase in term.alternatives for token in phrase if ":" not in token)
    return Query(typed, tuple(terms), number["number"].upper() if number else "", frozenset(marked))


def _phone(found: str, terms: list[Term]) -> str:
    digits = "".join(filter(str.isdigit, found))
    if len(digits) == 11 and digits[0] == "8":
        digits = f"7{digits[1:]}"
    terms.append(Term(((stems.phone_query(digits),),)))
    return " "


def _term(part: re.Match[str]) -> Term | None:
    negative = part["minus"] is not None
    typed = part["word"]
    if typed is None:
        phrase = tuple(stems.words(part["straight"] or part["angled"] or ""))
        return Term((phrase,), negative=negative) if phrase else None
    if typed.startswith("-") and len(typed) > 1 and not negative:
        typed, negative = typed[1:], True
    folded = stems.fold(typed)
    if _ADDRESS.fullmatch(folded):
        return Term(((f"a:{folded}",),), negative=negative)
    if domain := _DOMAIN.fullmatch(folded):
        return Term(((f"d:{domain[1]}",),), negative=negative)
    if folded.endswith("*"):
        beginning = stems.plain_words(folded)
        if not beginning or len(beginning[-1]) < 2:
            return None
        return Term(((*map(stems.stem, beginning[:-1]), beginning[-1]),), prefix=True, negative=negative)
    phrase = tuple(stems.words(typed))
    return Term((phrase,), negative=negative) if phrase else None
