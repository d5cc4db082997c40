"""The MIME structure of a mail (RFC 2046) as offsets into its bytes.

The reader looks for boundary lines with `bytes.find` and copies nothing, so that a part costs what its header costs. It
is total: what is no structure is text. Depth and number of parts are bounded; what lies beyond becomes one file.
`message/rfc822` is a leaf here: a forwarded mail is a file, and a bounce's returned mail is read by who needs it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from channels.email import headers
from channels.email.headers import Fields

MAX_DEPTH = 24
MAX_PARTS = 1000
MAX_HEADER = 2_097_152
"""Octets of one header block that are read."""


@dataclass(slots=True)
class Part:
    """One node: its fields, its type in lower case, and where its body lies in the mail.

    `path` is the MIME path: "" for the root, "2.1" for the first child of the second child.
    """

    path: str
    fields: Fields
    type: str
    params: dict[str, bytes]
    start: int
    end: int
    children: list[Part] = field(default_factory=list)

    @property
    def is_multipart(self) -> bool:
        """Whether it was split into children."""
        return bool(self.children)

    def first(self, name: bytes) -> bytes:
        """The first value of a field, empty where there is none."""
        values = self.fields.get(name)
        return values[0] if values else b""


@dataclass(slots=True)
class Mail:
    """A mail taken apart. `raw` is what the offsets refer to (the mail with its line ends made readable)."""

    raw: bytes
    root: Part
    defects: list[str]
    leaves: list[Part]
    """Parts without children, in order of appearance."""

    def body(self, part: Part) -> bytes:
        """The bytes of a part as they lie in the mail, transfer encoding not undone."""
        return self.raw[part.start : part.end]


def parse(raw: bytes) -> Mail:
    """Take a mail apart. Any bytes give a tree; `defects` tells what was wrong."""
    raw, defects = readable(raw)
    mail = Mail(raw, Part("", {}, "", {}, 0, len(raw)), defects, [])
    mail.root = _part(mail, "", 0, len(raw), 0, "text/plain")
    return mail


def readable(raw: bytes) -> tuple[bytes, list[str]]:
    """A mail without what stands before its first field and with line feeds in its line ends, and what was mended."""
    defects = []
    if raw[:1] in (b"\r", b"\n", b" ", b"\t", b"\xef"):
        raw = raw.lstrip(b"\xef\xbb\xbf\r\n \t")
        defects.append("leading_space")
    if _is_of_bare_cr(raw):
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        defects.append("bare_cr")
    return raw, defects


def _is_of_bare_cr(raw: bytes) -> bool:
    """Whether its lines end with a bare CR; the end that SMTP puts behind every mail is none of its own."""
    first = raw.find(b"\n")
    return (first < 0 or first >= len(raw) - 2) and b"\r" in raw.rstrip(b"\r\n")


def _part(mail: Mail, path: str, start: int, end: int, depth: int, default: str) -> Part:
    raw = mail.raw
    head_end, body = _header_end(raw, start, end)
    block = raw[start : min(head_end, start + MAX_HEADER)]
    if head_end - start > MAX_HEADER:
        mail.defects.append("header_too_long")
    fields, stray = headers.split_fields(block)
    if stray:
        at = raw.find(stray[:16], start, head_end)
        if at >= 0:
            body = at
            mail.defects.append("no_empty_line" if fields else "no_header")
    given = fields.get(b"content-type")
    kind, params = headers.parameters(given[0]) if given else (default, _NO_PARAMS)
    if kind.count("/") != 1:
        kind = "text/plain" if kind in ("", "text") or "/" not in kind else "application/octet-stream"
    part = Part(path, fields, kind, params, body, end)
    if kind.startswith("multipart/"):
        _split(mail, part, depth)
    if not part.children:
        mail.leaves.append(part)
    return part


_NO_PARAMS: dict[str, bytes] = {}


def _header_end(raw: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the header block ends and where the body begins."""
    if raw.startswith((b"\n", b"\r\n"), start):
        return start, start + (1 if raw[start] == 10 else 2)
    crlf = raw.find(b"\n\r\n", start, end)
    lf = raw.find(b"\n\n", start, crlf if crlf >= 0 else end)
    if lf >= 0:
        return lf, lf + 2
    return (crlf, crlf + 3) if crlf >= 0 else (end, end)


_FIRST_BOUNDARY = re.compile(rb"(?:\A|\n)--([^\s-][^\r\n]{0,200})\r?\n(?:Content-|\r?\n)", re.IGNORECASE)


def _split(mail: Mail, part: Part, depth: int) -> None:
    """Give a multipart its children; a leaf it stays where no boundary is found."""
    raw = mail.raw
    boundary = part.params.get("boundary", b"").rstrip()
    if not boundary:
        found = _FIRST_BOUNDARY.search(raw, part.start, min(part.end, part.start + 65_536))
        if found is None:
            part.type = "text/plain"
            mail.defects.append("boundary_missing")
            return
        boundary = found[1].rstrip()
        mail.defects.append("boundary_guessed")
    if depth >= MAX_DEPTH:
        part.type = "application/octet-stream"
        mail.defects.append("nested_too_deep")
        return
    default = "message/rfc822" if part.type == "multipart/digest" else "text/plain"
    prefix = part.path + "." if part.path else ""
    line = b"\n--" + boundary
    size = len(line)
    position = -1
    at = part.start - 1 if raw.startswith(line[1:], part.start) else raw.find(line, part.start, part.end)
    while at >= 0:
        after = at + size
        tail = raw[after : after + 2]
        closing = tail == b"--"
        if not closing and tail[:1] not in (b"\r", b"\n", b" ", b"\t", b""):
            # A longer boundary that begins like ours.
            at = raw.find(line, after, part.end)
            continue
        if position >= 0:
            _child(mail, part, prefix, position, at, depth, default)
        if closing:
            position = -1
            break
        newline = raw.find(b"\n", after, part.end)
        position = newline + 1 if newline >= 0 else part.end
        if len(mail.leaves) >= MAX_PARTS:
            mail.defects.append("too_many_parts")
            rest = Part(prefix + str(len(part.children) + 1), {}, "application/octet-stream", {}, position, part.end)
            part.children.append(rest)
            mail.leaves.append(rest)
            return
        at = raw.find(line, position - 1, part.end)
    if position >= 0:
        mail.defects.append("boundary_unclosed")
        _child(mail, part, prefix, position, part.end, depth, default)
    if not part.children:
        part.type = "text/plain"
        mail.defects.append("boundary_not_found")


def _child(mail: Mail, part: Part, prefix: str, start: int, stop: int, depth: int, default: str) -> None:
    if stop > start and mail.raw[stop - 1] == 13:
        stop -= 1
    stop = max(start, stop)
    part.children.append(_part(mail, prefix + str(len(part.children) + 1), start, stop, depth + 1, default))
