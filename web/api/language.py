"""The language reasons are put into words in."""

from __future__ import annotations

from functools import lru_cache

from aiohttp import web


def language_of(request: web.Request) -> str:
    """Russian or English, by Accept-Language (RFC 9110, section 12.5.4); Russian where neither is asked for."""
    field = request.headers.get("Accept-Language")
    return best(field) if field else "ru"


@lru_cache(maxsize=256)
def best(field: str) -> str:
    """The language a field prefers.

    >>> best("en-GB,en;q=0.9"), best("de,en;q=0.5,ru;q=0.4"), best("de"), best("en;q=x")
    ('en', 'en', 'ru', 'ru')
    """
    found, weight = "ru", 0.0
    for entry in field.split(",")[:20]:
        name, _, quality = entry.strip().partition(";q=")
        language = name[:2].lower()
        try:
            asked = float(quality or 1)
        except ValueError:
            continue
        if language in ("ru", "en") and asked > weight:
            found, weight = language, asked
    return found
