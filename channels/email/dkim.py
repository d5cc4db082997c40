"""DKIM: whether a domain signed a mail and nothing signed was changed since (RFC 6376, 8301 and 8463).

Keys are asked for first, all at once; then one pass over the mail does what costs processor time, in a thread where the
mail is large. `l=` is honoured only where it covers the whole body: what somebody else appended is not signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from channels.email import dkim_signature
from channels.email.dkim_signature import Field, Signature, TagError
from channels.email.resolver import DnsTrouble, Resolver

LEAST_BITS = 1024
MOST_BITS = 8192
_INLINE = 131_072
_ALGORITHMS = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}


@dataclass(frozen=True, slots=True)
class DkimOutcome:
    """One signature. `result` in the words of RFC 8601, section 2.7.1; `because` a code where it is no pass."""

    result: str
    domain: str
    selector: str = ""
    because: str = ""


@dataclass(frozen=True, slots=True)
class _Key:
    type: str
    octets: bytes


async def verify(resolver: Resolver, raw: bytes, now: datetime) -> list[DkimOutcome]:
    """The outcome of every signature of a mail, from the top; empty where there is none."""
    fields, start = dkim_signature.split(raw)
    found: list[DkimOutcome | Signature] = []
    for name, field in fields:
        if name == b"dkim-signature" and len(found) < dkim_signature.MAX_SIGNATURES:
            try:
                found.append(_usable(dkim_signature.read(field), now))
            except TagError as error:
                found.append(DkimOutcome("permerror", "", because=str(error)))
    keys = await asyncio.gather(*(_key(resolver, each) for each in found if isinstance(each, Signature)))
    pending = iter(keys)
    paired = [(each, next(pending) if isinstance(each, Signature) else None) for each in found]
    if len(raw) < _INLINE:
        return _outcomes(paired, fields, raw, start)
    return await asyncio.to_thread(_outcomes, paired, fields, raw, start)


def _usable(signature: Signature, now: datetime) -> Signature | DkimOutcome:
    told = (signature.domain, signature.selector)
    if signature.algorithm not in _ALGORITHMS:
        return DkimOutcome("permerror", *told, "algorithm")
    if signature.expires is not None and signature.expires < now.timestamp():
        return DkimOutcome("fail", *told, "expired")
    return signature


async def _key(resolver: Resolver, signature: Signature) -> _Key | DkimOutcome:
    told = (signature.domain, signature.selector)
    try:
        records = await resolver.txt(f"{signature.selector}._domainkey.{signature.domain}")
    except DnsTrouble:
        return DkimOutcome("temperror", *told, "dns")
    if not records:
        return DkimOutcome("permerror", *told, "no_key")
    try:
        given = dkim_signature.tags(records[0])
        octets = dkim_signature.base64(given.get("p", ""))
    except TagError:
        return DkimOutcome("permerror", *told, "key_syntax")
    if given.get("v", "DKIM1") != "DKIM1" or "p" not in given:
        return DkimOutcome("permerror", *told, "key_syntax")
    if not octets:
        return DkimOutcome("permerror", *told, "key_revoked")
    if "sha256" not in _listed(given.get("h", "sha256")) or not {"*", "email"} & set(_listed(given.get("s", "*"))):
        return DkimOutcome("permerror", *told, "key_unfit")
    strict = "s" in _listed(given.get("t", ""))
    if strict and signature.identity.rpartition("@")[2].lower() != signature.domain:
        return DkimOutcome("permerror", *told, "identity")
    return _Key(given.get("k", "rsa"), octets)


def _listed(value: str) -> list[str]:
    return [part.strip() for part in value.split(":")]


def _outcomes(
    paired: Sequence[tuple[Signature | DkimOutcome, _Key | DkimOutcome | None]],
    fields: list[Field],
    raw: bytes,
    start: int,
) -> list[DkimOutcome]:
    bodies: dict[bool, tuple[bytes, int]] = {}
    outcomes = []
    for signature, key in paired:
        if isinstance(signature, DkimOutcome):
            outcomes.append(signature)
            continue
        if not isinstance(key, _Key):
            outcomes += [key] if key is not None else []
            continue
        relaxed = signature.body_relaxed
        if relaxed not in bodies:
            canonical = dkim_signature.canonical_body(raw[start:], relaxed=relaxed)
            bodies[relaxed] = sha256(canonical).digest(), len(canonical)
        result, because = _verified(signature, key, *bodies[relaxed], fields)
        outcomes.append(DkimOutcome(result, signature.domain, signature.selector, because))
    return outcomes


def _verified(signature: Signature, key: _Key, body_hash: bytes, length: int, fields: list[Field]) -> tuple[str, str]:
    if signature.length is not None and signature.length < length:
        return "policy", "body_not_covered"
    if signature.body_hash != body_hash:
        return "fail", "body_changed"
    signed = dkim_signature.signed_header(fields, signature)
    if key.type != _ALGORITHMS[signature.algorithm]:
        return "permerror", "key_type"
    return _rsa(key.octets, signature.value, signed) if key.type == "rsa" else _ed25519(key, signature.value, signed)


def _rsa(octets: bytes, value: bytes, signed: bytes) -> tuple[str, str]:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        key = serialization.load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        return "permerror", "key_syntax"
    if not isinstance(key, RSAPublicKey) or not LEAST_BITS <= key.key_size <= MOST_BITS:
        return "permerror", "key_size"
    try:
        key.verify(value, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return "fail", "header_changed"
    return "pass", ""


def _ed25519(key: _Key, value: bytes, signed: bytes) -> tuple[str, str]:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        # RFC 8463, section 3: the signature is over the hash
        Ed25519PublicKey.from_public_bytes(key.octets).verify(value, sha256(signed).digest())
    except ValueError:
        return "permerror", "key_syntax"
    except InvalidSignature:
        return "fail", "header_changed"
    return "pass", ""
