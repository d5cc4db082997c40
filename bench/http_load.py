"""A load of tickets over HTTP: `python -m bench.http_load --port P --count N --connections C --token T --tag T`

N requests `POST /api/v1/tickets` with unique JSON bodies of about 340 bytes over C connections that stay open, each
after the answer to the one before. All requests are made before the clock starts. Prints the JSON object of
`bench.smtp_load`. Any status but the expected one ends the program with status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import cast

import uvloop

from bench.smtp_load import figures

TEXT = "The printer on the third floor prints only the first page of every document; a restart did not help. " * 2


def requests(count: int, tag: str, token: str, path: str) -> list[bytes]:
    """`count` whole requests with bodies that differ in subject, text and contact."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nAccept: application/json\r\nContent-Length: "
    )
    made = []
    for k in range(count):
        body = json.dumps(
            {
                "contact": {"kind": "email", "value": f"user{k % 997}@north.example", "name": "Laura Stone"},
                "subject": f"Printer {tag}-{k}",
                "text": f"{TEXT}({tag}-{k})",
            }
        )
        made.append(f"{head}{len(body)}\r\n\r\n{body}".encode())
    return made


class Client(asyncio.Protocol):
    """One connection that takes the next request from a shared supply until none is left."""

    def __init__(self, supply: Iterator[bytes], latencies: list[float], status: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._supply = supply
        self._latencies = latencies
        self._expected = b"HTTP/1.1 %d" % status
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for `send_next`."""
        self._transport = cast(asyncio.Transport, transport)

    def send_next(self) -> None:
        """Send the next request, or be done."""
        assert self._transport is not None
        request = next(self._supply, None)
        if request is None:
            self.done.set_result(None)
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Take the answer once it is whole (RFC 9112, section 6.3) and go on."""
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(b"\r\ncontent-length:")
        if at < 0:
            self._fail(RuntimeError(f"an answer without Content-Length: {head[:200]!r}"))
            return
        if len(self._buffer) < end + 4 + int(head[at + 17 :].split(b"\r\n", 1)[0]):
            return
        answer, self._buffer = self._buffer, b""
        if not answer.startswith(self._expected):
            said = " ".join(answer[:600].decode(errors="replace").split())
            self._fail(RuntimeError(f"answered {said}"))
            return
        self._latencies.append(time.perf_counter() - self._began)
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        """A connection lost before the last answer is a failure."""
        self._fail(exc or RuntimeError("the server closed the connection"))

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


async def run(port: int, made: list[bytes], connections: int, status: int) -> dict[str, float]:
    """Send all requests and measure.

    Raises:
        RuntimeError: a request was not answered with `status`.
    """
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    supply = iter(made)
    clients = [
        (await loop.create_connection(lambda: Client(supply, latencies, status), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    started = time.perf_counter()
    for client in clients:
        client.send_next()
    await asyncio.gather(*(client.done for client in clients))
    return figures(latencies, time.perf_counter() - started)


def main() -> None:
    """Read the command line, send, print."""
    parser = argparse.ArgumentParser(description="a load of tickets over HTTP")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/api/v1/tickets")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--token", default="none")
    parser.add_argument("--status", type=int, default=201)
    parser.add_argument("--tag", required=True, help="makes the bodies of this run unique")
    options = parser.parse_args()
    made = requests(options.count, options.tag, options.token, options.path)
    try:
        result = uvloop.run(run(options.port, made, options.connections, options.status))
    except (RuntimeError, OSError) as error:
        sys.exit(f"http_load: {error}")
    if result["sent"] != options.count:
        sys.exit(f"http_load: {result['sent']} of {options.count} requests were answered")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
