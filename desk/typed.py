"""What people type, as it is stored: PostgreSQL has no place for NUL, and UTF-8 none for half a surrogate pair."""

from __future__ import annotations


def lines(text: str) -> str:
    r"""A text of any number of lines.

    >>> lines("a\x00\n\ud800") == "a\n?"
    True
    """
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def line(text: str) -> str:
    r"""A text of one line: words with single spaces between them.

    >>> line("  Касса\n№5\x00 ")
    'Касса №5'
    """
    return " ".join(lines(text).split())
