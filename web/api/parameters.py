"""Query parameters and keys in paths, read the same way everywhere."""

from __future__ import annotations

from uuid import UUID

from web.api.problem import Problem

MOST = 200
"""The most items of one page."""


def cursor(text: str) -> UUID | None:
    """The key a page starts below.

    Raises:
        Problem: 400 for what no page before gave out.
    """
    try:
        return UUID(hex=text) if text else None
    except ValueError:
        raise bad("cursor", "the value of `next` of the page before") from None


def limit(text: str) -> int:
    """How many items a page holds.

    Raises:
        Problem: 400 for anything but a number within bounds.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST):
        raise bad("limit", f"a number from 1 to {MOST}")
    return int(text)


def key(text: str, what: str) -> UUID:
    """The key a path names.

    Raises:
        Problem: 404 for what can be nobody's key.
    """
    try:
        return UUID(hex=text)
    except ValueError:
        raise Problem(404, f"No such {what}", f"there is no {what} {text[:80]!r}") from None


def bad(field: str, expected: str) -> Problem:
    """The refusal of a query parameter."""
    return Problem(400, "Bad parameter", f"{field} must be {expected}", errors=[{"field": field, "detail": expected}])
