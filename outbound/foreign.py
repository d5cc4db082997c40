"""What others wrote, made fit to stand in a text of ours.

Subjects, names and messages come from anywhere. They are data: never a template, never more than one line where a line
is meant, and never a character that hides, reorders or breaks what stands around it.
"""

from __future__ import annotations

import re

_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""C0 and C1 controls but tab and newline, bidirectional overrides and isolates (UAX #9), lone surrogates."""
_BREAK = re.compile("\r\n?|[\x85\u2028\u2029]")
_LINK = re.compile(r"\b(?:[a-z][a-z0-9+.-]*://|www\.)\S+", re.IGNORECASE)


def clean(text: str) -> str:
    r"""The text with every line break a newline and without characters nobody meant to be read.

    >>> clean("один\r\nдва\x07\u202e")
    'один\nдва'
    """
    return text if text.isprintable() else _UNWANTED.sub("", _BREAK.sub("\n", text))


def one_line(text: str) -> str:
    r"""The text as one clean line, runs of white space made one space.

    >>> one_line("Принтер\r\nBcc: x@example.com")
    'Принтер Bcc: x@example.com'
    """
    return " ".join(clean(text).split())


def shorten(text: str, length: int) -> str:
    """At most `length` characters, cut at a word where one ends near, with an ellipsis in place of the rest.

    >>> shorten("Принтер не печатает с утра", 20)
    'Принтер не печатает…'
    """
    if len(text) <= length:
        return text
    cut = text[: max(length - 1, 0)]
    if not text[len(cut)].isspace():
        word = max(cut.rfind(" "), cut.rfind("\n"))
        cut = cut[:word] if word > length * 2 // 3 else cut
    return cut.rstrip() + "…"


def unlinked(text: str, instead: str) -> str:
    """The text with `instead` in place of links.

    An acknowledgement goes to whoever the sender claimed to be: it must carry no link of the sender's choice.

    >>> unlinked("Приз ждёт: https://example.com/win?id=7 !", "[ссылка]")
    'Приз ждёт: [ссылка] !'
    """
    return _LINK.sub(instead, text)


def quoted(text: str) -> str:
    r"""The text as mail quotes it, each line marked, so that none can be taken for ours.

    >>> quoted("Не печатает.\n\nПриоритет: низкий")
    '> Не печатает.\n>\n> Приоритет: низкий'
    """
    return "\n".join(f"> {line}".rstrip() for line in text.strip().split("\n"))
