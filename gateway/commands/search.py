"""`otklik search`: the index staff pages find tickets by."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from gateway.commands.frame import frame_of, new_group
from gateway.commands.opened import opened

app = new_group("The index that staff pages search in.")


@app.command()
def reindex(
    context: typer.Context,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Tickets of one transaction.")] = 100,
) -> None:
    """Gather the words of every ticket anew, newest first; what can be found meanwhile stays so."""
    from desk.search_index import SearchIndex

    frame = frame_of(context)

    async def run() -> int:
        async with opened(frame.settings) as desk:
            index = SearchIndex(desk.database, desk.clock)
            await index.walk_again()
            total = 0
            while done := await index.walk(batch):
                total += done
            return total

    total = asyncio.run(run())
    frame.answer({"tickets": total}, f"words of {total} tickets gathered")
