"""A folder of the simulated IMAP server, in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(slots=True, eq=False)
class Stored:
    """One message of a folder."""

    uid: int
    raw: bytes
    arrived: datetime
    flags: set[str] = field(default_factory=set)
    size: int | None = None
    """What RFC822.SIZE says; the truth where it is None."""


class Folder:
    """A folder. `hidden` UIDs are there and shown to no search yet, as on servers that commit out of order."""

    def __init__(self, changed: Callable[[], None], uidvalidity: int) -> None:
        self.uidvalidity = uidvalidity
        self.uidnext = 1
        self.messages: list[Stored] = []
        self.hidden: set[int] = set()
        self._changed = changed

    def deliver(self, raw: bytes, *, arrived: datetime | None = None, flags: Iterable[str] = ()) -> int:
        """Put a mail into it; returns the UID."""
        uid, self.uidnext = self.uidnext, self.uidnext + 1
        self.messages.append(Stored(uid, raw, arrived or datetime.now(UTC), set(flags)))
        self._changed()
        return uid

    def renumber(self, uidvalidity: int) -> None:
        """Give every message another UID, as after a restored backup."""
        self.uidvalidity, self.uidnext = uidvalidity, 1
        for each in self.messages:
            each.uid, self.uidnext = self.uidnext, self.uidnext + 1

    def find(self, uid: int) -> Stored | None:
        """A message by its UID."""
        return next((each for each in self.messages if each.uid == uid), None)

    def flags(self, uid: int) -> set[str]:
        """The flags of a message.

        Raises:
            LookupError: there is none.
        """
        found = self.find(uid)
        if found is None:
            raise LookupError(uid)
        return found.flags

    @property
    def shown(self) -> list[Stored]:
        """What a client sees, in sequence."""
        return [each for each in self.messages if each.uid not in self.hidden]
