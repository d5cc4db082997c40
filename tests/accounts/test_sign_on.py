"""Logging in by the organisation's identity provider, against a real one over HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import aiohttp
import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from desk.accounts import NewUser
from desk.change import Actor
from gateway import settings as settings_module
from gateway.settings import Settings
from tickets.role import Role
from web.console.sign_on import Claims

CLIENT = "otklik"
SECRET = "s3cret:with+signs"


@dataclass
class Provider:
    """A small identity provider over real HTTP, as OpenID Connect Core 1.0 and RFC 7636 describe one.

    Answers discovery, authorization, token and keys. What it says can be bent by a test before it is asked.

    `person` are the claims of whoever logs in, `bend` changes the claims of a token, `sign` signs them.
    """

    now: Callable[[], float] = lambda: 0.0
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "248289761001", "preferred_username": "petrova"})
    bend: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
    sign: Callable[[dict[str, Any]], str] | None = None
    issuer: str = ""
    named: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    keys: list[RSAKey] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.new_key()

    def new_key(self) -> None:
        """Sign with another key from now on; the old one is no longer published."""
        self.keys = [RSAKey.generate_key(2048, {"use": "sig", "kid": secrets.token_hex(4)}, auto_kid=False)]

    async def start(self) -> web.AppRunner:
        """Listen on a free port."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/realm/.well-known/openid-configuration", self._discovery),
                web.get("/realm/keys", self._keys),
                web.get("/realm/authorize", self._authorize),
                web.post("/realm/token", self._token),
            ]
        )
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}/realm"
        return runner

    async def _discovery(self, request: web.Request) -> web.Response:
        self.asked.append("discovery")
        facts = {
            "issuer": self.named or self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return web.json_response(facts)

    async def _keys(self, request: web.Request) -> web.Response:
        self.asked.append("keys")
        return web.json_response(KeySet(list(self.keys)).as_dict(private=False))

    async def _authorize(self, request: web.Request) -> web.Response:
        given = dict(request.query)
        assert given["response_type"] == "code"
        assert given["client_id"] == CLIENT
        assert "openid" in given["scope"].split()
        assert given["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = given
        back = urlencode({"code": code, "state": given["state"], "iss": self.issuer})
        return web.Response(status=302, headers={"Location": f"{given['redirect_uri']}?{back}"})

    async def _token(self, request: web.Request) -> web.Response:
        kind, _, pair = request.headers["Authorization"].partition(" ")
        client, _, secret = base64.b64decode(pair).decode().partition(":")
        form = await request.post()
        asked = self.codes.pop(str(form["code"]), None)
        challenge = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        right = (
            kind == "Basic"
            and (unquote(client), unquote(secret)) == (CLIENT, SECRET)
            and form["grant_type"] == "authorization_code"
            and asked is not None
            and form["redirect_uri"] == asked["redirect_uri"]
            and base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() == asked["code_challenge"]
        )
        if not right or asked is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(self.now())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims = self.bend({**claims, **self.person})
        token = self.sign(claims) if self.sign else self.signed(claims)
        return web.json_response({"access_token": "x", "token_type": "Bearer", "id_token": token})

    def signed(self, claims: dict[str, Any], key: RSAKey | None = None) -> str:
        """An ID token by the provider's key, or by another one that calls itself the same."""
        header = {"alg": "RS256", "kid": self.keys[0].kid}
        return jwt.encode(header, claims, key or self.keys[0])

    def signed_by_secret(self, claims: dict[str, Any]) -> str:
        """An ID token signed by the client's secret: an algorithm nobody agreed on."""
        key = OctKey.import_key(SECRET.encode().ljust(32, b"x"))
        return jwt.encode({"alg": "HS256", "kid": self.keys[0].kid}, claims, key)

    def unsigned(self, claims: dict[str, Any]) -> str:
        """An ID token of the algorithm `none`."""

        def part(value: Any) -> str:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

        return f"{part({'alg': 'none'})}.{part(claims)}."


BASE = "http://desk.example.ru"


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    """A running provider; its clock is the tests' own from `sign_on` on."""
    made = Provider()
    runner = await made.start()
    yield made
    await runner.cleanup()


@pytest.fixture
def given() -> dict[str, str]:
    """No groups unless a test wants them."""
    return {}


@pytest.fixture
def settings(laid_out_url: str, provider: Provider, given: dict[str, str]) -> Settings:
    """Settings that name the provider."""
    return settings_module.load(
        None,
        {
            "OTKLIK_DATABASE__URL": laid_out_url,
            "OTKLIK_HTTP__LISTEN": "127.0.0.1:0",
            "OTKLIK_SITE__PUBLIC_URL": BASE,
            "OTKLIK_OIDC__ISSUER": provider.issuer,
            "OTKLIK_OIDC__CLIENT_ID": CLIENT,
            "OTKLIK_OIDC__CLIENT_SECRET": SECRET,
            **given,
        },
    )


GROUPS = {"OTKLIK_OIDC__ROLES": '{"desk" = "agent", "desk-leads" = "lead", "it" = "administrator"}'}
CREATE = {**GROUPS, "OTKLIK_OIDC__CREATE": "true"}


async def to_provider(browser: Any, where: str = "") -> str:
    """Press the button, let the person log in there, and return the address the browser is sent back to."""
    gone = await browser.get(f"/login/company{where}")
    assert gone.status == 303, gone.text
    async with aiohttp.ClientSession() as session, session.get(gone.leads_to, allow_redirects=False) as answer:
        assert answer.status == 302
        back = answer.headers["Location"]
    assert back.startswith(f"{BASE}/login/company/back?")
    return back.removeprefix(BASE)


async def sign_on(console: Any, provider: Provider, browser: Any = None, where: str = "") -> Any:
    """The whole way; the last page."""
    provider.now = lambda: console.clock.now().timestamp()
    browser = browser or console.browser()
    return await browser.get(await to_provider(browser, where))


async def invited(console: Any, login: str = "petrova", role: str = "agent") -> None:
    """A login made for somebody who comes by the provider."""
    await console.accounts.create(NewUser(login, Role(role)), Actor("cli:root"))


async def test_the_way_there_and_back(console: Any, provider: Provider) -> None:
    await invited(console)
    browser = console.browser()
    page = await browser.get("/login?next=/account")
    assert 'href="/login/company?next=/account"' in page.text
    assert "Через учётную запись компании" in page.text

    done = await sign_on(console, provider, browser, "?next=/account")

    assert (done.status, done.leads_to) == (303, "/account")
    assert "petrova" in (await browser.get("/account")).text
    assert "otklik-flow" not in browser.cookies
    entries = [(e["who"], e["action"], e["detail"]) for e in await console.logged()]
    assert entries[:2] == [("staff:petrova", "login.began", {"by": "oidc"}), ("oidc", "user.tied", {})]

    assert (await sign_on(console, provider)).leads_to == "/queue"
    assert provider.asked == ["discovery", "keys"], "what it publishes is kept for a while"


async def test_an_identity_is_its_subject_not_its_name(console: Any, provider: Provider) -> None:
    await invited(console)
    assert (await sign_on(console, provider)).leads_to == "/queue"
    provider.person = {"sub": "248289761001", "preferred_username": "renamed"}
    assert (await sign_on(console, provider)).leads_to == "/queue", "a new name changes nothing"
    provider.person = {"sub": "somebody-else", "preferred_username": "petrova"}
    assert (await sign_on(console, provider)).leads_to == "/login?wrong=company", "the old name is nobody's key"


async def test_a_login_with_a_password_is_not_taken_over_by_its_name(console: Any, provider: Provider) -> None:
    await console.user("petrova", "administrator")
    refused = await sign_on(console, provider)
    assert refused.leads_to == "/login?wrong=company"
    page = await console.browser().get(refused.leads_to)
    assert "Войти через учётную запись компании не получилось" in page.text


async def test_a_disabled_login_stays_out(console: Any, provider: Provider) -> None:
    await invited(console)
    await console.accounts.disable("petrova", Actor("cli:root"))
    assert (await sign_on(console, provider)).leads_to == "/login?wrong=company"


@pytest.mark.parametrize("given", [CREATE])
async def test_groups_give_and_take_roles(console: Any, provider: Provider) -> None:
    for groups, role in ((["desk"], "agent"), (["x", "desk", "desk-leads"], "lead"), ("desk", "agent")):
        provider.person = {"sub": "1", "preferred_username": "novikov", "name": "Игорь", "groups": groups}
        assert (await sign_on(console, provider)).leads_to == "/queue"
        assert (await console.accounts.find("novikov"))["role"] == role
    provider.person = {"sub": "1", "preferred_username": "novikov", "groups": ["cleaners"]}
    assert (await sign_on(console, provider)).leads_to == "/login?wrong=company"
    assert len(await console.accounts.listing()) == 1


@pytest.mark.parametrize("given", [GROUPS])
async def test_nobody_is_let_in_uninvited(console: Any, provider: Provider) -> None:
    provider.person = {"sub": "1", "preferred_username": "novikov", "groups": ["it"]}
    assert (await sign_on(console, provider)).leads_to == "/login?wrong=company"
    assert await console.accounts.listing() == []


@pytest.mark.parametrize("claims, role", [
    ({"groups": ["it", "desk"]}, Role.ADMINISTRATOR), ({"groups": "desk"}, Role.AGENT), ({"groups": []}, None),
    ({}, None),
    ({"groups": {"it": 1}}, None), ({"groups": [1, None, "desk"]}, Role.AGENT),
])  # fmt: skip
def test_of_several_groups_the_one_with_most_rights_counts(claims: dict[str, Any], role: Role | None) -> None:
    mapped = Claims(roles={"desk": Role.AGENT, "it": Role.ADMINISTRATOR})
    assert mapped.role_of(claims) is role
    nested = Claims(role="realm_access.roles", roles={"desk": Role.AGENT})
    assert nested.role_of({"realm_access": {"roles": ["desk"]}}) is Role.AGENT


def _set(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda claims: {k: v for k, v in {**claims, **changes}.items() if v is not None}


@pytest.mark.parametrize("bend", [
    _set(iss="https://evil.example"), _set(iss=None), _set(aud="another"), _set(aud=[]), _set(aud=None),
    _set(aud=["otklik", "another"]), _set(azp="another"), _set(exp=0), _set(exp=None), _set(exp="soon"),
    _set(iat=99999999999), _set(iat=None), _set(nonce="of somebody else"), _set(nonce=None), _set(sub=None),
    _set(sub=""), _set(sub=7), _set(sub="x" * 300),
])  # fmt: skip
async def test_a_token_with_wrong_claims_is_not_believed(console: Any, provider: Provider, bend: Any) -> None:
    await invited(console)
    provider.bend = bend
    assert (await sign_on(console, provider)).leads_to == "/login?wrong=company"
    provider.bend = lambda claims: claims
    assert (await sign_on(console, provider)).leads_to == "/queue"


@pytest.mark.parametrize("kind", ["none", "secret", "another key", "garbage", "changed", "number"])
async def test_a_token_without_the_right_signature_is_not_believed(console: Any, provider: Provider, kind: str) -> None:
    await invited(console)
    other = RSAKey.generate_key(2048, auto_kid=False)
    signs: dict[str, Any] = {
        "none": provider.unsigned,
        "secret": provider.signed_by_secret,
        "another key": lambda claims: provider.signed(claims, other),
        "garbage": lambda claims: "a.b.c",
        "changed": lambda claims: provider.signed(claims)[:-4] + "AAAA",
        "number": lambda claims: 7,
    }
    provider.sign = signs[kind]
    assert (await sign_on(console, provider)).leads_to == "/login?wrong=company"


async def test_a_new_key_is_fetched_when_it_is_met(console: Any, provider: Provider) -> None:
    await invited(console)
    await sign_on(console, provider)
    provider.new_key()
    assert (await sign_on(console, provider)).leads_to == "/login?wrong=company", "not more than once a minute"
    console.clock.move(seconds=61)
    assert (await sign_on(console, provider)).leads_to == "/queue"


async def test_what_comes_back_must_belong_to_this_browser(console: Any, provider: Provider) -> None:
    await invited(console)
    provider.now = lambda: console.clock.now().timestamp()
    browser, victim = console.browser(), console.browser()
    back = await to_provider(browser)
    assert (await victim.get(back)).leads_to == "/login?wrong=company", "another browser"
    await to_provider(victim)
    assert (await victim.get(back)).leads_to == "/login?wrong=company", "another state"
    query = parse_qs(urlsplit(back).query)
    for bent in (
        {**query, "state": ["x"]}, {**query, "code": ["x"]}, {"state": query["state"]}, {"code": query["code"]},
        {**query, "iss": ["https://evil.example"]}, {"state": query["state"], "error": ["access_denied"]},
    ):  # fmt: skip
        again = console.browser()
        again.cookies = dict(browser.cookies)
        assert (
            await again.get(f"/login/company/back?{urlencode(bent, doseq=True)}")
        ).leads_to == "/login?wrong=company"
        assert "otklik" not in again.cookies
    fresh = console.browser()
    address = await to_provider(fresh)
    kept = dict(fresh.cookies)
    assert (await fresh.get(address)).leads_to == "/queue"
    replay = console.browser()
    replay.cookies = kept
    assert (await replay.get(address)).leads_to == "/login?wrong=company", "a code is good once"


async def test_a_login_over_there_must_be_finished_in_time(console: Any, provider: Provider) -> None:
    await invited(console)
    provider.now = lambda: console.clock.now().timestamp()
    browser = console.browser()
    address = await to_provider(browser)
    console.clock.move(minutes=10)
    assert (await browser.get(address)).leads_to == "/login?wrong=company"


async def test_a_provider_that_names_another_issuer_is_not_used(console: Any, provider: Provider) -> None:
    provider.named = "https://evil.example"
    assert (await console.browser().get("/login/company")).leads_to == "/login?wrong=company"


async def test_the_second_factor_is_the_providers_matter(console: Any, provider: Provider) -> None:
    await invited(console, role="agent")
    browser = console.browser()
    await sign_on(console, provider, browser)
    assert (await browser.get("/account")).status == 200
