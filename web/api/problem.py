"""Errors as problem documents (RFC 9457)."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web


class Problem(Exception):
    """A refusal with a status, a short title and a sentence that says what to do.

    `errors` lists `{"field", "detail"}` where the input was wrong in places.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors
        self.headers = headers

    def response(self) -> web.Response:
        """The answer."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = self.errors
        return web.Response(
            body=msgspec.json.encode(document),
            status=self.status,
            content_type="application/problem+json",
            headers=self.headers,
        )


def busy() -> Problem:
    """Nothing was kept for now."""
    return Problem(
        503,
        "Not accepted now",
        "nothing was kept; send it again, best with an Idempotency-Key",
        headers={"Retry-After": "5"},
    )
