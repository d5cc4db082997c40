"""DKIM signatures and keys taken apart, and what they were made of (RFC 6376, sections 3.2 to 3.7). No I/O here.

Everything takes time linear in the mail: canonical forms are made by replacing, never by a pattern that looks ahead
over blanks, because a mail may consist of them.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass

MAX_HEADER = 262_144
"""Octets of a header block in which signatures are looked for."""
MAX_SIGNATURES = 5
"""Signatures of one mail that are looked at, from the top."""

Field = tuple[bytes, bytes]
"""Folded name, and the whole field as it stands without its last CRLF."""


class TagError(ValueError):
    """A tag list that cannot be used; the text is a code."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One DKIM-Signature field. `length` is how much of the body it covers, None for all; times are Unix seconds."""

    field: bytes
    algorithm: str
    domain: str
    selector: str
    identity: str
    names: tuple[bytes, ...]
    header_relaxed: bool
    body_relaxed: bool
    body_hash: bytes
    value: bytes
    length: int | None = None
    expires: int | None = None


def split(raw: bytes) -> tuple[list[Field], int]:
    """The fields of a mail in order, and where its body begins. Only CRLF ends a line here, as it does for a signer."""
    end = raw.find(b"\r\n\r\n", 0, MAX_HEADER)
    block, body = (raw[:end], end + 4) if end >= 0 else (raw[:MAX_HEADER], len(raw))
    # joined at the end: a field may be folded into as many lines as it has octets
    found: list[list[bytes]] = []
    for line in block.split(b"\r\n"):
        if line[:1] in (b" ", b"\t") and found:
            found[-1].append(line)
        elif b":" in line:
            found.append([line])
    fields = [(lines[0].partition(b":")[0].strip().lower(), b"\r\n".join(lines)) for lines in found]
    return fields, body


def tags(value: bytes) -> dict[str, str]:
    """A tag list (section 3.2), white space around values left out.

    Raises:
        TagError: it is none.
    """
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TagError("not_text") from error
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, given = part.partition("=")
        name = name.strip()
        if not equals:
            if name:
                raise TagError("no_tag")
            continue
        if name in found:
            raise TagError("tag_twice")
        found[name] = given.strip()
    return found


def read(field: bytes) -> Signature:
    """A signature of its field.

    Raises:
        TagError: it is not one that could be verified.
    """
    given = tags(field.partition(b":")[2])
    for name in ("v", "a", "b", "bh", "d", "h", "s"):
        if not given.get(name):
            raise TagError(f"no_{name}")
    if given["v"] != "1":
        raise TagError("version")
    header, _, body = (given.get("c") or "simple/simple").partition("/")
    if not {header, body or "simple"} <= {"simple", "relaxed"}:
        raise TagError("canonicalization")
    if "dns/txt" not in (given.get("q") or "dns/txt").split(":"):
        raise TagError("query")
    domain, identity = given["d"].lower().rstrip("."), given.get("i") or f"@{given['d']}"
    below = identity.rpartition("@")[2].lower()
    if below != domain and not below.endswith(f".{domain}"):
        raise TagError("identity")
    names = tuple(name.strip().lower().encode() for name in given["h"].split(":"))
    if b"from" not in names:
        raise TagError("from_not_signed")
    return Signature(
        field,
        given["a"].lower(),
        domain,
        given["s"].rstrip("."),
        identity,
        names[:200],
        header == "relaxed",
        body == "relaxed",
        base64(given["bh"]),
        base64(given["b"]),
        _number(given, "l"),
        _number(given, "x"),
    )


def base64(text: str) -> bytes:
    """Octets of base64 with white space in it.

    Raises:
        TagError: it is none.
    """
    try:
        return b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise TagError("base64") from error


def _number(given: dict[str, str], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 76):
        raise TagError(name)
    return int(value)


def signed_header(fields: list[Field], signature: Signature) -> bytes:
    """What of the header was signed (section 3.7): the named fields from the bottom up, then the signature's own."""
    left: dict[bytes, list[bytes]] = {}
    for name, field in fields:
        left.setdefault(name, []).append(field)
    canonical = relaxed_field if signature.header_relaxed else bytes
    parts = [canonical(left[name].pop()) + b"\r\n" for name in signature.names if left.get(name)]
    return b"".join(parts) + canonical(_without_value(signature.field))


def _without_value(field: bytes) -> bytes:
    name, colon, value = field.partition(b":")
    parts = value.split(b";")
    for index, part in enumerate(parts):
        tag, equals, _ = part.partition(b"=")
        if equals and tag.strip() == b"b":
            parts[index] = tag + equals
    return name + colon + b";".join(parts)


def relaxed_field(field: bytes) -> bytes:
    """A header field in its relaxed form (section 3.4.2).

    >>> relaxed_field(b"SUBJect: AbC  \\r\\n\\t d ")
    b'subject:AbC d'
    """
    name, _, value = field.partition(b":")
    return name.strip().lower() + b":" + _collapsed(value.replace(b"\r\n", b"")).strip(b" ")


def canonical_body(body: bytes, *, relaxed: bool) -> bytes:
    """A body in its simple or relaxed form (sections 3.4.3 and 3.4.4).

    >>> canonical_body(b" C \\r\\nD \\t E\\r\\n\\r\\n\\r\\n", relaxed=True)
    b' C\\r\\nD E\\r\\n'
    >>> canonical_body(b"", relaxed=False), canonical_body(b"", relaxed=True)
    (b'\\r\\n', b'')
    """
    if relaxed:
        body = _collapsed(body).replace(b" \r\n", b"\r\n").removesuffix(b" ")
    rest = body.rstrip(b"\r\n")
    # lone carriage returns are no empty lines
    tail = body[len(rest) :].replace(b"\r\n", b"\0").rstrip(b"\0").replace(b"\0", b"\r\n")
    kept = rest + tail
    return kept + b"\r\n" if kept or not relaxed else b""


def _collapsed(text: bytes) -> bytes:
    text = text.replace(b"\t", b" ")
    # halves every run of blanks, so that it ends after the logarithm of the longest
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text
