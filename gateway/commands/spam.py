"""`otklik spam`: what is held as spam, and whom we block and allow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from gateway.commands.acting import By, Limit, actor, key, refusing
from gateway.commands.frame import Frame, Refused, frame_of, new_group
from gateway.commands.opened import Opened, opened

if TYPE_CHECKING:
    from desk.spam_desk import SpamDesk

app = new_group("What is held as spam, and whom we block and allow: list, release, block, allow, rules, forget.")

Sender = Annotated[str, typer.Argument(metavar="SENDER", help="A mailbox (anna@example.ru) or a domain (example.ru).")]
Note = Annotated[str, typer.Option("--note", help="Why, for whoever reads the rules later.")]


@app.command("list")
def listing(context: typer.Context, limit: Limit = 50) -> None:
    """What is held, newest first."""
    frame = frame_of(context)

    async def run(_: Opened, desk: SpamDesk) -> list[dict[str, Any]]:
        from desk.spam_desk import HELD_SPAM

        found: list[dict[str, Any]] = []
        wanted = HELD_SPAM
        while len(found) < limit:
            rows, cursor = await desk.listing(replace(wanted, limit=min(200, limit - len(found))))
            found += rows
            if cursor is None:
                break
            wanted = replace(wanted, before=UUID(cursor))
        return found

    frame.rows(_with_desk(frame, run), _line, lambda row: row)


@app.command()
def release(
    context: typer.Context,
    entry: Annotated[str, typer.Argument(metavar="ID", help="An entry's id, as `otklik spam list` prints it.")],
    allow: Annotated[bool, typer.Option("--allow", help="Never hold its sender again.")] = False,
    by: By = "",
) -> None:
    """Make the ticket it would have been; its author is acknowledged now."""
    frame = frame_of(context)
    wanted = key(entry, "spam")

    async def run(program: Opened, desk: SpamDesk) -> dict[str, Any]:
        from gateway.assemble import mail_reader

        who = await actor(program, by)
        done = await desk.release(wanted, mail_reader(program.settings), who, allow=allow)
        return {"id": wanted.hex, "ticket": done.number or None, "why": done.why or None}

    answer = _with_desk(frame, run)
    if answer["ticket"] is None:
        raise Refused(f"{wanted.hex} is still held: {' '.join(str(answer['why']).split())}")
    frame.answer(answer, f"{wanted.hex} is ticket {answer['ticket']}")


@app.command()
def block(context: typer.Context, sender: Sender, note: Note = "", by: By = "") -> None:
    """Hold whatever comes from a mailbox or a domain from now on."""
    _rule(frame_of(context), lambda desk, who: desk.block(sender, who, note), by, "is held from now on")


@app.command()
def allow(context: typer.Context, sender: Sender, note: Note = "", by: By = "") -> None:
    """Never hold what comes from a mailbox or a domain because of a filter."""
    _rule(frame_of(context), lambda desk, who: desk.allow(sender, who, note), by, "is let through from now on")


@app.command()
def rules(context: typer.Context) -> None:
    """Whom we block and allow, newest first."""
    frame = frame_of(context)

    async def run(_: Opened, desk: SpamDesk) -> list[dict[str, Any]]:
        return await desk.rules()

    frame.rows(_with_desk(frame, run), _rule_line, lambda row: {**row, "at": row["at"].isoformat()})


@app.command()
def forget(context: typer.Context, sender: Sender, by: By = "") -> None:
    """Take a rule back."""
    frame = frame_of(context)

    async def run(program: Opened, desk: SpamDesk) -> bool:
        return await desk.forget(sender, await actor(program, by))

    if not _with_desk(frame, run):
        raise Refused(f"there is no rule for {sender}; `otklik spam rules` shows them")
    frame.answer({"forgotten": sender}, f"{sender} has no rule any more")


def _rule(frame: Frame, verb: Callable[[SpamDesk, Any], Awaitable[str]], by: str, told: str) -> None:
    async def run(program: Opened, desk: SpamDesk) -> str:
        return await verb(desk, await actor(program, by))

    made = _with_desk(frame, run)
    frame.answer({"rule": made}, f"{made.partition(':')[2]} {told}")


def _with_desk(frame: Frame, work: Callable[[Opened, SpamDesk], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        from desk.spam_desk import SpamDesk
        from gateway.assemble import quarantine

        async with opened(frame.settings) as desk:
            book = quarantine(desk.settings, desk.intake)
            return await work(desk, SpamDesk(desk.database, book, desk.intake.clock))

    with refusing():
        return asyncio.run(run())


def _line(row: dict[str, Any]) -> str:
    from outbound.foreign import one_line

    said = f"{one_line(row['from']) or '-'}  {one_line(row['subject'])[:60]}"
    return f"{row['id']}  {row['received_at'][:16]}  {said}  {one_line(row['detail'])}"


def _rule_line(row: dict[str, Any]) -> str:
    return f"{row['key']}  {row['verdict']}  {row['at'].isoformat()[:16]}  {row['by']}  {row['hits']}  {row['note']}"
