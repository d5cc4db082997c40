"""Stock aiosmtpd on uvloop that answers 250 and throws the mail away: `python -m bench.peers.aiosmtpd_discard`."""

from __future__ import annotations

import asyncio

import uvloop
from aiosmtpd.smtp import SMTP, Envelope, Session

from bench.peers.listen import serve_forever


class Discard:
    """The least a handler can do."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Forget the mail."""
        return "250 OK"


async def main() -> None:
    """Listen until ended."""
    loop = asyncio.get_running_loop()
    handler = Discard()
    await serve_forever(lambda: SMTP(handler, hostname="peer.example", loop=loop))


if __name__ == "__main__":
    uvloop.run(main())
