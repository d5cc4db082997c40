"""`otklik org`: the service organisation, kept in files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.commands.frame import Frame, Unusable, complain, frame_of, new_group
from gateway.commands.opened import opened

if TYPE_CHECKING:
    from desk.organisation import Bundle, Changes
    from tickets.organisation import Organisation

app = new_group("Customers, agreements, centres, groups and staff: import and export.")

_MOST_PROBLEMS = 20


@app.command("import")
def import_(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="TOML, JSON, or CSV of customers or staff.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="The files are everything there is.")] = False,
) -> None:
    """Make the stored organisation what the files say; all of it or, when anything is wrong, nothing.

    Entries are known by their code (staff by login). Keys a file leaves out stay as they are, and so do entries no
    file lists. With --replace the files are everything there is of the kinds they list (centre, agreement, group,
    staff, customer): what is left out goes back to its default, entries no file lists are removed. Kinds no file
    lists are never touched.
    """
    from desk.organisation import Refused as Wrong

    frame = frame_of(context)
    try:
        changes = asyncio.run(_import(frame, read(files), dry_run=dry_run, replace=replace))
    except Wrong as error:
        raise _unusable(error.problems) from None
    document = {"dry_run": dry_run, "version": changes.after.version, **changes.as_json()}
    frame.answer(document, lambda: "\n".join([*changes.lines(), *["nothing was stored (--dry-run)"] * dry_run]))


@app.command()
def export(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write there instead of printing.")] = None,
) -> None:
    """Print the stored organisation as TOML that imports back to the same."""
    from desk.organisation import export as text_of

    frame = frame_of(context)
    organisation = asyncio.run(_load(frame))
    text = text_of(organisation)
    if output is None:
        frame.answer({"version": organisation.version, "toml": text}, text.rstrip("\n"))
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unusable(f"{output}: cannot be written: {error.strerror}") from None
    frame.answer({"version": organisation.version, "file": str(output)}, f"written to {output}")


def read(files: list[Path]) -> Bundle:
    """What the files list, all together.

    Raises:
        Unusable: a file cannot be read or is no UTF-8.
        desk.organisation.Refused: something in them is wrong.
    """
    from desk.organisation import Bundle, parse
    from desk.organisation import Refused as Wrong

    bundles: list[Bundle] = []
    problems: list[str] = []
    for path in files:
        try:
            text = path.read_bytes().decode("utf-8-sig")
            bundles.append(parse(text, str(path)))
        except OSError as error:
            raise Unusable(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise Unusable(f"{path}: is not UTF-8 at byte {error.start}; save it as UTF-8") from None
        except Wrong as error:
            problems += error.problems
    if problems:
        raise Wrong(problems)
    return Bundle.joined(bundles)


def _unusable(problems: tuple[str, ...]) -> Unusable:
    """One line for each problem; the last of them ends the program."""
    lines = list(problems[:_MOST_PROBLEMS])
    if len(problems) > len(lines):
        lines.append(f"and {len(problems) - len(lines)} more")
    for line in lines[:-1]:
        complain(line)
    return Unusable(lines[-1])


async def _import(frame: Frame, bundle: Bundle, *, dry_run: bool, replace: bool) -> Changes:
    from desk.organisation import difference, import_bundle
    from storage.organisation import load

    async with opened(frame.settings) as desk:
        site, calendars = desk.site, frozenset(desk.settings.calendars)
        if dry_run:
            stored = await desk.database.read(load)
            return difference(stored, bundle, site=site, calendars=calendars, replace=replace)
        return await desk.database.write(
            lambda connection: import_bundle(connection, bundle, site=site, calendars=calendars, replace=replace),
            name="organisation",
        )


async def _load(frame: Frame) -> Organisation:
    from storage.organisation import load

    async with opened(frame.settings) as desk:
        return await desk.database.read(load)
