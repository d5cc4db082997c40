"""`python -m bench [NAME…] [--rounds N]`: measure, print a table, write `build/bench.json`.

Without names everything is measured. Exit status 1 when a figure could not be measured or misses what it must reach.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType

import psycopg

from bench import claims, figures, intake, outbox, pages, program, reading
from bench.machine import share_of_two
from bench.postgres import PostgresFailed
from bench.processes import BenchError
from bench.rounds import Book, Result
from bench.workshop import Workshop

MEASUREMENTS: dict[str, Callable[[Workshop], Result]] = {
    **{
        figures.smtp(base, n).name: partial(intake.smtp, base=base, connections=n)
        for base in figures.NAMES
        for n in (10, 50)
    },
    **{figures.api(base).name: partial(intake.api, base=base) for base in figures.NAMES},
    **{figures.form(base).name: partial(intake.form, base=base) for base in figures.NAMES},
    **{figures.outbox(base).name: partial(outbox.against_procrastinate, base=base) for base in figures.NAMES},
    figures.OUTBOX_SMTP.name: outbox.over_smtp,
    **{figures.claim_growth(base).name: partial(claims.growth, base=base) for base in figures.NAMES},
    **{
        figures.page(base, kind).name: partial(pages.pages, base=base, kind=kind)
        for base in figures.NAMES
        for kind in ("list", "ticket", "search")
    },
    figures.PARSE_RECORD.name: reading.parse_record,
    figures.INSPECT.name: reading.inspect,
    figures.INSPECT_SPEED.name: reading.inspect_speed,
    figures.CLI_HELP.name: program.cli_help,
    figures.IDLE_RSS.name: program.idle_memory,
}


def main(arguments: list[str]) -> int:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="how fast Otklik is, and others beside it")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(MEASUREMENTS)}")
    parser.add_argument("--rounds", type=int, default=11, help="rounds of each side (11)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in MEASUREMENTS]
    if unknown or options.rounds < 1:
        parser.error(f"no such figure: {', '.join(unknown)}" if unknown else "--rounds must be 1 or more")
    signal.signal(signal.SIGTERM, _leave)
    shares = [share_of_two()]
    with Workshop(rounds=options.rounds) as shop:
        book = Book(shop.build / "bench.json")
        for name in options.names or MEASUREMENTS:
            try:
                book.enter(MEASUREMENTS[name](shop))
            except (BenchError, PostgresFailed, psycopg.Error, OSError, subprocess.SubprocessError) as error:
                book.fail(name, " ".join(str(error).split()))
    shares.append(share_of_two())
    print(book.table())
    print("two busy processes got, of what one gets alone: " + ", then ".join(f"{share:.0%} each" for share in shares))
    return 0 if book.passed else 1


def _leave(number: int, frame: FrameType | None) -> None:
    # An exception runs the with blocks, which end every program that was started; dying of the signal would not.
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
