"""One LMTP session (RFC 2033): SMTP for a delivery agent, which hears of every recipient of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiosmtpd.smtp import syntax

from channels.email.smtp_session import Session

if TYPE_CHECKING:
    from channels.email.smtp_in import Listener


class LmtpSession(Session):
    """One delivery agent. It greets with LHLO, and after DATA there is one reply for each accepted recipient."""

    service = "LMTP"
    # section 5 demands both
    extensions = ("PIPELINING", "ENHANCEDSTATUSCODES")

    def __init__(self, host: Listener, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(host, loop)
        self._smtp_methods["LHLO"] = self._smtp_methods.pop("EHLO")
        del self._smtp_methods["HELO"]

    async def check_helo_needed(self, helo: str = "LHLO") -> bool:
        """Whether the client has not greeted; it was told so then."""
        if self.session.host_name:
            return False
        await self.push("503 5.5.1 Send LHLO first")
        return True

    @syntax("NOOP [ignored]")
    async def smtp_NOOP(self, arg: str | None) -> None:
        """With the status code that was promised (RFC 2034)."""
        await self.push(b"250 2.0.0 OK")

    @syntax("RSET")
    async def smtp_RSET(self, arg: str | None) -> None:
        """With the status code that was promised (RFC 2034)."""
        self._set_rset_state()
        await self.push(b"250 2.0.0 OK")

    async def _answer(self, reply: str | bytes, recipients: int) -> None:
        for _ in range(recipients):
            await self.push(reply)

    def _protocol(self) -> str:
        return ("UTF8LMTP" if self.envelope.smtp_utf8 else "LMTP") + ("S" if self._tls_protocol else "")
