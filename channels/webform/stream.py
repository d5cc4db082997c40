"""A form's body as it arrives: kept whole while it is small enough, files that are too large let through unkept.

So a form with too large a file still loses none of its words, and no client makes us hold more than the limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FILENAME = re.compile(rb'\bfilename="((?:[^"\\]|\\.)*)"')
_NAME = re.compile(rb'(?:^|[;\s])name="((?:[^"\\]|\\.)*)"')

FURTHEST = 20
"""How many times the limit is read through before the client is sent away."""


class FarTooLarge(ValueError):
    """More than anybody chooses by mistake."""


class Body:
    """Collects a body; `limit` octets are held at most, save for one chunk.

    `cut` names the files that were let through, as `(field, file name)`: of these only the headers are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._delimiter = b""
        self._dropping = False
        self._tail = b""
        self.read = 0
        self.cut: list[tuple[str, str]] = []

    @property
    def raw(self) -> bytes:
        """What is kept."""
        return bytes(self._kept)

    def feed(self, chunk: bytes) -> None:
        """Take the next octets.

        Raises:
            FarTooLarge: there is no end of it, or it is too large and no form.
        """
        self.read += len(chunk)
        if self.read > FURTHEST * self._limit:
            raise FarTooLarge
        if self._dropping:
            self._drop(chunk)
        else:
            self._kept += chunk
        while not self._dropping and len(self._kept) > self._limit:
            self._cut_largest()

    def _cut_largest(self) -> None:
        """Forget the octets of the largest file so far; where it is still arriving, of what follows of it, too."""
        if not self._delimiter:
            line = bytes(self._kept[:80]).partition(b"\r\n")[0]
            if not line.startswith(b"--") or len(line) > 72:
                raise FarTooLarge
            self._delimiter = b"\r\n" + line
        largest = max(self._files(), key=lambda span: span[1] - span[0], default=None)
        if largest is None:
            raise FarTooLarge
        begin, end = largest
        header = bytes(self._kept[max(self._kept.rfind(self._delimiter, 0, begin), 0) : begin])
        filename, name = _FILENAME.search(header), _NAME.search(header)
        if filename is None or name is None:
            raise FarTooLarge
        self.cut.append((name[1].decode("utf-8", "replace"), filename[1].decode("utf-8", "replace")))
        if end == len(self._kept):
            # what is arriving may already hold the beginning of a delimiter
            self._tail = bytes(self._kept[max(begin, end - len(self._delimiter)) :])
            self._dropping = True
        del self._kept[begin:end]

    def _files(self) -> Iterator[tuple[int, int]]:
        """Where the octets of files stand; the last one may be arriving still."""
        at = 0
        while 0 <= at < len(self._kept):
            head = self._kept.find(b"\r\n\r\n", at)
            if head < 0:
                return
            end = self._kept.find(self._delimiter, head + 2)
            if _FILENAME.search(bytes(self._kept[at:head])) and head + 4 < (end if end >= 0 else len(self._kept)):
                yield head + 4, end if end >= 0 else len(self._kept)
            at = end + len(self._delimiter) if end >= 0 else -1

    def _drop(self, chunk: bytes) -> None:
        seen = self._tail + chunk
        found = seen.find(self._delimiter)
        if found < 0:
            self._tail = seen[-len(self._delimiter) :]
            return
        self._dropping = False
        self._tail = b""
        self._kept += seen[found:]
