"""The files and the text inside a winmail.dat: the Transport Neutral Encapsulation Format (MS-OXTNEF).

A chain of attributes, each with its length; names in Unicode and message texts lie in blocks of MAPI properties
(MS-OXTNEF 2.1.3.4). Only what is needed is read: a damaged file gives what stands before the damage. Time and memory
are linear in its size.

BUGS: compressed RTF bodies are not read; an embedded message is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from channels.email import charset

SIGNATURE = b"\x78\x9f\x3e\x22"
MAX_FILES = 200
_MAX_ATTRIBUTES = 20_000
_MAX_PROPERTIES = 5_000

_CODEPAGE, _CLASS, _BODY, _MESSAGE = 0x00069007, 0x00078008, 0x0002800C, 0x00069003
_BEGIN, _TITLE, _DATA, _FILE = 0x00069002, 0x00018010, 0x0006800F, 0x00069005
_FIXED = {0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_VARIABLE = frozenset({0x0D, 0x1E, 0x1F, 0x102})
_LONG_NAME, _SHORT_NAME, _SHOWN_NAME, _MIME, _CONTENT_ID = 0x3707, 0x3704, 0x3001, 0x370E, 0x3712
_TEXT, _HTML, _FILE_DATA = 0x1000, 0x1013, 0x3701


@dataclass(slots=True)
class TnefFile:
    """One file. `content_type` is empty where the sender named none."""

    name: str = ""
    content: bytes = b""
    content_type: str = ""
    content_id: str = ""


@dataclass(slots=True)
class Tnef:
    """What a winmail.dat holds. `message_class` tells a note from a report (`IPM.Note`, `REPORT.IPM.Note.NDR`)."""

    files: list[TnefFile] = field(default_factory=list)
    text: str = ""
    html: bytes = b""
    message_class: str = ""


def read(data: bytes) -> Tnef:
    """Unpack a winmail.dat. Total: what is none gives an empty one."""
    found = Tnef()
    codepage = "cp1252"
    for number, (kind, value) in enumerate(_attributes(data)):
        if number >= _MAX_ATTRIBUTES:
            break
        if kind == _BEGIN:
            if len(found.files) >= MAX_FILES:
                break
            found.files.append(TnefFile())
        elif kind == _CODEPAGE and len(value) >= 4:
            codepage = f"cp{struct.unpack_from('<I', value)[0]}"
        elif kind == _CLASS:
            found.message_class = charset.clean(value.rstrip(b"\0").decode("latin-1"))[:100]
        elif kind == _BODY:
            found.text = found.text or _text(value, codepage)
        elif kind == _MESSAGE:
            _message(found, value, codepage)
        elif found.files:
            _of_file(found.files[-1], kind, value, codepage)
    found.files = [each for each in found.files if each.content]
    return found


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    if not data.startswith(SIGNATURE):
        return
    at = 6
    while at + 9 <= len(data):
        kind, length = struct.unpack_from("<II", data, at + 1)
        begin = at + 9
        if begin + length > len(data):
            return
        yield kind, data[begin : begin + length]
        # Two octets of checksum, which many programs compute wrongly.
        at = begin + length + 2


def _message(found: Tnef, value: bytes, codepage: str) -> None:
    for identity, kind, content in _properties(value):
        if identity == _TEXT:
            found.text = _string(kind, content, codepage) or found.text
        elif identity == _HTML and kind == 0x102:
            found.html = content


def _of_file(file: TnefFile, kind: int, value: bytes, codepage: str) -> None:
    if kind == _TITLE:
        file.name = file.name or _text(value, codepage)
    elif kind == _DATA:
        file.content = value
    elif kind == _FILE:
        names: dict[int, str] = {}
        for identity, form, content in _properties(value):
            if identity in (_LONG_NAME, _SHORT_NAME, _SHOWN_NAME):
                names[identity] = _string(form, content, codepage)
            elif identity == _MIME:
                file.content_type = _string(form, content, codepage)[:200]
            elif identity == _CONTENT_ID:
                file.content_id = _string(form, content, codepage).strip("<>")[:500]
            elif identity == _FILE_DATA and form == 0x102 and not file.content:
                file.content = content
        file.name = names.get(_LONG_NAME) or file.name or names.get(_SHORT_NAME) or names.get(_SHOWN_NAME, "")


def _properties(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """`(identity, type, value)` of each single property of a block; what cannot be read ends it."""
    try:
        count = min(struct.unpack_from("<I", data)[0], _MAX_PROPERTIES)
        at = 4
        for _ in range(count):
            form, identity = struct.unpack_from("<HH", data, at)
            at += 4
            if identity >= 0x8000:
                at += 16
                named = struct.unpack_from("<I", data, at)[0]
                at += 4
                if named:
                    at += 4 + _padded(struct.unpack_from("<I", data, at)[0])
                else:
                    at += 4
            many = form & 0x1000
            form &= 0x0FFF
            values = 1
            if many or form in _VARIABLE:
                values = struct.unpack_from("<I", data, at)[0]
                at += 4
            for number in range(values):
                size = _FIXED.get(form)
                if size is None:
                    if form not in _VARIABLE:
                        return
                    size = struct.unpack_from("<I", data, at)[0]
                    at += 4
                if at + size > len(data):
                    return
                if number == 0 and not many:
                    yield identity, form, data[at : at + size]
                at += _padded(size)
                if number > _MAX_PROPERTIES:
                    return
    except struct.error:
        return


def _padded(size: int) -> int:
    return size + (-size % 4)


def _string(form: int, value: bytes, codepage: str) -> str:
    if form == 0x1F:
        return charset.clean(value.decode("utf-16-le", "replace").rstrip("\0"))
    return _text(value, codepage)


def _text(value: bytes, codepage: str) -> str:
    return charset.decode(value.rstrip(b"\0"), codepage)[0]
