"""Mails signed by dkimpy, another implementation than ours."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

MAIL = (
    b"From: =?utf-8?b?0JjQstCw0L0=?= <ivan@example.ru>\r\n"
    b"To: help@desk.example\r\n"
    b"Subject:   printer \r\n\tis  silent\r\n"
    b"Date: Sun, 22 Nov 2026 12:00:00 +0300\r\n"
    b"Message-ID: <1@example.ru>\r\n"
    b"\r\n"
    b"It  is silent. \t\r\n\r\n .\r\n\r\n\r\n"
)
FIELDS = [b"from", b"to", b"subject", b"date", b"message-id", b"from"]


def key(bits: int = 2048) -> tuple[bytes, str]:
    """A private key in PEM, and the record of its public half; always the same one of a size."""
    return _made(bits)


@lru_cache(maxsize=8)
def _made(bits: int) -> tuple[bytes, str]:
    made = rsa.generate_private_key(65537, bits)
    encoding, nothing = serialization.Encoding, serialization.NoEncryption()
    private = made.private_bytes(encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, nothing)
    public = made.public_key().public_bytes(encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private, f"v=DKIM1; k=rsa; p={b64encode(public).decode()}"


def sign(
    mail: bytes = MAIL,
    *,
    domain: str = "example.ru",
    selector: str = "s1",
    canonical: str = "relaxed/relaxed",
    bits: int = 2048,
    length: bool = False,
) -> bytes:
    """The mail with a signature on top."""
    header, body = canonical.encode().split(b"/")
    signature = dkim.sign(
        mail,
        selector.encode(),
        domain.encode(),
        key(bits)[0],
        canonicalize=(header, body),
        include_headers=FIELDS,
        length=length,
    )
    return bytes(signature) + mail
