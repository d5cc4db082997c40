"""Files in outgoing mail: their bytes arrive, their names survive, and nothing in a name becomes structure."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime

import pytest

from channels.base import OutFile, OutMessage
from channels.email.compose import compose
from channels.email.read import read
from tickets.message import InboundMessage

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)


def composed(*files: OutFile, html: str = "<p>Вот</p>") -> bytes:
    """A mail with these files."""
    message = OutMessage("x", "email", "a@b.example", "Тема", "Вот", html=html, sender="me@b.example", files=files)
    return compose(message, date=NOW)


@pytest.mark.parametrize(
    "name",
    [
        "plain.txt",
        "Отчёт за ноябрь «важный», окончательный вариант с очень длинным именем, которое не входит в строку.pdf",
        "схема.png",
        'a"b;c=d.txt',
        "%41%42.txt",
        "📎.bin",
    ],
)
def test_a_name_arrives_as_it_was(name: str) -> None:
    raw = composed(OutFile(name, "application/pdf", b"1" * 1000))
    assert max(len(line) for line in raw.split(b"\r\n")) <= 78
    (part,) = email.message_from_bytes(raw, policy=email.policy.default).iter_attachments()
    assert (part.get_filename(), part.get_content()) == (name, b"1" * 1000)
    again = read(raw, account="smtp", external_id="x", received_at=NOW)
    assert isinstance(again, InboundMessage)
    assert again.text.strip() == "Вот"
    assert [a.size for a in again.attachments] == [1000]


@pytest.mark.parametrize("name", ["a\r\nBcc: x@y.example", "../../etc/passwd", "..\\..\\x", "\x00\x1b[31m", "", " . "])
@pytest.mark.parametrize(
    "kind", ["text/html\r\nX-Evil: 1", "multipart/mixed; boundary=x", "message/rfc822", "", "a/b/c", "тип/вид"]
)
def test_neither_name_nor_type_becomes_structure(name: str, kind: str) -> None:
    parsed = email.message_from_bytes(composed(OutFile(name, kind, b"--x\r\n\r\nhi")), policy=email.policy.default)
    (part,) = parsed.iter_attachments()
    assert {"bcc", "x-evil"}.isdisjoint(k.lower() for k in [*parsed.keys(), *part.keys()])
    assert part.get_content_type() == "application/octet-stream"
    assert part.get_payload(decode=True) == b"--x\r\n\r\nhi"
    assert not {"/", "\\"} & set(part.get_filename() or "")


def test_a_mail_without_files_is_what_it_was() -> None:
    assert b"multipart/mixed" not in composed()
    assert b"multipart/mixed" in composed(OutFile("a", "text/plain", b""), html="")
