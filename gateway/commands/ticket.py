"""`otklik ticket`: tickets, read and changed from the command line."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.acting import By, Lang, Language, Limit, actor, coloured, refusing, width
from gateway.commands.frame import Frame, Refused, Unusable, frame_of, new_group
from gateway.commands.opened import Opened, opened
from tickets.status import Status

if TYPE_CHECKING:
    from desk.change import Actor
    from storage.tickets import Filter

app = new_group("Tickets: list, show, status, comment, assign.")

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="A ticket's number; its digits alone will do.")]

_PAGE = 200


@app.command("list")
def listing(
    context: typer.Context,
    status: Annotated[Status | None, typer.Option(help="Only tickets that stand so.")] = None,
    centre: Annotated[str, typer.Option(metavar="CODE", help="Only of this service centre.")] = "",
    customer: Annotated[str, typer.Option(metavar="CODE", help="Only of this customer.")] = "",
    assignee: Annotated[str, typer.Option(metavar="LOGIN", help="Only given to this member of staff.")] = "",
    channel: Annotated[str, typer.Option(help="Only that came by this channel: email, api.")] = "",
    words: Annotated[str, typer.Option("--q", metavar="TEXT", help="Only with this in the subject.")] = "",
    since: Annotated[str, typer.Option(metavar="TIME", help="Made then or later: 2026-11-20 or with time.")] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Made before then.")] = "",
    limit: Limit = 50,
    language: Lang = Language.RU,
) -> None:
    """Tickets, newest first."""
    frame = frame_of(context)
    zone = frame.settings.site.zone
    start, end = _instant(since, "--since", zone), _instant(until, "--until", zone)

    async def run() -> list[dict[str, Any]]:
        from uuid import UUID

        from storage.tickets import Filter

        async with opened(frame.settings) as desk:
            organisation = await desk.reading.organisation()
            member = next((m for m in organisation.members.values() if m.login == assignee), None)
            if assignee and member is None:
                raise Refused(f"--assignee: there is nobody with the login {assignee!r}")
            wanted = Filter(
                statuses=(status.value,) if status else (),
                centre=centre,
                customer=customer,
                assignee=UUID(member.id) if member else None,
                channel=channel,
                q=words,
                since=start,
                until=end,
            )
            return await _pages(desk, wanted, limit)

    frame.rows(asyncio.run(run()), lambda row: _line(row, language.value, zone), lambda row: row)


@app.command()
def show(context: typer.Context, number: Number, language: Lang = Language.RU) -> None:
    """One ticket: conversation, decision with its reasons, notifications with every attempt, history."""
    frame = frame_of(context)

    async def run(desk: Opened) -> tuple[dict[str, Any], datetime]:
        return await desk.reading.ticket(number, language.value), desk.clock.now()

    view, now = _with_desk(frame, run)

    def text() -> str:
        from desk.printout import ticket_text

        return ticket_text(view, language.value, frame.settings.site.zone, width(), coloured(), now=now)

    frame.answer(view, text)


@app.command()
def status(
    context: typer.Context,
    number: Number,
    new: Annotated[Status, typer.Argument(metavar="STATUS", help=", ".join(Status))],
    comment: Annotated[str, typer.Option(metavar="TEXT", help="What the author is told besides; - reads it.")] = "",
    by: By = "",
    language: Lang = Language.RU,
) -> None:
    """Move a ticket along its life cycle; its author is told."""
    words = _words(comment)
    _change(context, number, by, language, lambda desk, who: desk.ticketing.status(number, new, who, words))


@app.command("comment")
def comment_(
    context: typer.Context,
    number: Number,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to write; - reads it from standard input.")],
    public: Annotated[bool, typer.Option("--public/--internal", help="Send it to the author or keep it.")] = False,
    by: By = "",
    language: Lang = Language.RU,
) -> None:
    """Write on a ticket, for colleagues alone unless it is --public."""
    words = _words(text)
    _change(context, number, by, language, lambda desk, who: desk.ticketing.comment(number, words, who, public=public))


@app.command()
def assign(
    context: typer.Context,
    number: Number,
    login: Annotated[str | None, typer.Argument(metavar="[LOGIN]", help="The member of staff to give it to.")] = None,
    group: Annotated[str | None, typer.Option(metavar="CODE", help="The group to give it to.")] = None,
    centre: Annotated[str | None, typer.Option(metavar="CODE", help="The service centre to give it to.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Take it from whoever has it.")] = False,
    by: By = "",
    language: Lang = Language.RU,
) -> None:
    """Give a ticket to a person, a group or a centre."""
    if nobody and login:
        raise Unusable("a login or --nobody, not both")
    to = "" if nobody else login
    if to is None and group is None and centre is None:
        raise Unusable("say whom to give it to: a login, --group, --centre or --nobody")
    _change(
        context,
        number,
        by,
        language,
        lambda desk, who: desk.ticketing.assign(number, who, assignee=to, group=group, centre=centre),
    )


@app.command()
def link(
    context: typer.Context,
    number: Number,
    revoke: Annotated[bool, typer.Option("--revoke", help="Close the page to every link given out so far.")] = False,
    by: By = "",
) -> None:
    """The link to a ticket's page for its author; whoever has it acts as the author."""
    frame = frame_of(context)

    async def run(desk: Opened) -> str:
        from desk.portal_links import PageLinks

        links = PageLinks(desk.database, desk.site, desk.clock)
        who = await actor(desk, by)
        if revoke:
            await links.revoke(number, who)
            return ""
        return await links.give(number, who)

    address = _with_desk(frame, run)
    if revoke:
        frame.answer({"revoked": True}, lambda: "links given out so far open nothing any more")
    else:
        frame.answer({"url": address}, lambda: address)


def _change(
    context: typer.Context,
    number: str,
    by: str,
    language: Language,
    verb: Callable[[Opened, Actor], Awaitable[dict[str, Any]]],
) -> None:
    frame = frame_of(context)

    async def run(desk: Opened) -> dict[str, Any]:
        await verb(desk, await actor(desk, by))
        return await desk.reading.ticket(number, language.value)

    view = _with_desk(frame, run)
    frame.answer(view, lambda: _line(view, language.value, frame.settings.site.zone))


def _with_desk(frame: Frame, work: Callable[[Opened], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with opened(frame.settings) as desk:
            return await work(desk)

    with refusing():
        return asyncio.run(run())


async def _pages(desk: Opened, wanted: Filter, limit: int) -> list[dict[str, Any]]:
    from uuid import UUID

    found: list[dict[str, Any]] = []
    while len(found) < limit:
        page = replace(wanted, limit=min(_PAGE, limit - len(found)))
        items, cursor = await desk.reading.tickets(page)
        found += items
        if cursor is None:
            break
        wanted = replace(wanted, before=UUID(cursor))
    return found


def _line(row: dict[str, Any], language: str, zone: str) -> str:
    from desk.lists import summary_line

    return summary_line(row, language, zone, width())


def _words(text: str) -> str:
    if text != "-":
        return text
    return sys.stdin.read()


def _instant(text: str, option: str, zone: str) -> datetime | None:
    if not text:
        return None
    from zoneinfo import ZoneInfo

    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unusable(f"{option}: expected a time such as 2026-11-20 or 2026-11-20T14:05, got {text!r}") from None
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
