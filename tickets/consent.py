"""What somebody agreed to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Consent:
    """One consent as it was given: where, to which text, in which language. `text` is everything that was shown."""

    form: str
    field: str
    version: str
    language: str
    text: str

    @property
    def digest(self) -> bytes:
        """Names the text: its SHA-256."""
        return hashlib.sha256(self.text.encode()).digest()
