"""The gate every staff page stands behind: who is there, whether that person may, and whether the form is ours.

```python
visitor = await self._gate.staff(request, Right.TICKETS_READ)
await self._gate.saw(visitor, "ticket.viewed", number)
```

Unsafe methods (RFC 9110, section 9.2.1) need the token of the session, as form field `csrf` or header `X-CSRF-Token`.
A handler that reads a multipart body by itself calls `staff(..., csrf=False)` and then `check_token` with the field.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import web

from desk.audit import AuditLog
from desk.sessions import Sessions
from desk.visitor import Visitor
from tickets.role import Right
from web.console.cookies import Cookies
from web.console.forms import posted
from web.look.reader import VISITOR
from web.look.refusal import Refusal

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

LOGIN = "/login"
ENROL = "/account/second-factor"
"""Where somebody goes first whose role needs a second factor."""

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class TurnedAway(Exception):
    """The request is answered here and does not reach its page."""

    def __init__(self, response: web.Response) -> None:
        super().__init__(response.status)
        self.response = response


class Gate:
    """Lets visitors through, or turns them away with an answer that says what to do."""

    def __init__(self, sessions: Sessions, cookies: Cookies, log: AuditLog) -> None:
        self._sessions = sessions
        self._cookies = cookies
        self._log = log

    async def staff(
        self, request: web.Request, right: Right | None = None, *, csrf: bool = True, enrolling: bool = False
    ) -> Visitor:
        """Who is there, if that person is logged in and has the right.

        The visitor is also put into the request, where pages find language, theme and token. `enrolling` is for the
        pages where a second factor is set up.

        Raises:
            TurnedAway: to the login page, which leads back here.
            Refusal: 403, the role does not allow it or the form is not one of this session.
        """
        visitor = await self.visitor(request)
        if visitor is None:
            raise self._to_login(request)
        if csrf and request.method not in SAFE:
            self.check_token(visitor, await _sent_token(request))
        if visitor.must_enrol and not enrolling:
            raise TurnedAway(_sent_to(request, ENROL))
        if right is not None and not visitor.may(right):
            raise Refusal(403, "gate.right")
        return visitor

    async def visitor(self, request: web.Request) -> Visitor | None:
        """Who is there; None where nobody is logged in. For pages that others may see too."""
        known = request.get(VISITOR)
        if isinstance(known, Visitor):
            return known
        visitor = await self._sessions.visitor(self._cookies.session(request), request.remote or "")
        if visitor is not None:
            request[VISITOR] = visitor
        return visitor

    async def alive(self, visitor: Visitor) -> bool:
        """Whether the session still lives: asked again by answers that go on for long."""
        return await self._sessions.alive(visitor.session_id)

    def check_token(self, visitor: Visitor, token: str) -> None:
        """Check a form's token.

        Raises:
            Refusal: 403, the form is not one of this session.
        """
        if not hmac.compare_digest(token.encode("utf-8", "surrogatepass"), visitor.csrf.encode()):
            raise Refusal(403, "gate.stale_form")

    def forbidden(self, request: web.Request) -> Refusal:
        """The 403 page, to be raised where a right is asked about one thing of many."""
        return Refusal(403, "gate.right")

    async def saw(
        self, visitor: Visitor, action: str, object: str = "", detail: Mapping[str, Any] | None = None
    ) -> None:
        """Note in the audit log what is about to be shown (`ticket.viewed`, `quarantine.raw_viewed`, …)."""
        await self._log.seen(visitor, action, object, detail)

    def _to_login(self, request: web.Request) -> TurnedAway:
        here = request.path_qs
        if "HX-Request" in request.headers:
            # the page a fragment belongs to, by its path alone: the header is the browser's word
            here = _path_of(request.headers.get("HX-Current-URL", ""), query=True)
        elif request.method not in SAFE:
            here = _path_of(request.headers.get("Referer", ""))
        return TurnedAway(_sent_to(request, f"{LOGIN}?next={quote(here, safe='/')}"))


def _path_of(address: str, *, query: bool = False) -> str:
    """The path of an address, with its query if wished; `/` where there is none, or the address is none.

    >>> _path_of("https://desk.example/queue?page=2", query=True), _path_of("http://[")
    ('/queue?page=2', '/')
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    return f"{parts.path or '/'}{'?' + parts.query if query and parts.query else ''}"


def _sent_to(request: web.Request, where: str) -> web.Response:
    if "HX-Request" in request.headers:
        return web.Response(status=401, headers={"HX-Redirect": where, "Cache-Control": "no-store"})
    return web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})


async def _sent_token(request: web.Request) -> str:
    header = request.headers.get("X-CSRF-Token")
    if header is not None:
        return header
    if request.content_type not in _FORMS:
        return ""
    field = (await posted(request)).get("csrf", "")
    return field if isinstance(field, str) else ""
