"""Logging in with the account of one's organisation: to its identity provider and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from aiohttp import web

from desk.identity import Identities, Identity, NotAdmitted
from desk.login import Caller, Login, NotLoggedIn
from desk.vault import Unopened, Vault
from tickets.clock import Clock
from tickets.role import RIGHTS, Role
from web.console.cookies import SESSION, Cookies
from web.console.login import after
from web.console.oidc import Flow, Provider, SignOn, SignOnError

log = structlog.get_logger(__name__)

FLOW = "otklik-flow"
"""The cookie that is kept, sealed, between going and coming back."""

CALLBACK = "/login/company/back"

_PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Claims:
    """Which claims are believed for what; `roles` by value of the claim, empty where roles are given by hand."""

    login: str = "preferred_username"
    role: str = "groups"
    roles: Mapping[str, Role] = field(default_factory=dict)
    create: bool = False

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """The role a token gives: of several the one with the most rights; None where it gives none."""
        value: Any = claims
        for part in self.role.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        found = [self.roles[each] for each in values if isinstance(each, str) and each in self.roles]
        return max(found, key=lambda role: len(RIGHTS[role]), default=None)


class SignOnPages:
    """`/login/company` and the way back."""

    def __init__(
        self,
        options: SignOn,
        claims: Claims,
        login: Login,
        identities: Identities,
        vault: Vault,
        cookies: Cookies,
        clock: Clock,
    ) -> None:
        self._options = options
        self._claims = claims
        self._provider = Provider(options, clock)
        self._login = login
        self._identities = identities
        self._vault = vault
        self._cookies = cookies
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [web.get("/login/company", self._go), web.get(CALLBACK, self._back)]

    async def _go(self, request: web.Request) -> web.Response:
        flow = Flow()
        try:
            address = await self._provider.address(flow)
        except SignOnError as error:
            return self._failed(error.code)
        kept = {
            "state": flow.state,
            "nonce": flow.nonce,
            "verifier": flow.verifier,
            "next": after(request.query.get("next", "")),
            "until": (self._clock.now() + _PATIENCE).isoformat(),
        }
        response = web.Response(status=303, headers={"Location": address, "Cache-Control": "no-store"})
        self._cookies.set(response, FLOW, self._vault.seal("flow", kept), _PATIENCE)
        return response

    async def _back(self, request: web.Request) -> web.Response:
        try:
            where, secret = await self._finished(request)
        except SignOnError as error:
            return self._failed(error.code)
        response = web.Response(status=303, headers={"Location": where, "Cache-Control": "no-store"})
        self._cookies.set(response, SESSION, secret)
        self._cookies.drop(response, FLOW)
        return response

    async def _finished(self, request: web.Request) -> tuple[str, str]:
        given = request.query
        try:
            kept = self._vault.open("flow", self._cookies.read(request, FLOW))
        except Unopened:
            raise SignOnError("flow_missing") from None
        if given.get("state") != kept["state"]:
            raise SignOnError("state")
        if datetime.fromisoformat(kept["until"]) <= self._clock.now():
            raise SignOnError("flow_late")
        if given.get("iss", self._options.issuer) != self._options.issuer:
            # RFC 9207: the answer of another provider
            raise SignOnError("issuer")
        if "error" in given or not given.get("code"):
            raise SignOnError("refused")
        claims = await self._provider.redeem(given["code"], Flow(kept["state"], kept["nonce"], kept["verifier"]))
        identity = Identity(
            subject=f"{self._options.issuer} {claims['sub']}",
            login=str(claims.get(self._claims.login, "")),
            name=str(claims.get("name", "")),
            email=str(claims.get("email", "")) if claims.get("email_verified", True) is True else "",
            role=self._claims.role_of(claims),
        )
        caller = Caller(request.remote or "", request.headers.get("User-Agent", ""), self._cookies.session(request))
        try:
            await self._identities.admit(identity, by_role=bool(self._claims.roles), create=self._claims.create)
            begun = await self._login.identity(identity.subject, caller)
        except (NotAdmitted, NotLoggedIn) as error:
            raise SignOnError("not_admitted", str(error)) from None
        return kept["next"], begun.secret

    def _failed(self, code: str) -> web.Response:
        log.warning("sign_on_failed", reason=code)
        response = web.Response(status=303, headers={"Location": "/login?wrong=company", "Cache-Control": "no-store"})
        self._cookies.drop(response, FLOW)
        return response
