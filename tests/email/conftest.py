"""Mails are built here from their lines, so that a test shows the bytes it is about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.email.read import read
from tickets.message import InboundMessage

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
Reader = Callable[..., InboundMessage]
Writer = Callable[..., bytes]


@pytest.fixture
def message() -> Reader:
    """Read bytes that must make a message."""

    def reader(raw: bytes, **given: Any) -> InboundMessage:
        found = read(raw, account="support", external_id="1", received_at=NOW, **given)
        assert isinstance(found, InboundMessage), found
        return found

    return reader


@pytest.fixture
def mail() -> Writer:
    """A person's mail with some header lines replaced or added; None leaves one out."""

    def writer(body: bytes = b"Hello", /, **lines: bytes | None) -> bytes:
        fields: dict[str, bytes | None] = {
            "From": b"Anna <anna@example.ru>",
            "To": b"support@desk.example",
            "Subject": b"Printer",
            "Date": b"Mon, 3 Jun 2024 10:00:00 +0300",
            "Message-ID": b"<1@example.ru>",
        }
        fields.update({name.replace("_", "-"): value for name, value in lines.items()})
        head = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in fields.items() if value is not None)
        return head + b"\r\n" + body

    return writer
