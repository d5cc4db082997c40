"""Page tokens: what opens the page of one ticket to its author, and nothing else.

    token   = key-id "-" base32( ticket id, 16 octets | person id, 16 | issued, 4 | expires, 3 | MAC, 16 )
    issued  = seconds since 1970, expires = hours since 1970, both big-endian
    MAC     = HMAC-SHA256( key, purpose | the octets before it ), cut to 128 bits (RFC 2104, section 5)

Whoever holds the token is taken for the person it names, on that ticket alone. The keys are those of reply tokens
(`outbound.token`), rotated with them; the purpose keeps the two apart, so that no reply address can be made into a
page. `issued` lets all links given out before a moment be revoked at once.

In the ledger a link stands with a marker in place of the token, because whoever may read what was sent must not be
able to act as its reader; the worker puts the token in on the way out. The secrets of one-time links are not stored
anywhere either: they are made of the link's id when it is sent, and known again by their digest.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from outbound.token import base32, octets_of

DEFAULT_LIFETIME = timedelta(days=180)

_TOKEN = re.compile(r"([a-z0-9]{1,4})-([a-z2-7]{88})")
_MAC_OCTETS = 16
_SIGNED_OCTETS = 39
_PAGE, _ONE_TIME, _FORM = b"page", b"one-time", b"form"
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class PageClaims:
    """What a token of ours says; whether it is expired or revoked is for its reader to judge."""

    ticket_id: uuid.UUID
    person_id: uuid.UUID
    issued_at: datetime
    expires_at: datetime


class PageTokens:
    """Makes and checks page tokens. `keys` and `current` as `ReplyTokens` takes them; `base` is where our pages are,
    without a slash at the end, and empty where they are not reached from outside.
    """

    def __init__(
        self, keys: Mapping[str, bytes], current: str, *, base: str = "", lifetime: timedelta = DEFAULT_LIFETIME
    ) -> None:
        self._keys = dict(keys)
        self._current = current
        self._base = base
        self._lifetime = lifetime

    # ---- pages of tickets -----------------------------------------------------------------------------------------

    def sign(self, ticket_id: uuid.UUID, person_id: uuid.UUID, now: datetime) -> str:
        """The token of a person on a ticket: 90 to 93 characters of `a-z2-7`, the key's id and a hyphen.

        The same arguments give the same token.
        """
        issued = int(now.timestamp())
        expires = -(-(issued + int(self._lifetime.total_seconds())) // _HOUR)
        signed = ticket_id.bytes + person_id.bytes + issued.to_bytes(4, "big") + expires.to_bytes(3, "big")
        return f"{self._current}-{base32(signed + self._mac(self._current, _PAGE, signed))}"

    def open(self, token: str) -> PageClaims | None:
        """What a token says, whatever its case; None for anything we did not make."""
        found = _TOKEN.fullmatch(token.lower()) if token.isascii() else None
        octets = octets_of(found[2]) if found else None
        if found is None or octets is None or found[1] not in self._keys:
            return None
        signed, mac = octets[:_SIGNED_OCTETS], octets[_SIGNED_OCTETS:]
        if not hmac.compare_digest(mac, self._mac(found[1], _PAGE, signed)):
            return None
        return PageClaims(
            uuid.UUID(bytes=signed[:16]),
            uuid.UUID(bytes=signed[16:32]),
            datetime.fromtimestamp(int.from_bytes(signed[32:36], "big"), UTC),
            datetime.fromtimestamp(int.from_bytes(signed[36:], "big") * _HOUR, UTC),
        )

    def address(self, token: str) -> str:
        """The absolute address of a page by its token or marker; empty where our pages are not reached from outside."""
        return f"{self._base}/t/{token}" if self._base else ""

    # ---- one-time links -------------------------------------------------------------------------------------------

    def secret(self, link_id: uuid.UUID) -> str:
        """The secret of a one-time link, 52 characters of `a-z2-7`; the same for each try of its delivery."""
        return base32(hmac.digest(self._keys[self._current], _ONE_TIME + b"\0" + link_id.bytes, "sha256"))

    def entrance(self, secret: str) -> str:
        """The absolute address of a one-time link."""
        return f"{self._base}/my/enter/{secret}" if self._base else ""

    # ---- forms ----------------------------------------------------------------------------------------------------

    def form_proof(self, bound_to: str, nonce: str) -> str:
        """Proof that a form was drawn by us on the page or in the session it is sent from."""
        octets = hashlib.sha256(bound_to.encode("utf-8", "replace")).digest() + nonce.encode("utf-8", "replace")
        return base32(self._mac(self._current, _FORM, octets))

    def form_is_ours(self, bound_to: str, nonce: str, proof: str) -> bool:
        """Whether a form came from that page or session; forms drawn before a rotation of keys are still honoured."""
        octets = hashlib.sha256(bound_to.encode("utf-8", "replace")).digest() + nonce.encode("utf-8", "replace")
        given = proof.encode("utf-8", "replace")
        macs = [base32(self._mac(key_id, _FORM, octets)).encode() for key_id in self._keys]
        return any(hmac.compare_digest(given, mac) for mac in macs)

    def _mac(self, key_id: str, purpose: bytes, octets: bytes) -> bytes:
        return hmac.digest(self._keys[key_id], purpose + b"\0" + octets, "sha256")[:_MAC_OCTETS]


def digest(secret: str) -> bytes:
    """What is stored of a secret with 128 random bits or more: a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
