"""`otklik check`: everything the gateway needs, one line each: ok, or what to do."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from gateway.commands.check_mail import Wrong, questions
from gateway.commands.frame import Frame, frame_of, new_app
from gateway.quantities import SocketAddress

if TYPE_CHECKING:
    from gateway.settings import Settings
    from storage.database import Database
    from tickets.organisation import Organisation

app = new_app("Settings, database, mailboxes, relays and texts: ok or what to do.")

PATIENCE = 20.0
"""Seconds one question may take."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer. `told` says what was found, or what is wrong and what to do about it."""

    what: str
    ok: bool
    told: str

    def __str__(self) -> str:
        return f"{'ok ' if self.ok else 'BAD'} {self.what}: {' '.join(self.told.split())}"


@app.command()
def check(context: typer.Context) -> None:
    """Look at settings, database, mailboxes, relays, listeners and texts; exit status 1 where something is not ok.

    Nothing is changed, nothing is sent; each relay and mailbox is connected to and signed in at.
    """
    frame = frame_of(context)
    findings = asyncio.run(_all(frame))
    frame.rows(findings, str, lambda each: {"what": each.what, "ok": each.ok, "told": each.told})
    if not all(each.ok for each in findings):
        raise typer.Exit(1)


async def _all(frame: Frame) -> list[Finding]:
    from gateway import log
    from gateway import settings as settings_module

    settings = frame.settings
    log.configure("critical", "console")
    path = settings_module.find(frame.config, os.environ)
    findings = [
        Finding("settings", True, str(path) if path else "no file, the defaults"),
        Finding("rules", True, f"{len(settings.rules)} rules, {len(settings.calendars)} calendars"),
    ]
    codes, found = await _database(settings)
    findings += found
    findings.append(await _asked("forms", lambda: _forms(settings, codes)))
    findings.append(await _asked("disk", lambda: _disk(settings)))
    findings += await asyncio.gather(*(_relay(settings, name) for name in settings.relays))
    if not settings.relays:
        findings.append(Finding("relays", False, "there is none: nobody can be told; add a [relay.NAME]"))
    if settings.dkim.selector:
        findings.append(await _asked("dkim", lambda: _dkim(settings)))
    findings += await asyncio.gather(*(_mailbox(settings, name) for name in settings.mailbox))
    duties = settings.serve.only
    if not duties or "smtp" in duties:
        findings.append(await _asked("smtp", lambda: _smtp(settings.smtp.listen, settings.smtp.hostname)))
        findings += await asyncio.gather(*(_asked(what, question) for what, question in questions(settings)))
    if not duties or "http" in duties:
        findings.append(await _asked("http", lambda: _http(settings.http.listen)))
    if settings.metrics.listen is not None:
        own = settings.metrics.listen
        findings.append(await _asked("metrics", lambda: _http(own)))
    findings += await asyncio.to_thread(_templates, settings, codes)
    return findings


async def _asked(what: str, question: Callable[[], Awaitable[str]]) -> Finding:
    from channels.base import SendFailed
    from storage.errors import StorageError

    try:
        async with asyncio.timeout(PATIENCE):
            return Finding(what, True, await question())
    except TimeoutError:
        return Finding(what, False, f"no answer in {PATIENCE:.0f} s")
    except (Wrong, StorageError, OSError, SendFailed, ValueError) as error:
        return Finding(what, False, str(error))


# ---- the database -------------------------------------------------------------------------------------------------


async def _database(settings: Settings) -> tuple[frozenset[str] | None, list[Finding]]:
    """The codes of centres and customers, None where they are not known, and what was found."""
    shown = settings.database.shown
    schema = await _asked("database", lambda: _schema(settings))
    if not schema.ok:
        return None, [Finding("database", False, f"{shown}: {schema.told}")]
    from gateway.assemble import database
    from storage.errors import StorageError

    try:
        opened = await database(settings)
    except StorageError as error:
        return None, [Finding("database", False, f"{shown}: {error}")]
    known: list[Organisation] = []
    try:
        return await _contents(opened, schema, known)
    finally:
        await opened.close()


async def _contents(
    opened: Database, schema: Finding, known: list[Organisation]
) -> tuple[frozenset[str] | None, list[Finding]]:
    organisation = await _asked("organisation", lambda: _organisation(opened, known))
    integrity = await _asked("integrity", lambda: _integrity(opened))
    codes = frozenset(known[0].centres) | frozenset(known[0].customers) if known else None
    return codes, [schema, organisation, integrity]


async def _schema(settings: Settings) -> str:
    from storage import schema

    problem = await schema.check(settings.database.url)
    if problem:
        raise Wrong(problem)
    return f"{settings.database.shown}, schema {await schema.current(settings.database.url)}"


async def _organisation(opened: Database, known: list[Organisation]) -> str:
    from storage import organisation as organisations

    found = await opened.read(organisations.load)
    known.append(found)
    if not found.centres or not found.groups:
        raise Wrong("there is no centre or no group, so nobody is assigned: run `otklik org import FILE`")
    return (
        f"{len(found.centres)} centres, {len(found.groups)} groups, {len(found.members)} staff, "
        f"{len(found.customers)} customers"
    )


async def _integrity(opened: Database) -> str:
    from storage import integrity

    problems = await opened.read(integrity.problems)
    if problems:
        more = f"; and {len(problems) - 1} more kinds" if len(problems) > 1 else ""
        raise Wrong(f"{problems[0]}{more}: keep a copy (`otklik db backup FILE`) before anything else")
    return "every row has its place"


