"""`otklik demo`: the whole gateway to look at and to play with."""

from __future__ import annotations

import asyncio
import errno
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.frame import Refused, frame_of, new_app

app = new_app("The whole gateway on an embedded database and a simulated relay.")

HTTP, SMTP = 8025, 2525


@app.command()
def demo(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Tell the whole story by itself and end.")] = False,
    send: Annotated[str, typer.Option(metavar="TEXT", help="Send a mail to the demonstration that is running.")] = "",
    folder: Annotated[Path, typer.Option(help="Where settings and database are kept.")] = Path("demo"),
    smtp: Annotated[int, typer.Option(min=0, max=65535, help="Port for SMTP.")] = SMTP,
    http: Annotated[int, typer.Option(min=0, max=65535, help="Port for HTTP.")] = HTTP,
    language: Annotated[str, typer.Option("--lang", help="ru or en.")] = "ru",
) -> None:
    """The whole gateway on an embedded database, with a sample organisation and a relay that delivers nowhere."""
    from gateway import demo as stage
    from gateway import log
    from gateway.commands.serve import run_loop

    if send:
        _send(send, smtp)
        return
    log.configure("error", "console")
    if once:
        with tempfile.TemporaryDirectory(prefix="otklik-demo-") as temporary:
            try:
                run_loop(stage.once(Path(temporary), language, _say))
            except TimeoutError:
                raise Refused(f"the story did not end within {stage.PATIENCE:.0f} s") from None
        return
    frame_of(context)
    try:
        run_loop(stage.live(folder.resolve(), language, _say, http=http, smtp=smtp, command=_command(smtp)))
    except KeyboardInterrupt:
        _say("")
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise Refused(
            f"cannot listen on 127.0.0.1:{smtp} or 127.0.0.1:{http}: {error.strerror}; use --smtp and --http"
        ) from None


def _command(smtp: int) -> str:
    """How this program is called from another window."""
    program = sys.argv[0] if Path(sys.argv[0]).name != "__main__.py" else f"{sys.executable} -m gateway"
    return f"{program} demo{f' --smtp {smtp}' if smtp != SMTP else ''}"


def _send(text: str, port: int) -> None:
    from gateway import demo_mail

    subject, _, rest = text.partition("\n")
    try:
        answer = asyncio.run(demo_mail.send(demo_mail.a_mail(subject[:120], rest or text), "127.0.0.1", port))
    except OSError as error:
        raise Refused(f"no demonstration listens on 127.0.0.1:{port}: {error}; start one with `otklik demo`") from None
    _say(answer)


def _say(line: str) -> None:
    print(line, flush=True)
