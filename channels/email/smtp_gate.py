"""What a connection passes before it may speak SMTP: the header of a known proxy, and TLS where a port begins with it.

The proxy's header comes before the TLS handshake, in the clear, and bytes of what follows may arrive with it. Both
must be over within `gate_timeout`; a connection that fails either is closed without a word.
"""

from __future__ import annotations

import asyncio
from asyncio import sslproto
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import structlog

from channels.email.smtp_proxy import ProxyError, parse

if TYPE_CHECKING:
    from channels.email.smtp_in import Listener
    from channels.email.smtp_session import Session

_log = structlog.get_logger()


class Gate(asyncio.Protocol):
    """One connection that has not begun yet. `begin` makes its session."""

    def __init__(self, host: Listener, begin: Callable[[], Session], *, tls: bool) -> None:
        self._host = host
        self._begin = begin
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client or a proxy came."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._host.admit(self):
            self._transport.close()
            return
        self._timer = self._loop.call_later(self._host.options.gate_timeout, self.close)
        peer: Any = transport.get_extra_info("peername")
        if not (isinstance(peer, tuple) and str(peer[0]) in self._host.proxies):
            self._enter(None)

    def data_received(self, data: bytes) -> None:
        """Bytes of the proxy's header, and perhaps of what follows."""
        self._buffer += data
        try:
            found = parse(bytes(self._buffer))
        except ProxyError as error:
            _log.warning("smtp.proxy_header_refused", why=str(error))
            self.close()
            return
        if found is not None:
            del self._buffer[: found.length]
            self._enter(found.address)

    def connection_lost(self, error: Exception | None) -> None:
        """Gone before it began."""
        self._over()

    def close(self) -> None:
        """It did not become a session in time, or never will."""
        self._over()
        if self._transport is not None:
            self._transport.abort()

    def _over(self) -> None:
        self._host.admitted(self)
        if self._timer is not None:
            self._timer.cancel()

    def _enter(self, client: tuple[str, int] | None) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        session = self._begin()
        session.proxied = client
        rest = bytes(self._buffer)
        if not self._tls:
            self._over()
            transport.set_protocol(session)
            session.connection_made(transport)
            if rest:
                session.data_received(rest)
            return
        context = self._host.tls
        if context is None:
            self.close()
            return
        # from here on the session closes the gate, when the handshake is done
        session.through = self._over
        # nobody waits for the handshake, and the library's stubs know no fractions of seconds
        patience: Any = self._host.options.gate_timeout
        waiter: Any = None
        protocol = sslproto.SSLProtocol(
            self._loop, session, context, waiter, server_side=True, ssl_handshake_timeout=patience
        )
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        while rest:
            view = protocol.get_buffer(len(rest))
            count = min(len(view), len(rest))
            view[:count] = rest[:count]
            protocol.buffer_updated(count)
            rest = rest[count:]
