"""Files: named safely, typed by what they hold, taken out of what they are wrapped in."""

from __future__ import annotations

import binascii
import hashlib
import struct
from base64 import encodebytes
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email import tnef
from channels.email.files import MAX_NAME, real_type, safe_name
from channels.email.read import attachment_bytes
from tickets.message import InboundMessage

Reader = Callable[..., InboundMessage]
Writer = Callable[..., bytes]


@pytest.mark.parametrize(
    "name, safe",
    [
        ("акт.pdf", "акт.pdf"),
        ("Счёт №15 от 20.01.2025.pdf", "Счёт №15 от 20.01.2025.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("C:\\Users\\Анна\\акт.pdf", "акт.pdf"),
        ("/etc/passwd", "passwd"),
        ("a\x00.pdf", "a.pdf"),
        ("a\r\nb.pdf", "ab.pdf"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("\u2067a.exe\u2069", "a.exe"),
        ("a\u200bb\u00adc.pdf", "abc.pdf"),
        ("con", "_con"),
        ("CON.txt", "_CON.txt"),
        ("nul.pdf", "_nul.pdf"),
        ("com1.doc", "_com1.doc"),
        ("LPT9", "_LPT9"),
        ("console.txt", "console.txt"),
        ("contract.pdf", "contract.pdf"),
        (" акт.pdf. . ", "акт.pdf"),
        (".bashrc", "bashrc"),
        ("a<b>|c:d?e*f\".txt", "abcdef.txt"),
        ("..", ""),
        (".", ""),
        ("/", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_names_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text(max_size=400))
def test_any_name_is_safe(name: str) -> None:
    safe = safe_name(name.encode("utf-8", "replace").decode())
    assert len(safe.encode()) <= MAX_NAME + 1
    assert not set(safe) & set('/\\\0\r\n"<>|:*?\u202e\u2066')
    assert safe not in (".", "..")


@pytest.mark.parametrize("length", [200, 1000, 4000])
def test_long_names_keep_their_extension(length: int) -> None:
    name = safe_name("я" * length + ".pdf")
    assert name.endswith("я.pdf")
    assert len(name.encode()) <= MAX_NAME


PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)


@pytest.mark.parametrize(
    "declared, data, name, kind",
    [
        ("application/octet-stream", b"%PDF-1.7\n", "a", "application/pdf"),
        ("application/octet-stream", PNG, "a.png", "image/png"),
        ("application/octet-stream", b"\xff\xd8\xff\xe0" + bytes(20), "фото", "image/jpeg"),
        ("application/octet-stream", b"MZ" + bytes(60), "setup", "application/x-msdownload"),
        ("application/octet-stream", b"words", "a.txt", "text/plain"),
        ("application/octet-stream", b"words", "a", "application/octet-stream"),
        ("application/octet-stream", b"", "a.docx",
         "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("application/pdf", b"%PDF-1.7\n", "a.pdf", "application/pdf"),
        ("application/pdf", b"MZ" + bytes(60), "a.pdf", "application/x-msdownload"),
        ("image/png", b"\x7fELF" + bytes(60), "a.png", "application/x-executable"),
        ("text/plain", b"MZ is how it begins", "a.txt", "text/plain"),
        ("text/csv", b"a;b", "a.csv", "text/csv"),
    ],
)  # fmt: skip
def test_types_by_content(declared: str, data: bytes, name: str, kind: str) -> None:
    assert real_type(declared, data, name) == kind


# --- winmail.dat


def attribute(level: int, kind: int, value: bytes) -> bytes:
    return struct.pack("<BII", level, kind, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def properties(*listed: tuple[int, int, bytes]) -> bytes:
    out = struct.pack("<I", len(listed))
    for kind, identity, value in listed:
        out += struct.pack("<HHII", kind, identity, 1, len(value)) + value + bytes(-len(value) % 4)
    return out


def winmail(*files: tuple[str, bytes], text: str = "", codepage: int = 1251) -> bytes:
    out = tnef.SIGNATURE + b"\x01\x00" + attribute(1, 0x00069007, struct.pack("<II", codepage, 0))
    out += attribute(1, 0x00078008, b"IPM.Microsoft Mail.Note\0")
    if text:
        out += attribute(1, 0x00069003, properties((0x1F, 0x1000, (text + "\0").encode("utf-16-le"))))
    for name, data in files:
        out += attribute(2, 0x00069002, bytes(14))
        out += attribute(2, 0x00018010, name.encode(f"cp{codepage}", "replace")[:12] + b"\0")
        out += attribute(2, 0x0006800F, data)
        out += attribute(2, 0x00069005, properties((0x1F, 0x3707, (name + "\0").encode("utf-16-le"))))
    return out


def with_winmail(data: bytes, text: bytes = b"Hello") -> bytes:
    return (
        b"From: a@example.ru\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + text
        + b"\r\n--b\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + encodebytes(data) + b"--b--\r\n"
    )  # fmt: skip


FILES = [("Договор поставки оборудования.pdf", b"%PDF-1.7\n" + bytes(5000)), ("фото.png", PNG)]


def test_a_winmail_dat_is_unpacked(message: Reader) -> None:
    raw = with_winmail(winmail(*FILES))
    found = message(raw)
    assert [(a.name, a.size, a.part) for a in found.attachments] == [
        ("Договор поставки оборудования.pdf", 5009, "2!1"),
        ("фото.png", len(PNG), "2!2"),
    ]
    assert [a.content_type for a in found.attachments] == ["application/pdf", "image/png"]
    for attachment, (_, data) in zip(found.attachments, FILES, strict=True):
        assert attachment.sha256 == hashlib.sha256(data).hexdigest()
        assert attachment_bytes(raw, attachment.part) == (data, attachment)
    assert attachment_bytes(raw, "2")[1].name == "winmail.dat"
    for wrong in ("2!0", "2!3", "2!", "2!x", "2!1!1", "1!1"):
        with pytest.raises(LookupError):
            attachment_bytes(raw, wrong)


def test_its_text_is_the_mails_where_there_is_no_other(message: Reader) -> None:
    data = winmail(*FILES, text="Не печатает.\r\nПришлите инженера.")
    assert message(with_winmail(data, b"")).text == "Не печатает.\nПришлите инженера."
    assert message(with_winmail(data)).text == "Hello"


def test_a_winmail_dat_without_files_stays_one(message: Reader) -> None:
    assert [a.name for a in message(with_winmail(winmail())).attachments] == ["winmail.dat"]
    assert [a.name for a in message(with_winmail(b"something else")).attachments] == ["winmail.dat"]


def test_a_damaged_winmail_dat_gives_what_stands_before_the_damage(message: Reader) -> None:
    whole = winmail(*FILES)
    found = message(with_winmail(whole[:-60]))
    assert [a.name for a in found.attachments][:1] == ["Договор поставки оборудования.pdf"]


@given(st.integers(0, 5400), st.binary(max_size=8))
def test_any_damage(at: int, put: bytes) -> None:
    data = winmail(*FILES, text="x")
    found = tnef.read(data[:at] + put + data[at + len(put) :])
    assert len(found.files) <= tnef.MAX_FILES


@given(st.binary(max_size=300))
def test_any_octets(data: bytes) -> None:
    tnef.read(data)
    tnef.read(tnef.SIGNATURE + b"\0\0" + data)


# --- uuencode


def uuencoded(name: str, data: bytes) -> bytes:
    lines = [binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45)]
    return b"begin 644 " + name.encode() + b"\n" + b"".join(lines) + b"`\nend\n"


def test_lines_without_an_end_are_read_once(message: Reader, mail: Writer) -> None:
    """Each could be read with its last space as data and without: two to the power of their number."""
    text = b"begin 644 a.bin\n" + b"-- \n" * 500
    assert message(mail(text)).attachments == ()


def test_uuencoded_files_leave_the_text(message: Reader, mail: Writer) -> None:
    data = b"%PDF-1.7\n" + bytes(range(256)) * 4
    raw = mail(b"Before\n\n" + uuencoded("акт.pdf", data) + b"\nAfter\n" + uuencoded("b.txt", b"words"))
    found = message(raw)
    assert "begin" not in found.text
    assert found.text.split() == ["Before", "After"]
    assert [(a.name, a.size, a.part, a.content_type) for a in found.attachments] == [
        ("акт.pdf", len(data), "!1", "application/pdf"),
        ("b.txt", 5, "!2", "text/plain"),
    ]
    assert attachment_bytes(raw, "!1")[0] == data


@pytest.mark.parametrize(
    "text", ["begin 644 is how it starts", "begin 644 a\nno end", "We begin 100 tests\nend", "=ybegin line=128 size=1"]
)
def test_what_only_begins_like_one_is_text(message: Reader, mail: Writer, text: str) -> None:
    found = message(mail(text.encode()))
    assert found.text == text
    assert found.attachments == ()


# --- forwarded mail

INNER = "From: Анна <anna@example.ru>\r\nSubject: Касса не работает\r\n\r\nПришлите инженера.\r\n".encode()


def forwarded(words: bytes) -> bytes:
    return (
        b"From: b@example.ru\r\nSubject: Fwd\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + words
        + b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + INNER + b"--b--\r\n"
    )  # fmt: skip


def test_a_forwarded_mail_is_a_file_named_after_its_subject(message: Reader) -> None:
    found = message(forwarded(b"See below."))
    (file,) = found.attachments
    assert (file.name, file.content_type) == ("Касса не работает.eml", "message/rfc822")
    assert found.text == "See below."
    assert attachment_bytes(forwarded(b"See below."), file.part)[0] == INNER.removesuffix(b"\r\n")


def test_forwarded_without_a_word_it_is_the_text(message: Reader) -> None:
    found = message(forwarded(b""))
    assert found.text == "Анна <anna@example.ru>\nКасса не работает\n\nПришлите инженера."
    assert len(found.attachments) == 1
