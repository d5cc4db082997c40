"""What is done for those who run the program: health, figures, the disk, signs of life, the trail, new settings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import web

from gateway import assemble
from gateway.deadman import DeadMan
from gateway.disk import DiskGuard
from gateway.metrics import Metrics
from gateway.pulse import Pulse
from gateway.readiness import Readiness
from gateway.sd_notify import Notifier
from tickets.trace import Trail
from web.api.health import Health
from web.monitoring import Monitoring
from web.proxies import Proxies
from web.server import HttpServer
from web.traffic import Limits, Traffic

if TYPE_CHECKING:
    from gateway.program import Program
    from gateway.settings import Settings

log = structlog.get_logger(__name__)

_AGAIN = 5.0
"""Seconds after which a watch that broke is taken up again."""

_MONITORS = Limits(body=10_000, connections=50, idle=120.0, arrival=10.0)
"""What a client of the metrics listener may ask."""


class Operations:
    """Belongs to one program; `start` before its doors open, `stop` after they closed."""

    def __init__(self, program: Program, trail: Trail, notifier: Notifier) -> None:
        settings = program.settings
        self._program = program
        self.trail = trail
        self.notifier = notifier
        self.readiness = Readiness(program)
        self.disk = DiskGuard(assemble.disk_options(settings), self._close)
        self.pulse = Pulse(notifier)
        deadman = settings.deadman
        every = deadman.every.total_seconds()
        self.deadman = DeadMan(deadman.url, deadman.method, every, self.readiness.healthy)
        self.metrics = Metrics(program)
        self.monitoring = Monitoring(
            self.metrics.page,
            token=settings.metrics.token.get_secret_value(),
            open=settings.metrics.listen is not None,
        )
        self.reload_worked = True
        self.reloaders: dict[str, Callable[[Settings], None]] = {}
        self.own: HttpServer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _close(self, why: str) -> None:
        if self._program.intake is not None:
            self._program.intake.closed = why

    def tell(self, trail: Trail) -> None:
        """Tell what happens to inputs there from now on."""
        self.trail = trail
        program = self._program
        if program.intake is not None:
            program.intake.trail = trail
        if program.worker is not None:
            program.worker.counts.trail = trail
        if program.http is not None:
            program.http.traffic.trail = trail

    def traffic(self) -> Traffic:
        """What requests of the HTTP door pass."""
        settings = self._program.settings
        return Traffic(
            assemble.http_limits(settings),
            Proxies(settings.http.trusted_proxies),
            trail=self.trail,
            personal=settings.log.personal,
        )

    def routes(self) -> list[web.RouteDef]:
        """What the HTTP door serves: health, and figures where they have no listener of their own."""
        health = Health(self.readiness.report).routes()
        return health if self._program.settings.metrics.listen is not None else [*health, *self.monitoring.routes()]

    async def start(self) -> None:
        """Begin to watch.

        Raises:
            OSError: the address of the metrics listener cannot be listened on.
        """
        await self.disk.look()
        self._keep("disk", self.disk.keep)
        self._keep("pulse", self.pulse.keep)
        self._keep("deadman", self.deadman.keep)
        listen = self._program.settings.metrics.listen
        if listen is not None:
            routes = [*Health(self.readiness.report).routes(), *self.monitoring.routes()]
            self.own = HttpServer(listen.host, listen.port, routes, traffic=Traffic(_MONITORS))
            await self.own.start()

    def _keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.append(asyncio.create_task(_for_ever(name, work), name=name))

    async def stop(self) -> None:
        """Watch no longer; figures can be read to the end of everything else."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self.own is not None:
            await self.own.stop(1.0)


async def _for_ever(name: str, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:
            # a watch that breaks must not take the watched with it
            log.exception("watch_broke", watch=name)
        await asyncio.sleep(_AGAIN)
