"""`otklik route`: why a ticket or a mail goes where it goes."""

from __future__ import annotations

import asyncio
import hashlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.acting import Lang, Language, refusing, width
from gateway.commands.frame import Frame, Refused, Unusable, frame_of, new_group
from gateway.commands.opened import opened

if TYPE_CHECKING:
    from router.table import CaseResult

app = new_group("Why a ticket or a file goes where it goes; a table of cases.")

_ROUTING = ("assigned", "group", "centre", "linked", "author_replied", "machine_wrote", "note_added")


@app.command()
def explain(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="FILE|NUMBER", help="A raw mail file, or the number of a ticket.")],
    mail_from: Annotated[str, typer.Option(metavar="ADDRESS", help="Envelope sender of the file, <> for none.")] = "",
    rcpt_to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Mailbox the file came to.")] = "",
    language: Lang = Language.RU,
) -> None:
    """Each field of the decision with its reason.

    For a file: what would become of it if it came now, by today's rules; nothing is stored and nobody is told.
    For a ticket: what was decided when it came, and what changed it since.
    """
    frame = frame_of(context)
    path = Path(what)
    if path.is_file():
        found = _file(frame, path, mail_from, rcpt_to, language)
        frame.answer(found, lambda: _told(found, language.value, frame.settings.site.zone))
        return
    if not any(c.isdigit() for c in what) or "/" in what:
        raise Unusable(f"{what}: there is no such file, and it is no ticket number")
    view = _ticket(frame, what, language)
    document = {
        "becomes": "ticket",
        "ticket": view["number"],
        "assignee": view["assignee"],
        "decision": view["decision"],
        "history": [e for e in view["history"] if e["what"] in _ROUTING],
    }
    frame.answer(document, lambda: _told({**document, "because": []}, language.value, frame.settings.site.zone))


@app.command("test")
def table_(
    context: typer.Context,
    table: Annotated[Path, typer.Argument(metavar="TABLE.toml", help="Cases, as [[cases]] with message and expect.")],
    language: Lang = Language.RU,
) -> None:
    """Route a table of cases by the rules of the settings; exit status 1 where one comes out otherwise."""
    frame = frame_of(context)
    cases = _cases(table)

    async def run() -> list[CaseResult]:
        from router.table import run_cases

        async with opened(frame.settings) as desk:
            organisation = await desk.reading.organisation()
            try:
                return run_cases(desk.site.router, organisation, cases, desk.clock.now())
            except ValueError as error:
                raise Unusable(f"{table}: {error}") from None

    results = asyncio.run(run())
    frame.rows(results, lambda each: _case(each, language.value), lambda each: _case_document(each, language.value))
    failed = sum(not each.passed for each in results)
    if not frame.as_json:
        print(f"{len(results) - failed} of {len(results)} cases hold")
    if failed:
        raise typer.Exit(1)


def _file(frame: Frame, path: Path, mail_from: str, rcpt_to: str, language: Language) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from None

    async def run() -> dict[str, Any]:
        from desk.explaining import Explaining
        from gateway.assemble import mail_reader
        from tickets.message import Unreadable

        async with opened(frame.settings) as desk:
            message = mail_reader(frame.settings)(
                raw,
                channel="email",
                account="smtp",
                external_id=f"explained:{hashlib.sha256(raw).hexdigest()}",
                received_at=desk.clock.now(),
                mail_from="" if mail_from == "<>" else mail_from or None,
                rcpt_to=(rcpt_to,) if rcpt_to else (),
            )
            if isinstance(message, Unreadable):
                raise Refused(f"{path}: goes to quarantine: {message.reason} {message.detail}".rstrip())
            explaining = Explaining(desk.database, desk.site, desk.tokens, desk.clock)
            return {"file": str(path), **await explaining.message(message, language.value)}

    return asyncio.run(run())


def _ticket(frame: Frame, number: str, language: Language) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with opened(frame.settings) as desk:
            return await desk.reading.ticket(number, language.value)

    with refusing():
        return asyncio.run(run())


def _cases(table: Path) -> list[Any]:
    try:
        data = tomllib.loads(table.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Unusable(f"{table}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Unusable(f"{table}: is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise Unusable(f"{table}: is no TOML: {error}") from None
    cases = data.get("cases")
    if not isinstance(cases, list) or not cases:
        raise Unusable(f"{table}: expected cases as [[cases]] with name, message and expect")
    return cases


_BECOMES = {
    "new": ("станет новой заявкой", "becomes a new ticket"),
    "reply": ("ляжет в заявку {}", "goes to ticket {}"),
    "joined": ("уже приходило, заявка {}", "came before, ticket {}"),
    "ticket": ("{}", "{}"),
}


def _told(found: dict[str, Any], language: str, zone: str) -> str:
    from desk.printout import decision_lines, history_lines

    pair = _BECOMES[found["becomes"]]
    lines = [pair[language == "en"].format(found["ticket"])]
    lines += [f"  {each}" for each in found["because"]]
    lines += decision_lines(found, language, zone, width())
    if found.get("history"):
        lines += ["", *history_lines(found["history"], language, zone, width())]
    return "\n".join(lines)


def _case(result: CaseResult, language: str) -> str:
    from router.words import words

    if result.passed:
        return f"ok   {result.name}"
    lines = [f"FAIL {result.name}"]
    for each in result.differences:
        because = f": {words(each.reason, language)}" if each.reason else ""
        lines.append(f"     {each.field}: expected {each.expected or '—'}, got {each.actual or '—'}{because}")
    return "\n".join(lines)


def _case_document(result: CaseResult, language: str) -> dict[str, Any]:
    from router.words import words

    return {
        "position": result.position,
        "name": result.name,
        "passed": result.passed,
        "differences": [
            {
                "field": each.field,
                "expected": each.expected,
                "actual": each.actual,
                "because": words(each.reason, language) if each.reason else None,
            }
            for each in result.differences
        ],
    }
