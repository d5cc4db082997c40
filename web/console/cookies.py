"""The cookies of staff pages.

Over https their names begin with `__Host-` (RFC 6265bis, section 4.1.3.2): no other host and no plain page of this one
can set them. All are `HttpOnly` and `SameSite=Lax`.
"""

from __future__ import annotations

from datetime import timedelta

from aiohttp import web

SESSION = "otklik"
"""The cookie that holds the secret of a session."""


class Cookies:
    """Reads and writes them; `secure` where people come by https."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        self._prefix = "__Host-" if secure else ""

    def session(self, request: web.Request) -> str:
        """The secret of a session as the browser sent it; empty where it sent none."""
        return self.read(request, SESSION)

    def read(self, request: web.Request, name: str) -> str:
        """One cookie; empty where there is none."""
        return request.cookies.get(self._prefix + name, "")

    def set(self, response: web.StreamResponse, name: str, value: str, lifetime: timedelta | None = None) -> None:
        """Give a cookie; without a lifetime it ends with the browser."""
        response.set_cookie(
            self._prefix + name,
            value,
            max_age=None if lifetime is None else int(lifetime.total_seconds()),
            path="/",
            secure=self._secure,
            httponly=True,
            samesite="Lax",
        )

    def drop(self, response: web.StreamResponse, name: str) -> None:
        """Take a cookie back."""
        response.del_cookie(self._prefix + name, path="/", secure=self._secure, httponly=True, samesite="Lax")
