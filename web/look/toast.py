"""What the next page says first, kept in a cookie over one redirect: «Ответ принят, отправляем».

The cookie holds the key of a phrase and its facts, never a text of its own; the phrase must be one of ours and the
facts are escaped, so that a forged cookie can say nothing but our own words.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from markupsafe import Markup

from web.look.words import WordBook

COOKIE = "toast"
_LONGEST = 1500


@dataclass(frozen=True, slots=True)
class Toast:
    """A sentence, and the local address that undoes what it tells, by POST."""

    text: Markup
    undo: str = ""


def put(
    response: web.StreamResponse, book: WordBook, key: str, facts: dict[str, Any], *, undo: str, secure: bool
) -> None:
    """Leave a toast for the next page.

    Raises:
        KeyError: there is no such phrase.
    """
    if key not in book:
        raise KeyError(key)
    plain = {name: value if isinstance(value, int) else str(value)[:200] for name, value in facts.items()}
    packed = base64.urlsafe_b64encode(json.dumps([key, plain, undo]).encode()).decode()
    if len(packed) <= _LONGEST:
        response.set_cookie(COOKIE, packed, max_age=60, path="/", secure=secure, httponly=True, samesite="Lax")


def taken(request: web.Request, book: WordBook, language: str) -> Toast | None:
    """The toast of this request, if it brought one that makes sense."""
    packed = request.cookies.get(COOKIE, "")
    if not packed or len(packed) > _LONGEST:
        return None
    try:
        key, facts, undo = json.loads(base64.urlsafe_b64decode(packed))
        text = book.say(key, language, {str(name): _plain(value) for name, value in facts.items()})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    local = isinstance(undo, str) and undo.startswith("/") and not undo.startswith("//") and "\\" not in undo
    return Toast(text, undo if local else "")


def forget(response: web.StreamResponse, *, secure: bool) -> None:
    """It was shown; once is enough."""
    response.del_cookie(COOKIE, path="/", secure=secure, httponly=True, samesite="Lax")


def _plain(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)
