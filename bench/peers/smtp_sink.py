"""The lean SMTP end of a delivery: counts mails and answers 250. `python -m bench.peers.smtp_sink`

It speaks as much of RFC 5321 as a sender needs, with PIPELINING (RFC 2920). The private verb `XCOUNT` answers
`250 COUNT LAST_AT`: the mails so far and when the last one came, on the machine's monotonic clock in seconds.
"""

from __future__ import annotations

import asyncio
import time
from typing import cast

import uvloop

from bench.peers.listen import serve_forever

EHLO = (
    b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n"
    b"250 SIZE 50000000\r\n"
)
ANSWERS = {
    b"EHLO": EHLO,
    b"HELO": b"250 sink.example\r\n",
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"NOOP": b"250 2.0.0 Ok\r\n",
}
END = b"\r\n.\r\n"


class Tally:
    """What came in, over all connections."""

    count = 0
    last_at = 0.0


class Sink(asyncio.Protocol):
    """One connection: lines until DATA, then bytes until CRLF.CRLF."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._buffer = bytearray()
        self._in_data = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Work through what is in the buffer and answer it in one write."""
        assert self._transport is not None
        self._buffer += data
        answers: list[bytes] = []
        while answer := self._mail_end() if self._in_data else self._command():
            answers.append(answer)
        if answers:
            self._transport.write(b"".join(answers))
            if answers[-1].startswith(b"221"):
                self._transport.close()

    def _mail_end(self) -> bytes:
        if self._buffer.startswith(b".\r\n"):
            end = 3
        else:
            found = self._buffer.find(END)
            if found < 0:
                return b""
            end = found + len(END)
        del self._buffer[:end]
        self._in_data = False
        self._tally.count += 1
        self._tally.last_at = time.monotonic()
        return b"250 2.0.0 Ok: %d\r\n" % self._tally.count

    def _command(self) -> bytes:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return b""
        verb = bytes(self._buffer[:4]).upper()
        whole = bytes(self._buffer[:end]).upper()
        del self._buffer[: end + 2]
        if verb == b"DATA":
            self._in_data = True
            return b"354 Go on\r\n"
        if verb == b"QUIT":
            return b"221 2.0.0 Bye\r\n"
        if whole == b"XCOUNT":
            return b"250 %d %.6f\r\n" % (self._tally.count, self._tally.last_at)
        return ANSWERS.get(verb, b"500 5.5.2 Unknown\r\n")


async def main() -> None:
    """Listen until ended."""
    tally = Tally()
    await serve_forever(lambda: Sink(tally))


if __name__ == "__main__":
    uvloop.run(main())
