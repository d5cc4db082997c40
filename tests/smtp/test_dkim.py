"""Signatures under our mail hold for a verifier of somebody else's making, and for nothing that was changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from channels.base import OutFile, OutMessage
from channels.email.compose import compose
from channels.email.dkim_signer import Signer, UnusableKey, signer

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def pem(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


RSA = signer("otklik.example", "s2026", pem(rsa.generate_private_key(65537, 2048)))
ED = signer("otklik.example", "ed2026", pem(ed25519.Ed25519PrivateKey.generate()))
MESSAGE = OutMessage(
    id="1",
    channel="email",
    address="irina@sibtrans.example",
    subject="[NSK-26-000001] Приняли: Не печатает принтер, а нам очень нужно и срочно, и ещё что-нибудь длинное",
    text="Здравствуйте!\n\nПриняли вашу заявку.  \n\n-- \nОтклик\n\n\n",
    html="<p>Здравствуйте!</p>",
    sender="Служба поддержки <support@otklik.example>",
    reply_to="support+k1-abc@otklik.example",
    in_reply_to="m1@sibtrans.example",
    references=("m1@sibtrans.example", "m2@sibtrans.example"),
)


def holds(raw: bytes, by: Signer) -> bool:
    """What an independent verifier says."""
    name, text = by.record

    def txt(asked: bytes, timeout: int = 5) -> bytes | None:
        return text.encode() if asked.decode().rstrip(".") == name else None

    return bool(dkim.verify(raw, dnsfunc=txt))


@pytest.mark.parametrize("by", [RSA, ED], ids=["rsa", "ed25519"])
@pytest.mark.parametrize(
    "message",
    [
        MESSAGE,
        replace(MESSAGE, html="", text="plain  text \t with\tblanks \n\n\n"),
        replace(MESSAGE, text="", html=""),
        replace(MESSAGE, text="." * 3 + "\n.\n..x\n"),
        replace(MESSAGE, files=(OutFile("акт.pdf", "application/pdf", bytes(range(256)) * 20),)),
        replace(MESSAGE, references=tuple(f"{'x' * 40}{n}@example.org" for n in range(15))),
    ],
)
def test_a_signed_mail_is_verified(message: OutMessage, by: Signer) -> None:
    assert holds(by.sign(compose(message, date=NOW)), by)


@given(st.text(max_size=300), st.text(max_size=80))
def test_whatever_is_written(text: str, subject: str) -> None:
    assert holds(RSA.sign(compose(replace(MESSAGE, text=text, subject=subject), date=NOW)), RSA)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"base64", b"7bit", 1),
        lambda raw: raw + b"more\r\n",
        lambda raw: b"From: eve@evil.example\r\n" + raw,
        lambda raw: raw.replace(b"To: irina", b"To: boris"),
    ],
)
def test_what_was_changed_is_not(change: Any) -> None:
    assert not holds(change(RSA.sign(compose(MESSAGE, date=NOW))), RSA)


def test_lines_stay_short() -> None:
    head = RSA.sign(compose(MESSAGE, date=NOW)).partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78


@pytest.mark.parametrize(
    "given, selector, said",
    [
        (b"nothing", "s", "no private key"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "s", "neither RSA nor Ed25519"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "a b", "no selector"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "", "no selector"),
    ],
)
def test_what_cannot_sign(given: bytes, selector: str, said: str) -> None:
    with pytest.raises(UnusableKey, match=said):
        signer("otklik.example", selector, given)
