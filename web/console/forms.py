"""What a form of a staff page sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from aiohttp import web

from web.look.refusal import Refusal


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
