"""One's own account: name and looks, password, where one is logged in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aiohttp import web

from desk.accounts import LANGUAGES, THEMES, NotChanged
from desk.own_account import OwnAccount
from desk.passwords import SHORTEST, WeakPassword
from desk.sessions import Sessions
from desk.tries import TooManyTries
from desk.visitor import Visitor
from web.console.forms import key_in_path, posted, text_of
from web.console.gate import Gate
from web.look.page import Look
from web.look.reader import THEME_COOKIE, remember


class AccountPages:
    """`/account`."""

    def __init__(self, look: Look, gate: Gate, own: OwnAccount, sessions: Sessions) -> None:
        self._look = look
        self._gate = gate
        self._own = own
        self._sessions = sessions

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/account", self._show),
            web.post("/account", self._taste),
            web.post("/account/password", self._password),
            web.post("/account/sessions/others/revoke", self._revoke_others),
            web.post("/account/sessions/{session}/revoke", self._revoke),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        return await self._draw(request, await self._gate.staff(request))

    async def _taste(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request)
        form = await posted(request)
        theme = text_of(form, "theme")
        try:
            await self._own.set_taste(
                visitor,
                name=text_of(form, "name"),
                language=text_of(form, "language"),
                theme=theme,
                shortcuts=bool(text_of(form, "shortcuts")),
            )
        except NotChanged as error:
            if error.code != "name":
                raise web.HTTPBadRequest from None
            return await self._draw(request, visitor, status=422, wrong={"name": "account.name_wrong"})
        response = self._told("account.saved")
        remember(response, THEME_COOKIE, theme, secure=self._look.secure)
        return response

    async def _password(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request)
        form = await posted(request)
        new = text_of(form, "new")
        if new != text_of(form, "again"):
            return await self._draw(request, visitor, status=422, wrong={"again": "account.password_differs"})
        try:
            await self._own.change_password(visitor, text_of(form, "old"), new)
        except NotChanged:
            return await self._draw(request, visitor, status=422, wrong={"old": "account.password_wrong"})
        except TooManyTries:
            return await self._draw(request, visitor, status=429, wrong={"old": "account.password_wait"})
        except WeakPassword as error:
            return await self._draw(request, visitor, status=422, wrong={"new": f"account.password_{error.code}"})
        return self._told("account.password_changed")

    async def _revoke(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request)
        await self._sessions.revoke(visitor, key_in_path(request, "session"))
        return self._told("account.session_ended")

    async def _revoke_others(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request)
        count = await self._sessions.revoke_others(visitor)
        return self._told("account.sessions_ended", n=count)

    def _told(self, key: str, **facts: Any) -> web.Response:
        response = web.Response(status=303, headers={"Location": "/account", "Cache-Control": "no-store"})
        self._look.tell(response, key, **facts)
        return response

    async def _draw(
        self, request: web.Request, visitor: Visitor, *, status: int = 200, wrong: dict[str, str] | None = None
    ) -> web.Response:
        sessions: list[dict[str, Any]] = await self._sessions.listing(visitor.user_id)
        own: UUID = visitor.session_id
        return self._look.render(
            request,
            "console/account.html.j2",
            status,
            user=await self._own.of(visitor),
            sessions=sessions,
            own=own,
            all_languages=LANGUAGES,
            all_themes=THEMES,
            shortest=SHORTEST,
            wrong=wrong or {},
        )