async def _forms(settings: Settings, codes: frozenset[str] | None) -> str:
    for name, form in settings.form.items():
        if codes is not None and form.centre and form.centre not in codes:
            raise Wrong(f"[form.{name}] names the centre {form.centre}, which the organisation does not have")
    return f"{len(settings.form)} of them: {', '.join(settings.form)}"


async def _disk(settings: Settings) -> str:
    from gateway.assemble import disk_options
    from gateway.disk import free_space
    from gateway.quantities import format_size

    options = disk_options(settings)
    if options.folder is None:
        return "that of PostgreSQL is not seen from here; name a folder in [disk] path where it is this machine's"
    free = free_space(options.folder)
    if free < options.floor:
        raise Wrong(
            f"{free // 10**6} MB are left in {options.folder}: below {format_size(options.floor)} inputs are refused"
        )
    if free < options.warn:
        raise Wrong(f"only {free // 10**6} MB are left in {options.folder}: make room, or lower [disk] warn")
    return f"{free // 10**6} MB are free in {options.folder}"


# ---- the outer world ----------------------------------------------------------------------------------------------


async def _relay(settings: Settings, name: str) -> Finding:
    from channels.email.smtp_out import Relay
    from gateway.assemble import relay_options
    from gateway.clock import SystemClock

    relay = Relay(relay_options(settings, name), clock=SystemClock().now)
    found = await _asked(f"relay {name}", relay.check)
    if found.ok:
        return found
    at = settings.relay[name]
    return Finding(found.what, False, f"{at.host}:{at.port}: {found.told}; see [relay.{name}]")


async def _dkim(settings: Settings) -> str:
    """That the key signs, and the record receivers look for; whether it is published only they can tell."""
    from gateway.assemble import dkim_signer

    made = await asyncio.to_thread(dkim_signer, settings)
    if made is None:
        raise Wrong("nothing is signed: set dkim.selector and dkim.key_file")
    await asyncio.to_thread(made.sign, b"From: a@example.org\r\n\r\n")
    name, record = made.record
    return f'{made.algorithm} for {made.domain}; the DNS needs {name} TXT "{record}"'


async def _mailbox(settings: Settings, name: str) -> Finding:
    found = await _asked(f"mailbox {name}", lambda: _entered(settings, name))
    if found.ok:
        return found
    at = settings.mailbox[name]
    return Finding(found.what, False, f"{at.host}: {found.told}; see [mailbox.{name}]")


async def _entered(settings: Settings, name: str) -> str:
    from channels.email.imap_oauth import NoToken
    from channels.email.imap_visit import visit
    from channels.email.imap_wire import MailboxError
    from desk.mailbox_books import MailboxCredentials
    from gateway.assemble import database, vault
    from gateway.assemble_mailboxes import mailbox_options
    from gateway.clock import SystemClock

    options, clock = mailbox_options(settings)[name], SystemClock()
    # a refresh token may be good for one use: what comes for it is kept
    opened = await database(settings) if options.oauth is not None else None
    try:
        kept = MailboxCredentials(opened, clock, await vault(settings, opened, clock)) if opened is not None else None
        async with visit(options, kept, clock.now) as entered:
            waits = "IDLE" if entered.idle and options.idle else f"looked at every {options.poll:.0f} s"
            return f"{options.host}:{options.port}, {options.folder}: {entered.folder.messages} messages, {waits}"
    except (MailboxError, NoToken) as error:
        raise Wrong(str(error)) from None
    finally:
        if opened is not None:
            await opened.close()


async def _smtp(listen: SocketAddress, hostname: str) -> str:
    if _free(listen):
        return f"{listen} is free"
    reader, writer = await asyncio.open_connection(listen.host, listen.port)
    try:
        async with asyncio.timeout(5):
            greeting = (await reader.readline()).decode("latin-1").strip()
        writer.write(b"QUIT\r\n")
    except TimeoutError:
        greeting = ""
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    if greeting != f"220 {hostname or socket.gethostname()} ESMTP":
        raise Wrong(f"{listen} is taken by another program ({greeting[:80]!r}); choose another [smtp] listen")
    return f"{listen} is served by Otklik"


async def _http(listen: SocketAddress) -> str:
    if _free(listen):
        return f"{listen} is free"
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as client,
            client.get(f"http://{listen}/readyz") as answer,
        ):
            document = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        document = None
    if not isinstance(document, dict) or "status" not in document:
        raise Wrong(f"{listen} is taken by another program; choose another [http] listen")
    if document["status"] != "ok":
        raise Wrong(f"{listen} is served by Otklik, but {document['status']}")
    return f"{listen} is served by Otklik"


def _free(listen: SocketAddress) -> bool:
    """Whether nobody listens there.

    Raises:
        Wrong: nobody could, or not this user.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(address)
        except PermissionError:
            raise Wrong(f"{listen} may not be listened on by this user") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise Wrong(f"{listen} cannot be listened on: {error.strerror}") from None
    return True


# ---- texts --------------------------------------------------------------------------------------------------------


def _templates(settings: Settings, codes: frozenset[str] | None) -> list[Finding]:
    from gateway.assemble import renderer

    try:
        texts = renderer(settings)
    except NotADirectoryError as error:
        return [Finding("templates", False, str(error))]
    problems: list[Any] = list(texts.check(codes))
    if problems:
        return [Finding("templates", False, str(problem)) for problem in problems[:20]]
    return [Finding("templates", True, f"{len(texts.found())} of them")]
