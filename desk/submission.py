"""A ticket stated by a program instead of written by a person: the API's way into intake."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from typing import Any

from desk import typed
from tickets.address import Address, AddressKind
from tickets.key import new_key
from tickets.message import InboundMessage

_FORBIDDEN = re.compile(r"[\s<>,;]")
"""What no mailbox of a person holds."""


class BadContact(ValueError):
    """The contact is neither a mailbox nor a telephone number."""


def message_of(
    *,
    account: str,
    idempotency_key: str,
    kind: str,
    value: str,
    name: str,
    subject: str,
    text: str,
    language: str,
    received_at: datetime,
    envelope: dict[str, Any],
) -> InboundMessage:
    """The inbound message a submission amounts to.

    With an idempotency key the same submission again is the same ticket; without one every submission is its own.

    Raises:
        BadContact: the value is no address of its kind.
    """
    clean = typed.lines(text)
    return InboundMessage(
        channel="api",
        account=account,
        external_id=hashlib.sha256(idempotency_key.encode()).hexdigest() if idempotency_key else new_key().hex,
        fresh=not idempotency_key,
        sender=_contact(kind, value.strip(), name.replace("\x00", "").strip()),
        recipients=(),
        subject=typed.line(subject),
        text=clean,
        reply_text=clean,
        language=language,
        received_at=received_at,
        window=timedelta(0),
        extra={"envelope": envelope},
    )


def _contact(kind: str, value: str, name: str) -> Address:
    if kind == "phone":
        return Address(AddressKind.PHONE, _e164(value), name)
    local, at, domain = value.rpartition("@")
    if not (at and local and domain) or not value.isprintable() or _FORBIDDEN.search(value):
        raise BadContact(f"{value!r} is no mailbox; one looks like irina@example.ru")
    return Address(AddressKind.EMAIL, value, name)


def _e164(value: str) -> str:
    import phonenumbers

    try:
        number = phonenumbers.parse(value, "RU")
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise BadContact(f"{value!r} is no telephone number; one looks like +7 913 000-00-07")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
