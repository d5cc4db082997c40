"""What clients may send: the shapes that validate it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from web.api.problem import Problem

T = TypeVar("T")

Line = Annotated[str, Meta(max_length=998)]
Short = Annotated[str, Meta(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$(?!\n)")]
Text = Annotated[str, Meta(max_length=1_000_000)]


class Contact(msgspec.Struct, forbid_unknown_fields=True):
    """Who it is about: a mailbox or a telephone number."""

    kind: Literal["email", "phone"]
    value: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=320,
            description="A mailbox, or a telephone number as people write it.",
            examples=["irina@sibtrans.example", "+7 383 000-11-22"],
        ),
    ]
    name: Line = ""


class NewTicket(msgspec.Struct, forbid_unknown_fields=True):
    """A ticket as a client states it; what is left out is the router's to decide."""

    contact: Contact
    text: Text
    subject: Line = ""
    language: Annotated[Literal["", "ru", "en"], Meta(description="In which its author is written to.")] = ""
    type: Annotated[Short, Meta(description="Such as incident or request.")] = ""
    category: Short = ""
    impact: Literal["high", "medium", "low"] | None = None
    urgency: Literal["high", "medium", "low"] | None = None
    customer: Annotated[Short, Meta(description="The code of a customer.")] = ""
    centre: Annotated[Short, Meta(description="The code of a service centre.")] = ""
    group: Annotated[Short, Meta(description="The code of a group.")] = ""
    assignee: Annotated[Short, Meta(description="The login of a member of staff.")] = ""


class StatusChange(msgspec.Struct, forbid_unknown_fields=True):
    """A move along the life cycle."""

    status: Literal["new", "in_progress", "waiting", "resolved", "closed", "rejected"]
    comment: Annotated[Text, Meta(description="What the author reads along with it.")] = ""


class Comment(msgspec.Struct, forbid_unknown_fields=True):
    """Words on a ticket; public ones go to its author."""

    text: Text
    public: bool


class Assignment(msgspec.Struct, forbid_unknown_fields=True):
    """To whom a ticket is given; an empty assignee takes it from everybody."""

    assignee: Annotated[Short | None, Meta(description="A login.")] = None
    group: Annotated[Short | None, Meta(description="The code of a group.")] = None
    centre: Annotated[Short | None, Meta(description="The code of a service centre.")] = None


class Settlement(msgspec.Struct, forbid_unknown_fields=True):
    """What became of a delivery that is unknown."""

    state: Literal["sent", "failed", "queued"]


async def body_of(request: web.Request, shape: type[T]) -> T:
    """The body of a request in its shape.

    Raises:
        Problem: as `octets_of` and `read`.
    """
    return read(await octets_of(request), shape)


async def octets_of(request: web.Request) -> bytes:
    """The body of a request as it came.

    Raises:
        Problem: 415 for what is not called JSON.
    """
    kind = request.headers.get("Content-Type")
    # a body that is not called anything is taken for what it must be
    if kind is not None and kind != "application/json" and not _is_json(kind):
        raise Problem(
            415,
            "Not JSON",
            "send the body as `Content-Type: application/json`",
            headers={"Accept-Post": "application/json"},
        )
    return await request.read()


@lru_cache(maxsize=64)
def _is_json(field: str) -> bool:
    """Whether a Content-Type names JSON (RFC 8259), which is UTF-8.

    >>> [_is_json(kind) for kind in ("application/json; charset=utf-8", "application/json;charset=cp1251", "text/json")]
    [True, False, False]
    """
    kind, *parameters = (part.strip().lower() for part in field.split(";"))
    charset = next((p.partition("=")[2].strip("\"'") for p in parameters if p.startswith("charset=")), "utf-8")
    return (kind == "application/json" or kind.endswith("+json")) and charset in ("utf-8", "utf8", "us-ascii")


def read(body: bytes, shape: type[T]) -> T:
    """Decode and check a body.

    Raises:
        Problem: 400 for what is no JSON, 422 for JSON of another shape.
    """
    try:
        value: T = _decoder(shape).decode(body)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".")
        raise Problem(
            422, "The request has another shape", str(error), errors=[{"field": field, "detail": what}]
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "The body is no JSON", f"{error}; send UTF-8 JSON") from None
    if _ESCAPED.search(body):
        _refuse_unstorable(value)
    return value


_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    known = _decoders.get(shape)
    if known is None:
        known = _decoders[shape] = msgspec.json.Decoder(shape)
    return known


_ESCAPED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
"""Escapes that may stand for what cannot be stored: a decoder lets neither of the two through in the plain."""

_CLEANED = frozenset({"subject", "text", "name", "comment"})
"""Words of people, from which NUL is taken out; in a name of a thing it is a mistake."""


def _refuse_unstorable(value: Any) -> None:
    # "\ud800" and "\u0000" are legal JSON; the first is no legal text, the second PostgreSQL cannot store
    for name in getattr(value, "__struct_fields__", ()):
        part = getattr(value, name)
        if isinstance(part, msgspec.Struct):
            _refuse_unstorable(part)
        elif isinstance(part, str):
            detail = "" if _encodes(part) else "half of a surrogate pair"
            if "\x00" in part and name not in _CLEANED:
                detail = "a NUL character"
            if detail:
                errors = [{"field": name, "detail": detail}]
                raise Problem(422, "The request has another shape", f"{name}: {detail}", errors=errors)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
