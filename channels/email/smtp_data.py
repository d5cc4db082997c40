"""Receiving the content of one mail after DATA, whatever the chunks it arrives in. No I/O here.

Rules (RFC 5321, sections 4.1.1.4 and 4.5.2):

- Only CRLF "." CRLF ends the content; the CRLF before the dot is the end of its last line. The answer 354 counts as a
  line end, so `.CRLF` alone is an empty mail. A dot between bare CRs or bare LFs is content: taking it for the end is
  what lets a second mail be smuggled inside the first (CVE-2023-51764 and its relatives).
- A dot at the start of a line is a transparency dot and removed, on the first line as on any other.
- Whatever is refused is still read to its end, or the rest of the mail would be executed as commands. What is refused
  is not kept meanwhile.
"""

from __future__ import annotations

from enum import Enum

_END = b"\r\n.\r\n"


class Verdict(Enum):
    """What may be done with the content once its end was seen."""

    WHOLE = "whole"
    TOO_BIG = "too big"
    NO_ROOM = "no room"


class ByteBudget:
    """One allowance of memory shared by every mail in flight."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0

    def take(self, count: int) -> bool:
        """Reserve `count` bytes; False, and nothing reserved, if there are not as many left."""
        if self.used + count > self.total:
            return False
        self.used += count
        return True

    def give(self, count: int) -> None:
        """Return what `take` reserved."""
        self.used -= count

    @property
    def left(self) -> int:
        """Bytes that can still be taken."""
        return self.total - self.used


class DataReceiver:
    """The content of one mail on its way in.

    `max_size` limits the content without transparency dots (RFC 1870, section 3), in bytes. The receiver holds its
    bytes from `budget` until `release` is called.
    """

    def __init__(self, max_size: int, budget: ByteBudget) -> None:
        self.verdict = Verdict.WHOLE
        self._max_size = max_size
        # A line of a single dot travels as four bytes for three: content at the limit may be a third longer here.
        self._keep = max_size + max_size // 3 + 8
        self._budget = budget
        self._held = 0
        self._buffer = bytearray(b"\r\n")
        self._end = -1

    def feed(self, chunk: bytes) -> bytes | None:
        """Take the next bytes of the connection.

        Returns:
            None while the end was not seen, else the bytes after it, which are no part of this mail.
        """
        buffer = self._buffer
        before = len(buffer)
        if self.verdict is Verdict.WHOLE:
            if self._budget.take(len(chunk)):
                self._held += len(chunk)
            else:
                self._refuse(Verdict.NO_ROOM)
                before = len(buffer)
        buffer += chunk
        end = buffer.find(_END, max(0, before - 4))
        if end >= 0:
            self._end = end
            rest: bytes | None = bytes(buffer[end + 5 :])
            if rest:
                del buffer[end + 5 :]
        else:
            rest = None
        if self.verdict is not Verdict.WHOLE:
            del buffer[:-4]
        elif len(buffer) > self._keep:
            self._refuse(Verdict.TOO_BIG)
        return rest

    def content(self) -> bytes:
        """The mail as its sender wrote it, transparency dots removed; valid once, after the end was seen.

        Sets `verdict` to TOO_BIG and returns nothing if it is longer than allowed.
        """
        raw = bytes(memoryview(self._buffer)[: self._end + 2]).replace(b"\r\n.", b"\r\n")[2:]
        self._buffer = bytearray()
        if len(raw) > self._max_size:
            self.verdict = Verdict.TOO_BIG
            return b""
        return raw

    def release(self) -> None:
        """Forget the content and return its bytes to the budget; may be called more than once."""
        self._budget.give(self._held)
        self._held = 0
        self._buffer = bytearray()

    def _refuse(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self._budget.give(self._held)
        self._held = 0
        del self._buffer[:-4]
