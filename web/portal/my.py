"""`/my`: a one-time link by mail, and after it the list of one's own tickets."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import structlog
from aiohttp import web

from channels.webform.caps import client_of
from desk.my_tickets import SESSION_LIFETIME, AuthorSession, MyPages
from web.look.page import Look
from web.look.refusal import Refusal
from web.portal.door import SECRECY, Door

log = structlog.get_logger(__name__)

COOKIE = "author"
ASKED_PER_HOUR = 20
"""Links one client asks for within an hour, whether we know the addresses or not."""

_SECRET = re.compile(r"[a-z2-7]{52}")
_SESSION = re.compile(r"[A-Za-z0-9_-]{43}")
_ADDRESS = re.compile(r"[^@\s<>,;\"]{1,64}@[^@\s<>,;\"]{1,255}")


class MyTicketPages:
    """Routes of the list. `settle` waits for links that are being sent."""

    def __init__(self, pages: MyPages, look: Look, door: Door) -> None:
        self._pages = pages
        self._look = look
        self._door = door
        self._sending: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        """Asking for a link, following it, the list, and signing out."""
        return [
            web.get("/my", self._show),
            web.post("/my", self._ask),
            web.get("/my/enter/{secret}", self._knock),
            web.post("/my/enter/{secret}", self._enter),
            web.post("/my/leave", self._leave),
        ]

    async def settle(self) -> None:
        """Wait until every link asked for is on its way."""
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _show(self, request: web.Request) -> web.Response:
        session = await self._session(request)
        if session is None:
            return self._door_page(request)
        q, after = request.query.get("q", "")[:100], request.query.get("after", "")[:32]
        found = await self._pages.tickets(session, q=q, after=after)
        cookie = request.cookies.get(COOKIE, "")
        return self._look.render(
            request,
            "portal/my.html.j2",
            headers=SECRECY,
            session=session,
            tickets=found.rows,
            after=found.after,
            paged=bool(after),
            q=q,
            form_fields=lambda: self._door.form_fields(cookie),
        )

    async def _ask(self, request: web.Request) -> web.Response:
        try:
            sent = await self._door.take(request, "my")
            self._door.count(request, {f"asks:{client_of(request.remote or '')}": ASKED_PER_HOUR})
        except Refusal as refusal:
            return self._error(request, refusal)
        address = sent.fields.get("email", "").strip()
        if not _ADDRESS.fullmatch(address):
            return self._door_page(request, status=422, typed=address, error=True)
        # the answer is the same for every address, and so is the time it takes: what is done is done after it
        task = asyncio.create_task(self._send(address), name="one-time link")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return self._look.render(request, "portal/asked.html.j2", headers=SECRECY, address=address)

    async def _send(self, address: str) -> None:
        try:
            await self._pages.send_link(address)
        except Exception:
            log.exception("one_time_link_failed")

    async def _knock(self, request: web.Request) -> web.Response:
        """A button and nothing else: scanners that follow links in mail must not use the link up."""
        secret = request.match_info["secret"]
        return self._look.render(
            request,
            "portal/enter.html.j2",
            headers=SECRECY,
            action=f"/my/enter/{secret}" if _SECRET.fullmatch(secret) else "/my/enter/none",
            form_fields=lambda: self._door.form_fields(secret),
        )

    async def _enter(self, request: web.Request) -> web.Response:
        secret = request.match_info["secret"]
        try:
            await self._door.take(request, secret)
        except Refusal as refusal:
            return self._error(request, refusal)
        session = await self._pages.enter(secret)
        if session is None:
            return self._door_page(request, status=404, used=True)
        response = web.Response(status=303, headers={**SECRECY, "Location": "/my"})
        response.set_cookie(
            COOKIE,
            session,
            max_age=int(SESSION_LIFETIME.total_seconds()),
            path="/my",
            secure=self._look.secure,
            httponly=True,
            samesite="Lax",
        )
        return response

    async def _leave(self, request: web.Request) -> web.Response:
        cookie = request.cookies.get(COOKIE, "")
        try:
            await self._door.take(request, cookie)
        except Refusal as refusal:
            return self._error(request, refusal)
        await self._pages.leave(cookie)
        response = web.Response(status=303, headers={**SECRECY, "Location": "/my"})
        response.del_cookie(COOKIE, path="/my", secure=self._look.secure, httponly=True, samesite="Lax")
        self._look.tell(response, "my.left")
        return response

    async def _session(self, request: web.Request) -> AuthorSession | None:
        cookie = request.cookies.get(COOKIE, "")
        return await self._pages.session(cookie) if _SESSION.fullmatch(cookie) else None

    def _door_page(self, request: web.Request, status: int = 200, **more: Any) -> web.Response:
        context: dict[str, Any] = {"typed": "", "error": False, "used": False, "offered": self._pages.offered} | more
        return self._look.render(
            request,
            "portal/door.html.j2",
            status,
            headers=SECRECY,
            form_fields=lambda: self._door.form_fields("my"),
            **context,
        )

    def _error(self, request: web.Request, refusal: Refusal) -> web.Response:
        return self._look.error(request, refusal.status, key=refusal.key, headers=SECRECY, facts=refusal.facts)
