"""The number that makes one opened form one ticket, however often it is sent.

A nonce is made when the form is shown and comes back with it: the moment it was made and 128 random bits, signed with
the installation's key for this form. It tells how long a person took to fill the form in, it names the delivery
(`external_id`), files parked for this form are bound to it, and so is the proof of work.
"""

from __future__ import annotations

import hmac
import re
import secrets
from base64 import b32decode, b32encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LIFETIME = timedelta(hours=24)
"""How long a form that was shown can be sent; after that it is shown anew with everything that was typed."""

_FORM = re.compile("[a-z2-7]{58}")
_CLOCKS = timedelta(minutes=2)
"""How far the clocks of two nodes may differ."""


class BadNonce(ValueError):
    """It is not of our making, or made for another form."""


@dataclass(frozen=True, slots=True)
class Nonce:
    """One opened form. `id` is its unguessable name, `text` what the form carries."""

    id: str
    text: str
    made_at: datetime

    def is_over(self, now: datetime) -> bool:
        """Whether its time is over, or not yet come."""
        return not -_CLOCKS <= now - self.made_at <= LIFETIME


class Nonces:
    """Makes and checks nonces with the installation's key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, form: str, now: datetime) -> Nonce:
        """A new one."""
        payload = int(now.timestamp()).to_bytes(4, "big") + secrets.token_bytes(16)
        return _nonce(payload, self._mac(form, payload))

    def read(self, form: str, text: str) -> Nonce:
        """What a form brought back.

        Raises:
            BadNonce: it is not ours, or another form's.
        """
        if not _FORM.fullmatch(text):
            raise BadNonce("no nonce of ours")
        octets = b32decode(text.upper() + "=" * (-len(text) % 8))
        payload, mac = octets[:20], octets[20:]
        # the last character of a base32 text has spare bits: only the spelling we write is taken
        if not hmac.compare_digest(mac, self._mac(form, payload)) or _base32(octets) != text:
            raise BadNonce("no nonce of ours")
        return _nonce(payload, mac)

    def _mac(self, form: str, payload: bytes) -> bytes:
        return hmac.digest(self._key, b"form nonce\x00" + form.encode() + b"\x00" + payload, "sha256")[:16]


def _nonce(payload: bytes, mac: bytes) -> Nonce:
    made_at = datetime.fromtimestamp(int.from_bytes(payload[:4], "big"), UTC)
    return Nonce(_base32(payload), _base32(payload + mac), made_at)


def _base32(octets: bytes) -> str:
    return b32encode(octets).decode("ascii").rstrip("=").lower()
