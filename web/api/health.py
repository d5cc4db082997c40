"""Whether the program lives and can work."""

from __future__ import annotations

from aiohttp import web

from desk.reading import Reading
from storage.errors import StorageError
from web.api.tickets import answer


class Health:
    """`/healthz`: the process answers. `/readyz`: its database does too."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [web.get("/healthz", self.alive), web.get("/readyz", self.ready)]

    async def alive(self, _request: web.Request) -> web.Response:
        """The event loop turns."""
        return answer({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """The database answers."""
        try:
            await self._reading.organisation()
        except StorageError:
            return answer({"status": "the database does not answer"}, 503)
        return answer({"status": "ok"})
