"""The second factor: codes that change with time (TOTP, RFC 6238), and recovery codes for a lost device.

A code is taken once: the time step it belongs to is remembered, and neither it nor an earlier one is taken again
(section 5.2). A step more or less is allowed for clocks that differ.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime
from uuid import UUID

import pyotp

from desk.vault import Unopened, Vault
from storage import accounts
from storage.cells import Row
from storage.database import Connection

STEP = 30
"""Seconds."""
DIGITS = 6
RECOVERY_CODES = 10

_DRIFT = (0, -1, 1)


def new_secret() -> str:
    """160 random bits in base32 (RFC 4226, section 4, R6)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def provisioning_uri(secret: str, login: str, issuer: str) -> str:
    """What authenticators read from the picture: `otpauth://totp/…`."""
    return pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=issuer)


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step a code belongs to; None where it is of no step near."""
    typed = re.sub(r"[\s-]", "", code)
    current = int(now.timestamp()) // STEP
    found = None
    for drift in _DRIFT:
        expected = pyotp.TOTP(secret).at((current + drift) * STEP)
        if hmac.compare_digest(expected.encode(), typed.encode("utf-8", "surrogatepass")):
            found = current + drift
    return found


def sealed(vault: Vault, user_id: UUID, secret: str) -> str:
    """A secret as it is stored: for this person alone."""
    return vault.seal(f"totp:{user_id.hex}", {"secret": secret})


def accept(connection: Connection, vault: Vault, user: Row, code: str, now: datetime) -> str:
    """Use up a code; returns `totp` or `recovery`, empty where it is neither or was used before."""
    try:
        secret = str(vault.open(f"totp:{user['id'].hex}", user["totp"])["secret"])
    except (Unopened, KeyError):
        secret = ""
    step = step_of(secret, code, now) if secret else None
    if step is not None:
        return "totp" if accounts.take_step(connection, user["id"], step) else ""
    return "recovery" if accounts.use_code(connection, user["id"], recovery_digest(code), now) else ""


def new_recovery_codes() -> list[str]:
    """Ten codes of 80 random bits, in groups that are easy to copy."""
    return [_grouped(base64.b32encode(secrets.token_bytes(10)).decode().lower()) for _ in range(RECOVERY_CODES)]


def recovery_digest(code: str) -> bytes:
    """What is stored of a recovery code, however it was typed."""
    typed = re.sub(r"[\s-]", "", code).lower()
    return hashlib.sha256(typed.encode("utf-8", "surrogatepass")).digest()


def _grouped(code: str) -> str:
    return "-".join(code[n : n + 4] for n in range(0, len(code), 4))
