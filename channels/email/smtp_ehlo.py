"""The answer to EHLO (RFC 5321, section 4.1.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiosmtpd.smtp import SMTP, Envelope
    from aiosmtpd.smtp import Session as SessionState


class Hooks:
    """What the library asks for by name. `extensions` are offered besides its own, AUTH only with `auth`."""

    def __init__(self, extensions: tuple[str, ...], *, auth: bool = False) -> None:
        self._extensions = extensions
        self._auth = auth

    async def handle_EHLO(
        self, server: SMTP, session: SessionState, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """One answer of several lines in one write; no AUTH without somebody who could."""
        session.host_name = hostname
        lines = [line for line in responses[:-1] if self._auth or not line.startswith("250-AUTH")]
        return ["\r\n".join([*lines, *(f"250-{name}" for name in self._extensions), "250 HELP"])]
