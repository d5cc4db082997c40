"""The description of the API arranged as a page shows it: calls by group, shapes as tables of fields."""

from __future__ import annotations

import json
from typing import Any

Document = dict[str, Any]


def reference_of(document: Document) -> dict[str, Any]:
    """`groups` of calls and `shapes`, everything a page needs of an OpenAPI document."""
    calls = [
        _call(document, path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    groups = [
        {"name": tag["name"], "calls": [call for call in calls if call["tag"] == tag["name"]]}
        for tag in document["tags"]
    ]
    schemas = document["components"]["schemas"]
    return {
        "version": document["info"]["version"],
        "groups": groups,
        "shapes": [_shape(name, schema) for name, schema in sorted(schemas.items()) if "properties" in schema],
    }


def _call(document: Document, path: str, method: str, operation: Document) -> Document:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return {
        "id": operation["operationId"],
        "tag": operation["tags"][0],
        "method": method.upper(),
        "path": path,
        "description": operation.get("description", ""),
        "scope": next((scope for need in operation["security"] for scope in need.get("token", ())), ""),
        "parameters": [_parameter(_resolved(document, p)) for p in operation["parameters"]],
        "body": _kind(body["schema"]) if body else None,
        "example": _pretty(body["example"]) if body else "",
        "answers": [
            _answer(status, _resolved(document, response)) for status, response in operation["responses"].items()
        ],
    }


def _resolved(document: Document, part: Document) -> Document:
    if "$ref" not in part:
        return part
    found: Any = document
    for step in part["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    whole: Document = found
    return whole


def _parameter(parameter: Document) -> Document:
    return {
        "name": parameter["name"],
        "where": parameter["in"],
        "required": parameter.get("required", False),
        "kind": _kind(parameter["schema"]),
        "description": parameter.get("description", ""),
        "example": parameter.get("example", ""),
    }


def _answer(status: str, response: Document) -> Document:
    content = response.get("content", {})
    media = next(iter(content), "")
    inside = content.get(media, {})
    good = status.startswith("2")
    return {
        "status": status,
        "refusal": status >= "4",
        "description": response["description"],
        "media": media,
        "kind": _kind(inside["schema"]) if "schema" in inside else None,
        "headers": list(response.get("headers", {})),
        "example": _pretty(inside["example"]) if good and "example" in inside else "",
    }


def _shape(name: str, schema: Document) -> Document:
    required = schema.get("required", ())
    return {
        "name": name,
        "description": schema.get("description", ""),
        "fields": [
            {
                "name": field,
                "required": field in required,
                "kind": _kind(kind),
                "description": kind.get("description", ""),
            }
            for field, kind in schema["properties"].items()
        ],
    }


def _kind(schema: Document) -> Document:
    """What a value is: `words` for people, and in `shape` the name of the shape it is or holds."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"words": name, "shape": name}
    if "anyOf" in schema:
        options = [_kind(option) for option in schema["anyOf"]]
        shape = next((option["shape"] for option in options if option["shape"]), "")
        return {"words": " | ".join(option["words"] for option in options if option["words"]), "shape": shape}
    if "enum" in schema:
        return {"words": " | ".join(json.dumps(word) for word in schema["enum"] if word != ""), "shape": ""}
    if schema.get("type") == "array":
        inner = _kind(schema.get("items", {}))
        return {"words": f"[{inner['words']}]", "shape": inner["shape"]}
    words = schema.get("format") or schema.get("type") or ("" if schema else "any")
    bounds = [str(schema[key]) for key in ("minimum", "maximum") if key in schema]
    if len(bounds) == 2:
        words = f"{words} {'–'.join(bounds)}"
    elif schema.get("maxLength"):
        words = f"{words} ≤ {schema['maxLength']}"
    return {"words": words, "shape": ""}


def _pretty(example: Any) -> str:
    return json.dumps(example, ensure_ascii=False, indent=2)
