"""Passwords: what is stored of them, and what is asked of new ones.

Stored as argon2id (RFC 9106, section 4, the second recommended choice: 64 MiB, three passes). Hashing runs in threads
of its own, two at once: a flood of logins waits in line and takes neither the loop nor the memory.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 12
"""Characters. NIST SP 800-63B asks for 15 where a password stands alone and 8 where there is a second factor."""
LONGEST = 256

_AT_ONCE = 2

_hasher = PasswordHasher()
_threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")


class WeakPassword(ValueError):
    """The password will not do; `code` is `short`, `long`, `common` or `login`."""

    def __init__(self, code: str) -> None:
        super().__init__(_SAID[code])
        self.code = code


_SAID = {
    "short": f"the password needs {SHORTEST} characters or more",
    "long": f"the password may have {LONGEST} characters at most",
    "common": "the password is too simple: it repeats or counts",
    "login": "the password must not contain the login",
}


def check(password: str, login: str) -> None:
    """Refuse what is guessed first; there are no rules about kinds of characters (NIST SP 800-63B, section 3.1.1.2).

    Raises:
        WeakPassword: it is too short, too long, monotonous, or holds the login.
    """
    folded = _normal(password).casefold()
    if len(password) < SHORTEST:
        raise WeakPassword("short")
    if len(password) > LONGEST:
        raise WeakPassword("long")
    steps = {ord(b) - ord(a) for a, b in pairwise(folded)}
    if len(set(folded)) < 5 or steps <= {0, 1} or steps <= {0, -1}:
        raise WeakPassword("common")
    if len(login) > 3 and login.casefold() in folded:
        raise WeakPassword("login")


async def hashed(password: str) -> str:
    """What is stored of a password."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hash, password)


async def matches(password: str, stored: str) -> bool:
    """Whether this is the password; an empty `stored` costs as much and never matches."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _verify, password, stored)


def is_old(stored: str) -> bool:
    """Whether it was stored with other parameters than are used today."""
    return bool(stored) and _hasher.check_needs_rehash(stored)


def generated() -> str:
    """A new password for somebody: 100 random bits, without characters that are read wrongly."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))


def _normal(password: str) -> str:
    # one keyboard sends a composed letter, another two marks (RFC 8265, section 4.2)
    return unicodedata.normalize("NFC", password)


def _hash(password: str) -> str:
    return _hasher.hash(_normal(password).encode("utf-8", "surrogatepass"))


def _verify(password: str, stored: str) -> bool:
    if len(password) > LONGEST:
        password, stored = "", ""
    try:
        _hasher.verify(stored or _nobody(), _normal(password).encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False
    return bool(stored)


def _nobody() -> str:
    """A stored password that nobody knows: checking it costs what any other costs."""
    salt, hashed = (base64.b64encode(secrets.token_bytes(n)).rstrip(b"=").decode() for n in (16, 32))
    cost = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${hashed}"
