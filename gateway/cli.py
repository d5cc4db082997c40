"""The command line. Commands are imported only when called, so that `otklik --help` answers at once.

Exit status: 0 done; 1 it ran and the answer is no; 2 bad usage or settings, told in one line and never by a traceback.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import sys
import traceback
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.exceptions import Abort, TyperException

from gateway import __version__
from gateway.commands.frame import Frame, Refused, Unusable, complain

COMMANDS = {
    "demo": "The whole gateway on an embedded database and a simulated relay.",
    "serve": "Run the gateway.",
    "check": "Settings, database, mailboxes, relays and texts: ok or what to do.",
    "inspect": "What the gateway would make of raw mail files.",
    "org": "Customers, people, agreements, groups, staff: import and export.",
    "route": "Why a ticket or a file goes where it goes.",
    "ticket": "Tickets: list, show, status, comment, assign.",
    "outbox": "Deliveries with every attempt; replay of dead letters.",
    "quarantine": "What could not be taken in, with its raw bytes.",
    "spam": "What is held as spam, and whom we block and allow.",
    "reconcile": "Mailboxes and the SMTP journal against tickets: must balance to zero.",
    "templates": "Texts: check, preview, send a test.",
    "user": "Logins of staff: create, password, role, disable, sessions, second factor.",
    "search": "The index that staff pages search in: gather it anew.",
    "token": "Tokens for the API.",
    "db": "Schema and copies: upgrade, backup, restore.",
}
"""Every command with its one line of help; each lives in `gateway/commands/NAME.py` as `app`."""

EVERYWHERE = "Taken everywhere: --config FILE (else $OTKLIK_CONFIG, else ./otklik.toml), --json."


class Commands(TyperGroup):
    """The commands by name, imported when asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command.

        Raises:
            Unusable: there is no such command.
        """
        if cmd_name not in COMMANDS:
            near = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            raise Unusable(f"there is no command {cmd_name!r}; {f'did you mean {near[0]}?' if near else 'see --help'}")
        command = typer.main.get_command(importlib.import_module(f"gateway.commands.{cmd_name}").app)
        command.name = cmd_name
        command.epilog = command.epilog or EVERYWHERE
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the table of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=EVERYWHERE,
)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(metavar="FILE", help="The settings file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Otklik: omnichannel intake and notification gateway for service desks."""
    context.obj = Frame(config=config, as_json=as_json)
    if version:
        print(f"otklik {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and leave with its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(_status(sys.argv[1:] if arguments is None else list(arguments)))


def _status(arguments: list[str]) -> int:
    try:
        done = typer.main.get_command(app).main(hoisted(arguments), prog_name="otklik", standalone_mode=False)
        sys.stdout.flush()
    except Unusable as error:
        complain(str(error))
        return 2
    except Refused as error:
        complain(str(error))
        return 1
    except Abort:
        complain("stopped")
        return 1
    except TyperException as error:
        return _usage(error)
    except BrokenPipeError:
        _forget_output()
        return 1
    except Exception as error:
        return _unexpected(error)
    return done if isinstance(done, int) else 0


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The arguments with the options that are taken everywhere moved to the front.

    >>> hoisted(["ticket", "list", "--json", "--config", "my.toml", "--", "--json"])
    ['--json', '--config', 'my.toml', 'ticket', 'list', '--', '--json']

    Raises:
        Unusable: `--config` is the last word.
    """
    front: list[str] = []
    kept: list[str] = []
    rest = list(arguments)
    while rest and rest[0] != "--":
        word = rest.pop(0)
        if word == "--config":
            if not rest:
                raise Unusable("--config needs the name of a settings file after it")
            front += [word, rest.pop(0)]
        elif word == "--json" or word.startswith("--config="):
            front.append(word)
        else:
            kept.append(word)
    return front + kept + rest


def _usage(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "otklik"
    complain(f"{error.format_message()} See: {path} --help")
    return 2


def _unexpected(error: Exception) -> int:
    from gateway.settings_errors import SettingsError

    if isinstance(error, SettingsError):
        complain(str(error))
        return 2
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        complain(f"the disk is full{f': {error.filename}' if error.filename else ''}")
        return 1
    if os.environ.get("OTKLIK_TRACEBACK"):
        traceback.print_exc()
    what = f"{type(error).__name__}: {error}"[:300]
    complain(f"internal error {uuid.uuid4().hex[:8]}: {what} (OTKLIK_TRACEBACK=1 shows where)")
    return 1


def _forget_output() -> None:
    """Nobody reads any more (`otklik ... | head`): let the interpreter's last flush go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
