"""What makes two deliveries the same mail.

A Message-ID alone is no identity: it is missing from many real mails and anybody can repeat one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta

from tickets.message import Attachment

WINDOW = timedelta(hours=24)
SHORT_WINDOW = timedelta(minutes=10)


def digest(
    sender: str, date: bytes, message_id: str, subject: str, text: str, attachments: Iterable[Attachment]
) -> bytes:
    """SHA-256 of From address, Date, Message-ID, Subject and body; trace headers and line ends do not matter.

    The body is taken as decoded text and digests of the files, so that a relay which changes the transfer encoding
    changes nothing here.
    """
    parts = [sender.casefold(), " ".join(date.decode("latin-1").split()), message_id, subject, text.rstrip()]
    parts.extend(attachment.sha256 for attachment in attachments)
    joined = "\0".join(parts).encode("utf-8", "replace")
    return hashlib.sha256(joined).digest()


def window(date: bytes, message_id: str) -> timedelta:
    """How far apart two deliveries of one mail may lie.

    Short where neither Date nor Message-ID tells mails apart: a monitor sends identical alarms.
    """
    return WINDOW if date or message_id else SHORT_WINDOW
