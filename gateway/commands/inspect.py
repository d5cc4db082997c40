"""`otklik inspect`: what the gateway would make of raw mail, with nothing stored and nobody told."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.commands.frame import Unusable, frame_of, new_app

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
) -> None:
    """What the gateway would make of raw mail files: no database, no network, nothing stored.

    Files are read as they are, with LF or CRLF line ends; folders with everything below them.
    """
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
