"""A load of mail over SMTP: `python -m bench.smtp_load --port P --folder F --count N --connections C --tag T`

N mails over C connections that stay open, MAIL, RCPT, DATA and the mail each after the answer to the one before, as
to a server without PIPELINING. Everything is read, made unique and dot-stuffed before the clock starts. Prints one JSON
object: `{"sent", "seconds", "rate", "p50_ms", "p99_ms"}`, latency from MAIL to the answer after the mail. Any answer
but the expected one ends the program with status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop

_IDENTIFIERS = re.compile(
    rb"^(?:Message-ID|In-Reply-To|References):[^\r]*(?:\r\n[ \t][^\r]*)*", re.IGNORECASE | re.MULTILINE
)
_FROM = re.compile(rb"^From:[^\r]*(?:\r\n[ \t][^\r]*)*?<([^<>\s]+)>", re.IGNORECASE | re.MULTILINE)
RECIPIENT = "support@desk.example"


@dataclass(frozen=True, slots=True)
class Prepared:
    """One mail ready for the wire: the MAIL command and the dot-stuffed content with its final dot."""

    mail: bytes
    content: bytes


def unique(raw: bytes, tag: str) -> bytes:
    """The same mail under other identifiers, so that a server that joins duplicates takes it for a new one.

    Message-ID, In-Reply-To and References change alike: an answer still answers the mail of the same tag.

    >>> unique(b"Message-ID: <a@b>\\r\\nIn-Reply-To: <c@d>\\r\\n\\r\\n<e@f>", "7")
    b'Message-ID: <7.a@b>\\r\\nIn-Reply-To: <7.c@d>\\r\\n\\r\\n<e@f>'
    """
    end = raw.find(b"\r\n\r\n")
    head, body = raw[:end], raw[end:]
    mark = f"<{tag}.".encode()
    return _IDENTIFIERS.sub(lambda found: found[0].replace(b"<", mark), head) + body


def prepare(raw: bytes, tag: str) -> Prepared:
    """Make one mail ready for the wire (RFC 5321, section 4.5.2)."""
    sender = _FROM.search(raw)
    content = unique(raw, tag).replace(b"\r\n.", b"\r\n..")
    if not content.endswith(b"\r\n"):
        content += b"\r\n"
    return Prepared(b"MAIL FROM:<%s>\r\n" % (sender[1] if sender else b""), content + b".\r\n")


def load(folder: Path, count: int, tag: str) -> list[Prepared]:
    """`count` mails of a folder in the order of their names; when they run out, again under another tag."""
    paths = sorted(folder.glob("*.eml"))
    raw = [path.read_bytes() for path in paths[:count]]
    return [prepare(raw[k % len(raw)], f"{tag}.{k // len(raw)}") for k in range(count)]


class Client(asyncio.Protocol):
    """One connection that takes the next mail from a shared supply until none is left."""

    def __init__(self, supply: Iterator[Prepared], latencies: list[float], recipient: str) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.done: asyncio.Future[None] = loop.create_future()
        self._supply = supply
        self._latencies = latencies
        self._rcpt = f"RCPT TO:<{recipient}>\r\n".encode()
        self._transport: asyncio.Transport | None = None
        self._step = "greeting"
        self._buffer = b""
        self._content = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Take the answer once it is whole and say the next thing."""
        self._buffer += data
        if not self._buffer.endswith(b"\n"):
            return
        last = self._buffer[self._buffer.rfind(b"\n", 0, -1) + 1 :]
        if last[3:4] == b"-":
            return
        answer, self._buffer = last, b""
        try:
            self._next(answer)
        except RuntimeError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection lost before the last mail is a failure."""
        self._fail(exc or RuntimeError(f"the server closed the connection at {self._step}"))

    def begin(self) -> None:
        """Start sending."""
        self._send_next()

    def _next(self, answer: bytes) -> None:
        assert self._transport is not None
        expected = {"greeting": b"220", "data": b"354"}.get(self._step, b"250")
        if not answer.startswith(expected):
            raise RuntimeError(f"{self._step} was answered {answer.decode(errors='replace').strip()}")
        match self._step:
            case "greeting":
                self._step = "ehlo"
                self._transport.write(b"EHLO load.example\r\n")
            case "ehlo":
                self._step = "idle"
                self.ready.set_result(None)
            case "mail":
                self._step = "rcpt"
                self._transport.write(self._rcpt)
            case "rcpt":
                self._step = "data"
                self._transport.write(b"DATA\r\n")
            case "data":
                self._step = "content"
                self._transport.write(self._content)
            case "content":
                self._latencies.append(time.perf_counter() - self._began)
                self._send_next()

    def _send_next(self) -> None:
        assert self._transport is not None
        mail = next(self._supply, None)
        if mail is None:
            self._step = "quit"
            self.done.set_result(None)
            self._transport.write(b"QUIT\r\n")
            self._transport.close()
            return
        self._step = "mail"
        self._content = mail.content
        self._began = time.perf_counter()
        self._transport.write(mail.mail)

    def _fail(self, error: Exception) -> None:
        for future in (self.ready, self.done):
            if not future.done():
                future.set_exception(error)


async def run(port: int, mails: list[Prepared], connections: int, recipient: str) -> dict[str, float]:
    """Send all mails and measure.

    Raises:
        RuntimeError: a mail was not answered with 250.
    """
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    supply = iter(mails)
    clients = [
        (await loop.create_connection(lambda: Client(supply, latencies, recipient), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.ready for client in clients))
    started = time.perf_counter()
    for client in clients:
        client.begin()
    await asyncio.gather(*(client.done for client in clients))
    return figures(latencies, time.perf_counter() - started)


def figures(latencies: list[float], seconds: float) -> dict[str, float]:
    """Count, rate per second, and the latencies' median and 99th percentile in milliseconds."""
    latencies.sort()
    return {
        "sent": len(latencies),
        "seconds": seconds,
        "rate": len(latencies) / seconds,
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1e3,
    }


def main() -> None:
    """Read the command line, send, print."""
    parser = argparse.ArgumentParser(description="a load of mail over SMTP")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--recipient", default=RECIPIENT)
    parser.add_argument("--tag", required=True, help="makes the identifiers of this run unique")
    options = parser.parse_args()
    mails = load(options.folder, options.count, options.tag)
    try:
        result = uvloop.run(run(options.port, mails, options.connections, options.recipient))
    except (RuntimeError, OSError) as error:
        sys.exit(f"smtp_load: {error}")
    if result["sent"] != options.count:
        sys.exit(f"smtp_load: {result['sent']} of {options.count} mails were answered")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
