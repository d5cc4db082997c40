"""`otklik token`: tokens for the API."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import typer

from gateway.commands.frame import Refused, Unusable, frame_of, new_group
from gateway.commands.opened import opened

app = new_group("Tokens for the API.")


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the token is for; shown in the history of tickets.")],
    scope: Annotated[list[str], typer.Option(help="What it allows, as tickets:write; may be given several times.")],
    days: Annotated[int, typer.Option(min=0, max=36500, help="Days it lives; 0 for ever.")] = 0,
) -> None:
    """Make a token and print it once."""
    from desk.tokens import TokenBook
    from web.api.access import SCOPES

    frame = frame_of(context)
    for each in scope:
        if each not in SCOPES:
            raise Unusable(f"--scope: there is no scope {each!r}; known: {', '.join(SCOPES)}")
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise Unusable("the name must be 1 to 80 printable characters")

    async def run() -> str:
        async with opened(frame.settings) as desk:
            now = desk.clock.now()
            expires = now + timedelta(days=days) if days else None
            return await TokenBook(desk.database).create(name, sorted(set(scope)), now, expires)

    try:
        token = asyncio.run(run())
    except ValueError as error:
        raise Refused(str(error)) from None
    frame.answer({"name": name, "token": token, "scopes": sorted(set(scope))}, token)


@app.command("list")
def listing(context: typer.Context) -> None:
    """All tokens, without their secrets."""
    from desk.tokens import TokenBook

    frame = frame_of(context)

    async def run() -> list[dict[str, object]]:
        async with opened(frame.settings) as desk:
            return await TokenBook(desk.database).listing()

    frame.rows(
        asyncio.run(run()),
        lambda row: f"{row['name']}\t{','.join(row['scopes'])}\t{'revoked' if row['revoked_at'] else 'living'}",  # type: ignore[arg-type]
        lambda row: {key: row[key] for key in ("name", "scopes", "created_at", "expires_at", "revoked_at")},
    )


@app.command()
def revoke(context: typer.Context, name: Annotated[str, typer.Argument(help="The token's name.")]) -> None:
    """Make a token useless."""
    from desk.tokens import TokenBook

    frame = frame_of(context)

    async def run() -> bool:
        async with opened(frame.settings) as desk:
            return await TokenBook(desk.database).revoke(name, desk.clock.now())

    if not asyncio.run(run()):
        raise Refused(f"there is no living token called {name!r}")
    frame.answer({"name": name, "revoked": True}, f"{name} is revoked")
