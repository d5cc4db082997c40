"""Passwords, access tokens, TLS: how the mailbox is entered, and what is refused."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from channels.email.imap_in import Mailbox
from channels.email.imap_options import OAuth
from channels.testing_imap import SimulatedImap
from tests.certificate import make_certificate
from tests.eventually import eventually
from tests.imap.conftest import Desk, a_mail


async def refused(mailbox: Mailbox) -> str:
    """Why it fails."""

    async def why() -> str:
        return mailbox.health.problem

    return str(await eventually(why))


# ---- passwords ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "capabilities,password",
    [
        (["IMAP4rev1", "AUTH=PLAIN"], 'пароль "с кавычкой"'),
        (["IMAP4rev1", "AUTH=PLAIN"], "secret"),
        (["IMAP4rev1"], "secret"),
        (["IMAP4rev1"], "with space"),
    ],
)
async def test_a_password_is_taken(desk: Desk, capabilities: list[str], password: str) -> None:
    desk.server.capabilities, desk.server.password = capabilities, password
    desk.server.folders["INBOX"].deliver(a_mail(1))
    await desk.looked(await desk.read(password=password))
    assert await desk.subjects() == ["printer 1"]


async def test_a_wrong_password_is_told_and_tried_again_slowly(desk: Desk) -> None:
    mailbox = await desk.read(password="wrong")
    assert await refused(mailbox) == "sign in: [AUTHENTICATIONFAILED] wrong"
    desk.server.password = "wrong"
    await desk.looked(mailbox)


async def test_no_password_goes_where_the_server_takes_none(desk: Desk) -> None:
    desk.server.capabilities = ["IMAP4rev1", "LOGINDISABLED", "STARTTLS"]
    assert "set tls" in await refused(await desk.read())
    assert "LOGIN" not in desk.server.commands


# ---- access tokens --------------------------------------------------------------------------------------------------


class Provider:
    """An OAuth token endpoint: gives a new refresh token each time and calls the old one void."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.good = "first"
        self.lifetime: Any = 3600
        self.trouble: web.Response | None = None
        self.url = ""

    async def token(self, request: web.Request) -> web.Response:
        form = {key: str(value) for key, value in (await request.post()).items()}
        self.asked.append(form)
        if self.trouble is not None:
            return self.trouble
        number = len(self.asked)
        if form["grant_type"] == "client_credentials":
            return web.json_response({"access_token": f"access-{number}", "expires_in": self.lifetime})
        if form["refresh_token"] != self.good:
            return web.json_response({"error": "invalid_grant", "error_description": "of Irina"}, status=400)
        self.good = f"refresh-{number}"
        document = {"access_token": f"access-{number}", "expires_in": self.lifetime, "refresh_token": self.good}
        return web.json_response(document)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    made = Provider()
    app = web.Application()
    app.router.add_post("/token", made.token)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    yield made
    await runner.cleanup()


def oauth(provider: Provider, refresh_token: str = "first") -> OAuth:
    return OAuth(provider.url, "otklik", "of the client", refresh_token, "mail.read")


async def test_a_refresh_token_is_exchanged_and_its_successor_kept_encrypted(desk: Desk, provider: Provider) -> None:
    desk.server.access_tokens = {"access-1", "access-2"}
    desk.server.folders["INBOX"].deliver(a_mail(1))
    await desk.looked(await desk.read(oauth=oauth(provider), password=""))
    assert provider.asked[0] == {
        "grant_type": "refresh_token",
        "client_id": "otklik",
        "client_secret": "of the client",
        "refresh_token": "first",
        "scope": "mail.read",
    }
    (kept,) = await desk.rows("credentials")
    assert "refresh-1" not in kept["sealed"]
    await desk.stop()
    # another process: it goes on with the successor, not with what still stands in the settings
    await desk.looked(await desk.read(oauth=oauth(provider), password=""))
    assert provider.asked[1]["refresh_token"] == "refresh-1"
    assert await desk.subjects() == ["printer 1"]


async def test_consent_given_anew_in_the_settings_wins(desk: Desk, provider: Provider) -> None:
    desk.server.access_tokens = {"access-1", "access-2"}
    await desk.looked(await desk.read(oauth=oauth(provider), password=""))
    await desk.stop()
    provider.good = "second"
    await desk.looked(await desk.read(oauth=oauth(provider, "second"), password=""))
    assert provider.asked[1]["refresh_token"] == "second"


