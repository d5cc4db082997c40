"""Reading of `multipart/form-data` (RFC 7578, RFC 2046 section 5.1) from bytes that are kept as they came.

A part is a slice of the body, so the same body read again gives the same parts under the same numbers: this is how a
file is found again in the raw input. Bodies begin with a delimiter line, as every browser makes them; one with a
preamble is refused, because its boundary could not be told from the bytes alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_PARTS = 200
_LONGEST_HEAD = 4096
_BOUNDARY = re.compile(rb"""[0-9A-Za-z'()+_,./:=?-]{1,70}""")
_PARAMETER = re.compile(rb'([a-zA-Z0-9*_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))')
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class NotAForm(ValueError):
    """The body is no form; the text says where it breaks off."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its number from 1, the field's name, and for a file its name as the client wrote it."""

    number: int
    name: str
    filename: str | None
    content_type: str
    data: bytes

    @property
    def text(self) -> str:
        """The value as text; octets that are no UTF-8 become U+FFFD, line ends one character."""
        text = self.data.decode("utf-8", "replace")
        return text.replace("\r\n", "\n").replace("\r", "\n")


def parts(raw: bytes) -> list[Part]:
    """All parts of a body.

    Raises:
        NotAForm: it is no such body.
    """
    delimiter = delimiter_of(raw)
    found: list[Part] = []
    at = len(delimiter)
    while True:
        follows = raw[at : at + 2]
        if follows == b"--":
            return found
        if follows != b"\r\n":
            raise NotAForm(f"after part {len(found)}: no line end behind the delimiter")
        if len(found) >= MOST_PARTS:
            raise NotAForm(f"more than {MOST_PARTS} parts")
        begin = at + 2
        head_end = raw.find(b"\r\n\r\n", begin, begin + _LONGEST_HEAD)
        if head_end < 0:
            raise NotAForm(f"part {len(found) + 1}: its header does not end")
        end = raw.find(b"\r\n" + delimiter, head_end + 2)
        if end < 0:
            raise NotAForm(f"part {len(found) + 1}: no delimiter after it; the body is cut off")
        found.append(_part(len(found) + 1, raw[begin:head_end], raw[head_end + 4 : max(end, head_end + 4)]))
        at = end + 2 + len(delimiter)


def delimiter_of(raw: bytes) -> bytes:
    """The delimiter a body begins with: two hyphens and the boundary.

    Raises:
        NotAForm: it begins with none.
    """
    line = raw[: 2 + 70 + 2].partition(b"\r\n")[0]
    if line.endswith(b"--") and not raw[len(line) :].strip():
        line = line[:-2]  # a form without a single field
    if not line.startswith(b"--") or not _BOUNDARY.fullmatch(line[2:]):
        raise NotAForm("it does not begin with a delimiter")
    return line


def joined(raw: bytes, more: list[tuple[str, str, str, bytes]]) -> bytes:
    """The body with further files behind its own parts: `(field, name, content type, bytes)` each.

    Raises:
        NotAForm: it is no such body, or a file holds its delimiter.
    """
    if not more:
        return raw
    delimiter = delimiter_of(raw)
    end = raw.rfind(b"\r\n" + delimiter + b"--")
    if end < 0:
        raise NotAForm("no closing delimiter; the body is cut off")
    pieces = [raw[:end]]
    for field, name, content_type, data in more:
        if b"\r\n" + delimiter in data:
            raise NotAForm("a file holds the delimiter")
        head = (
            f'Content-Disposition: form-data; name="{_quoted(field)}"; filename="{_quoted(name)}"\r\n'
            f"Content-Type: {_CONTROL.sub('', content_type)}\r\n\r\n"
        )
        pieces.append(b"\r\n" + delimiter + b"\r\n" + head.encode() + data)
    pieces.append(raw[end:])
    return b"".join(pieces)


def _part(number: int, head: bytes, data: bytes) -> Part:
    disposition = content_type = b""
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon:
            raise NotAForm(f"part {number}: a header line without a colon")
        match name.strip().lower():
            case b"content-disposition":
                disposition = value.strip()
            case b"content-type":
                content_type = value.strip()
    kind, _, rest = disposition.partition(b";")
    if kind.strip().lower() != b"form-data":
        raise NotAForm(f"part {number} is no form-data")
    parameters = {found[1].lower(): _value(found) for found in _PARAMETER.finditer(rest)}
    if b"name" not in parameters:
        raise NotAForm(f"part {number} has no name")
    filename = parameters.get(b"filename")
    return Part(number, parameters[b"name"], filename, content_type.decode("latin-1")[:255], data)


def _value(found: re.Match[bytes]) -> str:
    raw = found[3] if found[2] is None else found[2]
    text = raw.decode("utf-8", "replace")
    # browsers escape only these three (WHATWG, multipart/form-data encoding algorithm); older ones a quote by backslash
    for escaped, meant in (("%0A", "\n"), ("%0D", "\r"), ("%22", '"'), ('\\"', '"')):
        text = text.replace(escaped, meant)
    return text


def _quoted(text: str) -> str:
    text = text.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22")
    return _CONTROL.sub("", text)
