"""The files a mail carries: named safely, typed by what they hold, unpacked where a program wrapped them.

A file inside a file (winmail.dat, uuencode in a text) has the MIME path of what holds it, `!`, and its number there, so
that its bytes can be taken from the raw mail whenever they are wanted.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote_to_bytes

from channels.email import body, headers, parse, tnef, uuencode
from channels.email.body import Content
from channels.email.parse import Mail, Part
from tickets.message import Attachment

INNER = "!"
_EXTENSIONS = {
    "application/gzip": "gz",
    "application/ics": "ics",
    "application/json": "json",
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/pgp-signature": "asc",
    "application/pkcs7-signature": "p7s",
    "application/rtf": "rtf",
    "application/xml": "xml",
    "application/zip": "zip",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif",
    "message/rfc822": "eml",
    "text/calendar": "ics",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/rfc822-headers": "txt",
    "text/vcard": "vcf",
    "text/x-vcard": "vcf",
    "text/xml": "xml",
    "video/mp4": "mp4",
}


def attachments(mail: Mail, content: Content) -> tuple[Attachment, ...]:
    """What a person would call files. Bytes are decoded once to be measured and not kept."""
    found: list[Attachment] = []
    for part in content.files:
        data = body.payload(mail, part)
        inner = _inner(part, data)
        found += [_told(part, number, one) for number, one in enumerate(inner, 1)] or [_described(mail, part, data)]
    for part in content.texts:
        if mail.raw.find(b"begin ", part.start, part.end) >= 0:
            inner = _inner(part, body.payload(mail, part))
            found += [_told(part, number, one) for number, one in enumerate(inner, 1)]
    return tuple(found)


def attachment(mail: Mail, path: str) -> tuple[bytes, Attachment] | None:
    """One file by its MIME path, or None where that path is no leaf of this mail."""
    outer, inside, number = path.partition(INNER)
    for part in mail.leaves:
        if part.path == outer:
            data = body.payload(mail, part)
            if not inside:
                return data, _described(mail, part, data)
            inner = _inner(part, data)
            if number.isdecimal() and 0 < int(number[:4]) <= len(inner):
                one = inner[int(number[:4]) - 1]
                return one.content, _told(part, int(number[:4]), one)
    return None


def is_tnef(part: Part) -> bool:
    """Whether a part calls itself a winmail.dat."""
    return part.type in ("application/ms-tnef", "application/vnd.ms-tnef")


def _inner(part: Part, data: bytes) -> list[tnef.TnefFile]:
    """The files wrapped in a part, none where it wraps none."""
    if is_tnef(part) or (part.type == _ANYTHING and data.startswith(tnef.SIGNATURE)):
        return tnef.read(data).files
    if part.type == "text/plain":
        return [tnef.TnefFile(file_name(name), content) for name, content in uuencode.files(data)]
    return []


def _told(part: Part, number: int, one: tnef.TnefFile) -> Attachment:
    name = safe_name(headers.text_of(one.name.encode("utf-8", "replace")))
    kind = headers.text_of(one.content_type.encode("utf-8", "replace")).lower()
    kind = real_type(kind if kind.count("/") == 1 else _ANYTHING, one.content, name)
    return Attachment(
        part=f"{part.path}{INNER}{number}",
        name=name or f"part-{part.path.replace('.', '-') or '1'}-{number}.{_EXTENSIONS.get(kind, 'bin')}",
        content_type=kind[:200],
        size=len(one.content),
        sha256=hashlib.sha256(one.content).hexdigest(),
        inline=bool(one.content_id),
        content_id=one.content_id,
    )


_ANYTHING = "application/octet-stream"
_VAGUE = frozenset(
    {_ANYTHING, "application/x-unknown", "application/unknown", "application/binary", "application/x-octet-stream",
     "application/x-download", "application/force-download", "application/x-zip-compressed", "multipart/mixed"}
)  # fmt: skip
_PROGRAMS = ((b"MZ", "application/x-msdownload"), (b"\x7fELF", "application/x-executable"))
_PROGRAM_STARTS = tuple(start for start, _ in _PROGRAMS)
_BY_EXTENSION = {
    "csv": "text/csv", "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "eml": "message/rfc822", "ics": "text/calendar", "log": "text/plain", "pdf": "application/pdf",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation", "txt": "text/plain",
    "vcf": "text/vcard", "xls": "application/vnd.ms-excel", "doc": "application/msword",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xml": "text/xml",
}  # fmt: skip


def real_type(declared: str, data: bytes, name: str) -> str:
    """The type of a file by its first octets where the declared one is vague or hides a program, in lower case.

    >>> real_type("application/octet-stream", b"%PDF-1.7", "a"), real_type("image/png", b"MZ" + bytes(60), "a.png")
    ('application/pdf', 'application/x-msdownload')
    """
    if declared not in _VAGUE:
        if not data.startswith(_PROGRAM_STARTS) or declared.startswith(("text/", "application/x-")):
            return declared
        return next(kind for start, kind in _PROGRAMS if data.startswith(start))
    import filetype  # type: ignore[import-untyped]

    guessed = filetype.guess(data[:4096])
    seen = str(guessed.mime) if guessed is not None else ""
    extension = name.rpartition(".")[2].lower()
    if seen in ("", "application/zip") or (seen == "application/msword" and extension in _BY_EXTENSION):
        return _BY_EXTENSION.get(extension, seen or declared) if not seen or extension in _WRAPPED else seen
    return seen


_WRAPPED = frozenset({"docx", "xlsx", "pptx", "doc", "xls"})


def _described(mail: Mail, part: Part, data: bytes) -> Attachment:
    given = part.fields.get(b"content-disposition")
    disposition, params = headers.parameters(given[0]) if given else ("", {})
    raw_name = params.get("filename") or part.params.get("name") or part.params.get("file") or b""
    name = safe_name(file_name(raw_name, mail.defects)) if raw_name else ""
    kind = real_type(headers.text_of(part.type.encode())[:200], data, name)
    if not name and kind == "message/rfc822":
        name = _subject_of(data)
    if not name:
        number = part.path.replace(".", "-") or "1"
        name = f"part-{number}.{_EXTENSIONS.get(kind, 'bin')}"
    given = part.fields.get(b"content-id")
    content_id = headers.text_of(given[0].strip(b" <>\t")) if given else ""
    return Attachment(
        part=part.path,
        name=name,
        content_type=kind,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        inline=disposition == "inline" or (bool(content_id) and disposition != "attachment"),
        content_id=content_id,
    )


def _subject_of(raw: bytes) -> str:
    """The name of a forwarded mail by what it is about, empty where it is about nothing."""
    subject = headers.text_of(parse.parse(raw[:65_536]).root.first(b"subject"))
    name = safe_name(subject.replace("/", " ").replace("\\", " ")[:80])
    return f"{name}.eml" if name else ""


_PERCENT = re.compile(rb"(?:%[0-9A-Fa-f]{2}){2}")


def file_name(raw: bytes, defects: list[str] | None = None) -> str:
    """A file name as its writer meant it: encoded words, which do not belong there, and percent signs.

    >>> file_name(b"=?utf-8?B?0LDQutGC?=.pdf"), file_name(b"%D0%B0%D0%BA%D1%82.pdf")
    ('акт.pdf', 'акт.pdf')
    """
    if b"%" in raw and _PERCENT.search(raw) and raw.isascii():
        meant = unquote_to_bytes(raw)
        if not meant.isascii():
            if defects is not None:
                defects.append("file_name_percent")
            return headers.text_of(meant)
    return headers.text_of(raw, defects)


_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    '\U000e0000-\U000e007f"<>|:*?]'
)
_RESERVED = re.compile(r"(?:con|prn|aux|nul|clock\$|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|$)", re.IGNORECASE)
MAX_NAME = 150


def safe_name(name: str) -> str:
    """A file name without folders, control and direction characters, at most `MAX_NAME` octets, extension kept.

    >>> safe_name("../../etc/passwd"), safe_name("con.txt"), safe_name("a\u202efdp.exe")
    ('passwd', '_con.txt', 'afdp.exe')
    """
    name = _UNSAFE.sub("", name.replace("\\", "/").rpartition("/")[2]).strip(" .\xa0")
    if _RESERVED.match(name):
        # Names of devices on Windows, whatever their extension.
        name = f"_{name}"
    if len(name.encode()) <= MAX_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > 12:
        return name.encode()[:MAX_NAME].decode("utf-8", "ignore")
    room = MAX_NAME - len(extension.encode()) - 1
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + "." + extension
