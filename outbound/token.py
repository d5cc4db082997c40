"""Reply tokens: what ties an answer to its ticket without trusting the answer.

Every mail about a ticket is sent with `Reply-To: reply+TOKEN@domain` and a Message-ID that carries a token too, so that
a reply is recognised by the address it is sent to or, where the address was retyped, by its References (RFC 5322
3.6.4). A ticket number is for people and proves nothing; a token can only have come from us.

    token       = key-id "-" base32( ticket id, 16 octets | MAC, 16 octets )
    Message-ID  = token "." base32( delivery id, 16 octets ) "@" domain
    return path = "b." key-id "-" base32( delivery id, 16 octets | try, 2 octets | MAC, 12 octets )
    MAC         = HMAC-SHA256( key, purpose | ticket id [ | delivery id ] ), cut to 128 bits (RFC 2104, section 5)

A return path names the delivery and its try, because that is what a bounce is about; it has 96 bits of MAC, for no more
fit into a local part beside a name of ten letters, and all that it opens is the state of one delivery.

Base32 (RFC 4648) in lower case without padding, because mail systems fold the case of local parts. The purpose keeps
the two apart: a Message-ID stands in every log and archive, and no reply address can be made of it. Keys have an id and
are rotated by adding one, making it current, and dropping the old one when nobody answers mail of its time any more.
"""

from __future__ import annotations

import hmac
import re
import uuid
from base64 import b32decode, b32encode
from collections.abc import Mapping

_KEY_ID = re.compile(r"[a-z0-9]{1,4}")
_TOKEN = re.compile(r"([a-z0-9]{1,4})-([a-z2-7]{52})")
_MESSAGE_ID = re.compile(r"([a-z0-9]{1,4}-[a-z2-7]{52})\.([a-z2-7]{26})@.+")
_RETURN_TOKEN = re.compile(r"b\.([a-z0-9]{1,4})-([a-z2-7]{48})")
_MAC_OCTETS = 16
_RETURN_MAC_OCTETS = 12
_LEAST_KEY_OCTETS = 16
_LOCAL_PART_OCTETS = 64
_REPLY = b"reply"
_MESSAGE = b"message-id"
_RETURN = b"return-path"

RETURN_TOKEN = 3 + 48
"""Characters of a return path's token besides the key's id."""


