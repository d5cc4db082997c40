"""Setting up the second factor: a picture for the authenticator, the first code, recovery codes shown once.

Until the first code proves that the authenticator has it, the secret is kept by the browser, sealed; the picture is a
file of its own, because pages may not hold styles or pictures from elsewhere.
"""

from __future__ import annotations

import io
from datetime import datetime, timedelta

from aiohttp import web

from desk import second_factor
from desk.accounts import NotChanged
from desk.own_account import OwnAccount
from desk.staff_rules import StaffRules
from desk.tries import TooManyTries
from desk.vault import Unopened, Vault
from desk.visitor import Visitor
from tickets.clock import Clock
from web.console.cookies import Cookies
from web.console.forms import posted, text_of
from web.console.gate import ENROL, Gate
from web.look.headers import file_headers
from web.look.page import Look

PENDING = "otklik-enrol"
"""The cookie the secret waits in."""

PICTURE = f"{ENROL}/picture.svg"

_PATIENCE = timedelta(minutes=15)


class EnrolmentPages:
    """`/account/second-factor`."""

    def __init__(
        self,
        look: Look,
        gate: Gate,
        own: OwnAccount,
        vault: Vault,
        cookies: Cookies,
        rules: StaffRules,
        clock: Clock,
    ) -> None:
        self._look = look
        self._gate = gate
        self._own = own
        self._vault = vault
        self._cookies = cookies
        self._rules = rules
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get(ENROL, self._show),
            web.post(ENROL, self._enrol),
            web.get(PICTURE, self._picture),
            web.post(f"{ENROL}/off", self._off),
            web.post(f"{ENROL}/codes", self._codes),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, enrolling=True)
        return self._draw(request, visitor)

    async def _enrol(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, enrolling=True)
        if visitor.second_factor:
            return _back()
        secret = self._pending(request, visitor)
        code = text_of(await posted(request), "code")[:40]
        if not secret:
            return self._draw(request, visitor, status=422, wrong={"code": "enrol.late"})
        try:
            codes = await self._own.enrol(visitor, secret, code)
        except NotChanged:
            return self._draw(request, visitor, status=422, wrong={"code": "enrol.wrong"})
        response = self._look.render(request, "console/recovery_codes.html.j2", codes=codes, first=True)
        self._cookies.drop(response, PENDING)
        return response

    async def _picture(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, enrolling=True)
        secret = self._pending(request, visitor)
        if not secret:
            raise web.HTTPNotFound
        # Not at the top: a picture is wanted once in the life of an account.
        import segno

        drawn = io.BytesIO()
        address = second_factor.provisioning_uri(secret, visitor.login, self._rules.issuer)
        segno.make(address, error="m", micro=False).save(
            drawn,
            kind="svg",
            scale=6,
            border=4,
            dark="#000",
            light="#fff",
            svgclass=None,
            lineclass=None,
            xmldecl=False,
        )
        headers = {**file_headers(), "Cache-Control": "no-store"}
        return web.Response(body=drawn.getvalue(), content_type="image/svg+xml", headers=headers)

    async def _off(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request)
        if (refused := await self._unproven(request, visitor, "off_password")) is not None:
            return refused
        await self._own.drop_second_factor(visitor)
        response = _back()
        self._look.tell(response, "enrol.is_off")
        return response

    async def _codes(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request)
        if not visitor.second_factor:
            return _back()
        if (refused := await self._unproven(request, visitor, "codes_password")) is not None:
            return refused
        codes = await self._own.new_recovery_codes(visitor)
        return self._look.render(request, "console/recovery_codes.html.j2", codes=codes, first=False)

    async def _unproven(self, request: web.Request, visitor: Visitor, field: str) -> web.Response | None:
        """The page again where the password does not match: a session left open is not enough."""
        try:
            right = await self._own.knows_password(visitor, text_of(await posted(request), field))
        except TooManyTries:
            return self._draw(request, visitor, status=429, wrong={field: "account.password_wait"})
        return None if right else self._draw(request, visitor, status=422, wrong={field: "account.password_wrong"})

    def _draw(
        self, request: web.Request, visitor: Visitor, *, status: int = 200, wrong: dict[str, str] | None = None
    ) -> web.Response:
        page = "console/second_factor.html.j2"
        if visitor.second_factor:
            return self._look.render(request, page, status, secret="", picture="", wrong=wrong or {})
        secret = self._pending(request, visitor) or second_factor.new_secret()
        grouped = " ".join(secret[n : n + 4] for n in range(0, len(secret), 4))
        response = self._look.render(request, page, status, secret=grouped, picture=PICTURE, wrong=wrong or {})
        until = (self._clock.now() + _PATIENCE).isoformat()
        sealed = self._vault.seal(f"enrol:{visitor.user_id.hex}", {"secret": secret, "until": until})
        self._cookies.set(response, PENDING, sealed, _PATIENCE)
        return response

    def _pending(self, request: web.Request, visitor: Visitor) -> str:
        try:
            kept = self._vault.open(f"enrol:{visitor.user_id.hex}", self._cookies.read(request, PENDING))
        except Unopened:
            return ""
        return str(kept["secret"]) if datetime.fromisoformat(kept["until"]) > self._clock.now() else ""


def _back() -> web.Response:
    return web.Response(status=303, headers={"Location": ENROL, "Cache-Control": "no-store"})
