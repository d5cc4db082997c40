"""`[staff]` and `[oidc]`: what is refused, and in which words."""

from __future__ import annotations

import pytest

from gateway import settings as settings_module
from gateway.settings_errors import SettingsError
from tickets.role import Role

URL = {"OTKLIK_SITE__PUBLIC_URL": "https://desk.example.ru"}
ISSUER = {"OTKLIK_OIDC__ISSUER": "https://login.example.ru", "OTKLIK_OIDC__CLIENT_ID": "otklik"}


@pytest.mark.parametrize(
    "given, said",
    [
        ({"OTKLIK_STAFF__REQUIRE_TOTP": '["king"]'}, "one of agent, lead, administrator, auditor"),
        ({"OTKLIK_STAFF__TRIES": "0"}, "staff.tries"),
        ({"OTKLIK_STAFF__KEYS": '{k1 = "short"}'}, "16 characters or more"),
        ({**URL, **ISSUER, "OTKLIK_OIDC__ISSUER": "http://login.example.ru"}, "an https address"),
        ({**URL, **ISSUER, "OTKLIK_OIDC__ISSUER": "login.example.ru"}, "an https address"),
        ({**URL, "OTKLIK_OIDC__ISSUER": "https://login.example.ru"}, "a client_id with the issuer"),
        ({**URL, **ISSUER, "OTKLIK_OIDC__SCOPES": '["email"]'}, "openid"),
        ({**URL, **ISSUER, "OTKLIK_OIDC__CREATE": "true"}, "roles, so that a new login has one"),
        (ISSUER, "site.public_url is needed too"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings_module.load(None, given)
    assert said in str(refused.value)


def test_what_makes_sense_is_taken() -> None:
    given = {
        **URL,
        **ISSUER,
        "OTKLIK_STAFF__REQUIRE_TOTP": '["administrator", "auditor"]',
        "OTKLIK_OIDC__ROLES": '{"it" = "administrator"}',
        "OTKLIK_OIDC__CREATE": "true",
    }
    settings = settings_module.load(None, given)
    assert settings.staff.require_totp == [Role.ADMINISTRATOR, Role.AUDITOR]
    assert settings.oidc.roles == {"it": Role.ADMINISTRATOR}
