"""What a mail says: its parts by use, transfer decoding, text."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field

import fast_mail_parser

from channels.email import charset, headers, uuencode
from channels.email.parse import Mail, Part

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
        return uuencode.decode(data)
    return data


def _clean_base64(entity: bytes) -> bytes | None:
    try:
        return fast_mail_parser.parse_email_tree(entity).content
    except fast_mail_parser.ParseError:
        return None


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
    if "begin " in value and part.type == "text/plain":
        value = uuencode.without_files(value)
    return value
