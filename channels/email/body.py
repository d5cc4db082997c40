"""What a mail says and what it carries: transfer decoding, the choice of text, the list of files."""

from __future__ import annotations

import binascii
import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

import fast_mail_parser

from channels.email import charset, headers
from channels.email.parse import Mail, Part
from tickets.message import Attachment

MAX_TEXT = 2_000_000
"""Characters of text kept; the raw mail keeps the rest."""

_LARGE = 4096

_TEXTS = frozenset({"text/plain", "text/enriched", "text/richtext", "text/markdown", "text/x-markdown", "text/x-plain"})
_REPORTS = frozenset(
    {
        "message/delivery-status",
        "message/global-delivery-status",
        "message/disposition-notification",
        "message/global-disposition-notification",
        "message/feedback-report",
    }
)
_SILENT = frozenset({"text/x-amp-html"})
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


@dataclass(slots=True)
class Content:
    """The parts of a mail by use: texts to read, HTML to show, files, and machine-readable reports."""

    texts: list[Part] = field(default_factory=list)
    htmls: list[Part] = field(default_factory=list)
    files: list[Part] = field(default_factory=list)
    reports: list[Part] = field(default_factory=list)
    shown: list[Part] = field(default_factory=list)
    """Texts and HTML without alternatives, in order: what is read where there is HTML beside text."""


def sort(mail: Mail) -> Content:
    """Put every leaf to its use."""
    content = Content()
    _sort(mail, mail.root, content)
    return content


def _sort(mail: Mail, part: Part, content: Content) -> None:
    if not part.children:
        _leaf(part, content)
        return
    texts, htmls, shown = len(content.texts), len(content.htmls), len(content.shown)
    for child in part.children:
        _sort(mail, child, content)
    if part.type != "multipart/alternative":
        return
    # Alternatives say the same: the plain one is shown; where it says nothing, the HTML.
    plain = [text for text in content.texts[texts:] if not _is_blank(mail, text)]
    if plain:
        content.shown[shown:] = plain[:1] if all(text in part.children for text in plain) else plain
    elif len(content.htmls) > htmls:
        content.shown[shown:] = content.htmls[htmls:]


def _is_blank(mail: Mail, part: Part) -> bool:
    return part.end - part.start < 400 and not payload(mail, part).replace(b"\xc2\xa0", b"").strip()


def _leaf(part: Part, content: Content) -> None:
    kind = part.type
    if kind in _REPORTS:
        content.reports.append(part)
        return
    if kind in _SILENT:
        return
    readable = kind == "text/html" or kind in _TEXTS
    if readable:
        given = part.fields.get(b"content-disposition")
        disposition, params = headers.parameters(given[0]) if given else ("", {})
        named = "filename" in params or "name" in part.params
        if disposition != "attachment" and not (named and part.path) and not (disposition == "inline" and named):
            (content.htmls if kind == "text/html" else content.texts).append(part)
            content.shown.append(part)
            return
    content.files.append(part)


def payload(mail: Mail, part: Part) -> bytes:
    """The bytes of a part, transfer encoding undone (RFC 2045 6); what cannot be decoded is skipped."""
    given = part.fields.get(b"content-transfer-encoding")
    if not given:
        return mail.body(part)
    encoding = given[0].partition(b";")[0].strip(b" \t\"'").lower()
    if encoding == b"base64" and part.end - part.start > _LARGE:
        # Twice as fast as binascii on large parts; it refuses what is not clean.
        encoded = memoryview(mail.raw)[part.start : part.end]
        decoded = _clean_base64(b"".join((b"Content-Transfer-Encoding: base64\r\n\r\n", encoded)))
        if decoded is not None and len(decoded) * 4 >= len(encoded) * 2.85:
            return decoded
    data = mail.body(part)
    if encoding == b"base64":
        return headers.base64(data)
    if encoding == b"quoted-printable":
        return binascii.a2b_qp(data)
    if encoding in (b"x-uuencode", b"uuencode", b"x-uue", b"uue"):
        return _uuencoded(data)
    return data


def _clean_base64(entity: bytes) -> bytes | None:
    try:
        return fast_mail_parser.parse_email_tree(entity).content
    except fast_mail_parser.ParseError:
        return None


def _uuencoded(data: bytes) -> bytes:
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


def text(mail: Mail, part: Part) -> str:
    """A readable part as text: charset found, line ends LF, at most `MAX_TEXT` characters."""
    label = part.params.get("charset", b"")
    value, defect = charset.decode(payload(mail, part), label.decode("latin-1") if label else "")
    if defect and defect not in mail.defects:
        mail.defects.append(defect)
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    if len(value) > MAX_TEXT:
        value = value[:MAX_TEXT]
        mail.defects.append("text_cut")
    return value


def attachments(mail: Mail, content: Content) -> tuple[Attachment, ...]:
    """The parts a person would call files. Bytes are decoded once to be measured and not kept."""
    return tuple(_described(mail, part, payload(mail, part)) for part in content.files)


def attachment(mail: Mail, path: str) -> tuple[bytes, Attachment] | None:
    """One file by its MIME path, or None where that path is no leaf of this mail."""
    for part in mail.leaves:
        if part.path == path:
            data = payload(mail, part)
            return data, _described(mail, part, data)
    return None


def _described(mail: Mail, part: Part, data: bytes) -> Attachment:
    given = part.fields.get(b"content-disposition")
    disposition, params = headers.parameters(given[0]) if given else ("", {})
    raw_name = params.get("filename") or part.params.get("name") or part.params.get("file") or b""
    name = safe_name(file_name(raw_name, mail.defects)) if raw_name else ""
    if not name:
        number = part.path.replace(".", "-") or "1"
        name = f"part-{number}.{_EXTENSIONS.get(part.type, 'bin')}"
    given = part.fields.get(b"content-id")
    content_id = headers.text_of(given[0].strip(b" <>\t")) if given else ""
    return Attachment(
        part=part.path,
        name=name,
        content_type=headers.text_of(part.type.encode())[:200],
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        inline=disposition == "inline" or (bool(content_id) and disposition != "attachment"),
        content_id=content_id,
    )


_PERCENT = re.compile(rb"(?:%[0-9A-Fa-f]{2}){2}")


def file_name(raw: bytes, defects: list[str] | None = None) -> str:
    """A file name as its writer meant it: encoded words, which do not belong there, and percent signs.

    >>> file_name(b"=?utf-8?B?0LDQutGC?=.pdf"), file_name(b"%D0%B0%D0%BA%D1%82.pdf")
    ('акт.pdf', 'акт.pdf')
    """
    if _PERCENT.search(raw) and raw.isascii():
        meant = unquote_to_bytes(raw)
        if not meant.isascii():
            if defects is not None:
                defects.append("file_name_percent")
            return headers.text_of(meant)
    return headers.text_of(raw, defects)


_UNSAFE = re.compile('[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"<>|:*?]')
MAX_NAME = 150


def safe_name(name: str) -> str:
    """A file name without folders, control and direction characters, at most `MAX_NAME` characters, extension kept.

    >>> safe_name("../../etc/passwd")
    'passwd'
    """
    name = _UNSAFE.sub("", name.replace("\\", "/").rpartition("/")[2]).strip(" .")
    if len(name.encode()) <= MAX_NAME:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension.encode()) > 12:
        return name.encode()[:MAX_NAME].decode("utf-8", "ignore")
    room = MAX_NAME - len(extension.encode()) - 1
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + "." + extension
