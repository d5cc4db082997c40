"""SIGHUP: the settings are read again and what can change without a restart does, or all stays as it was."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway import log as program_log
from gateway import settings as settings_module
from gateway.reload import NotReloaded, reload
from gateway.settings_errors import SettingsError
from gateway.trail import trail

if TYPE_CHECKING:
    from gateway.program import Program

log = structlog.get_logger(__name__)


class Reloading:
    """Waits for `wanted` and reloads; signals that come meanwhile make one more reload."""

    def __init__(self, program: Program, config: Path | None) -> None:
        self.wanted = asyncio.Event()
        self._program = program
        self._config = config
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._task = asyncio.create_task(self._keep(), name="reload")

    async def stop(self) -> None:
        """Listen no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            await self.wanted.wait()
            self.wanted.clear()
            await self.once()

    async def once(self) -> bool:
        """Reload now; whether the new settings hold. Whatever becomes of it is told in one line."""
        notifier = self._program.operations.notifier
        notifier.reloading()
        worked = False
        try:
            await self._try()
            worked = True
        except (SettingsError, NotReloaded) as refused:
            log.error("reload_refused", why=str(refused), kept="the settings of before")
        except Exception:
            log.exception("reload_broke")
        self._program.operations.reload_worked = worked
        notifier.ready()
        return worked

    async def _try(self) -> None:
        environ = os.environ
        new = await asyncio.to_thread(
            lambda: settings_module.load(settings_module.find(self._config, environ), environ)
        )
        changed, waiting = await reload(self._program, new)
        told = self._program.settings.log
        if any(key.startswith("log.") for key in changed):
            program_log.configure(told.level, told.format, personal=told.personal)
            self._program.operations.tell(trail(told.level, told.format, told=told.trail))
        log.info("reloaded", changed=changed)
        if waiting:
            log.warning("reload_needs_restart", keys=waiting)
