"""The verdict of a ClamAV daemon by its socket (clamd(8): `zINSTREAM`)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from channels.email.breaker import Breaker
from channels.email.filter_verdict import FilterFailed, FilterRests, FilterSilent

CHUNK = 65_536
LONGEST_ANSWER = 4096


class Clamd:
    """One daemon. `address` is the path of a Unix socket or `host:port`, `timeout` in seconds for a whole mail."""

    def __init__(self, address: str, timeout: float = 10.0) -> None:
        self._address = address
        self._timeout = timeout
        self.breaker = Breaker("clamd", self.ping)

    async def virus(self, raw: bytes) -> str:
        """The name of what was found in a mail; empty where it is clean.

        Raises:
            FilterFailed: there is no verdict.
        """
        if self.breaker.resting:
            raise FilterRests
        try:
            return read(await self._asked(b"zINSTREAM\0", raw))
        except FilterSilent:
            self.breaker.silent()
            raise

    async def ping(self) -> None:
        """Whether the daemon is there.

        Raises:
            FilterFailed: it is not.
        """
        if await self._asked(b"zPING\0") != b"PONG\0":
            raise FilterFailed("no ClamAV daemon")

    async def _asked(self, command: bytes, raw: bytes | None = None) -> bytes:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ask(command, raw)
        except TimeoutError:
            raise FilterSilent(f"no answer in {self._timeout:g} s") from None
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise FilterFailed(type(error).__name__) from None

    async def _ask(self, command: bytes, raw: bytes | None) -> bytes:
        if self._address.startswith("/"):
            reader, writer = await asyncio.open_unix_connection(self._address, limit=LONGEST_ANSWER)
        else:
            host, _, port = self._address.rpartition(":")
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), limit=LONGEST_ANSWER)
        try:
            writer.write(command)
            # a mail over the daemon's limit is answered before its end, and the connection closed
            with suppress(ConnectionError):
                if raw is not None:
                    await self._stream(raw, writer)
                await writer.drain()
            return await reader.readuntil(b"\0")
        finally:
            # what it does not read any more would be waited for
            writer.transport.abort()

    @staticmethod
    async def _stream(raw: bytes, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(raw), CHUNK):
            chunk = raw[start : start + CHUNK]
            writer.write(len(chunk).to_bytes(4, "big") + chunk)
            await writer.drain()
        writer.write(bytes(4))


def read(answer: bytes) -> str:
    """What an answer says.

    >>> read(b"stream: Eicar-Test-Signature FOUND\\0"), read(b"stream: OK\\0")
    ('Eicar-Test-Signature', '')

    Raises:
        FilterFailed: it is no verdict.
    """
    said = answer.rstrip(b"\0\n").decode("utf-8", "replace")
    _, colon, verdict = said.partition(": ")
    if colon and verdict.endswith(" FOUND"):
        name = verdict.removesuffix(" FOUND")
        return "".join(each for each in name if each.isprintable())[:100] or "unnamed"
    if verdict == "OK":
        return ""
    raise FilterFailed("an error" if said.endswith("ERROR") else "an answer that is no verdict")
