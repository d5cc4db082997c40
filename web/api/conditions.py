"""Entity tags, and requests that hold only for what their sender saw (RFC 9110, sections 8.8.3 and 13).

The tag of a ticket is `"VERSION-DIGEST"`. The digest is that of the whole answer, so `If-None-Match` notices every
change of it. `If-Match` compares the version alone: a delivery under way or the language somebody reads in is no reason
to refuse a change.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from aiohttp import web

from web.api.problem import Problem

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]{0,200})"')
_TAGS = re.compile(r'\s*(?:(?:W/)?"[\x21\x23-\x7e]{0,200}"\s*(?:,\s*|$))+')
_VERSION = re.compile(r"([1-9][0-9]{0,9})(?:-[0-9a-f]{16})?")


def tag(body: bytes, version: int | None = None) -> str:
    """The entity tag of an answer, for a ticket with its version."""
    digest = blake2b(body, digest_size=8).hexdigest()
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def unchanged(request: web.Request, current: str) -> bool:
    """Whether the sender has this answer already (`If-None-Match`; weak comparison)."""
    field = request.headers.get("If-None-Match")
    if not field:
        return False
    return field.strip() == "*" or any(f'"{opaque}"' == current for _, opaque in _TAG.findall(field))


def wanted_versions(request: web.Request, *, demanded: bool) -> frozenset[int] | None:
    """The versions a change is meant for, by `If-Match`; None where any will do.

    Raises:
        Problem: 400 for what is no list of entity tags, 428 where there is none and it is `demanded`.
    """
    fields = request.headers.getall("If-Match", ())
    if not fields:
        if demanded:
            raise Problem(428, "If-Match is missing", "send the ETag of the ticket you looked at as If-Match")
        return None
    field = ", ".join(fields)
    if field.strip() == "*":
        return None
    if not _TAGS.fullmatch(field):
        raise Problem(400, "Bad If-Match", 'send the ETag of the ticket as it came, such as "3-0123456789abcdef", or *')
    found = (_VERSION.fullmatch(opaque) for weak, opaque in _TAG.findall(field) if not weak)
    return frozenset(int(match[1]) for match in found if match)
