"""The pages of logging in and out: password, code of the second factor, the way out.

Before anybody is known a form is tied to its browser by a cookie of its own, so that nobody is logged in as somebody
else from another site (login CSRF). The address to go to afterwards is only ever one of ours.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from urllib.parse import quote

from aiohttp import web

from desk import typed
from desk.login import Begun, Caller, Login, NotAwaited, NotLoggedIn
from desk.sessions import FULL, Sessions, csrf_token, new_secret
from desk.tries import TooManyTries
from tickets.clock import Clock
from web.console.cookies import SESSION, Cookies
from web.console.forms import posted, text_of
from web.console.gate import Gate
from web.console.oidc import SignOn
from web.look.page import Look, local

FORM = "otklik-form"
"""The cookie the form is tied to."""

HOME = "/queue"


class LoginPages:
    """`/login`, `/login/code`, `/logout`. `sign_on` is the organisation's identity provider, if there is one."""

    def __init__(
        self,
        look: Look,
        gate: Gate,
        login: Login,
        sessions: Sessions,
        cookies: Cookies,
        clock: Clock,
        sign_on: SignOn | None,
    ) -> None:
        self._look = look
        self._gate = gate
        self._login = login
        self._sessions = sessions
        self._cookies = cookies
        self._clock = clock
        self._sign_on = sign_on

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/login", self._form),
            web.post("/login", self._password),
            web.get("/login/code", self._code_form),
            web.post("/login/code", self._code),
            web.post("/logout", self._logout),
        ]

    async def _form(self, request: web.Request) -> web.Response:
        where = after(request.query.get("next", ""))
        if await self._gate.visitor(request) is not None:
            return web.Response(status=303, headers={"Location": where})
        failed = request.query.get("wrong") == "company"
        return self._draw(request, where, wrong="sign_on" if failed else "")

    async def _password(self, request: web.Request) -> web.Response:
        # as it was typed: what is taken out of a login or password must not make it somebody's
        form = await request.post()
        where, login = after(text_of(form, "next")), text_of(form, "login")
        tied = self._cookies.read(request, FORM)
        if not tied or not _same(text_of(form, "csrf"), csrf_token(tied)):
            return self._draw(request, where, login, status=403, wrong="stale")
        try:
            begun = await self._login.password(login, text_of(form, "password"), self._caller(request))
        except NotLoggedIn as error:
            return self._draw(request, where, login, status=422, wrong="password", left=error.left)
        except TooManyTries as error:
            return self._draw(request, where, login, status=429, wrong="wait", until=error.until)
        return self._go_on(begun, where)

    async def _code_form(self, request: web.Request) -> web.Response:
        where = after(request.query.get("next", ""))
        if await self._sessions.awaited(self._cookies.session(request)) is None:
            return _to_login(where)
        return self._draw_code(request, where)

    async def _code(self, request: web.Request) -> web.Response:
        form = await posted(request)
        where = after(text_of(form, "next"))
        secret = self._cookies.session(request)
        if not _same(text_of(form, "csrf"), csrf_token(secret)):
            return _to_login(where)
        try:
            begun = await self._login.code(text_of(form, "code")[:100], self._caller(request))
        except NotAwaited:
            return _to_login(where)
        except NotLoggedIn as error:
            return self._draw_code(request, where, status=422, wrong="code", left=error.left)
        except TooManyTries as error:
            return self._draw_code(request, where, status=429, wrong="wait", until=error.until)
        return self._go_on(begun, where)

    async def _logout(self, request: web.Request) -> web.Response:
        await self._gate.staff(request, enrolling=True)
        await self._login.logout(self._caller(request))
        response = web.Response(status=303, headers={"Location": "/login", "Clear-Site-Data": '"cache"'})
        self._cookies.drop(response, SESSION)
        return response

    def _go_on(self, begun: Begun, where: str) -> web.Response:
        to = where if begun.stage == FULL else f"/login/code?next={quote(where, safe='/')}"
        response = web.Response(status=303, headers={"Location": to, "Cache-Control": "no-store"})
        self._cookies.set(response, SESSION, begun.secret)
        if begun.stage == FULL:
            self._cookies.drop(response, FORM)
        return response

    def _caller(self, request: web.Request) -> Caller:
        agent = request.headers.get("User-Agent", "")
        return Caller(request.remote or "", agent, self._cookies.session(request))

    def _draw(
        self,
        request: web.Request,
        where: str,
        login: str = "",
        *,
        status: int = 200,
        wrong: str = "",
        left: int = 0,
        until: datetime | None = None,
    ) -> web.Response:
        tied = self._cookies.read(request, FORM) or new_secret()
        response = self._look.render(
            request,
            "console/login.html.j2",
            status,
            headers=self._wait(until),
            csrf=csrf_token(tied),
            where=where,
            login=typed.lines(login)[:200],
            wrong=wrong,
            tries=left,
            until=until,
            sign_on=self._sign_on,
        )
        self._cookies.set(response, FORM, tied)
        return response

    def _draw_code(
        self,
        request: web.Request,
        where: str,
        *,
        status: int = 200,
        wrong: str = "",
        left: int = 0,
        until: datetime | None = None,
    ) -> web.Response:
        return self._look.render(
            request,
            "console/login_code.html.j2",
            status,
            headers=self._wait(until),
            csrf=csrf_token(self._cookies.session(request)),
            where=where,
            wrong=wrong,
            tries=left,
            until=until,
        )

    def _wait(self, until: datetime | None) -> dict[str, str]:
        if until is None:
            return {}
        return {"Retry-After": str(max(1, int((until - self._clock.now()).total_seconds()) + 1))}


def after(address: str) -> str:
    r"""Where to go after the login: a page of ours that is not about logging in, else the queue.

    >>> after("/tickets/OTK-26-000001?x=1"), after("//evil.example/"), after("https://evil.example"), after("/logout")
    ('/tickets/OTK-26-000001?x=1', '/queue', '/queue', '/queue')
    """
    where = local(address[:2000], HOME)
    return HOME if where == "/" or where.startswith(("/login", "/logout")) else where


def _to_login(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": f"/login?next={quote(where, safe='/')}"})


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())
