"""A listener on a real socket, what it accepted, and a client that speaks octets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from channels.email.smtp_in import Listener, ListenerOptions, no_fault
from tests.certificate import make_certificate
from tickets.address import Address, AddressKind
from tickets.message import Accepted, InboundMessage, Unreadable

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every dialogue is held on both event loops, where there are both."""
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if find_spec("uvloop") is not None:
        factories["uvloop"] = import_module("uvloop").new_event_loop
    return factories


class Desk:
    """Accepts what the listener brings; `trouble` is raised instead, `gate` is waited for before."""

    def __init__(self) -> None:
        self.taken: list[tuple[InboundMessage | Unreadable, bytes]] = []
        self.trouble: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.called = asyncio.Event()

    async def accept(self, message: InboundMessage | Unreadable, raw: bytes) -> Accepted:
        self.called.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.trouble is not None:
            raise self.trouble
        self.taken.append((message, raw))
        return Accepted(f"MSK-26-{len(self.taken):06d}")

    @property
    def raws(self) -> list[bytes]:
        return [raw for _, raw in self.taken]


def read(raw: bytes, **given: Any) -> InboundMessage:
    """The smallest reader there is."""
    return InboundMessage(
        channel="email",
        account=given["account"],
        external_id=given["external_id"],
        sender=Address(AddressKind.EMAIL, given["mail_from"]),
        recipients=tuple(Address(AddressKind.EMAIL, to) for to in given["rcpt_to"]),
        subject="",
        text="",
        received_at=given["received_at"],
    )


@dataclass
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: list[str] = field(default_factory=list)

    async def answer(self) -> str:
        """One whole answer; its lines joined by newlines, "" when the server has closed."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 5)).decode().rstrip("\r\n")
            lines.append(line)
            if line[3:4] != "-":
                break
        self.heard.append("\n".join(lines))
        return self.heard[-1]

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def say(self, command: str | bytes) -> str:
        self.send((command.encode() if isinstance(command, str) else command) + b"\r\n")
        return await self.answer()

    async def to_data(self, *, sender: str = "ivan@example.ru", to: str = "help@example.ru") -> None:
        """Everything up to the 354."""
        assert (await self.say("EHLO client.example")).startswith("250")
        await self.to_data_again(sender=sender, to=to)

    async def to_data_again(self, *, sender: str = "ivan@example.ru", to: str = "help@example.ru") -> None:
        assert (await self.say(f"MAIL FROM:<{sender}>")).startswith("250")
        assert (await self.say(f"RCPT TO:<{to}>")).startswith("250")
        assert (await self.say("DATA")).startswith("354")

    async def rest(self) -> bytes:
        """All that still comes until the server closes."""
        said = b""
        # piece by piece: a server that closes on somebody who goes on sending resets the connection after its last word
        with suppress(ConnectionError):
            async with asyncio.timeout(5):
                while piece := await self.reader.read(65_536):
                    said += piece
        return said

    async def drip(self, octets: bytes, *, every: float) -> bytes:
        """Send these again and again until the server closes; all that it still said."""
        said = asyncio.ensure_future(self.rest())
        while not (await asyncio.wait({said}, timeout=every))[0]:
            self.send(octets)
        return said.result()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@dataclass
class Door:
    """A running listener and what stands behind it."""

    listener: Listener
    desk: Desk
    clients: list[Client] = field(default_factory=list)

    async def call(self, peer: str = "127.0.0.1") -> Client:
        """A new connection from that address, greeted."""
        client = await self.call_silently(peer)
        assert (await client.answer()).startswith("220 ")
        return client

    async def call_silently(self, peer: str = "127.0.0.1", at: str = "smtp", **tls: Any) -> Client:
        port = self.listener.port_of(at)
        streams = await asyncio.open_connection("127.0.0.1", port, local_addr=(peer, 0), **tls)
        return self.take(*streams)

    def take(self, *streams: Any) -> Client:
        """A client of a connection that was opened otherwise."""
        self.clients.append(Client(*streams))
        return self.clients[-1]

    async def leave(self) -> None:
        """Close what the clients left open."""
        for client in self.clients:
            client.writer.transport.abort()
            await client.close()


Opener = Callable[..., Any]


@pytest.fixture
def opened() -> Opener:
    """Opens listeners: `async with opened(max_size=100) as door`."""

    @asynccontextmanager
    async def opener(
        reader: Callable[..., InboundMessage | Unreadable] = read,
        fault: Callable[[str], Awaitable[None]] = no_fault,
        examine: Any = None,
        dnsbl: Any = None,
        **options: Any,
    ) -> AsyncIterator[Door]:
        desk = Desk()
        given = ListenerOptions(port=0, hostname="mx.example", **options)
        listener = Listener(
            given, desk.accept, read=reader, clock=lambda: NOW, fault=fault, examine=examine, dnsbl=dnsbl
        )
        await listener.start()
        door = Door(listener, desk)
        try:
            yield door
        finally:
            await listener.stop(grace=0)
            await door.leave()

    return opener


@pytest.fixture
async def door(opened: Opener) -> AsyncIterator[Door]:
    """A listener with the default options."""
    async with opened() as one:
        yield one


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for `localhost` and its key, PEM."""
    return make_certificate(tmp_path_factory.mktemp("tls"))
