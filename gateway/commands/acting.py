"""What commands that read and change tickets share: who acts, what was meant, how a refusal is told."""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from gateway.commands.frame import Refused, Unusable

if TYPE_CHECKING:
    from desk.change import Actor
    from gateway.commands.opened import Opened


class Language(StrEnum):
    """Languages people are answered in."""

    RU = "ru"
    EN = "en"


By = Annotated[str, typer.Option(metavar="LOGIN", help="Who does it: a staff login; who runs this if empty.")]
Lang = Annotated[Language, typer.Option("--lang", help="Language of the answer.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="The most that is listed.")]


async def actor(desk: Opened, login: str) -> Actor:
    """Who acts: the member of staff with this login; without one, whoever runs the program.

    Raises:
        Refused: nobody has the login.
    """
    from desk.change import Actor, actor_of
    from desk.change import Refused as Unknown

    organisation = await desk.reading.organisation()
    try:
        return actor_of(organisation, login or _user())
    except Unknown as error:
        if login:
            raise Refused(f"--by: {error}") from None
    return Actor(f"cli:{_user()}", _user())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def key(text: str, what: str) -> UUID:
    """An id as lists print it.

    Raises:
        Unusable: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise Unusable(f"{text!r} is no id; `otklik {what} list` shows them") from None


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what use cases refuse into the answer no.

    Raises:
        Refused: in the words of the use case.
    """
    from desk.change import NoSuchTicket
    from desk.change import Refused as NotDone
    from desk.ledger import NoSuchDelivery, NotMoved
    from desk.quarantine import NoSuchEntry
    from tickets.status import IllegalMove

    try:
        yield
    except (NoSuchTicket, NotDone, NoSuchDelivery, NotMoved, NoSuchEntry, IllegalMove) as error:
        raise Refused(str(error)) from None


def coloured() -> bool:
    """Whether colours are understood and wanted (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns to print on."""
    return min(shutil.get_terminal_size((100, 24)).columns, 120) if sys.stdout.isatty() else 100
