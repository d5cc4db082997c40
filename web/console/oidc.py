"""An identity provider spoken to by OpenID Connect Core 1.0: authorization code flow with PKCE (RFC 7636).

Addresses and keys come from the issuer's discovery document and are kept for an hour; a signature by a key that is not
known yet fetches the keys anew, at most once a minute. An ID token is only believed after the checks of Core, section
3.1.3.7. Whatever goes wrong is a `SignOnError` with a code for the log: the browser is told nothing.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from tickets.clock import Clock

if TYPE_CHECKING:
    # imported where it is used: eight megabytes nobody needs without a provider
    from joserfc.jwk import KeySet

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures that are taken: asymmetric ones; never `none`, and never a secret both sides hold."""

_LEEWAY = 60
_KEPT = timedelta(hours=1)
_KEYS_AGAIN = timedelta(minutes=1)
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_LONGEST = 1_000_000


class SignOnError(Exception):
    """It did not work; `code` is for the log, `detail` never holds a token."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


@dataclass(frozen=True, slots=True)
class SignOn:
    """The provider as the settings describe it; `name` is the text of the button."""

    issuer: str
    client_id: str
    client_secret: str
    redirect_uri: str
    name: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")


@dataclass(frozen=True, slots=True)
class Flow:
    """What is kept in the browser between going to the provider and coming back."""

    state: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        """The code challenge, method S256 (RFC 7636, section 4.2)."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


class Provider:
    """One identity provider."""

    def __init__(self, options: SignOn, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._facts: dict[str, Any] = {}
        self._facts_at: datetime | None = None
        self._keys: KeySet | None = None
        self._keys_at: datetime | None = None

    async def address(self, flow: Flow) -> str:
        """Where the browser is sent (Core, section 3.1.2.1).

        Raises:
            SignOnError: the provider does not answer, or not sensibly.
        """
        facts = await self._discovered()
        asked = {
            "response_type": "code",
            "client_id": self._options.client_id,
            "redirect_uri": self._options.redirect_uri,
            "scope": " ".join(self._options.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        start = facts["authorization_endpoint"]
        return f"{start}{'&' if '?' in start else '?'}{urlencode(asked)}"

    async def redeem(self, code: str, flow: Flow) -> dict[str, Any]:
        """Change a code for an ID token and return its claims.

        Raises:
            SignOnError: the provider refuses the code, or the token must not be believed.
        """
        facts = await self._discovered()
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._options.redirect_uri,
            "code_verifier": flow.verifier,
        }
        headers: dict[str, str] = {}
        methods = facts.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if self._options.client_secret and "client_secret_basic" in methods:
            # RFC 6749, section 2.3.1: both parts are form-encoded before they are joined
            pair = f"{quote(self._options.client_id, safe='')}:{quote(self._options.client_secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            body["client_id"] = self._options.client_id
            if self._options.client_secret:
                body["client_secret"] = self._options.client_secret
        answer = await self._ask("POST", facts["token_endpoint"], data=body, headers=headers)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignOnError("token_missing", str(answer.get("error", ""))[:80])
        claims = await self._verified(token)
        self._believe(claims, flow)
        return claims

    async def _verified(self, token: str) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import InvalidKeyIdError, JoseError

        for again in (False, True):
            keys = await self._signing_keys(again=again)
            try:
                return dict(jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims)
            except InvalidKeyIdError:
                continue
            except (JoseError, ValueError, TypeError, KeyError) as error:
                raise SignOnError("signature", type(error).__name__) from None
        raise SignOnError("signature", "by a key the provider does not publish")

    def _believe(self, claims: Mapping[str, Any], flow: Flow) -> None:
        """Check the claims of an ID token (Core, section 3.1.3.7).

        Raises:
            SignOnError: one of them is not as it must be.
        """
        now = self._clock.now().timestamp()
        audience = claims.get("aud")
        audiences = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
        if claims.get("iss") != self._options.issuer:
            raise SignOnError("issuer")
        if self._options.client_id not in audiences:
            raise SignOnError("audience")
        if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != self._options.client_id:
            raise SignOnError("authorized_party")
        if not _is_number(claims.get("exp")) or now >= claims["exp"] + _LEEWAY:
            raise SignOnError("expired")
        if not _is_number(claims.get("iat")) or claims["iat"] > now + _LEEWAY:
            raise SignOnError("issued_at")
        if not secrets.compare_digest(str(claims.get("nonce", "")).encode(), flow.nonce.encode()):
            raise SignOnError("nonce")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 1 <= len(subject) <= 255:
            raise SignOnError("subject")

    async def _discovered(self) -> dict[str, Any]:
        now = self._clock.now()
        if self._facts_at is None or now - self._facts_at > _KEPT:
            where = f"{self._options.issuer.rstrip('/')}/.well-known/openid-configuration"
            facts = await self._ask("GET", where)
            if facts.get("issuer") != self._options.issuer:
                raise SignOnError("discovery", "it names another issuer")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not isinstance(facts.get(name), str):
                    raise SignOnError("discovery", f"it lacks {name}")
            self._facts, self._facts_at = facts, now
        return self._facts

    async def _signing_keys(self, *, again: bool) -> KeySet:
        now = self._clock.now()
        age = None if self._keys_at is None else now - self._keys_at
        if self._keys is None or age is None or age > _KEPT or (again and age > _KEYS_AGAIN):
            document = await self._ask("GET", (await self._discovered())["jwks_uri"])
            entries = document.get("keys")
            usable = [key for key in entries if _signs(key)] if isinstance(entries, list) else []
            from joserfc.errors import JoseError
            from joserfc.jwk import KeySet

            try:
                self._keys = KeySet.import_key_set({"keys": usable})
            except (JoseError, ValueError, TypeError, KeyError) as error:
                raise SignOnError("keys", type(error).__name__) from None
            self._keys_at = now
        return self._keys

    async def _ask(self, method: str, url: str, **given: Any) -> dict[str, Any]:
        headers = {"Accept": "application/json", **given.pop("headers", {})}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.request(method, url, headers=headers, allow_redirects=False, **given) as response,
            ):
                body = await response.content.read(_LONGEST)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise SignOnError("unreachable", type(error).__name__) from None
        try:
            document = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            document = None
        if not isinstance(document, dict) or (status != 200 and "error" not in document):
            raise SignOnError("answer", f"status {status}")
        return document


def _signs(key: Any) -> bool:
    return isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
