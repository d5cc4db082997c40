"""Simulated filters that speak the real protocols on real sockets: a ClamAV daemon and an Rspamd.

They know one virus, the EICAR test file, and one spam, the GTUBE text; both were made to be recognised and harm nobody.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

# In two halves: scanners look at sources too.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


class SimulatedClamd:
    """`PING` and `INSTREAM` of clamd(8), with the `z` and the `n` form. Base64 in mails is looked into line by line.

    `limit` is StreamMaxLength in bytes. While `hang` it takes everything and answers nothing, while `stuck` it does not
    even read; while `busy` it answers to no scan, but to `PING`.
    """

    def __init__(self, limit: int = 26_214_400) -> None:
        self.limit = limit
        self.hang = False
        self.stuck = False
        self.busy = False
        self._never = asyncio.Event()
        self.scanned: list[bytes] = []
        self._server: asyncio.Server | None = None

    async def start(self, path: str = "") -> None:
        """Listen on a Unix socket, or on a free port of the loopback."""
        if path:
            self._server = await asyncio.start_unix_server(self._serve, path)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    @property
    def address(self) -> str:
        """Where it is asked, `address:port` or a path."""
        if self._server is None:
            raise RuntimeError("the daemon is not started")
        name = self._server.sockets[0].getsockname()
        return name if isinstance(name, str) else f"{name[0]}:{name[1]}"

    async def stop(self) -> None:
        """Answer no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                if self.stuck:
                    await self._never.wait()
                form = await reader.readexactly(1)
                end = b"\0" if form == b"z" else b"\n"
                command = (await reader.readuntil(end))[:-1]
                answer = b"PONG" if command == b"PING" else b"UNKNOWN COMMAND"
                if command == b"INSTREAM":
                    answer = await self._instream(reader)
                if self.hang or (self.busy and command != b"PING"):
                    await reader.read()
                    return
                writer.write(answer + end)
                await writer.drain()
        finally:
            writer.close()

    async def _instream(self, reader: asyncio.StreamReader) -> bytes:
        content = bytearray()
        while size := int.from_bytes(await reader.readexactly(4), "big"):
            if len(content) + size > self.limit:
                return b"INSTREAM size limit exceeded. ERROR"
            content += await reader.readexactly(size)
        self.scanned.append(bytes(content))
        return b"stream: Eicar-Test-Signature FOUND" if EICAR in content else b"stream: OK"


class SimulatedRspamd:
    """`POST /checkv2`. `asked` are the header fields of requests; `answer` replaces the verdict, `status` the 200.

    While `hang` it answers to no mail, while `stuck` to nothing at all.
    """

    def __init__(self, password: str = "") -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: bytes | None = None
        self.status = 200
        self.hang = False
        self.stuck = False
        self._never = asyncio.Event()
        self._password = password
        self._runner: Any = None
        self._port = 0

    async def start(self) -> None:
        """Listen on a free port of the loopback."""
        from aiohttp import web

        app = web.Application(client_max_size=100_000_000)
        app.router.add_post("/checkv2", self._check)
        app.router.add_get("/ping", self._ping)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Answer no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _ping(self, request: Any) -> Any:
        from aiohttp import web

        if self.stuck:
            await self._never.wait()
        return web.Response(text="pong\r\n")

    async def _check(self, request: Any) -> Any:
        from aiohttp import web

        content = await request.read()
        self.asked.append({**request.headers, "Rcpt": request.headers.getall("Rcpt", [])})
        if self.hang or self.stuck:
            await self._never.wait()
        if self._password and request.headers.get("Password") != self._password:
            return web.Response(status=403)
        spam = GTUBE in content
        verdict = {
            "is_skipped": False,
            "score": 15.5 if spam else 0.5,
            "required_score": 15.0,
            "action": "reject" if spam else "no action",
            "symbols": {"GTUBE": {"name": "GTUBE", "score": 0.0}} if spam else {},
        }
        body = json.dumps(verdict).encode() if self.answer is None else self.answer
        return web.Response(body=body, status=self.status, content_type="application/json")
