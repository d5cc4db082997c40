"""How a program of the bench listens and says where."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable


async def serve_forever(protocol: Callable[[], asyncio.Protocol]) -> None:
    """Listen on a free loopback port, print it as one line of JSON, serve until ended."""
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, backlog=512)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def announce(port: int) -> None:
    """Tell the starter that everything is ready."""
    print(json.dumps({"port": port}), flush=True)
