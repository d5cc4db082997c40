"""Header fields from raw bytes: unfolding, RFC 2047 words, RFC 2231 parameters, mailboxes, identifiers.

Everything works on bytes until a charset is known, because a field decoded too early cannot be repaired. Every function
is total and takes time linear in its input.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from channels.email import charset

Fields = dict[bytes, list[bytes]]
"""Lower-case field name to unfolded raw values in order of appearance."""

MAX_FIELDS = 3000
"""Beyond this only fields that a mail cannot do without are kept."""
MAX_VALUE = 65_536
"""Octets of one field that are looked at."""

_KNOWN = frozenset(
    b"from to cc subject date message-id received return-path mime-version content-type sender reply-to "
    b"content-transfer-encoding content-disposition in-reply-to references delivered-to x-mailer".split()
)


_FIELD = re.compile(rb"^([!-9;-~]+):[ \t]*(.*)$", re.MULTILINE)


def split_fields(block: bytes) -> tuple[Fields, bytes]:
    """Fields of a header block, and the line at which a body began without an empty line before it (else empty).

    Lines that are no fields are passed over (an mbox `From ` line, a broken relay's note) unless no known field
    follows: then they are the body (RFC 5322 2.1 knows no such thing; senders do).
    """
    block = block.rstrip(b"\r\n \t").replace(b"\r\n", b"\n").replace(b"\n ", b" ").replace(b"\n\t", b" ")
    fields: Fields = {}
    pairs = _FIELD.findall(block)
    if len(pairs) <= MAX_FIELDS and len(pairs) == block.count(b"\n") + 1:
        for name, value in pairs:
            folded = name.lower()
            if folded in fields:
                fields[folded].append(value)
            else:
                fields[folded] = [value]
        return fields, b""
    count = 0
    stray = b""
    for line in block.split(b"\n"):
        name, colon, value = line.partition(b":")
        if not colon or not name or b" " in name or b"\t" in name:
            name = name.rstrip(b" \t")
            if not colon or not name or b" " in name or b"\t" in name:
                if not stray and line.strip() and not line.startswith((b"From ", b">From ")):
                    stray = line
                continue
        name = name.lower()
        count += 1
        if count > MAX_FIELDS and name not in _KNOWN:
            continue
        if stray and name in _KNOWN:
            stray = b""
        if name in fields:
            fields[name].append(value.strip())
        else:
            fields[name] = [value.strip()]
    return fields, stray


_WORD = re.compile(rb"=\?([^?\s]{1,60})\?\s?([bBqQ])\s?\?([^?]{0,2000}|.{0,2000}?)\?=", re.DOTALL)
_CUT_WORD = re.compile(rb"=\?([^?\s]{1,60})\?([bBqQ])\?([^?\s]{4,2000})\??\s*\Z")
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), " ")
_BASE64_ONLY = re.compile(rb"[^A-Za-z0-9+/]")


def text_of(value: bytes, defects: list[str] | None = None) -> str:
    """A field as a person reads it: RFC 2047 words decoded, white space folded, no control characters."""
    if len(value) > MAX_VALUE:
        value = value[:MAX_VALUE]
    if b"=?" in value:
        text = _words(value, defects)
    elif value.isascii():
        text = value.decode("ascii")
    else:
        text, defect = charset.decode(value)
        if defects is not None:
            defects.append("header_8bit" + (f":{defect}" if defect else ""))
    if not text.isprintable():
        text = text.translate(_CONTROLS)
    return " ".join(text.split()) if "  " in text or text[:1] == " " or text[-1:] == " " else text


def _words(value: bytes, defects: list[str] | None) -> str:
    """Decode encoded words; bytes of neighbours in one charset are joined first, they may split a character."""
    pieces: list[str] = []
    pending, label = b"", ""

    def flush() -> None:
        nonlocal pending
        if pending:
            text, defect = charset.decode(pending, label)
            pieces.append(text)
            if defect and defects is not None:
                defects.append(f"header_{defect}")
            pending = b""

    end = 0
    for found in _WORD.finditer(value):
        between = value[end : found.start()]
        end = found.end()
        if between.strip(b" \t") or not (pending or pieces):
            flush()
            if between:
                pieces.append(_plain(between, defects))
        word_label = found[1].partition(b"*")[0].decode("latin-1").lower()
        data = base64(found[3]) if found[2] in b"bB" else _quoted(found[3])
        if word_label != label:
            flush()
            label = word_label
        pending += data
    flush()
    rest = value[end:]
    cut = _CUT_WORD.search(rest)
    data = (base64(cut[3]) if cut[2] in b"bB" else _quoted(cut[3])) if cut else b""
    read, defect = charset.decode(data, cut[1].partition(b"*")[0].decode("latin-1").lower()) if cut else ("", "")
    if cut and read and not defect and not read.isascii():
        # A word that lost its end.
        if rest[: cut.start()].strip() or not pieces:
            pieces.append(_plain(rest[: cut.start()], defects))
        pieces.append(read)
        if defects is not None:
            defects.append("header_word_cut")
    elif rest:
        pieces.append(_plain(rest, defects))
    return "".join(pieces)


def _plain(data: bytes, defects: list[str] | None) -> str:
    text, _ = charset.decode(data)
    if defects is not None and not data.isascii():
        defects.append("header_8bit")
    return text


def _quoted(data: bytes) -> bytes:
    return binascii.a2b_qp(data.replace(b" ", b"_"), header=True)


def base64(data: bytes) -> bytes:
    """What can be decoded of base64, whatever is wrong with it: foreign characters, cut ends, padding in the middle."""
    try:
        decoded = binascii.a2b_base64(data)
        if b"=" not in data.rstrip(b"=\r\n \t"):
            return decoded
    except binascii.Error:
        pass
    out = []
    for run in data.split(b"="):
        digits = _BASE64_ONLY.sub(b"", run)
        if len(digits) % 4 == 1:
            digits = digits[:-1]
        if digits:
            out.append(binascii.a2b_base64(digits + b"=" * (-len(digits) % 4)))
    return b"".join(out)


_PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)
_SECTION = re.compile(r"([^*]+)\*(?:(\d{1,3})(\*?))?")


@lru_cache(maxsize=2048)
def parameters(value: bytes) -> tuple[str, dict[str, bytes]]:
    """Main value (lower case) and parameters (RFC 2045 5.1 and RFC 2231) of a Content-Type or Content-Disposition.

    A parameter is raw bytes; one that carried a charset is re-encoded as UTF-8. The dictionary is shared: do not
    change it.
    """
    if len(value) > MAX_VALUE:
        value = value[:MAX_VALUE]
    main, semicolon, _ = value.partition(b";")
    folded = main.strip().lower().decode("ascii", "replace")
    if not semicolon:
        return folded, {}
    plain: dict[str, bytes] = {}
    sections: dict[str, dict[int, tuple[bytes, bool]]] = {}
    for found in _PARAMETER.finditer(value, len(main)):
        name = found[1].lower().decode("latin-1")
        data = found[2].strip()
        if data[:1] == b'"':
            data = data[1:-1] if len(data) > 1 and data[-1:] == b'"' else data[1:]
            if b"\\" in data:
                data = data.replace(b'\\"', b'"').replace(b"\\\\", b"\\")
        if "*" in name:
            section = _SECTION.fullmatch(name)
            if section:
                number = int(section[2] or 0)
                starred = section[2] is None or bool(section[3])
                sections.setdefault(section[1], {}).setdefault(number, (data, starred))
                continue
        plain.setdefault(name, data)
    for name, parts in sections.items():
        plain[name] = _joined(parts)
    return folded, plain


def _joined(parts: dict[int, tuple[bytes, bool]]) -> bytes:
    label = b""
    data = b""
    for number in sorted(parts):
        value, starred = parts[number]
        if starred:
            if number == min(parts) and value.count(b"'") >= 2:
                label, _, value = value.split(b"'", 2)
            value = unquote_to_bytes(value)
        data += value
    if label and not data.isascii():
        return charset.decode(data, label.decode("latin-1"))[0].encode()
    return data


_SIMPLE = re.compile(r'(?:"([^"\\]*)" *|([^"<>,;:()@]*))<([^<>\s,;:"@]+@[^<>\s,;:"@]+)>')
_BARE = re.compile(r'[^<>\s,;:"()@]+@[^<>\s,;:"()@]+')
_ANY = re.compile(r"[^\s<>\"'(),;:@]{1,200}@[^\s<>\"'(),;:@]{1,255}")
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.){0,1000}"|=\?[^?\s]{1,60}\?[bBqQ]\?[^?]{0,2000}\?=|<[^<>]*>|\\.|[^"\\=<(),;:)]+|.', re.DOTALL
)
MAX_MAILBOXES = 1000
MAX_ADDRESSES = 16_384
"""Octets of one address field that are looked at."""
_REMEMBERED = 300
"""Octets of the longest address field that is remembered."""


def mailboxes(values: list[bytes] | None, defects: list[str] | None = None) -> list[tuple[str, str]]:
    """`(display name, addr-spec)` of every mailbox in address fields (RFC 5322 3.4), groups opened.

    The address is empty where only a name stands. Splitting happens before RFC 2047 words are decoded, so that a
    decoded name never turns into an address.
    """
    out: list[tuple[str, str]] = []
    room = 4 * MAX_ADDRESSES
    for given in values or ():
        value = given
        if len(value) > (limit := min(MAX_ADDRESSES, room)):
            # Half an address would be another address.
            value = value[:limit].rpartition(b",")[0] or value[:limit]
            if defects is not None:
                defects.append("recipients_cut")
        room -= len(value)
        # Our own addresses and our customers' come again and again.
        boxes, repaired = _known_mailboxes(value) if len(value) < _REMEMBERED else _mailboxes(value)
        out.extend(boxes)
        if defects is not None:
            defects.extend(repaired)
        if len(out) > MAX_MAILBOXES:
            if defects is not None:
                defects.append("recipients_cut")
            return out[:MAX_MAILBOXES]
    return out


_Boxes = tuple[tuple[tuple[str, str], ...], tuple[str, ...]]


@lru_cache(maxsize=4096)
def _known_mailboxes(value: bytes) -> _Boxes:
    return _mailboxes(value)


def _mailboxes(value: bytes) -> _Boxes:
    """The mailboxes of one field, and what had to be repaired in it."""
    defects: list[str] = []
    if value.isascii():
        text = value.decode("ascii")
    else:
        text = charset.decode(value)[0]
        defects.append("header_8bit")
    text = text.replace("\x00", "").strip()
    simple = _SIMPLE.fullmatch(text)
    if simple:
        return ((_name(simple[1] or simple[2], defects), simple[3]),), tuple(defects)
    if _BARE.fullmatch(text):
        return (("", text),), tuple(defects)
    return tuple(_listed(text, defects)), tuple(defects)


def _name(text: str, defects: list[str] | None) -> str:
    if not text:
        return ""
    if "=?" in text:
        text = text_of(text.encode(), defects)
    elif not text.isprintable():
        text = text.translate(_CONTROLS)
    text = " ".join(text.split())
    while len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    # Half a pair is what a broken program left of it; a pair inside belongs to the name.
    return text.strip() if text.count('"') % 2 == 0 and text.count("'") % 2 == 0 else text.strip("\"' ")


def _listed(text: str, defects: list[str] | None) -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    # Lists: a string that grows token by token is copied each time.
    phrase: list[str] = []
    comment: list[str] = []
    angle, depth, at = "", 0, False

    def flush() -> None:
        nonlocal angle, at
        box = _mailbox("".join(phrase), "".join(comment), angle, defects)
        if box[0] or box[1]:
            out.append(box)
        phrase.clear()
        comment.clear()
        angle, at = "", False

    for token in _TOKEN.findall(text):
        if token == "(":
            depth += 1
        elif token == ")" and depth:
            depth -= 1
        elif depth:
            comment.append(token)
        elif token in (",", ";"):
            flush()
        elif token == ":":
            if angle or at:
                phrase.append(token)
            else:
                phrase.clear()
        elif token[0] == "<" and len(token) > 1:
            if angle and "@" in angle:
                flush()
            angle = token[1:-1].strip()
        elif token[0] == '"' and len(token) > 1:
            phrase.append(token[1:-1].replace('\\"', '"').replace("\\\\", "\\"))
            at = at or "@" in token
        else:
            phrase.append(token)
            at = at or "@" in token
    flush()
    return out


def _mailbox(phrase: str, comment: str, angle: str, defects: list[str] | None) -> tuple[str, str]:
    if angle:
        if "=?" in angle:
            angle = _name(angle, defects)
        # A source route (RFC 5322 4.4) stands before a colon.
        address = "".join(angle.rpartition(":")[2].split())
        if "@" in address:
            return _name(phrase, defects) or _name(comment, defects), address
        phrase = phrase or angle
    found = _ANY.search(phrase) if "@" in phrase else None
    if found is None and "=?" in phrase:
        # The whole mailbox was encoded, which RFC 2047 5 forbids.
        phrase = _name(phrase, defects)
        found = _ANY.search(phrase)
    if found is None:
        return _name(phrase, defects), ""
    rest = (phrase[: found.start()] + phrase[found.end() :]).strip(" \t<>\"'[]")
    return _name(rest, defects) or _name(comment, defects), found[0].strip("<>[]'\"")


_IDENTIFIER = re.compile(rb"<\s*([^<>\s]{1,990})\s*>")
MAX_IDENTIFIERS = 100


def identifiers(values: list[bytes] | None) -> list[str]:
    """Message identifiers (RFC 5322 3.6.4) without angle brackets, in order, each once, at most `MAX_IDENTIFIERS`."""
    out: dict[str, None] = {}
    for value in values or ():
        found = _IDENTIFIER.findall(charset.uncoded(value[:MAX_VALUE]))
        if not found:
            token = value[:990].strip(b" <>\t")
            found = [token] if b"@" in token and not re.search(rb"\s", token) else []
        for one in found:
            out[one.decode("ascii") if one.isascii() else charset.decode(one)[0]] = None
    ids = [i.replace("\x00", "") for i in out]
    return ids if len(ids) <= MAX_IDENTIFIERS else [ids[0], *ids[-MAX_IDENTIFIERS + 1 :]]
