"""What clients may send: the shapes that validate it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec

from web.api.problem import Problem

T = TypeVar("T")

Line = Annotated[str, msgspec.Meta(max_length=998)]
Short = Annotated[str, msgspec.Meta(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, msgspec.Meta(max_length=1_000_000)]


class Contact(msgspec.Struct, forbid_unknown_fields=True):
    """Who it is about: a mailbox or a telephone number."""

    kind: Literal["email", "phone"]
    value: Annotated[str, msgspec.Meta(min_length=1, max_length=320)]
    name: Line = ""


class NewTicket(msgspec.Struct, forbid_unknown_fields=True):
    """A ticket as a client states it; what is left out is the router's to decide."""

    contact: Contact
    text: Text
    subject: Line = ""
    language: Literal["", "ru", "en"] = ""
    type: Short = ""
    category: Short = ""
    impact: Literal["high", "medium", "low"] | None = None
    urgency: Literal["high", "medium", "low"] | None = None
    customer: Short = ""
    centre: Short = ""
    group: Short = ""
    assignee: Short = ""


class StatusChange(msgspec.Struct, forbid_unknown_fields=True):
    """A move along the life cycle."""

    status: Literal["new", "in_progress", "waiting", "resolved", "closed", "rejected"]
    comment: Text = ""


class Comment(msgspec.Struct, forbid_unknown_fields=True):
    """Words on a ticket; public ones go to its author."""

    text: Text
    public: bool


class Assignment(msgspec.Struct, forbid_unknown_fields=True):
    """To whom a ticket is given; an empty assignee takes it from everybody."""

    assignee: Short | None = None
    group: Short | None = None
    centre: Short | None = None


class Settlement(msgspec.Struct, forbid_unknown_fields=True):
    """What became of a delivery that is unknown."""

    state: Literal["sent", "failed", "queued"]


def read(body: bytes, shape: type[T]) -> T:
    """Decode and check a body.

    Raises:
        Problem: 400 for what is no JSON, 422 for JSON of another shape.
    """
    try:
        value = msgspec.json.decode(body, type=shape)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".")
        raise Problem(
            422, "The request has another shape", str(error), errors=[{"field": field, "detail": what}]
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "The body is no JSON", f"{error}; send UTF-8 JSON") from None
    _refuse_unstorable(value)
    return value


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
