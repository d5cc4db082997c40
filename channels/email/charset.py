"""Bytes to text when the label may be missing or wrong.

Order of trust: pure ASCII; strict UTF-8, which no other charset imitates by accident over more than a few letters; the
declared charset if it decodes and the outcome looks like a language; the most Russian-looking reading of five Cyrillic
charsets; Windows-1252. Russian is recognised by letter frequency and by case shape: a wrong Cyrillic charset turns
`Привет` into `оПХБЕР`, rare letters with capitals in the middle of words.

BUGS: only Cyrillic is guessed; unlabelled Greek, Hebrew or Asian text that is not UTF-8 comes out as Windows-1252.
"""

from __future__ import annotations

import codecs
import math
import re
from binascii import a2b_qp
from collections.abc import Mapping
from functools import lru_cache

from channels.email import cyrillic

CYRILLIC = ("cp1251", "koi8-r", "cp866", "iso8859-5", "mac-cyrillic")

_ALIASES: Mapping[str, str] = {
    "win-1251": "cp1251",
    "win1251": "cp1251",
    "cp-1251": "cp1251",
    "windows1251": "cp1251",
    "x-cp1251": "cp1251",
    "koi8": "koi8-r",
    "koi8r": "koi8-r",
    "x-koi8-r": "koi8-r",
    "cp-866": "cp866",
    "dos-866": "cp866",
    "x-cp866": "cp866",
    "x-mac-cyrillic": "mac-cyrillic",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "x-utf-8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    # The WHATWG readings: software that writes these names means the supersets.
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "l1": "cp1252",
    "us-ascii": "",
    "ascii": "",
    "ansi": "",
    "unknown": "",
    "x-unknown": "",
    "unknown-8bit": "",
    "default": "",
    "none": "",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-9": "cp1254",
    "tis-620": "cp874",
}
_NOT_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"})
_SEVEN_BIT = frozenset({"utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "hz", "iso2022_jp", "iso2022_kr"})
_DOUBLE_BYTE = frozenset({"gb18030", "big5", "big5hkscs", "cp949", "cp932", "euc_jp", "euc_kr", "johab"})
_LATIN = frozenset({"cp1252", "iso8859-15", "cp1250", "iso8859-2", "cp437", "cp850", "mac-roman", "cp1254"})
_GOOD = 0.55
_PLENTY = 16
"""8-bit bytes that are enough to believe a label which reads well."""
_SAMPLE = 2000
_READ = 400
"""Bytes that are looked at, and of these the ones that are read pair by pair."""
_DOUBT = 14.0
"""What another charset must be the better by where one is declared, in units of `cyrillic.cost`."""
_MOST = 11.0
"""Cost of a letter beyond which a text is no Russian in any charset."""
_PRIOR = {"cp1251": 0.0, "koi8-r": 1.5, "cp866": 3.0, "iso8859-5": 4.0, "mac-cyrillic": 6.0}


@lru_cache(maxsize=512)
def canonical(name: str) -> str:
    """The codec a charset label means; empty for no label, for ASCII, and for what is no charset at all."""
    folded = name.strip(" \t\"'").lower().replace("windows_", "windows-")
    if folded in _ALIASES:
        return _ALIASES[folded]
    try:
        info = codecs.lookup(folded)
    except (LookupError, ValueError, UnicodeError):
        return ""
    if not getattr(info, "_is_text_encoding", True) or info.name.replace("-", "_") in _NOT_CHARSETS:
        return ""
    return _ALIASES.get(info.name, info.name)


def clean(text: str) -> str:
    """The text without NUL and lone surrogates: PostgreSQL refuses the one and UTF-8 the other."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-8", "replace").decode()
    return text


def decode(data: bytes, declared: str = "") -> tuple[str, str]:
    """Text of `data`, and the defect that had to be repaired ("" for none).

    Total: any bytes under any label give text, without NUL and lone surrogates. Defects: `charset_misdeclared:NAME`,
    `charset_guessed:NAME` (there was no label), `charset_mixed`, `charset_undecodable`, `nul_removed`.
    """
    text, defect = _decode(data, canonical(declared) if declared else "", bool(declared))
    if "\x00" in text:
        defect = defect or "nul_removed"
    return (text if text.isascii() and "\x00" not in text else clean(text)), defect


def _decode(data: bytes, charset: str, labelled: bool) -> tuple[str, str]:
    if data.isascii():
        if charset in _SEVEN_BIT:
            try:
                return data.decode(charset), ""
            except (UnicodeError, ValueError):
                return data.decode("ascii"), f"charset_misdeclared:{charset}"
        if b"\x1b$" in data:
            try:
                return data.decode("iso2022_jp_ext"), "" if charset else "charset_guessed:iso-2022-jp"
            except UnicodeError:
                pass
        return data.decode("ascii"), ""
    if charset.startswith(("utf-16", "utf-32")):
        try:
            return data.decode(charset), ""
        except UnicodeError:
            charset = ""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    else:
        if charset == "utf-8":
            return text.removeprefix("\ufeff"), ""
        if charset in _DOUBLE_BYTE and max(text) < "\u0800":
            # A short run of two-byte characters may be valid UTF-8 by accident.
            try:
                return data.decode(charset), ""
            except UnicodeDecodeError:
                pass
        if charset in CYRILLIC and len(data) < 24 and not _CYRILLIC_LETTER.search(text):
            # So may a word or two in DOS or KOI8.
            read = data.decode(charset, "replace")
            if cyrillic.cost(read) <= _MOST * max(2, _high_count(data)):
                return read, ""
        return text.removeprefix("\ufeff"), _defect("utf-8", labelled)
    if charset and charset != "utf-8":
        try:
            text = data.decode(charset)
        except (UnicodeError, ValueError):
            if charset in _DOUBLE_BYTE:
                return data.decode(charset, "replace"), "charset_undecodable"
        else:
            if charset not in _LATIN and charset not in CYRILLIC and charset != "koi8-u":
                return text, ""
            best = _overruled(data, charset)
            if not best:
                return text, ""
            return data.decode(best, "replace"), _defect(best, labelled)
    mixed = _decode_lines(data)
    if mixed is not None:
        return mixed, "charset_mixed"
    best = guess(data)
    try:
        return data.decode(best), _defect(best, labelled)
    except UnicodeDecodeError:
        return data.decode(best, "replace"), "charset_undecodable"


def _defect(charset: str, labelled: bool) -> str:
    return f"charset_misdeclared:{charset}" if labelled else f"charset_guessed:{charset}"


def _overruled(data: bytes, charset: str) -> str:
    """The charset that fits better than the declared Cyrillic or Western one; empty if none clearly does."""
    sample = _high_sample(data)
    if charset in _LATIN:
        best = _best_cyrillic(sample, "")
        return best if best and _looks_cyrillic(sample, alone=False) else ""
    known = "koi8-r" if charset == "koi8-u" else charset
    if score(sample, known) >= _GOOD and not _is_odd(sample, known) and _high_count(sample) >= _PLENTY:
        return ""
    best = _best_cyrillic(sample, known)
    return "" if best == known else best


def _is_odd(sample: bytes, charset: str) -> bool:
    return b"x" in sample.translate(_tables(charset)[0])


def guess(data: bytes) -> str:
    """The charset of unlabelled 8-bit text that is not UTF-8: a Cyrillic one or Windows-1252."""
    sample = _high_sample(data)
    best = _best_cyrillic(sample, "")
    return best if best and _looks_cyrillic(sample, alone=True) else "cp1252"


def _best_cyrillic(sample: bytes, declared: str) -> str:
    """The Cyrillic charset in which the sample reads best; empty where it reads like no language in any.

    A declared charset is believed as long as no other reads clearly better; among the others, what mail is written in
    more often needs less proof.
    """
    short = sample[:_READ]
    best, least = "", math.inf
    for name in (declared, *CYRILLIC) if declared else CYRILLIC:
        if name == best:
            continue
        handicap = 0.0 if name == declared else _DOUBT + _PRIOR[name] if declared else _PRIOR[name]
        costs = cyrillic.cost(short.decode(name, "replace"), least - handicap) + handicap
        if costs < least:
            best, least = name, costs
    return best if least - _PRIOR[best] <= _MOST * max(4, _high_count(short)) else ""


def _high_count(sample: bytes) -> int:
    return len(sample) - len(sample.translate(None, _HIGH))


_CYRILLIC_LETTER = re.compile("[а-яёА-ЯЁ]")
_HIGH = bytes(range(128, 256))
_HIGH_WORD = re.compile(rb"(?<![A-Za-z\x80-\xff])[\x80-\xff]+(?![A-Za-z\x80-\xff])")


def _looks_cyrillic(sample: bytes, *, alone: bool) -> bool:
    """Cyrillic words are made of 8-bit bytes; Western accents stand alone among ASCII letters.

    `alone` says whether a single byte between spaces counts for Cyrillic: a `я` does, but so does the French `à`.
    """
    words = _HIGH_WORD.findall(sample)
    runs = sum(len(word) for word in words if alone or len(word) > 1)
    high = _high_count(sample)
    return high > 0 and runs >= 0.6 * high


def _high_sample(data: bytes) -> bytes:
    """At most `_SAMPLE` bytes around the first 8-bit ones."""
    if len(data) <= _SAMPLE:
        return data
    first = re.search(rb"[\x80-\xff]", data)
    start = max(0, first.start() - 20) if first else 0
    return data[start : start + _SAMPLE]


def _decode_lines(data: bytes) -> str | None:
    """Text in which some lines are UTF-8 and others are not (a relay's footer); None if none is UTF-8."""
    lines = data.split(b"\n")
    if len(lines) > 20_000:
        return None
    texts: list[str | None] = []
    good = False
    for line in lines:
        try:
            text: str | None = line.decode()
            good = good or not line.isascii()
        except UnicodeDecodeError:
            text = _damaged(line)
            good = good or text is not None
        texts.append(text)
    if not good:
        return None
    charset = guess(b"\n".join(line for line, text in zip(lines, texts, strict=True) if text is None))
    return "\n".join(
        line.decode(charset, "replace") if text is None else text for line, text in zip(lines, texts, strict=True)
    )


def _damaged(line: bytes) -> str | None:
    """A line of UTF-8 with a character cut in two here or there; None if it is something else."""
    text = line.decode("utf-8", "replace")
    lost = text.count("\ufffd")
    whole = len(line) - len(line.decode("ascii", "ignore")) - lost
    return text if whole >= 6 * lost else None


_COMMON, _USUAL, _RARE = "оеаинтсрвл", "кмдпуяыьгзбч", "йхжшюцщэфёъ"
_NEUTRAL = "«»—–№„“”…‘’•°§©®™\xa0"


@lru_cache(maxsize=16)
def _tables(charset: str) -> tuple[bytes, bytes]:
    """Two translations of bytes: to a class of frequency, and to the shape of the word (lower, upper, other)."""
    frequency, shape = bytearray(b"." * 256), bytearray(b"." * 256)
    for value in range(128):
        if chr(value).isalpha():
            shape[value] = ord("a")
    for value in range(128, 256):
        try:
            char = bytes([value]).decode(charset)
        except UnicodeDecodeError:
            char = "\ufffd"
        lower = char.lower()
        upper = lower != char
        shape[value] = ord("U") if upper else ord("l") if "а" <= lower <= "ё" else ord(".")
        if lower in _COMMON:
            frequency[value] = ord("A" if upper else "a")
        elif lower in _USUAL:
            frequency[value] = ord("B" if upper else "b")
        elif lower in _RARE:
            frequency[value] = ord("C" if upper else "c")
        elif lower in "іїєґў":
            frequency[value] = ord("b")
        else:
            frequency[value] = ord("n" if char in _NEUTRAL else "x")
    return bytes(frequency), bytes(shape)


def score(sample: bytes, charset: str) -> float:
    """How Russian the 8-bit bytes of `sample` look when read in `charset`: about 0.75 for prose, below 0 for noise."""
    frequency, shape = _tables(charset)
    classes = sample.translate(frequency)
    a, b, c = classes.count(b"a"), classes.count(b"b"), classes.count(b"c")
    upper_a, upper_b, upper_c = classes.count(b"A"), classes.count(b"B"), classes.count(b"C")
    odd = classes.count(b"x")
    total = a + b + c + upper_a + upper_b + upper_c + odd
    if not total:
        return 0.0
    shapes = sample.translate(shape)
    points = a + 0.5 * b - 0.7 * c + 0.85 * upper_a + 0.35 * upper_b - 0.85 * upper_c - 3.0 * odd
    return (points - 2.0 * shapes.count(b"lU") - 0.7 * (shapes.count(b"aU") + shapes.count(b"al"))) / total


_CODED = re.compile(rb"=\?utf-8\?q\?([!->@-~]{0,998})\?=[ \t\r\n]*", re.IGNORECASE)


def uncoded(value: bytes) -> bytes:
    """An identifier out of encoded words: the library of Python codes those that are longer than a line.

    >>> uncoded(b"=?utf-8?q?=3Ck1-a=2Eb?= =?utf-8?q?=40x=2Eru=3E?=")
    b'<k1-a.b@x.ru>'
    """
    if b"=?" not in value:
        return value
    return _CODED.sub(lambda found: a2b_qp(found[1], header=True), value)
