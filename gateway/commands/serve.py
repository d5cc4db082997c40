"""`otklik serve`: run the gateway."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.frame import Frame, Refused, Unusable, frame_of, new_app
from gateway.commands.frame import as_json as as_json_line
from gateway.memory import settle_memory

if TYPE_CHECKING:
    from gateway.program import Program
    from gateway.settings import Duty, Settings

app = new_app("Run the gateway.")


@app.command()
def serve(
    context: typer.Context,
    only: Annotated[
        str,
        typer.Option(metavar="DUTY,…", help="Duties of this process: http, smtp, imap, worker, clock; all if empty."),
    ] = "",
) -> None:
    """Run the gateway, or some of its duties, until SIGTERM or SIGINT; SIGHUP makes it read its settings anew.

    Several processes may share a PostgreSQL database; on SQLite one process does everything.
    """
    frame = frame_of(context)
    settings = frame.settings
    duties = parse_duties(only)
    if duties and settings.database.url.startswith("sqlite") and not settings.serve.only:
        raise Unusable("--only needs PostgreSQL: on SQLite one process does everything; leave it out")
    from gateway import log

    log.configure(settings.log.level, settings.log.format, personal=settings.log.personal)
    run_loop(_serve(frame, duties))


def parse_duties(text: str) -> tuple[Duty, ...]:
    """Duties of a comma-separated list.

    Raises:
        Unusable: one of them does not exist.
    """
    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    for name in names:
        if name not in ("http", "smtp", "imap", "worker", "clock"):
            raise Unusable(f"--only: there is no duty {name!r}; known: http, smtp, imap, worker, clock")
    return names  # type: ignore[return-value]


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run the program on uvloop where there is one."""
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop

        uvloop.run(main)


async def _serve(frame: Frame, duties: tuple[Duty, ...]) -> None:
    from gateway.faults import Faults
    from gateway.program import Program
    from gateway.reloading import Reloading
    from gateway.sd_notify import Notifier
    from gateway.trail import trail

    settings = frame.settings
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    program = Program(
        settings,
        only=duties,
        faults=Faults.from_environment(os.environ),
        trail=trail(settings.log.level, settings.log.format, told=settings.log.trail),
        notifier=Notifier(),
    )
    reloading = Reloading(program, frame.config)
    if hasattr(signal, "SIGHUP"):
        # from the beginning: the usual answer to it is the end of the process
        loop.add_signal_handler(signal.SIGHUP, reloading.wanted.set)
    await prepare_schema(settings)
    try:
        await begin(program)
        reloading.start()
        settle_memory()
        addresses = program.addresses
        ready = {"event": "ready", "http": addresses.http, "smtp": addresses.smtp, "pid": os.getpid()}
        where = ", ".join(f"{name} {at}" for name, at in (("HTTP", addresses.http), ("SMTP", addresses.smtp)) if at)
        print(as_json_line(ready) if frame.as_json else f"ready: {where or 'no doors'}", flush=True)
        program.operations.notifier.ready(where or "no doors")
        await program.wait(stopped)
    finally:
        program.operations.notifier.stopping()
        await reloading.stop()
        await program.stop()


async def begin(program: Program) -> None:
    """Start a program, or say in one line why it cannot start.

    Raises:
        Refused: an address is taken, or the database is away.
    """
    from storage.errors import StorageError

    try:
        await program.start()
    except StorageError as error:
        raise Refused(f"the database {program.settings.database.shown} cannot be used: {error}") from None
    except OSError as error:
        listens = f"[smtp] listen {program.settings.smtp.listen}, [http] listen {program.settings.http.listen}"
        if program.settings.metrics.listen is not None:
            listens += f", [metrics] listen {program.settings.metrics.listen}"
        raise Refused(f"cannot listen: {error.strerror or error}; see {listens}") from None


async def prepare_schema(settings: Settings) -> None:
    """Lay the schema out in an empty database; refuse one of another version.

    Raises:
        Refused: the schema is of another version, or the database is away.
    """
    from storage import schema
    from storage.errors import StorageError

    try:
        if not await schema.current(settings.database.url):
            await schema.upgrade(settings.database.url)
        problem = await schema.check(settings.database.url)
    except (StorageError, OSError) as error:
        raise Refused(f"the database {settings.database.shown} cannot be used: {error}") from None
    if problem:
        raise Refused(problem)
