"""Who reads a page: language, theme and zone, known from the visitor, the address, a cookie or the browser."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from desk.site import Site
from desk.visitor import Visitor
from outbound.words import LANGUAGES

THEMES = ("system", "light", "dark")
"""What a reader can choose; `system` follows the operating system."""

VISITOR: web.RequestKey[Visitor] = web.RequestKey("visitor", Visitor)
"""Where the guard of staff pages leaves the visitor on the request."""

LANGUAGE_COOKIE = "language"
THEME_COOKIE = "theme"

_YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a page is drawn. `language` is "ru" or "en", `zone` an IANA name, `now` aware."""

    language: str
    theme: str
    zone: str
    now: datetime
    visitor: Visitor | None = None


def reader_of(request: web.Request, site: Site, now: datetime) -> Reader:
    """The reader of one request.

    A member of staff has a language; anybody else is read from `?lang=`, then the cookie, then `Accept-Language`, then
    the site. The theme is the cookie's, so that a choice holds from the next page on, then the visitor's own.
    """
    visitor = request.get(VISITOR)
    theme = request.cookies.get(THEME_COOKIE, visitor.theme if visitor else "system")
    return Reader(
        language=visitor.language if visitor else _public_language(request, site.language),
        theme=theme if theme in THEMES else "system",
        zone=visitor.zone if visitor else site.zone,
        now=now,
        visitor=visitor,
    )


def chosen_language(request: web.Request) -> str:
    """The language the address asks for by `?lang=`; empty where it asks for none of ours."""
    asked = request.query.get("lang", "")
    return asked if asked in LANGUAGES else ""


def remember(response: web.StreamResponse, name: str, value: str, *, secure: bool) -> None:
    """Keep a choice of the reader for a year."""
    response.set_cookie(name, value, max_age=_YEAR, path="/", secure=secure, httponly=True, samesite="Lax")


def _public_language(request: web.Request, default: str) -> str:
    asked = chosen_language(request) or request.cookies.get(LANGUAGE_COOKIE, "")
    if asked in LANGUAGES:
        return asked
    return accepted(request.headers.get("Accept-Language", ""), default)


def accepted(header: str, default: str) -> str:
    """The language of ours that a browser likes best (RFC 9110, section 12.5.4).

    >>> accepted("de, en-GB;q=0.8, ru;q=0.3", "ru"), accepted("kk", "ru"), accepted("", "en"), accepted("en;q=0", "ru")
    ('en', 'ru', 'en', 'ru')
    """
    best, weight = default, 0.0
    for item in header[:500].split(","):
        tag, _, parameter = item.partition(";")
        primary = tag.strip().partition("-")[0].lower()
        try:
            quality = float(parameter.strip().removeprefix("q=")) if parameter.strip() else 1.0
        except ValueError:
            continue
        if primary in LANGUAGES and quality > weight:
            best, weight = primary, quality
    return best
