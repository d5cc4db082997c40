"""Text whose label is missing or wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email.charset import CYRILLIC, canonical, decode

RUSSIAN = [
    "Привет",
    "Не работает принтер",
    "НЕ РАБОТАЕТ КАССА",
    "Здравствуйте! Касса выдаёт ошибку, чек не печатается.",
    "Иван Петров",
    "Прошу восстановить доступ к почте",
    "счет-фактура 15.pdf",
]
LABELS = ["", "utf-8", "us-ascii", "iso-8859-1", "windows-1251", "koi8-r", "x-unknown"]


@pytest.mark.parametrize("text", RUSSIAN)
@pytest.mark.parametrize("charset", CYRILLIC)
@pytest.mark.parametrize("label", LABELS)
def test_russian_is_recognised_under_any_label(text: str, charset: str, label: str) -> None:
    assert decode(text.encode(charset), label)[0] == text


@pytest.mark.parametrize("text", RUSSIAN)
@pytest.mark.parametrize("label", LABELS)
def test_utf_8_is_recognised_under_any_label(text: str, label: str) -> None:
    assert decode(text.encode(), label)[0] == text


@pytest.mark.parametrize(
    "text, charset",
    [
        ("Grüße aus München", "iso-8859-1"),
        ("café à la crème", "windows-1252"),
        ("Zażółć gęślą jaźń", "iso-8859-2"),
        ("Καλημέρα κόσμε", "iso-8859-7"),
        ("שלום עולם", "windows-1255"),
        ("こんにちは", "iso-2022-jp"),
        ("こんにちは", "shift_jis"),
        ("联通", "gb2312"),
        ("Привіт, їжаче", "koi8-u"),
        ("привет", "utf-16"),
        ("привет", "utf-7"),
    ],
)
def test_a_true_label_is_believed(text: str, charset: str) -> None:
    assert decode(text.encode(charset), charset) == (text, "")


@pytest.mark.parametrize(
    "data, label, text, defect",
    [
        ("Привет".encode("cp1251"), "utf-8", "Привет", "charset_misdeclared:cp1251"),
        ("Привет".encode("cp1251"), "", "Привет", "charset_guessed:cp1251"),
        ("Привет".encode(), "koi8-r", "Привет", "charset_misdeclared:utf-8"),
        ("Привет\n".encode() + "Подпись".encode("koi8-r"), "utf-8", "Привет\nПодпись", "charset_mixed"),
        ("Привет, мир".encode()[:-1], "utf-8", "Привет, ми\ufffd", "charset_mixed"),
        (b"a\x00b", "", "ab", "nul_removed"),
        (b"plain", "rot13", "plain", ""),
        (b"plain", "no-such-charset", "plain", ""),
    ],
)
def test_repairs_are_noted(data: bytes, label: str, text: str, defect: str) -> None:
    assert decode(data, label) == (text, defect)


def test_codecs_that_are_no_charsets_are_not_used() -> None:
    assert not any(canonical(name) for name in ("rot13", "hex", "zlib", "idna", "punycode", "unicode_escape", "base64"))


@given(st.binary(max_size=400), st.sampled_from([*LABELS, "utf-7", "utf-16", "gb18030", "hz", "iso-2022-jp", "cp037"]))
def test_any_bytes_under_any_label_give_text_that_can_be_stored(data: bytes, label: str) -> None:
    text, _ = decode(data, label)
    text.encode()
    assert "\x00" not in text
