"""A bare aiohttp handler on uvloop: reads JSON, answers 201 with a small JSON, keeps nothing.

`python -m bench.peers.aiohttp_bare`
"""

from __future__ import annotations

import asyncio

import uvloop
from aiohttp import web

from bench.peers.listen import announce


async def create(request: web.Request) -> web.Response:
    """Read the body as JSON and answer as if a ticket had been made."""
    body = await request.json()
    return web.json_response({"number": "PEER-26-000001", "subject": body["subject"]}, status=201)


async def main() -> None:
    """Listen until ended."""
    app = web.Application()
    app.router.add_post("/api/v1/tickets", create)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=512)
    await site.start()
    announce(runner.addresses[0][1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
