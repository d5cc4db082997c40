"""`otklik quarantine`: what was taken and kept, yet is no ticket."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from gateway.commands.acting import Limit, key, refusing
from gateway.commands.frame import Frame, Unusable, frame_of, new_group
from gateway.commands.opened import Opened, opened

if TYPE_CHECKING:
    from desk.quarantine import Quarantine
    from storage.quarantine import Filter

app = new_group("What could not be taken in, with its raw bytes: list, show, replay.")

Id = Annotated[str, typer.Argument(metavar="ID", help="An entry's id, as `otklik quarantine list` prints it.")]

_PAGE = 200
_SHOWN = 4000


class State(StrEnum):
    """Whether an entry became a ticket."""

    HELD = "held"
    REPLAYED = "replayed"


@app.command("list")
def listing(
    context: typer.Context,
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    channel: Annotated[str, typer.Option(help="Only what came by this channel: email, api.")] = "",
    limit: Limit = 50,
) -> None:
    """Entries, newest first."""
    from storage.quarantine import Filter

    frame = frame_of(context)
    wanted = Filter(state=state.value if state else "", channel=channel)

    async def run(_: Opened, quarantine: Quarantine) -> list[dict[str, Any]]:
        return await _pages(quarantine, wanted, limit)

    frame.rows(_with_quarantine(frame, run), lambda row: _line(row, frame.settings.site.zone), lambda row: row)


@app.command()
def show(
    context: typer.Context,
    entry: Id,
    raw: Annotated[bool, typer.Option("--raw", help="Print its bytes as they came and nothing else.")] = False,
) -> None:
    """One entry: why it is here, its envelope, and the beginning of what came."""
    frame = frame_of(context)
    wanted = key(entry, "quarantine")

    async def run(_: Opened, quarantine: Quarantine) -> tuple[dict[str, Any], bytes | None]:
        found = await quarantine.show(wanted)
        return found, None if found["size"] is None else await quarantine.raw(wanted)

    found, octets = _with_quarantine(frame, run)
    if raw:
        sys.stdout.flush()
        sys.stdout.buffer.write(octets or b"")
        sys.stdout.buffer.flush()
        return
    frame.answer(found, lambda: _told(found, octets, frame.settings.site.zone))


@app.command()
def replay(
    context: typer.Context,
    entry: Annotated[str, typer.Argument(metavar="[ID]", help="The entry to read again.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every entry that is held, but spam.")] = False,
) -> None:
    """Read an entry's bytes again with this program and take it in; one that has its ticket keeps it."""
    from storage.quarantine import SPAM, Filter

    frame = frame_of(context)
    if bool(entry) == everything:
        raise Unusable("name one entry, or say --all for every one that is held")
    one = key(entry, "quarantine") if entry else None

    async def run(desk: Opened, quarantine: Quarantine) -> list[dict[str, Any]]:
        from gateway.assemble import mail_reader

        read = mail_reader(desk.settings)
        # spam is let go one by one
        held_ones = Filter(state=State.HELD, without=SPAM)
        held = [one.hex] if one else [e["id"] for e in await _pages(quarantine, held_ones, 100_000)]
        answers: list[dict[str, Any]] = []
        for each in reversed(held):
            done = await quarantine.replay(UUID(each), read)
            answers.append({"id": each, "ticket": done.number or None, "why": done.why or None})
        return answers

    answers = _with_quarantine(frame, run)
    frame.rows(answers, _outcome, lambda answer: answer)
    if not answers and not frame.as_json:
        print("nothing is held")
    if any(each["ticket"] is None for each in answers):
        raise typer.Exit(1)


def _with_quarantine(frame: Frame, work: Callable[[Opened, Quarantine], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        from gateway.assemble import quarantine

        async with opened(frame.settings) as desk:
            return await work(desk, quarantine(desk.settings, desk.intake))

    with refusing():
        return asyncio.run(run())


async def _pages(quarantine: Quarantine, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        page = replace(wanted, limit=min(_PAGE, limit - len(found)))
        items, cursor = await quarantine.listing(page)
        found += items
        if cursor is None:
            break
        wanted = replace(wanted, before=UUID(cursor))
    return found


def _line(row: dict[str, Any], zone: str) -> str:
    from desk.lists import moment

    size = "gone" if row["size"] is None else f"{row['size']} B"
    became = row["ticket"] or row["state"]
    return f"{row['id']}  {moment(row['received_at'], zone)}  {row['channel']}  {size}  {became}  {row['reason']}"


def _outcome(answer: dict[str, Any]) -> str:
    if answer["ticket"]:
        return f"{answer['id']} is ticket {answer['ticket']}"
    return f"{answer['id']} is still held: {' '.join(answer['why'].split())}"


def _told(found: dict[str, Any], octets: bytes | None, zone: str) -> str:
    from outbound.foreign import clean, one_line

    why = ": ".join(filter(None, (found["reason"], one_line(found["detail"]))))
    lines = [_line(found, zone), f"why: {why}", f"replayed: {found['replays']}"]
    envelope = found["envelope"] or {}
    lines += [f"  {one_line(str(name))}: {one_line(str(value))[:300]}" for name, value in envelope.items()]
    if octets is None:
        return "\n".join([*lines, "the bytes were removed when their time was over"])
    text = clean(octets[:_SHOWN].decode("utf-8", "replace"))
    lines += ["", *(f"| {line}" for line in text.splitlines())]
    if len(octets) > _SHOWN:
        lines.append(f"… {len(octets) - _SHOWN} bytes more; all of them with --raw")
    return "\n".join(lines)
