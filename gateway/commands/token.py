"""`otklik token`: tokens for the API."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from gateway.commands.frame import Refused, Unusable, frame_of, new_group
from gateway.commands.opened import opened

app = new_group("Tokens for the API.")


@app.command()
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the token is for; shown in the history of tickets.")],
    scope: Annotated[list[str], typer.Option(help="What it allows, as tickets:write; may be given several times.")],
    expires: Annotated[str, typer.Option(metavar="TIME", help="How long it lives, as 90d; for ever without.")] = "",
    days: Annotated[int, typer.Option(min=0, max=36500, help="The same in days; 0 for ever.")] = 0,
    customer: Annotated[str, typer.Option(metavar="CODE", help="Only tickets of this customer exist for it.")] = "",
    centre: Annotated[str, typer.Option(metavar="CODE", help="Only tickets of this service centre exist for it.")] = "",
    limit: Annotated[
        int | None,
        typer.Option(min=0, help="Requests it may make in a minute; 0: any number; else as the settings say."),
    ] = None,
) -> None:
    """Make a token and print it once."""
    from desk.tokens import TokenBook
    from tickets.boundary import Boundary
    from web.api.access import SCOPES, UNBOUNDED_SCOPES

    frame = frame_of(context)
    within = Boundary(customer, centre)
    for each in scope:
        if each not in SCOPES:
            raise Unusable(f"--scope: there is no scope {each!r}; known: {', '.join(SCOPES)}")
        if within and each in UNBOUNDED_SCOPES:
            raise Unusable(f"--scope: {each} cannot be restricted to one customer or centre; make another token for it")
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise Unusable("the name must be 1 to 80 printable characters")
    lifetime = _lifetime(expires, days)
    scopes = sorted(set(scope))

    async def run() -> tuple[str, datetime | None]:
        async with opened(frame.settings) as desk:
            now = desk.clock.now()
            end = now + lifetime if lifetime else None
            book = TokenBook(desk.database)
            return await book.create(name, scopes, now, end, within=within, per_minute=limit), end

    try:
        token, end = asyncio.run(run())
    except ValueError as error:
        raise Refused(str(error)) from None
    document = {"name": name, "token": token, "scopes": scopes, "expires_at": end}
    frame.answer({**document, "customer": customer, "centre": centre, "per_minute": limit}, token)


def _lifetime(expires: str, days: int) -> timedelta:
    if expires and days:
        raise Unusable("--expires and --days say the same: give one of them")
    if not expires:
        return timedelta(days=days)
    from gateway.quantities import parse_duration

    try:
        lifetime = parse_duration(expires)
    except ValueError as error:
        raise Unusable(f"--expires: expected {error}") from None
    if not lifetime:
        raise Unusable("--expires: a token that has ended already is of no use")
    return lifetime


@app.command("list")
def listing(context: typer.Context) -> None:
    """All tokens, without their secrets."""
    from desk.tokens import TokenBook

    frame = frame_of(context)

    async def run() -> list[dict[str, Any]]:
        async with opened(frame.settings) as desk:
            now = desk.clock.now()
            return [row | {"state": _state(row, now)} for row in await TokenBook(desk.database).listing()]

    shown = ("name", "scopes", "customer", "centre", "per_minute", "created_at", "expires_at", "revoked_at", "state")
    frame.rows(
        asyncio.run(run()),
        lambda row: "\t".join((row["name"], ",".join(row["scopes"]), _kept_to(row), row["state"])),
        lambda row: {key: row[key] for key in shown},
    )


def _state(row: dict[str, Any], now: datetime) -> str:
    if row["revoked_at"]:
        return "revoked"
    return "expired" if row["expires_at"] and row["expires_at"] <= now else "living"


def _kept_to(row: dict[str, Any]) -> str:
    """What a token is kept to, in a few words; a dash where it is kept to nothing."""
    limit = row["per_minute"]
    words = [f"{name} {row[name]}" for name in ("customer", "centre") if row[name]]
    if limit is not None:
        words.append(f"{limit} a minute" if limit else "any number a minute")
    if row["expires_at"]:
        words.append(f"until {row['expires_at']:%Y-%m-%d %H:%M} UTC")
    return ", ".join(words) or "-"


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
