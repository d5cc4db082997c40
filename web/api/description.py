"""The description of the API (OpenAPI 3.1), made from the catalogue and the shapes that check requests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from web.api import answers, queries
from web.api.access import SCOPES
from web.api.catalogue import DELIVERIES, OPERATIONS, PROGRAM, QUARANTINE, TICKETS, Operation, refusals_of
from web.api.examples import EXAMPLES

Document = dict[str, Any]

VERSION = "1"

_SCHEMAS = "#/components/schemas/{name}"

_INTRODUCTION = """\
Tickets, the ledger of deliveries and quarantine of Otklik.

Send a token of `otklik token create NAME --scope …` as `Authorization: Bearer TOKEN`. Errors are problem documents
(RFC 9457): `detail` says what to do, `errors` names the places. Lists page by `cursor` and `limit`. Times are ISO 8601
with offset. A parameter or key that is not described here is refused."""

_TAGS = {
    TICKETS: "What people asked for, from intake to closing.",
    DELIVERIES: "The ledger: what was said to whom by which way, with every try.",
    QUARANTINE: "What no message could be made of, kept with its bytes.",
    PROGRAM: "The program itself; no token is needed.",
}

_REFUSALS = {
    400: ("Bad request", "No JSON, a bad parameter or header."),
    401: ("No valid token", "No living token came with the request."),
    403: ("The token does not allow this", "The scopes of the token do not reach."),
    404: ("No such thing", "There is no such thing, or not for this token."),
    408: ("Too slow", "The body did not come in time."),
    409: (
        "Conflict",
        (
            "An illegal move, a delivery that may not be sent again, a replay that made no ticket, or another "
            "request with this Idempotency-Key is under way."
        ),
    ),
    412: ("Changed meanwhile", "The ticket has changed since the version that If-Match names."),
    413: ("Too large", "The body is larger than this server takes."),
    415: ("Not JSON", "The body is not called `application/json`."),
    422: (
        "The request has another shape",
        (
            "Another shape, a bad contact, something that does not exist, a refused change, or an Idempotency-Key that "
            "came with another request."
        ),
    ),
    428: ("If-Match is missing", "The settings demand that every change names the version it is meant for."),
    429: ("Too many requests", "The token has made its requests of this minute."),
    503: ("Not accepted now", "Nothing was kept; send it again."),
}

_REFUSAL_HEADERS = {
    401: ("WWW-Authenticate",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}

_HEADERS: Document = {
    "ETag": ("The version of the answer; for a ticket its `version`, a hyphen and a digest.", {"type": "string"}),
    "Location": ("Where the ticket is.", {"type": "string"}),
    "Content-Language": ("The language of the reasons.", {"enum": ["ru", "en"]}),
    "Idempotency-Replayed": ("`true` where an earlier request had made the change.", {"const": "true"}),
    "Retry-After": ("Seconds to wait.", {"type": "integer", "minimum": 1}),
    "RateLimit": ("What is left, and when it is full again.", {"type": "string"}),
    "RateLimit-Policy": ("What a token may ask.", {"type": "string"}),
    "WWW-Authenticate": ("How to say who you are (RFC 6750).", {"type": "string"}),
    "Content-Disposition": ("The name to save it under.", {"type": "string"}),
}

_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Makes the request repeatable: the same key and request again give the same answer and change "
    "nothing. 1 to 255 printable ASCII characters; for 24 hours by token, for new tickets for ever.",
    "schema": {"type": "string", "pattern": "^[!-~]([ -~]{0,253}[!-~])?$", "maxLength": 255},
    "example": "order-4711",
}
_MATCH_PARAMETER = {
    "name": "If-Match",
    "in": "header",
    "description": "The ETag of the ticket you looked at: the change is made only if nobody changed it since.",
    "schema": {
        "type": "string",
        "pattern": '^(\\*|(W/)?"[!#-~]{0,200}"(, ?(W/)?"[!#-~]{0,200}")*)$',
        "maxLength": 1000,
    },
    "example": '"1-0123456789abcdef"',
}
_NONE_MATCH_PARAMETER = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of the answer you have: 304 where nothing changed.",
    "schema": {"type": "string"},
    "example": '"1-0123456789abcdef"',
}
_LANGUAGE_PARAMETER = {
    "name": "Accept-Language",
    "in": "header",
    "description": "The language reasons are put into words in: Russian or English (RFC 9110, 12.5.4).",
    "schema": {"type": "string"},
    "example": "en",
}
_PATH_PARAMETERS = {
    "number": ("A ticket's number.", {"type": "string", "minLength": 1, "maxLength": 40}, "OTK-26-000001"),
    "id": (
        "An id as lists give it.",
        {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "01a2006dfa4774da8fb57079c2217cc3",
    ),
}


def describe(operations: Iterable[Operation] = OPERATIONS) -> Document:
    """The whole document."""
    operations = tuple(operations)
    shapes = dict.fromkeys(
        shape
        for operation in operations
        for shape in (operation.body, *operation.answers.values())
        if shape is not None
    )
    _, schemas = msgspec.json.schema_components([*shapes, answers.ProblemDocument], ref_template=_SCHEMAS)
    paths: dict[str, Document] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Otklik",
            "version": VERSION,
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "parameters": {_component(p["name"]): p for p in _SHARED},
            "headers": {name: {"description": text, "schema": kind} for name, (text, kind) in _HEADERS.items()},
            "responses": {f"Refused{status}": _refusal(status) for status in _REFUSALS},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"A token of `otklik token create`. Scopes: {', '.join(SCOPES)}.",
                }
            },
        },
    }


_SHARED = (_KEY_PARAMETER, _MATCH_PARAMETER, _NONE_MATCH_PARAMETER, _LANGUAGE_PARAMETER)


def _component(name: Any) -> str:
    return str(name).replace("-", "")


def _operation(operation: Operation) -> Document:
    document: Document = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": [{"token": [operation.scope]}] if operation.scope else [],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_header_parameters(operation)],
        "responses": {
            **{str(status): _good(operation, status, shape) for status, shape in operation.answers.items()},
            **({"304": _not_modified()} if operation.tagged else {}),
            **{str(s): {"$ref": f"#/components/responses/Refused{s}"} for s in refusals_of(operation)},
        },
    }
    if operation.description:
        document["description"] = operation.description
    if operation.body is not None:
        content = {"schema": _ref(operation.body), "example": operation.example}
        document["requestBody"] = {"required": True, "content": {"application/json": content}}
    return document


def _ref(shape: type) -> Document:
    return {"$ref": _SCHEMAS.format(name=shape.__name__)}


def _path_parameters(operation: Operation) -> list[Document]:
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": schema, "example": example}
        for name, (text, schema, example) in _PATH_PARAMETERS.items()
        if f"{{{name}}}" in operation.path
    ]


def _query_parameters(operation: Operation) -> list[Document]:
    if operation.query is queries.NoQuery:
        return []
    _, found = msgspec.json.schema_components([operation.query], ref_template=_SCHEMAS)
    return [_query_parameter(name, schema) for name, schema in found[operation.query.__name__]["properties"].items()]


def _query_parameter(name: str, schema: Document) -> Document:
    """A parameter of a property: what may be null in a shape is simply left out of a query."""
    inner = {key: value for key, value in schema.items() if key not in ("anyOf", "default", "description", "examples")}
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    merged: Document = {**(options[0] if options else {}), **inner}
    if "enum" in merged:
        merged["enum"] = _or_empty(merged["enum"])
    elif "enum" in merged.get("items", ()):
        merged["items"] = {**merged["items"], "enum": _or_empty(merged["items"]["enum"])}
    examples = schema.get("examples") or merged.get("examples")
    text = schema.get("description") or merged.get("description", "")
    merged = {key: value for key, value in merged.items() if key not in ("examples", "description")}
    if schema.get("default"):
        merged["default"] = schema["default"]
    parameter: Document = {"name": name, "in": "query", "description": text, "schema": merged}
    return parameter | ({"example": examples[0]} if examples else {})


def _or_empty(words: list[str | None]) -> list[str]:
    """The words of a choice; an empty one is as good as none."""
    return [*(word for word in words if word is not None), ""]


def _header_parameters(operation: Operation) -> list[Document]:
    wanted = (
        (operation.keyed, _KEY_PARAMETER),
        (operation.conditional, _MATCH_PARAMETER),
        (operation.tagged, _NONE_MATCH_PARAMETER),
        (operation.worded, _LANGUAGE_PARAMETER),
    )
    return [{"$ref": f"#/components/parameters/{_component(p['name'])}"} for there, p in wanted if there]


def _headers(*names: str) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _good(operation: Operation, status: int, shape: type | None) -> Document:
    names = []
    if operation.tagged or shape is answers.Ticket:
        names.append("ETag")
    if operation.worded and shape is not answers.KeptInQuarantine:
        names.append("Content-Language")
    if operation.id == "create_ticket" and shape is answers.Ticket:
        names.append("Location")
    if operation.keyed:
        names.append("Idempotency-Replayed")
    if operation.media == "application/octet-stream":
        names.append("Content-Disposition")
    if shape is not None:
        content: Document = {operation.media: {"schema": _ref(shape), "example": EXAMPLES[shape]}}
    elif operation.media == "application/json":
        content = {operation.media: {"schema": {"type": "object"}}}
    else:
        content = {operation.media: {}}
    return {"description": _said(operation, status), "headers": _headers(*names), "content": content}


def _said(operation: Operation, status: int) -> str:
    if status == 503:
        return "It cannot work now."
    if operation.id == "create_ticket":
        return {201: "The new ticket.", 200: "The ticket there is already.", 202: "Kept in quarantine."}[status]
    if operation.media == "application/octet-stream":
        return "Its bytes, to save."
    return {201: "The ticket as it is now."}.get(status, "As asked.")


def _not_modified() -> Document:
    return {"description": "Nothing changed since the answer that If-None-Match names.", "headers": _headers("ETag")}


def _refusal(status: int) -> Document:
    title, text = _REFUSALS[status]
    example = {"type": "about:blank", "title": title, "status": status, "detail": text}
    content = {"application/problem+json": {"schema": _ref(answers.ProblemDocument), "example": example}}
    return {"description": text, "headers": _headers(*_REFUSAL_HEADERS.get(status, ())), "content": content}
