"""Access tokens for XOAUTH2 (RFC 6749): by a refresh token, or by the client's own credentials.

Providers hand out a new refresh token now and then and may call the old one void (RFC 6749, section 6; RFC 9700,
section 2.2.2), so the new one is kept before the access token is used. What is kept names the setting it came from: a
refresh token given anew in the settings wins.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from channels.base import Kept
from channels.email.imap_options import OAuth

_PATIENCE = aiohttp.ClientTimeout(total=20)
_EARLY = timedelta(minutes=2)
_MOST = 1_000_000


class NoToken(Exception):
    """There is no access token now; the text is one line without secrets.

    `lasting` says that asking again changes nothing: a person has to give consent anew.
    """

    def __init__(self, words: str, *, lasting: bool = False) -> None:
        super().__init__(words)
        self.lasting = lasting


class AccessTokens:
    """The access tokens of one mailbox; `name` is what its credentials are kept under."""

    def __init__(self, name: str, oauth: OAuth, kept: Kept, clock: Callable[[], datetime]) -> None:
        self._name = name
        self._oauth = oauth
        self._kept = kept
        self._clock = clock
        self._token = ""
        self._until: datetime | None = None

    def forget(self) -> None:
        """The server did not take the last one."""
        self._token = ""

    async def get(self) -> str:
        """A token that is good for some minutes.

        Raises:
            NoToken: there is none now.
        """
        if self._token and self._until is not None and self._clock() < self._until - _EARLY:
            return self._token
        answer = await self._ask(await self._grant())
        token = answer.get("access_token")
        if not isinstance(token, str) or not token:
            raise NoToken("the token endpoint answers without an access_token")
        renewed = answer.get("refresh_token")
        if isinstance(renewed, str) and renewed:
            await self._kept.put(self._name, {"refresh_token": renewed, "instead_of": self._given})
        seconds = answer.get("expires_in")
        lifetime = float(seconds) if isinstance(seconds, int | float | str) and str(seconds).isdigit() else 600.0
        self._token, self._until = token, self._clock() + timedelta(seconds=min(lifetime, 86_400.0))
        return token

    @property
    def _given(self) -> str:
        return hashlib.sha256(self._oauth.refresh_token.encode()).hexdigest()

    async def _grant(self) -> dict[str, str]:
        oauth = self._oauth
        form = {"client_id": oauth.client_id}
        if oauth.client_secret:
            form["client_secret"] = oauth.client_secret
        if oauth.scope:
            form["scope"] = oauth.scope
        if not oauth.refresh_token:
            return {**form, "grant_type": "client_credentials"}
        kept = await self._kept.get(self._name)
        current = oauth.refresh_token
        if kept is not None and kept.get("instead_of") == self._given:
            current = kept.get("refresh_token", current)
        return {**form, "grant_type": "refresh_token", "refresh_token": current}

    async def _ask(self, form: dict[str, str]) -> dict[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=_PATIENCE) as client,
                client.post(self._oauth.token_url, data=form, allow_redirects=False) as answer,
            ):
                document = await _document(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoToken(f"the token endpoint does not answer ({type(error).__name__})") from None
        if answer.status == 200:
            return document
        # RFC 6749, section 5.2: the code is from a short list; its description may quote anything
        code = document.get("error")
        words = code if isinstance(code, str) and code.isascii() and code.isprintable() else "no error code"
        lasting = code in ("invalid_grant", "invalid_client", "unauthorized_client")
        raise NoToken(f"the token endpoint says {answer.status} {words[:60]}", lasting=lasting)


async def _document(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    if (answer.content_length or 0) > _MOST:
        return {}
    try:
        document = await answer.json(content_type=None)
    except (ValueError, UnicodeDecodeError):
        return {}
    return document if isinstance(document, dict) else {}
