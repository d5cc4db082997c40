"""`otklik reconcile`: mailboxes and the SMTP journal against tickets, joined duplicates and quarantine."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.frame import Unusable, frame_of, new_app
from gateway.commands.opened import Opened, opened

if TYPE_CHECKING:
    from channels.email.imap_options import MailboxOptions
    from channels.email.imap_visit import Visit
    from desk.reconcile import Account
    from gateway.settings import Settings

app = new_app("Mailboxes and the SMTP journal against tickets, duplicates and quarantine: must balance to zero.")

JUST_NOW = timedelta(minutes=5)
"""How long a mail may lie in its folder before the gateway should have read it."""
NAMED = 50
"""How many mails of one account are named."""

_COLUMNS = ("mails", "tickets", "joined", "quarantine", "waiting", "astray")


@app.command()
def reconcile(
    context: typer.Context,
    mailbox: Annotated[list[str] | None, typer.Argument(help="Mailboxes by name; all and the journal if none.")] = None,
) -> None:
    """Say for every mail in a mailbox, and every mail we said we have, where it is; exit status 1 if one is nowhere.

    Nothing is taken, marked or changed. Mail of the last five minutes that is not read yet counts as waiting. What was
    moved out of the folder that is read, by us or by people, is not looked for.
    """
    frame = frame_of(context)
    wanted = mailbox or []
    for name in wanted:
        if name not in frame.settings.mailbox:
            known = ", ".join(frame.settings.mailbox) or "none"
            raise Unusable(f"there is no [mailbox.{name}]; known: {known}")
    lines = asyncio.run(_all(frame.settings, wanted))
    if frame.as_json:
        frame.rows(lines, str, _document)
    else:
        print(_table(lines))
    if not all(line.balanced for line in lines):
        raise typer.Exit(1)


async def _all(settings: Settings, wanted: list[str]) -> list[Account]:
    from desk.reconcile import journals
    from gateway.assemble_mailboxes import mailbox_options

    async with opened(settings) as desk:
        options = mailbox_options(settings)
        lines = [await _mailbox(desk, options[name]) for name in wanted or options]
        if not wanted:
            lines += await journals(desk.database, list(options))
        return lines


async def _mailbox(desk: Opened, options: MailboxOptions) -> Account:
    from channels.email.imap_oauth import NoToken
    from channels.email.imap_visit import visit
    from channels.email.imap_wire import MailboxError
    from desk.mailbox_books import MailboxCredentials
    from desk.reconcile import Account, mailbox
    from gateway.assemble import vault

    kept = MailboxCredentials(desk.database, desk.clock, await vault(desk.settings, desk.database, desk.clock))
    try:
        async with visit(options, kept, desk.clock.now) as entered:
            line, left = await mailbox(desk.database, options.account, await entered.ids())
            await _name(line, left, entered, desk.clock.now())
            return line
    except (MailboxError, NoToken) as error:
        return Account(options.name, "mailbox", problem=f"cannot be entered: {error}")


async def _name(line: Account, left: dict[str, str], entered: Visit, now: datetime) -> None:
    """Tell apart what waits and what is unaccounted for, and name some of the latter."""
    from desk.reconcile import Unaccounted

    shown = await entered.show(list(left))
    for external_id, why in left.items():
        mail = shown.get(external_id)
        if mail is None:
            # gone meanwhile
            line.mails -= 1
            continue
        if why == "not taken in" and mail.arrived is not None and now - mail.arrived < JUST_NOW:
            line.waiting += 1
            continue
        line.astray += 1
        if len(line.unaccounted) < NAMED:
            came = f"{mail.arrived.astimezone(UTC):%Y-%m-%d %H:%M}Z" if mail.arrived is not None else "no date"
            said = f"{why} (came {came}, from {mail.sender or 'nobody'}, {mail.subject!r})"
            line.unaccounted.append(Unaccounted(external_id, said))


def _document(line: Account) -> dict[str, Any]:
    document: dict[str, Any] = {"source": line.source, "kind": line.kind}
    document |= {name: getattr(line, name) for name in _COLUMNS}
    document |= {"balanced": line.balanced, "problem": line.problem}
    document["unaccounted"] = [{"id": each.id, "told": each.told} for each in line.unaccounted]
    return document


def _table(lines: list[Account]) -> str:
    if not lines:
        return "there is no mailbox, and no mail came yet"
    width = max(12, *(len(line.source) + 8 for line in lines))
    told = ["".join([f"{'':<{width}}", *(f"{name:>12}" for name in _COLUMNS)])]
    for line in lines:
        numbers = "".join(f"{getattr(line, name):>12}" for name in _COLUMNS)
        told.append(f"{f'{line.kind} {line.source}':<{width}}{numbers}")
    for line in lines:
        if line.problem:
            told.append(f"{line.source}: {line.problem}")
        told += [f"{line.source}: {each.id}: {each.told}" for each in line.unaccounted]
        if line.astray > len(line.unaccounted):
            told.append(f"{line.source}: and {line.astray - len(line.unaccounted)} more")
    told.append("balanced" if all(line.balanced for line in lines) else "NOT balanced")
    return "\n".join(told)
