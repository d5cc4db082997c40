"""Settings of staff logins, and of logging in by the organisation's own identity provider."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainValidator, SecretStr, model_validator

from gateway.settings_section import Section
from gateway.settings_values import Duration, KeyRing, Line, LongerThanZero, Size, secret
from tickets.role import Role


def _role(value: Any) -> Any:
    if not isinstance(value, str) or value not in set(Role):
        raise ValueError(f"one of {', '.join(Role)}")
    return value


def _issuer(value: Any) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    local = parts is not None and parts.hostname in ("localhost", "127.0.0.1", "::1")
    plain = parts is None or parts.query or parts.fragment or not parts.hostname
    if parts is None or plain or not (parts.scheme == "https" or (local and parts.scheme == "http")):
        raise ValueError('an https address without query, such as "https://login.example.ru/realms/main"')
    return str(value)


RoleName = Annotated[Role, BeforeValidator(_role)]
Issuer = Annotated[str, PlainValidator(lambda value: value and _issuer(value))]


class Staff(Section):
    """Logins of staff."""

    session: LongerThanZero = Field(timedelta(hours=12), description="How long a login holds at most.")
    idle: LongerThanZero = Field(timedelta(hours=2), description="A login ends after this time without a request.")
    require_totp: list[RoleName] = Field(
        [],
        description="Roles that need a second factor: `agent`, `lead`, `administrator`, `auditor`. Whoever has none "
        "yet sets it up after the password and can do nothing else before.",
    )
    tries: int = Field(
        5, ge=1, le=100, description="Wrong passwords or codes for one login before the next try has to wait."
    )
    address_tries: int = Field(
        20, ge=1, le=10_000, description="The same from one address, whatever the login; an IPv6 /64 counts as one."
    )
    longest_wait: LongerThanZero = Field(
        timedelta(minutes=15), description="The wait begins at 30 seconds and doubles with each failure up to this."
    )
    keys: KeyRing = secret(
        "The keys second factors are encrypted with in the database, by id (1 to 4 of a-z and 0-9; 16 characters or "
        "more). The last one encrypts, all are honoured. Without any the program keeps one of its own in the database.",
        default={},
    )


class Oidc(Section):
    """Logging in by OpenID Connect; off without an issuer."""

    issuer: Issuer = Field("", description="The provider's issuer; its addresses and keys are read from there.")
    client_id: str = Field("", description="What the provider calls this installation.")
    client_secret: SecretStr = secret("What proves it; none for a public client.", default=SecretStr(""))
    name: Line = Field(
        "", description="Text of the button, such as `Через Контур`; `учётную запись компании` if empty."
    )
    scopes: list[str] = Field(["openid", "profile", "email"], description="What is asked for.")
    login_claim: str = Field("preferred_username", description="The claim that holds the login.")
    role_claim: str = Field("groups", description="The claim, a text or a list of them, that roles are made from.")
    roles: dict[str, RoleName] = Field(
        {},
        description="Role by value of that claim; of several the one with the most rights. With any given, whoever has "
        "none is refused; without, roles are given by hand.",
    )
    create: bool = Field(False, description="Whether somebody new gets a login by itself; needs `roles`.")

    @model_validator(mode="after")
    def _whole(self) -> Oidc:
        if self.issuer and not self.client_id:
            raise ValueError("a client_id with the issuer")
        if self.issuer and "openid" not in self.scopes:
            raise ValueError('the scope "openid" among scopes')
        if self.create and not self.roles:
            raise ValueError("roles, so that a new login has one, or create = false")
        return self


class Console(Section):
    """Pages of staff."""

    undo: Duration = Field(
        timedelta(seconds=8), description="How long an answer waits before it leaves, so that it can be taken back."
    )
    files: Size = Field(20_000_000, description="Size of all files together that go along with one answer.")
