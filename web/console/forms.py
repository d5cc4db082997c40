"""What a form of a staff page sent, and where it leads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from aiohttp import web
from multidict import MultiDict

from desk import typed
from web.look.refusal import Refusal

Posted = MultiDict[Any]
"""The fields of a form: texts, and files as the library has them."""


async def posted(request: web.Request) -> Posted:
    """The form a request carries, its texts as they can be stored and shown.

    A part may name a charset of its own (RFC 7578, section 4.4), and some of those, `utf-7` among them, spell
    characters that neither a page nor a database can hold.

    Raises:
        ValueError, LookupError: it is no form, or names a charset nobody knows; the server answers 400.
    """
    form = await request.post()
    return MultiDict((name, typed.lines(value) if isinstance(value, str) else value) for name, value in form.items())


def text_of(form: Mapping[str, Any], name: str) -> str:
    """A field of a form; empty where it is missing or a file."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def key_in_path(request: web.Request, name: str) -> UUID:
    """A key that stands in the address.

    Raises:
        Refusal: 404, it is no key, so there is nothing of that name.
    """
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise Refusal(404) from None


def key_of(text: str) -> UUID | None:
    """A key as forms and addresses carry it; None for anything else."""
    try:
        return UUID(text)
    except ValueError:
        return None


def see(where: str) -> web.Response:
    """The answer to a form that was taken: go and look there (RFC 9110, section 15.4.4); nothing keeps it."""
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})