class ReplyTokens:
    """Makes and checks tokens. `keys` by id (1 to 4 of `a-z0-9`), 16 octets or more each; `current` signs.

    Raises:
        ValueError: an id or a key of another form, or no key under the current id.
    """

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        for key_id, key in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise ValueError(f"the key id {key_id!r} must be 1 to 4 of a-z and 0-9")
            if len(key) < _LEAST_KEY_OCTETS:
                raise ValueError(f"the key {key_id!r} must have {_LEAST_KEY_OCTETS} octets or more, not {len(key)}")
        if current not in keys:
            raise ValueError(f"there is no key {current!r} to sign with; known: {', '.join(sorted(keys)) or 'none'}")
        self._keys = dict(keys)
        self._current = current

    def sign(self, ticket_id: uuid.UUID) -> str:
        """The token of a ticket: 54 to 57 characters of `a-z2-7`, the key's id and a hyphen."""
        return f"{self._current}-{base32(ticket_id.bytes + self._mac(self._current, _REPLY, ticket_id.bytes))}"

    def verify(self, token: str) -> uuid.UUID | None:
        """The ticket a token was made for, whatever its case; None for anything we did not make."""
        return self._open(token, _REPLY, b"")

    def message_id(self, ticket_id: uuid.UUID, delivery_id: uuid.UUID, domain: str) -> str:
        """The Message-ID of a delivery, without angle brackets: the same for each of its tries."""
        mac = self._mac(self._current, _MESSAGE, ticket_id.bytes + delivery_id.bytes)
        return f"{self._current}-{base32(ticket_id.bytes + mac)}.{base32(delivery_id.bytes)}@{domain}"

    def ticket_of_message_id(self, message_id: str) -> uuid.UUID | None:
        """The ticket a Message-ID of ours is about; None where it is not ours. Angle brackets do no harm."""
        parts = _split(message_id)
        return self._open(parts[0], _MESSAGE, parts[1].bytes) if parts else None

    def delivery_of_message_id(self, message_id: str) -> uuid.UUID | None:
        """The delivery whose Message-ID this is; None where it is not ours."""
        parts = _split(message_id)
        return parts[1] if parts and self._open(parts[0], _MESSAGE, parts[1].bytes) else None

    def return_path(self, delivery_id: uuid.UUID, attempt: int) -> str:
        """The token of one try of a delivery (from 1; those beyond the 65,535th share the last number)."""
        told = delivery_id.bytes + min(attempt, 0xFFFF).to_bytes(2, "big")
        mac = self._mac(self._current, _RETURN, told)[:_RETURN_MAC_OCTETS]
        return f"b.{self._current}-{base32(told + mac)}"

    def returned(self, token: str) -> tuple[uuid.UUID, int] | None:
        """The delivery and the try a return path was made for; None for anything we did not make."""
        found = _RETURN_TOKEN.fullmatch(token.lower()) if token.isascii() else None
        octets = octets_of(found[2]) if found and found[1] in self._keys else None
        if found is None or octets is None:
            return None
        told, mac = octets[:18], octets[18:]
        if not hmac.compare_digest(mac, self._mac(found[1], _RETURN, told)[:_RETURN_MAC_OCTETS]):
            return None
        return uuid.UUID(bytes=told[:16]), int.from_bytes(told[16:], "big")

    def _open(self, token: str, purpose: bytes, rest: bytes) -> uuid.UUID | None:
        found = _TOKEN.fullmatch(token.lower()) if token.isascii() else None
        if found is None or found[1] not in self._keys:
            return None
        octets = octets_of(found[2])
        if octets is None:
            return None
        ticket_id, mac = octets[:16], octets[16:]
        if not hmac.compare_digest(mac, self._mac(found[1], purpose, ticket_id + rest)):
            return None
        return uuid.UUID(bytes=ticket_id)

    def _mac(self, key_id: str, purpose: bytes, octets: bytes) -> bytes:
        return hmac.digest(self._keys[key_id], purpose + b"\0" + octets, "sha256")[:_MAC_OCTETS]


def address(mailbox: str, token: str) -> str:
    """The mailbox with the token as its detail (RFC 5233).

    >>> address("help@example.ru", "a-2345")
    'help+a-2345@example.ru'

    Raises:
        ValueError: `mailbox` is none, or its local part leaves no room for the token in 64 octets (RFC 5321 4.5.3.1.1).
    """
    local, at, domain = mailbox.rpartition("@")
    if not at or not local or not domain:
        raise ValueError(f"{mailbox!r} is no mailbox; one looks like reply@example.ru")
    detailed = f"{local}+{token}"
    if len(detailed.encode()) > _LOCAL_PART_OCTETS:
        raise ValueError(
            f"{mailbox!r} is too long for reply addresses: with a token its local part takes "
            f"{len(detailed.encode())} of {_LOCAL_PART_OCTETS} octets; use a shorter one, such as reply@{domain}"
        )
    return f"{detailed}@{domain}"


def _split(message_id: str) -> tuple[str, uuid.UUID] | None:
    text = message_id.strip().removeprefix("<").removesuffix(">").lower()
    found = _MESSAGE_ID.fullmatch(text) if message_id.isascii() else None
    octets = octets_of(found[2]) if found else None
    return (found[1], uuid.UUID(bytes=octets)) if found and octets is not None else None


def base32(octets: bytes) -> str:
    """Lower case, without padding (RFC 4648, section 6)."""
    return b32encode(octets).decode("ascii").rstrip("=").lower()


def octets_of(text: str) -> bytes | None:
    """The octets of a canonical encoding; None where spare bits of the last character are set."""
    octets = b32decode(text.upper() + "=" * (-len(text) % 8))
    return octets if base32(octets) == text else None
