"""Gateways that start at once: forked from a process in which everything is imported already.

Each is the real program in a process of its own, which can be killed like any other. What differs from `otklik serve`:
its fault points and how far its clock is ahead are arguments, and what a crash left in the outbox is looked for three
times a second.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import holidays
import jinja2
import tenacity
import uvloop

from channels.email import smtp_out
from channels.email.relays import Relays
from channels.email.smtp_out import Relay
from desk import arrival
from gateway import assemble, log
from gateway.clock import SystemClock
from gateway.faults import Faults
from gateway.program import Program
from gateway.settings import Settings, load
from outbound import render
from outbound.worker import WorkerOptions
from web import server

WARM = (arrival, holidays, jinja2, render, server, smtp_out, tenacity)
"""Imported so that a fork has them; the rest comes with `Program`."""

REAP_EVERY = timedelta(seconds=0.3)


@dataclass(frozen=True, slots=True)
class ClockAhead:
    """The system's clock and some time."""

    ahead: timedelta

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return SystemClock().now() + self.ahead


def context() -> ForkServerContext:
    """Where processes are forked; the first one imports, the others are there at once."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["bench.crash_child"])
    return forks


def start(forks: ForkServerContext, config: Path, output: Path, faults: str, ahead: timedelta) -> ForkServerProcess:
    """Start a gateway; its output is appended to a file."""
    process = forks.Process(target=_main, args=(str(config), str(output), faults, ahead), daemon=True)
    process.start()
    return process


def _main(config: str, output: str, faults: str, ahead: timedelta) -> None:
    told = os.open(output, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    os.dup2(told, 1)
    os.dup2(told, 2)
    settings = load(Path(config), {})
    log.configure(settings.log.level, settings.log.format, personal=settings.log.personal)
    uvloop.run(_serve(settings, Faults.parse(faults), ahead))


async def _serve(settings: Settings, faults: Faults, ahead: timedelta) -> None:
    usual = assemble.worker_options

    def impatient(settings: Settings, ways: Mapping[str, Relay | Relays]) -> WorkerOptions:
        return replace(usual(settings, ways), reap_every=REAP_EVERY)

    assemble.worker_options = impatient
    program = Program(settings, clock=ClockAhead(ahead), faults=faults)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        await program.start()
        print("ready", flush=True)
        await program.wait(stopped)
    finally:
        await program.stop()
