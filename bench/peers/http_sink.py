"""The lean HTTP end of a delivery: counts requests and answers 200. `python -m bench.peers.http_sink`

No HTTP library stands behind it, so that it costs the measured sender as little processor time as possible: it
understands HTTP/1.1 with Content-Length and chunked bodies, keep-alive and pipelining, and no more. `GET /count`
answers `{"count", "last_at"}`: the other requests so far and when the last one came, on the machine's monotonic clock
in seconds.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import cast

import uvloop

from bench.peers.listen import serve_forever

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


class Tally:
    """What came in, over all connections."""

    count = 0
    last_at = 0.0


class Sink(asyncio.Protocol):
    """One connection; `_buffer` holds what is not yet a whole request."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where the answers go."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in the buffer, in one write."""
        assert self._transport is not None
        self._buffer = self._buffer + data if self._buffer else data
        answers: list[bytes] = []
        while self._buffer and (end := _request_end(self._buffer)):
            if self._buffer.startswith(b"GET /count"):
                answers.append(self._report())
            else:
                self._tally.count += 1
                answers.append(OK)
            self._buffer = self._buffer[end:]
        if answers:
            self._tally.last_at = time.monotonic() if OK in answers else self._tally.last_at
            self._transport.write(b"".join(answers))

    def _report(self) -> bytes:
        body = json.dumps({"count": self._tally.count, "last_at": self._tally.last_at}).encode()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _request_end(buffer: bytes) -> int:
    """Where the first request in the buffer ends; 0 while it is not whole (RFC 9112, section 6)."""
    head_end = buffer.find(b"\r\n\r\n")
    if head_end < 0:
        return 0
    head = buffer[:head_end].lower()
    body = head_end + 4
    found = head.find(b"\r\ncontent-length:")
    if found >= 0:
        length = int(head[found + 17 :].split(b"\r\n", 1)[0])
        return body + length if len(buffer) >= body + length else 0
    if b"\r\ntransfer-encoding: chunked" in head:
        last = buffer.find(b"0\r\n\r\n", body)
        return last + 5 if last >= 0 else 0
    return body


async def main() -> None:
    """Listen until ended."""
    tally = Tally()
    await serve_forever(lambda: Sink(tally))


if __name__ == "__main__":
    uvloop.run(main())