async def test_a_token_that_still_lives_is_used_again(desk: Desk, provider: Provider) -> None:
    desk.server.access_tokens = {"access-1"}
    mailbox = await desk.read(oauth=oauth(provider), password="")
    await desk.looked(mailbox)
    await desk.server.drop_all()
    desk.server.folders["INBOX"].deliver(a_mail(1))
    await desk.looked(mailbox)
    assert len(provider.asked) == 1


async def test_a_token_the_server_does_not_take_is_not_used_again(desk: Desk, provider: Provider) -> None:
    desk.server.access_tokens = {"access-2"}
    await desk.looked(await desk.read(oauth=oauth(provider), password=""))
    assert len(provider.asked) == 2


async def test_without_a_refresh_token_the_program_asks_for_itself(desk: Desk, provider: Provider) -> None:
    desk.server.access_tokens = {"access-1"}
    await desk.looked(await desk.read(oauth=oauth(provider, ""), password=""))
    assert provider.asked[0]["grant_type"] == "client_credentials"
    assert await desk.rows("credentials") == []


@pytest.mark.parametrize(
    "status,body,told",
    [
        (400, '{"error": "invalid_grant", "error_description": "Irina"}', "the token endpoint says 400 invalid_grant"),
        (503, "<html>", "the token endpoint says 503 no error code"),
        (200, "{}", "the token endpoint answers without an access_token"),
        (200, "[1", "the token endpoint answers without an access_token"),
        (302, "", "the token endpoint says 302 no error code"),
    ],
)
async def test_why_there_is_no_token_is_told_in_a_line(
    desk: Desk, provider: Provider, status: int, body: str, told: str
) -> None:
    provider.trouble = web.Response(status=status, text=body, headers={"Location": "/"} if status == 302 else {})
    assert await refused(await desk.read(oauth=oauth(provider), password="")) == told


# ---- TLS ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody but itself speaks for, with its key."""
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"))
    certificate.write_text(key.read_text() + certificate.read_text())
    return certificate


@pytest.fixture(params=["tls", "starttls"])
async def secure(request: pytest.FixtureRequest, certificate: Path) -> AsyncIterator[SimulatedImap]:
    """A server with TLS of each kind."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made = SimulatedImap(tls=context, implicit=request.param == "tls")
    if request.param == "starttls":
        made.capabilities.append("STARTTLS")
    await made.start()
    yield made
    await made.stop()


async def test_mail_comes_through_tls_and_new_mail_is_noticed_in_idle(
    desk: Desk, secure: SimulatedImap, certificate: Path
) -> None:
    server = desk.server = secure
    security = "tls" if server.implicit else "starttls"
    mailbox = await desk.read(security=security, ca=str(certificate), port=server.port)
    await desk.looked(mailbox)
    server.folders["INBOX"].deliver(a_mail(1, text="x" * 100_000))
    await desk.looked(mailbox)
    assert await desk.subjects() == ["printer 1"]
    assert server.connections == 1


async def test_a_certificate_nobody_speaks_for_is_refused_unless_it_is_allowed(
    desk: Desk, secure: SimulatedImap
) -> None:
    server = desk.server = secure
    security = "tls" if server.implicit else "starttls"
    mailbox = await desk.read(security=security, port=server.port)
    assert "certificate is not valid: self-signed certificate" in await refused(mailbox)
    assert not {"LOGIN", "AUTHENTICATE"} & set(server.commands)
    await desk.stop()
    await desk.looked(await desk.read(security=security, port=server.port, verify=False))


@pytest.mark.parametrize(
    "greeting,told",
    [
        ("* PREAUTH welcome", "TLS cannot be begun"),
        ("* OK welcome", "TLS not supported by server"),
    ],
)
async def test_without_tls_nothing_is_said(desk: Desk, greeting: str, told: str) -> None:
    desk.server.greeting = greeting
    if "PREAUTH" in greeting:
        desk.server.capabilities.append("STARTTLS")
    why = await refused(await desk.read(security="starttls"))
    assert told in why or "STARTTLS" in why
    assert not {"LOGIN", "AUTHENTICATE"} & set(desk.server.commands)
