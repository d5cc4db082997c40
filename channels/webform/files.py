"""Files of a form: a safe name, a content type that is looked up instead of believed, and what is let in."""

from __future__ import annotations

import hashlib
import mimetypes
import re
import unicodedata

import filetype  # type: ignore[import-untyped]

from channels.webform.form import FileLimits
from channels.webform.multipart import NotAForm, Part, parts
from tickets.message import Attachment

LONGEST_NAME = 200
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\u200e\u200f\u202a-\u202e\u2066-\u2069]')
_PROGRAMS = frozenset({"exe", "elf", "dex", "wasm", "swf", "deb", "rpm"})
_SUFFIXES = frozenset(
    {"exe", "dll", "com", "scr", "pif", "bat", "cmd", "ps1", "vbs", "vbe", "js", "jse", "wsf", "wsh", "hta", "msi",
     "msp", "cpl", "lnk", "jar", "reg", "apk", "sh", "appx", "iso", "img", "vhd"}
)  # fmt: skip
"""What runs when it is opened. No form needs it; what must come all the same comes in an archive."""


def name_of(part: Part) -> str:
    """The file's name without a path and without characters a file system or a reader trips over."""
    given = unicodedata.normalize("NFC", part.filename or "")
    base = re.split(r"[/\\]", given)[-1]
    name = _FORBIDDEN.sub("_", base).strip(" .")
    if len(name) > LONGEST_NAME:
        stem, dot, suffix = name.rpartition(".")
        name = f"{stem[: LONGEST_NAME - len(suffix) - 1]}.{suffix}" if dot and len(suffix) < 20 else name[:LONGEST_NAME]
    return name or "file"


def suffix_of(name: str) -> str:
    """The part behind the last dot, folded; empty where there is none."""
    stem, dot, suffix = name.rpartition(".")
    return suffix.casefold() if dot and stem else ""


def content_type_of(name: str, data: bytes) -> str:
    """What the bytes are by their first octets, else by the name; what the client declared proves nothing."""
    guessed = filetype.guess(data[:4096])
    if guessed is not None:
        return str(guessed.mime)
    by_name = mimetypes.guess_type(name)[0] or ""
    # a document that runs in a browser is a plain file to us
    if by_name in ("text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript") or not by_name:
        return "text/plain" if by_name else "application/octet-stream"
    return by_name


def refusal(name: str, data: bytes, limits: FileLimits) -> str:
    """Why a file is not let in: `empty`, `too_large`, `program` or `kind`; empty where it is."""
    if not data:
        return "empty"
    if len(data) > limits.each:
        return "too_large"
    guessed = filetype.guess(data[:4096])
    if suffix_of(name) in _SUFFIXES or (guessed is not None and guessed.extension in _PROGRAMS):
        return "program"
    if limits.kinds and suffix_of(name) not in limits.kinds:
        return "kind"
    return ""


def attachment(part: Part) -> Attachment:
    """A file as the message describes it; `part` is its number in the raw body."""
    name = name_of(part)
    digest = hashlib.sha256(part.data).hexdigest()
    return Attachment(str(part.number), name, content_type_of(name, part.data), len(part.data), digest)


def attachment_bytes(raw: bytes, part: str) -> tuple[bytes, Attachment]:
    """One file of a form's raw body, by its part's number.

    Raises:
        LookupError: the body has no such file.
    """
    try:
        found = next((one for one in parts(raw) if str(one.number) == part and one.filename is not None), None)
    except NotAForm as error:
        raise LookupError(f"the raw input is no form: {error}") from None
    if found is None:
        raise LookupError(f"the form has no file {part!r}")
    return found.data, attachment(found)
