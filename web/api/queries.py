"""What clients may ask in a query: the shapes that check it and that `/openapi.json` describes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta

from web.api.problem import Problem

T = TypeVar("T")

MOST = 200
"""The most items of one page."""

Code = Annotated[str, Meta(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Instant = Annotated[
    str,
    Meta(
        max_length=40,
        description="An ISO 8601 time with offset.",
        examples=["2026-11-20T14:05:00+03:00"],
        extra_json_schema={"anyOf": [{"format": "date-time"}, {"maxLength": 0}]},
    ),
]
Cursor = Annotated[
    str,
    Meta(
        pattern=r"^([0-9a-f]{32})?$(?!\n)",
        description="The `next` of the page before.",
        examples=["01a2005bec2477b58234b65fcd3872a7"],
    ),
]
Limit = Annotated[int, Meta(ge=1, le=MOST, description="The most items of one page.")]

StatusWord = Literal["new", "in_progress", "waiting", "resolved", "closed", "rejected"]
StateWord = Literal["queued", "sending", "sent", "delivered", "read", "failed", "expired", "unknown", "suppressed"]


# An empty value is one left out: forms and scripts send such.


class TicketQuery(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Which tickets a list shows; what is left out does not filter."""

    status: Annotated[
        list[StatusWord], Meta(max_length=6, description="Tickets that stand so; several times for one of several.")
    ] = []
    centre: Annotated[Code, Meta(description="The code of a service centre.", examples=["nsk"])] = ""
    customer: Annotated[Code, Meta(description="The code of a customer.", examples=["sibtrans"])] = ""
    assignee: Annotated[Code, Meta(description="The login of a member of staff.", examples=["d.volkov"])] = ""
    channel: Annotated[Code, Meta(description="The channel it came by.", examples=["email"])] = ""
    q: Annotated[
        str,
        Meta(
            max_length=200,
            pattern=r"^[^\x00]*$",
            description="A ticket's number, or a part of its subject.",
            examples=["принтер"],
        ),
    ] = ""
    since: Annotated[Instant | None, Meta(description="Made then or later.")] = None
    until: Annotated[Instant | None, Meta(description="Made before then.")] = None
    cursor: Cursor | None = None
    limit: Limit = 50


class DeliveryQuery(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Which deliveries a list shows; what is left out does not filter."""

    state: Annotated[StateWord | None, Meta(description="Deliveries that stand so.")] = None
    dead: Annotated[bool, Meta(description="Failed and expired ones alone.")] = False
    channel: Annotated[Code, Meta(description="The channel it goes by.", examples=["email"])] = ""
    provider: Annotated[Code, Meta(description="The relay or operator it goes through.", examples=["local"])] = ""
    ticket: Annotated[
        str,
        Meta(max_length=40, pattern=r"^[^\x00]*$", description="A ticket's number.", examples=["OTK-26-000001"]),
    ] = ""
    person: Annotated[
        str,
        Meta(
            max_length=320,
            pattern=r"^[^\x00]*$",
            description="An address, the id of a contact, or a part of a name.",
            examples=["irina@sibtrans.example"],
        ),
    ] = ""
    cursor: Cursor | None = None
    limit: Limit = 50


class QuarantineQuery(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Which quarantine entries a list shows; what is left out does not filter."""

    state: Annotated[Literal["held", "replayed"] | None, Meta(description="Entries that stand so.")] = None
    channel: Annotated[Code, Meta(description="The channel it came by.", examples=["email"])] = ""
    cursor: Cursor | None = None
    limit: Limit = 50


class PageQuery(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """How a page is shown."""

    lang: Annotated[Literal["ru", "en"] | None, Meta(description="Its language.")] = None


class NoQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing can be asked."""


def asked(request: web.Request, shape: type[T]) -> T:
    """The query of a request in its shape.

    A parameter that takes several values may come several times or once with commas.

    Raises:
        Problem: 400 for a parameter that is not known, comes twice, or has no such value.
    """
    given: dict[str, Any] = {}
    kinds = _kinds(cast("type", shape))
    for name in dict.fromkeys(request.query):
        kind = kinds.get(name)
        if kind is None:
            raise bad(name, f"left out: this call knows {', '.join(kinds) or 'no parameters'}")
        values = request.query.getall(name)
        if kind is list:
            given[name] = [value for each in values for value in each.split(",") if value]
            continue
        if len(values) > 1:
            raise bad(name, "given once")
        if values[0] or kind in (int, bool):
            given[name] = _value(name, values[0], kind)
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`").partition("[")[0]
        raise bad(name, _EXPECTED.get(name) or _expected(shape, name) or what) from None


def instant(text: str | None, name: str) -> datetime | None:
    """A time of a query, in UTC.

    Raises:
        Problem: 400 for what is no time with an offset.
    """
    if not text:
        return None
    try:
        # a plus that was not percent-encoded comes as a space
        value = datetime.fromisoformat(text.replace(" ", "+"))
        if value.tzinfo is not None:
            # the first and last days there are have no UTC
            return value.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise bad(name, "an ISO 8601 time with offset such as 2026-11-20T14:05:00+03:00")


def before(cursor: str | None) -> UUID | None:
    """The key a page starts below."""
    return UUID(hex=cursor) if cursor else None


def bad(field: str, expected: str) -> Problem:
    """The refusal of a query parameter."""
    return Problem(400, "Bad parameter", f"{field} must be {expected}", errors=[{"field": field, "detail": expected}])


_EXPECTED = {"cursor": "the value of `next` of the page before", "limit": f"a number from 1 to {MOST}"}


def _value(name: str, text: str, kind: Any) -> Any:
    if kind is int:
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise bad(name, _EXPECTED.get(name, "a number"))
        return int(text)
    if kind is bool:
        if text not in ("true", "false"):
            raise bad(name, "true or false")
        return text == "true"
    try:
        text.encode()
    except UnicodeEncodeError:
        raise bad(name, "UTF-8 text") from None
    return text


def _expected(shape: type, name: str) -> str:
    """The words a parameter may have, where they are listed."""
    words = _words(get_type_hints(shape).get(name))
    return f"one of {', '.join(words)}" if words else ""


def _words(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(word) for word in get_args(kind)]
    return [word for part in get_args(kind) for word in _words(part)]


@cache
def _kinds(shape: type) -> Mapping[str, type]:
    """What each parameter is made of: a list, a number, a truth, or text."""
    return {name: _kind(hint) for name, hint in get_type_hints(shape, include_extras=False).items()}


def _kind(hint: Any) -> type:
    if get_origin(hint) is list:
        return list
    return hint if hint in (int, bool) else str
