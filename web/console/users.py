"""Logins of staff, for administrators: list, make, role, switch off and on, new password, sessions, second factor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from desk.accounts import LANGUAGES, Accounts, NewUser, NoSuchUser, NotChanged
from desk.passwords import WeakPassword, generated
from desk.sessions import Sessions
from desk.visitor import Visitor
from tickets.role import Right, Role
from web.console.forms import posted, text_of
from web.console.gate import Gate
from web.look.page import Look
from web.look.refusal import Refusal

Row = dict[str, Any]


class UserPages:
    """`/users`. A login stands in the address as it is; it has no slash."""

    def __init__(self, look: Look, gate: Gate, accounts: Accounts, sessions: Sessions) -> None:
        self._look = look
        self._gate = gate
        self._accounts = accounts
        self._sessions = sessions

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/users", self._list),
            web.get("/users/new", self._form),
            web.post("/users", self._create),
            web.get("/users/by-login/{login}", self._show),
            web.post("/users/by-login/{login}/role", self._role),
            web.post("/users/by-login/{login}/disable", self._disable),
            web.post("/users/by-login/{login}/enable", self._enable),
            web.post("/users/by-login/{login}/password", self._password),
            web.post("/users/by-login/{login}/sessions", self._end_sessions),
            web.post("/users/by-login/{login}/second-factor", self._drop_second_factor),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        await self._gate.staff(request, Right.USERS_MANAGE)
        return self._look.render(request, "console/users.html.j2", users=await self._accounts.listing())

    async def _form(self, request: web.Request) -> web.Response:
        await self._gate.staff(request, Right.USERS_MANAGE)
        return self._draw_form(request, {}, {})

    async def _create(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.USERS_MANAGE)
        form = await posted(request)
        given = {name: text_of(form, name) for name in ("login", "name", "email", "role", "language")}
        if given["role"] not in set(Role) or given["language"] not in LANGUAGES:
            raise Refusal(400)
        password = generated()
        new = NewUser(given["login"], Role(given["role"]), given["name"], given["email"], given["language"], password)
        try:
            user = await self._accounts.create(new, visitor)
        except WeakPassword:
            return self._draw_form(request, given, {"login": "users.login_wrong"})
        except NotChanged as error:
            field = error.code if error.code in ("name", "email") else "login"
            return self._draw_form(request, given, {field: f"users.{error.code}_wrong"})
        return self._shown_once(request, user, password, made=True)

    async def _show(self, request: web.Request) -> web.Response:
        await self._gate.staff(request, Right.USERS_MANAGE)
        return await self._draw(request, await self._user(request))

    async def _role(self, request: web.Request) -> web.Response:
        async def change(visitor: Visitor, login: str) -> str:
            role = text_of(await posted(request), "role")
            if role not in set(Role):
                raise Refusal(400)
            await self._accounts.set_role(login, Role(role), visitor)
            return "users.role_changed"

        return await self._changed(request, change)

    async def _disable(self, request: web.Request) -> web.Response:
        async def change(visitor: Visitor, login: str) -> str:
            await self._accounts.disable(login, visitor)
            return "users.disabled"

        return await self._changed(request, change)

    async def _enable(self, request: web.Request) -> web.Response:
        async def change(visitor: Visitor, login: str) -> str:
            await self._accounts.enable(login, visitor)
            return "users.enabled"

        return await self._changed(request, change)

    async def _end_sessions(self, request: web.Request) -> web.Response:
        async def change(visitor: Visitor, login: str) -> str:
            await self._accounts.revoke_sessions(login, visitor)
            return "users.sessions_ended"

        return await self._changed(request, change)

    async def _drop_second_factor(self, request: web.Request) -> web.Response:
        async def change(visitor: Visitor, login: str) -> str:
            await self._accounts.drop_second_factor(login, visitor)
            return "users.second_factor_dropped"

        return await self._changed(request, change)

    async def _password(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.USERS_MANAGE)
        user = await self._user(request)
        password = generated()
        await self._accounts.set_password(user["login"], password, visitor)
        return self._shown_once(request, user, password, made=False)

    async def _changed(self, request: web.Request, change: Callable[[Visitor, str], Awaitable[str]]) -> web.Response:
        visitor = await self._gate.staff(request, Right.USERS_MANAGE)
        user = await self._user(request)
        try:
            key = await change(visitor, user["login"])
        except NotChanged as error:
            return await self._draw(request, user, status=409, wrong=f"users.{error.code}")
        response = web.Response(status=303, headers={"Location": address(user), "Cache-Control": "no-store"})
        self._look.tell(response, key, login=user["login"])
        return response

    async def _user(self, request: web.Request) -> Row:
        try:
            return await self._accounts.find(request.match_info["login"])
        except NoSuchUser:
            raise Refusal(404) from None

    async def _draw(self, request: web.Request, user: Row, *, status: int = 200, wrong: str = "") -> web.Response:
        sessions = await self._sessions.listing(user["id"])
        page = "console/user.html.j2"
        at = address(user)
        return self._look.render(
            request, page, status, user=user, at=at, sessions=sessions, roles=list(Role), wrong=wrong
        )

    def _draw_form(self, request: web.Request, given: dict[str, str], wrong: dict[str, str]) -> web.Response:
        return self._look.render(
            request,
            "console/user_new.html.j2",
            422 if wrong else 200,
            given=given,
            wrong=wrong,
            roles=list(Role),
            all_languages=LANGUAGES,
        )

    def _shown_once(self, request: web.Request, user: Row, password: str, *, made: bool) -> web.Response:
        page = "console/user_password.html.j2"
        return self._look.render(request, page, user=user, at=address(user), password=password, made=made)


def address(user: Row) -> str:
    """The page of a user."""
    return f"/users/by-login/{quote(user['login'], safe='')}"
