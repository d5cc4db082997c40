"""DKIM signatures under outgoing mail (RFC 6376, RFC 8463), relaxed/relaxed.

The mails are our own: CRLF line ends, ASCII header lines, each field once. From is signed once more than it stands, so
that nobody can put a second one above it (section 8.15).
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

SIGNED = (
    *("from", "to", "cc", "subject", "date", "message-id", "reply-to", "in-reply-to", "references"),
    *("auto-submitted", "mime-version", "content-type", "content-transfer-encoding"),
)
"""Fields that are signed where they stand."""

LEAST_RSA_BITS = 1024
_BLANKS = re.compile(rb"[ \t]+")
_SELECTOR = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_LINE = 70


class UnusableKey(ValueError):
    """The key cannot sign; the text says why and never holds any of it."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for a domain with one key.

    Raises:
        UnusableKey: made by `signer`.
    """

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey
    algorithm: str

    def sign(self, raw: bytes) -> bytes:
        """The mail with a signature above it: a millisecond of processor time, most of it outside the interpreter."""
        head, _, body = raw.partition(b"\r\n\r\n")
        fields = _fields(head)
        names = [name for name in SIGNED if name in fields]
        digest = b64encode(sha256(_body(body)).digest()).decode()
        tags = (
            f"v=1; a={self.algorithm}; c=relaxed/relaxed; d={self.domain};\r\n s={self.selector}; "
            f"h={_folded(':'.join([*names, 'from']))};\r\n bh={digest};\r\n b="
        )
        signed = b"\r\n".join(
            [
                *(f"{name}:".encode() + _relaxed(fields[name]) for name in names),
                # the second From does not stand there, and is signed as nothing (section 5.4.2)
                b"dkim-signature:" + _relaxed(tags.encode()),
            ]
        )
        value = b64encode(self._made(signed)).decode()
        rows = "\r\n ".join(value[at : at + _LINE] for at in range(0, len(value), _LINE))
        return f"DKIM-Signature: {tags}{rows}\r\n".encode() + raw

    def _made(self, signed: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

        if isinstance(self.key, RSAPrivateKey):
            from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
            from cryptography.hazmat.primitives.hashes import SHA256

            return self.key.sign(signed, PKCS1v15(), SHA256())
        return self.key.sign(sha256(signed).digest())

    @property
    def record(self) -> tuple[str, str]:
        """The name and the text of the TXT record receivers look for."""
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = self.key.public_key()
        name = f"{self.selector}._domainkey.{self.domain}"
        if isinstance(self.key, RSAPrivateKey):
            octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return name, f"v=DKIM1; k=rsa; p={b64encode(octets).decode()}"
        octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return name, f"v=DKIM1; k=ed25519; p={b64encode(octets).decode()}"


def signer(domain: str, selector: str, pem: bytes) -> Signer:
    """A signer with a private key as PEM: RSA of 1024 bits or more, or Ed25519.

    Raises:
        UnusableKey: it is neither, has a password, or the selector is no label of a name.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if not _SELECTOR.fullmatch(selector):
        raise UnusableKey(f"{selector!r} is no selector: letters, digits, dots and hyphens")
    try:
        key = load_pem_private_key(pem, password=None)
    except (TypeError, ValueError):
        raise UnusableKey("it holds no private key in PEM without a password") from None
    if isinstance(key, RSAPrivateKey):
        if key.key_size < LEAST_RSA_BITS:
            raise UnusableKey(f"an RSA key of {key.key_size} bits is not accepted anywhere; take 2048")
        return Signer(domain, selector, key, "rsa-sha256")
    if isinstance(key, Ed25519PrivateKey):
        return Signer(domain, selector, key, "ed25519-sha256")
    raise UnusableKey("the key is neither RSA nor Ed25519")


def _fields(head: bytes) -> dict[str, bytes]:
    """The fields by folded name, each with what stands after its colon; our own mails have each once."""
    found: dict[str, bytes] = {}
    for line in head.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        name, _, value = line.partition(b":")
        found[name.decode("ascii", "replace").lower()] = value
    return found


def _relaxed(value: bytes) -> bytes:
    """Relaxed header canonicalisation (section 3.4.2)."""
    return _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _body(body: bytes) -> bytes:
    """Relaxed body canonicalisation (section 3.4.4)."""
    lines = [_BLANKS.sub(b" ", line).rstrip(b" ") if b" " in line or b"\t" in line else line
             for line in body.split(b"\r\n")]  # fmt: skip
    while lines and not lines[-1]:
        lines.pop()
    return b"\r\n".join([*lines, b""]) if lines else b""


def _folded(names: str) -> str:
    return re.sub(r"(.{1,60}:)(?=.)", "\\1\r\n  ", names)
