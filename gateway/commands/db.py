"""`otklik db`: the schema, and copies of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gateway.commands.frame import Frame, Refused, frame_of, new_group

if TYPE_CHECKING:
    from storage.copies import Copy

T = TypeVar("T")

app = new_group("Schema and copies of the database.")


@app.command()
def upgrade(context: typer.Context) -> None:
    """Take the schema to the one this program needs, making the database file on SQLite. Again does nothing."""
    from storage import schema

    frame = frame_of(context)
    applied = _done(frame, schema.upgrade(frame.settings.database.url))
    frame.answer(
        {"applied": applied, "revision": schema.HEAD},
        f"the schema is now at {schema.HEAD} (applied: {', '.join(applied)})"
        if applied
        else f"the schema is at {schema.HEAD} already, nothing to do",
    )


@app.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy; an older one of that name is replaced.")],
) -> None:
    """Copy the database into a file, while the program is running or not."""
    from storage.copies import backup as copy

    frame = frame_of(context)
    made = _done(frame, copy(frame.settings.database.url, file))
    size = file.stat().st_size
    frame.answer(
        _document(file, made) | {"size": size},
        f"copied {sum(made.rows.values())} rows at schema {made.revision} to {file} ({size} bytes)",
    )


@app.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A copy made by `otklik db backup`.")],
    force: Annotated[bool, typer.Option("--force", help="Replace what the database holds.")] = False,
) -> None:
    """Put a copy in the place of the database, whole or not at all. Nothing else may use the database meanwhile."""
    from storage.copies import restore as bring_back

    frame = frame_of(context)
    found = _done(frame, bring_back(frame.settings.database.url, file, force=force))
    frame.answer(
        _document(file, found),
        f"brought back {sum(found.rows.values())} rows from {file} to {frame.settings.database.shown}",
    )


def _done(frame: Frame, work: Coroutine[Any, Any, T]) -> T:
    """Run the work to its end.

    Raises:
        Refused: the database or the copy says no.
    """
    from storage.errors import StorageError, StorageUnavailable

    try:
        return asyncio.run(work)
    except StorageUnavailable as error:
        raise Refused(f"the database {frame.settings.database.shown} cannot be used: {error}") from None
    except StorageError as error:
        raise Refused(str(error)) from None


def _document(file: Path, copy: Copy) -> dict[str, Any]:
    return {"file": file, "kind": copy.kind, "revision": copy.revision, "rows": copy.rows}
