"""The use cases a command works with, on an open database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.clock import SystemClock
from gateway.commands.frame import Refused

if TYPE_CHECKING:
    from desk.intake import Intake
    from desk.reading import Reading
    from desk.site import Site
    from desk.ticketing import Ticketing
    from gateway.settings import Settings
    from outbound.token import ReplyTokens
    from storage.database import Database
    from tickets.clock import Clock


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command may use while the database is open."""

    settings: Settings
    database: Database
    site: Site
    clock: Clock
    tokens: ReplyTokens
    intake: Intake
    reading: Reading
    ticketing: Ticketing


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Opened]:
    """Open the database for one command.

    Raises:
        Refused: it is away, or its schema is of another version.
    """
    from desk.intake import Intake
    from desk.reading import Reading
    from desk.ticketing import Ticketing
    from gateway import assemble, log
    from gateway.commands.serve import prepare_schema
    from storage.errors import StorageError

    # a command answers for itself, and in one line where it failed
    log.configure("critical", "console")
    await prepare_schema(settings)
    clock = SystemClock()
    database = await assemble.database(settings)
    try:
        site = assemble.site(settings)
        tokens = await assemble.tokens(settings, database, clock)
        site = replace(site, pages=await assemble.pages(settings, database, clock))
        yield Opened(
            settings=settings,
            database=database,
            site=site,
            clock=clock,
            tokens=tokens,
            intake=Intake(database, site, tokens, clock),
            reading=Reading(database),
            ticketing=Ticketing(database, site, clock),
        )
    except StorageError as error:
        raise Refused(f"the database {settings.database.shown} cannot be used: {error}") from None
    finally:
        await database.close()
