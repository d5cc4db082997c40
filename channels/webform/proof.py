"""Proof of work in the form of ALTCHA, version 2: the reader's browser counts hashes instead of naming traffic lights.

A challenge is made for one nonce and signed. Its solution is good for that nonce alone, and a nonce makes one ticket,
so no list of used solutions is needed: bringing it again only shows the same ticket again. Checking costs two hashes.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from altcha import create_challenge, verify_solution

ALGORITHM = "SHA-256"
LIFETIME = timedelta(hours=1)
LONGEST = 4000
"""Characters of a payload; ours have less than a thousand."""


class Proof(StrEnum):
    """What a form brought."""

    GOOD = "good"
    NONE = "none"
    EXPIRED = "expired"
    WRONG = "wrong"


class Proofs:
    """Makes and checks challenges with the installation's key."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"proof of work", "sha256")

    def challenge(self, nonce: str, work: int, now: datetime) -> dict[str, Any]:
        """A challenge whose solution takes at most `work` hashes, half of that on average: JSON for the browser."""
        made = create_challenge(
            ALGORITHM,
            1,
            counter=secrets.randbelow(max(1, work)),
            data={"nonce": nonce, "until": int((now + LIFETIME).timestamp())},
            hmac_secret=self._key,
        )
        return dict(made.to_dict())

    def check(self, payload: str, nonce: str, now: datetime) -> Proof:
        """Whether a payload (base64 of JSON, as ALTCHA's widgets send it) solves a challenge of ours for this nonce."""
        if not payload:
            return Proof.NONE
        if len(payload) > LONGEST:
            return Proof.WRONG
        try:
            told = _data(payload)
            good = verify_solution(payload, self._key).verified
            nonce_matches = hmac.compare_digest(str(told["nonce"]).encode(), nonce.encode())
            until = int(told["until"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            return Proof.WRONG
        if not good or not nonce_matches:
            return Proof.WRONG
        # by the program's clock, not by the system's: so nothing but one clock decides
        return Proof.GOOD if now.timestamp() <= until else Proof.EXPIRED


def _data(payload: str) -> dict[str, Any]:
    data = json.loads(base64.b64decode(payload))["challenge"]["parameters"]["data"]
    if not isinstance(data, dict):
        raise TypeError("no data")
    return data
