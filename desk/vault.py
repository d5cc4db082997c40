"""Seals what has to be read again: secrets of second factors, and what a browser keeps for us between two pages.

A sealed value is a JWE (RFC 7516; direct encryption, A256GCM). It carries what it was sealed for, so that one meant for
another purpose or person does not open. A new key goes in front; values sealed with an older one still open.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joserfc.jwk import OctKey


class Unopened(ValueError):
    """It was not sealed here, or not for this purpose."""


class Vault:
    """`keys` are secrets by id, any length of 16 octets or more; the last one seals, all of them open."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._secrets = {name: _derived(secret) for name, secret in keys.items()}
        self._current = list(keys)[-1]

    @cached_property
    def _keys(self) -> dict[str, OctKey]:
        # the library takes eight megabytes, which a gateway that nobody logs in to never needs
        from joserfc.jwk import OctKey

        return {name: OctKey.import_key(secret) for name, secret in self._secrets.items()}

    def seal(self, purpose: str, value: Mapping[str, Any]) -> str:
        """A text nobody else reads or changes."""
        from joserfc import jwe

        header = {"alg": "dir", "enc": "A256GCM", "kid": self._current}
        payload = json.dumps({"for": purpose, "value": dict(value)}).encode()
        return jwe.encrypt_compact(header, payload, self._keys[self._current])

    def open(self, purpose: str, sealed: str) -> dict[str, Any]:
        """What was sealed.

        Raises:
            Unopened: it was not sealed here, or not for this purpose.
        """
        from joserfc import jwe
        from joserfc.errors import JoseError

        try:
            data = jwe.decrypt_compact(sealed, self._key_of, algorithms=["dir", "A256GCM"])
            content = json.loads(data.plaintext or b"")
        except (JoseError, ValueError, KeyError, TypeError, AttributeError, UnicodeError) as error:
            raise Unopened(f"it does not open: {type(error).__name__}") from None
        if not isinstance(content, dict) or content.get("for") != purpose:
            raise Unopened("it was sealed for something else")
        value: dict[str, Any] = content["value"]
        return value

    def _key_of(self, recipient: Any) -> OctKey:
        return self._keys[str(recipient.headers().get("kid", ""))]


def _derived(secret: bytes) -> bytes:
    return hmac.digest(secret, b"otklik vault", hashlib.sha256)
