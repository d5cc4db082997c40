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

from collections.abc import Callable
from enum import Enum

_END = b"\r\n.\r\n"


class Verdict(Enum):
    """What may be done with the content once its end was seen; the value is the reply of a refusal."""

    WHOLE = b""
    TOO_BIG = b"552 5.3.4 Message exceeds the maximum size"
    NO_ROOM = b"452 4.3.1 Too much mail at once, try again later"


class ByteBudget:
    """One allowance of memory shared by every mail in flight, of which one peer may hold `share` bytes (0: all).

    Algorithm. The mails that still arrive stand in the order of their last bytes. Where one finds no room, those
    silent longest give way until there is enough; among the mails of its own peer if that peer's share is spent. So
    memory is held by those who send, not by those who wait, and whoever speaks last is never the one to go.
    """

    def __init__(self, total: int, share: int = 0) -> None:
        self.total = total
        self.share = min(share or total, total)
        self.used = 0
        self._settled = 0
        self._of_peer: dict[str, int] = {}
        self._arriving: dict[DataReceiver, None] = {}

    @property
    def room(self) -> int:
        """Bytes that a peer who holds none could have: mails still arriving would give way."""
        return min(self.share, self.total - self._settled)

    def take(self, count: int, mail: DataReceiver) -> bool:
        """Reserve `count` more bytes for a mail that still arrives; False, and none reserved, if there is no room."""
        over = self._of_peer.get(mail.peer, 0) + count - self.share
        if over > 0 and not self._make_room(over, [m for m in self._arriving if m.peer == mail.peer and m is not mail]):
            return False
        over = self.used + count - self.total
        if over > 0 and not self._make_room(over, [m for m in self._arriving if m is not mail]):
            return False
        self._arriving.pop(mail, None)
        self._arriving[mail] = None
        self._hold(count, mail)
        return True

    def settle(self, mail: DataReceiver) -> None:
        """The end of this mail was seen: it gives way to none."""
        if mail in self._arriving:
            del self._arriving[mail]
            self._settled += mail.held

    def give(self, mail: DataReceiver) -> None:
        """Return all that the mail holds."""
        if mail in self._arriving:
            del self._arriving[mail]
        else:
            self._settled -= mail.held
        self._hold(-mail.held, mail)

    def _hold(self, count: int, mail: DataReceiver) -> None:
        mail.held += count
        self.used += count
        self._of_peer[mail.peer] = self._of_peer.get(mail.peer, 0) + count
        if not self._of_peer[mail.peer]:
            del self._of_peer[mail.peer]

    @staticmethod
    def _make_room(count: int, silent_longest_first: list[DataReceiver]) -> bool:
        if sum(mail.held for mail in silent_longest_first) < count:
            return False
        for mail in silent_longest_first:
            if count <= 0:
                break
            if mail.held:
                count -= mail.held
                mail.give_way()
        return True


class DataReceiver:
    """The content of one mail on its way in.

    `max_size` limits the content without transparency dots (RFC 1870, section 3), in bytes. The receiver holds its
    bytes, `held`, from `budget` until `release` is called. `peer` is the address they come from; `gave_way` is called
    when the mail lost them to another. `received` counts every byte fed, kept or not.
    """

    def __init__(
        self, max_size: int, budget: ByteBudget, peer: str = "", gave_way: Callable[[], None] | None = None
    ) -> None:
        self.verdict = Verdict.WHOLE
        self.peer = peer
        self.held = 0
        self.received = 0
        self._max_size = max_size
        self._keep = room_for(max_size)
        self._budget = budget
        self._gave_way = gave_way
        self._buffer = bytearray(b"\r\n")
        self._end = -1

    def feed(self, chunk: bytes) -> bytes | None:
        """Take the next bytes of the connection.

        Returns:
            None while the end was not seen, else the bytes after it, which are no part of this mail.
        """
        self.received += len(chunk)
        if self.verdict is Verdict.WHOLE and not self._budget.take(len(chunk), self):
            self._refuse(Verdict.NO_ROOM)
        buffer = self._buffer
        before = len(buffer)
        buffer += chunk
        end = buffer.find(_END, max(0, before - 4))
        if end >= 0:
            self._budget.settle(self)
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
        raw = bytes(memoryview(self._buffer)[2 : self._end + 2])
        if raw[:1] == b".":
            raw = raw[1:]
        raw = raw.replace(b"\r\n.", b"\r\n")
        self._buffer = bytearray()
        if len(raw) > self._max_size:
            self.verdict = Verdict.TOO_BIG
            return b""
        return raw

    def release(self) -> None:
        """Forget the content and return its bytes to the budget; may be called more than once."""
        self._budget.give(self)
        self._buffer = bytearray()

    def give_way(self) -> None:
        """Another mail needs the bytes of this one, which will not be taken any more."""
        self._refuse(Verdict.NO_ROOM)
        if self._gave_way is not None:
            self._gave_way()

    def _refuse(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self._budget.give(self)
        del self._buffer[:-4]


def room_for(max_size: int) -> int:
    """Bytes that content at the limit may take on its way: a line of a single dot travels as four bytes for three."""
    return max_size + max_size // 3 + 8
