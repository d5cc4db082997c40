"""`otklik outbox`: every delivery with every attempt, and what a person does about those that did not arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from gateway.commands.acting import By, Lang, Language, Limit, actor, coloured, key, refusing, width
from gateway.commands.frame import Frame, Unusable, frame_of, new_group
from gateway.commands.opened import Opened, opened
from tickets.delivery import DeliveryState

if TYPE_CHECKING:
    from desk.ledger import Ledger
    from storage.ledger import Filter

app = new_group("Deliveries with every attempt: list, show, retry, settle, health.")

Id = Annotated[str, typer.Argument(metavar="ID", help="A delivery's id, as `otklik outbox list` prints it.")]
Channel = Annotated[str, typer.Option(help="Only by this channel: email.")]
Provider = Annotated[str, typer.Option(metavar="NAME", help="Only by this relay.")]
Ticket = Annotated[str, typer.Option(metavar="NUMBER", help="Only about this ticket.")]
Person = Annotated[str, typer.Option(metavar="WHO", help="Only to this address, or to people with this in their name.")]

_PAGE = 200


@app.command("list")
def listing(
    context: typer.Context,
    state: Annotated[DeliveryState | None, typer.Option(help="Only in this state.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Only dead letters: failed and expired.")] = False,
    channel: Channel = "",
    provider: Provider = "",
    ticket: Ticket = "",
    person: Person = "",
    limit: Limit = 50,
    language: Lang = Language.RU,
) -> None:
    """Deliveries, newest first."""
    from storage.ledger import Filter

    frame = frame_of(context)
    wanted = Filter(state=state, dead=dead, channel=channel, provider=provider, person=person)

    async def run(_: Opened, ledger: Ledger) -> list[dict[str, Any]]:
        return await _pages(ledger, wanted, ticket, limit, language.value)

    zone = frame.settings.site.zone
    frame.rows(_with_ledger(frame, run), lambda row: _line(row, language.value, zone), lambda row: row)


@app.command()
def show(context: typer.Context, delivery: Id, language: Lang = Language.RU) -> None:
    """One delivery: every attempt with what the provider answered, and the text as sent."""
    frame = frame_of(context)
    wanted = key(delivery, "outbox")

    async def run(_: Opened, ledger: Ledger) -> dict[str, Any]:
        return await ledger.show(wanted, language.value)

    entry = _with_ledger(frame, run)

    def text() -> str:
        from desk.printout import delivery_text

        return delivery_text(entry, language.value, frame.settings.site.zone, width(), coloured())

    frame.answer(entry, text)


@app.command()
def retry(
    context: typer.Context,
    delivery: Annotated[str, typer.Argument(metavar="[ID]", help="The delivery to send again.")] = "",
    dead: Annotated[bool, typer.Option("--dead", help="All dead letters, or those the options below name.")] = False,
    channel: Channel = "",
    provider: Provider = "",
    ticket: Ticket = "",
    person: Person = "",
    by: By = "",
) -> None:
    """Send again what failed or expired. Nobody gets anything twice: what was sent is refused."""
    from storage.ledger import Filter

    frame = frame_of(context)
    if bool(delivery) == dead:
        raise Unusable("name one delivery, or say --dead for all dead letters")
    if not dead:
        wanted = key(delivery, "outbox")

        async def one(desk: Opened, ledger: Ledger) -> dict[str, Any]:
            await ledger.retry(wanted, await actor(desk, by))
            return await ledger.show(wanted, "en")

        frame.answer(_with_ledger(frame, one), f"{wanted.hex} is queued again")
        return

    async def all_of_them(desk: Opened, ledger: Ledger) -> Any:
        about = Filter(channel=channel, provider=provider, person=person)
        return await ledger.retry_dead(about, await actor(desk, by), ticket=ticket)

    replayed = _with_ledger(frame, all_of_them)
    document = {"done": replayed.done, "refused": [{"id": each, "why": why} for each, why in replayed.refused]}
    lines = [f"{replayed.done} queued again", *(f"{each} not: {why}" for each, why in replayed.refused)]
    frame.answer(document, "\n".join(lines))
    if replayed.refused and not replayed.done:
        raise typer.Exit(1)


@app.command()
def settle(
    context: typer.Context,
    delivery: Id,
    state: Annotated[DeliveryState, typer.Argument(metavar="sent|failed|queued", help="What became of it.")],
    by: By = "",
) -> None:
    """Say what became of a delivery that is unknown: sent, failed, or queued to send it again."""
    frame = frame_of(context)
    wanted = key(delivery, "outbox")

    async def run(desk: Opened, ledger: Ledger) -> dict[str, Any]:
        await ledger.settle(wanted, state, await actor(desk, by))
        return await ledger.show(wanted, "en")

    frame.answer(_with_ledger(frame, run), f"{wanted.hex} is {state} now")


@app.command()
def health(context: typer.Context) -> None:
    """How sending goes, relay by relay; exit status 1 where something is dead or unknown."""
    frame = frame_of(context)

    async def run(_: Opened, ledger: Ledger) -> dict[str, Any]:
        return await ledger.health()

    found = _with_ledger(frame, run)
    frame.answer(found, lambda: "\n".join(_health(found)))
    if found["dead"] or found["unknown"]:
        raise typer.Exit(1)


def _health(found: dict[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, of in found["providers"].items():
        oldest = f", the oldest for {of['oldest_due_seconds']} s" if of["due"] else ""
        lines.append(f"{name}: {of['due']} due{oldest}, {of['later']} later, {of['sending']} being sent")
        lines.append(f"  last hour: {of['sent_last_hour']} sent, {of['failed_last_hour']} tries failed")
        lines.append(f"  last success: {of['last_success_at'] or 'none'}")
        if error := of["last_error"]:
            lines.append(f"  last error: {error['at']} {error['code']} {' '.join(error['detail'].split())[:200]}")
    lines.append(f"dead letters: {found['dead']}, unknown: {found['unknown']}")
    if found["dead"]:
        lines.append("see `otklik outbox list --dead`; send them again with `otklik outbox retry --dead`")
    if found["unknown"]:
        lines.append("see `otklik outbox list --state unknown`; decide with `otklik outbox settle ID STATE`")
    return lines


def _with_ledger(frame: Frame, work: Callable[[Opened, Ledger], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        from desk.ledger import Ledger

        async with opened(frame.settings) as desk:
            return await work(desk, Ledger(desk.database, desk.site, desk.clock))

    with refusing():
        return asyncio.run(run())


async def _pages(ledger: Ledger, wanted: Filter, ticket: str, limit: int, language: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        page = replace(wanted, limit=min(_PAGE, limit - len(found)))
        items, cursor = await ledger.listing(page, language, ticket=ticket)
        found += items
        if cursor is None:
            break
        wanted = replace(wanted, before=UUID(cursor))
    return found


def _line(row: dict[str, Any], language: str, zone: str) -> str:
    from desk.lists import delivery_line

    return delivery_line(row, language, zone)
