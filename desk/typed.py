"""What people type, as it is stored: NUL goes out of it, because PostgreSQL has no place for it."""

from __future__ import annotations


def lines(text: str) -> str:
    """A text of any number of lines."""
    return text.replace("\x00", "")


def line(text: str) -> str:
    r"""A text of one line: words with single spaces between them.

    >>> line("  Касса\n№5\x00 ")
    'Касса №5'
    """
    return " ".join(lines(text).split())
