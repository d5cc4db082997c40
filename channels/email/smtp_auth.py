"""Who may sign in at the listener (RFC 4954): PLAIN and LOGIN, over TLS alone."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from secrets import token_bytes

_NOBODY = token_bytes(32)


class Accounts:
    """Names and passwords. Neither a wrong name nor a wrong password takes another time to refuse.

    >>> accounts = Accounts({"scanner": "correct horse"})
    >>> accounts.admits(b"scanner", b"correct horse"), accounts.admits(b"scanner", b""), accounts.admits(b"x", b"")
    (True, False, False)
    """

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._digests = {_digest(name.encode()): _digest(word.encode()) for name, word in passwords.items()}

    def __bool__(self) -> bool:
        return bool(self._digests)

    def admits(self, name: bytes, password: bytes) -> bool:
        """Whether somebody of this name has this password."""
        known = self._digests.get(_digest(name), _NOBODY)
        return hmac.compare_digest(known, _digest(password))


def _digest(text: bytes) -> bytes:
    # lengths tell something too: digests are all of one
    return sha256(text).digest()
