"""A bare aiohttp server on uvloop: reads JSON or a form, answers 201 or 303, keeps nothing.

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


async def form(request: web.Request) -> web.Response:
    """Read a form with its file and answer as if it had been taken."""
    fields = await request.post()
    return web.Response(status=303, headers={"Location": f"/form/support/done/{fields['nonce']!s}"})


async def main() -> None:
    """Listen until ended."""
    app = web.Application()
    app.router.add_post("/api/v1/tickets", create)
    app.router.add_post("/form/support", form)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=512)
    await site.start()
    announce(runner.addresses[0][1])
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
