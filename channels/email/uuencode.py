"""Files in the manner before MIME: `begin 644 name`, lines of 45 octets, `end` (POSIX uuencode)."""

from __future__ import annotations

import binascii
import re

MAX_FILES = 50
# Each line can be read in one way and is never given back: with a second way (space at the end is data, or is not) a
# screenful of lines without an `end` costs more than the age of the world.
_BLOCK = re.compile(
    rb"^begin [0-7]{3,4} ([^\r\n]{1,250}+)\r?\n"
    rb"((?:[\x20-\x60\t]{2,90}+\r?\n)++)(?:[`\x20]\r?\n)?end[ \t]*+\r?$",
    re.MULTILINE,
)
_TEXT_BLOCK = re.compile(_BLOCK.pattern.decode("latin-1"), re.MULTILINE)


def decode(data: bytes) -> bytes:
    """The octets of the first file; lines that are none are passed over."""
    out = []
    lines = iter(data.splitlines())
    for line in lines:
        if line.startswith(b"begin "):
            break
    for line in lines:
        if line.rstrip() in (b"end", b"`", b""):
            break
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            try:
                # Encoders that pad the last line wrongly.
                out.append(binascii.a2b_uu(line[: (((line[0] - 32) & 63) * 4 + 5) // 3]))
            except binascii.Error:
                continue
    return b"".join(out)


def files(data: bytes) -> list[tuple[bytes, bytes]]:
    """`(name, content)` of every whole file that stands in a text."""
    if b"begin " not in data:
        return []
    found = []
    for block in _BLOCK.finditer(data):
        found.append((block[1].rstrip(b" \t"), decode(block[0])))
        if len(found) >= MAX_FILES:
            break
    return found


def without_files(text: str) -> str:
    """A text without the files that `files` finds in it."""
    return _TEXT_BLOCK.sub("", text)
