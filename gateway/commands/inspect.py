"""`otklik inspect`: what the gateway would make of raw mail, with nothing stored and nobody told."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.frame import Frame, Refused, Unusable, frame_of, new_app

if TYPE_CHECKING:
    from desk.scoring import Score

app = new_app("What the gateway would make of raw mail files.")


class Form(StrEnum):
    """What a file holds."""

    MAIL = "mail"
    TEXT = "text"
    HTML = "html"


class Language(StrEnum):
    """Languages reasons are worded in."""

    RU = "ru"
    EN = "en"


@app.command()
def inspect(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Raw mail files, or folders of them.")],
    mail_from: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Envelope sender; <> for none.")] = None,
    form: Annotated[Form, typer.Option("--as", help="What the files hold: whole mails or bare bodies.")] = Form.MAIL,
    language: Annotated[Language, typer.Option("--lang", help="Language of the reasons.")] = Language.RU,
    score: Annotated[
        bool, typer.Option("--score", help="Hold folders with an expect.jsonl against it and print the shares.")
    ] = False,
) -> None:
    """What the gateway would make of raw mail files: no database, no network, nothing stored.

    Files are read as they are, with LF or CRLF line ends; folders with everything below them. With `--score` every
    PATH is a folder whose `expect.jsonl` says what is right; the exit status is 1 if reading a mail crashes.
    """
    if score:
        _score(frame_of(context), paths)
        return
    files = list(_files(paths))
    from desk.inspection import inspect_file

    frame = frame_of(context)
    for path in files:
        try:
            found = inspect_file(path, mail_from=mail_from, as_=form.value, language=language.value)
        except OSError as error:
            raise Unusable(f"{path}: {error.strerror}") from None
        frame.answer(found, lambda found=found: _told(found))  # type: ignore[misc]


def _files(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.is_file())
        elif path.exists():
            yield path
        else:
            raise Unusable(f"{path}: there is no such file or folder")


def _score(frame: Frame, folders: list[Path]) -> None:
    from desk import scoring

    scores: dict[str, scoring.Score] = {}
    for folder in folders:
        scores[str(folder)] = scoring.Score()
        try:
            scoring.score_folder(folder, scores[str(folder)])
        except OSError as error:
            raise Unusable(f"{error.filename or folder}: {error.strerror}") from None
        except ValueError as error:
            raise Unusable(str(error)) from None
    total = scoring.totals(scores)
    document = {"folders": {name: one.document() for name, one in scores.items()}, "total": total.document()}
    frame.answer(document, lambda: _shares({**scores, "total": total}))
    if total.crashes:
        raise Refused(f"reading crashed on {total.crashes} of the mails")


def _shares(scores: dict[str, Score]) -> str:
    """Scores for people: a table a folder, below it what is wrong."""
    from desk.scoring import table

    lines = []
    for name, score in scores.items():
        lines += [name, *(f"  {line}" for line in table(score).splitlines())]
        if name != "total":
            lines += [f"  wrong: {one['check']} {one['case']} {' '.join(one['found'].split())}" for one in score.wrong]
    return "\n".join(lines)


def _told(found: dict[str, Any]) -> str:
    """One inspected file, for people."""
    lines = [found["file"]]
    if found["quarantine"]:
        return f"{found['file']}\n  quarantine   {found['quarantine']}\n"
    message = found["message"]
    sender = message["from"] or {}
    lines += [
        f"  from         {sender.get('name', '')} <{sender.get('address', '')}>",
        f"  subject      {message['subject']}",
        f"  kind         {found['kind']}, {'acknowledged' if found['acknowledge'] else 'never acknowledged'}",
    ]
    lines += [f"  because      {reason}" for reason in found["because"]]
    if bounce := found["bounce"]:
        lasting = "permanent" if bounce["permanent"] else "temporary"
        lines.append(f"  bounce       {', '.join(bounce['recipients'])} {bounce['status']} {lasting}")
    lines += [f"  attachment   {a['name']} {a['content_type']} {a['size']} B" for a in message["attachments"]]
    lines += [f"  defect       {defect}" for defect in message["defects"]]
    lines += [f"  | {line}" for line in (message["reply_text"] or message["text"]).splitlines()]
    return "\n".join(lines) + "\n"
