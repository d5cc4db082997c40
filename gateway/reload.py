"""New settings while the program runs.

Whatever can be made anew without closing a door is: rules, calendars, texts, limits, relays, the retry policy. The rest
keeps its old value and is named, so that nobody wonders. Everything is made before anything is put in its place: what
cannot be made leaves all as it was.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from gateway import assemble, assemble_mail
from gateway.settings import Settings
from web.proxies import Proxies

if TYPE_CHECKING:
    from gateway.program import Program

FIXED = frozenset(
    {
        "site.prefix",
        "database",
        "http.listen",
        "http.max_header",
        "http.idle_timeout",
        "smtp.listen",
        "smtp.tls_listen",
        "smtp.hostname",
        "smtp.memory",
        "lmtp.listen",
        "mail.reply_keys",
        "serve.only",
        "serve.node",
        "metrics.listen",
    }
)
"""What needs a restart: whole sections, and keys of sections that can be changed otherwise."""

LIVE = frozenset(
    {
        "site",
        "http",
        "smtp",
        "lmtp",
        "authenticity",
        "spam",
        "mail",
        "dkim",
        "relay",
        "outbox",
        "calendars",
        "rules",
        "priorities",
        "templates",
        "deadlines",
        "serve",
        "metrics",
        "disk",
        "deadman",
        "log",
    }
)
"""Sections that are taken over while the program runs, but for what is `FIXED` in them."""


class NotReloaded(Exception):
    """The new settings cannot be used; the old ones hold. The text is one line."""


def merged(old: Settings, new: Settings, live: frozenset[str] = LIVE) -> tuple[Settings, list[str], list[str]]:
    """The settings to go on with, the keys that change now, and those that wait for a restart."""
    changed: list[str] = []
    waiting: list[str] = []
    sections: dict[str, Any] = {}
    for name in Settings.model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if name in FIXED or name not in live:
            waiting.append(name)
        elif not isinstance(before, BaseModel):
            changed.append(name)
            sections[name] = after
        else:
            sections[name], now, later = _section(name, before, after)
            changed += now
            waiting += later
    return old.model_copy(update=sections), changed, waiting


def _section(name: str, before: BaseModel, after: BaseModel) -> tuple[BaseModel, list[str], list[str]]:
    keys = [key for key in type(before).model_fields if getattr(before, key) != getattr(after, key)]
    later = [key for key in keys if f"{name}.{key}" in FIXED]
    kept = after.model_copy(update={key: getattr(before, key) for key in later})
    return kept, [f"{name}.{key}" for key in keys if key not in later], [f"{name}.{key}" for key in later]


async def reload(program: Program, new: Settings) -> tuple[list[str], list[str]]:
    """Go on with new settings; returns the keys that changed and those that wait for a restart.

    Raises:
        NotReloaded: something of them cannot be used; nothing was changed.
    """
    operations = program.operations
    live = LIVE | set(operations.reloaders)
    settings, changed, waiting = merged(program.settings, new, live)
    try:
        put = await _made(program, settings)
    except (OSError, ValueError) as error:
        raise NotReloaded(" ".join(str(error).split())) from error
    program.settings = settings
    for step in put:
        step()
    for section, take in operations.reloaders.items():
        if any(key.partition(".")[0] == section for key in changed):
            take(settings)
    return changed, waiting


async def _made(program: Program, settings: Settings) -> list[Any]:
    """Everything made anew, as steps that cannot fail and put it in its place."""
    operations = program.operations
    steps: list[Any] = []
    pages = await assemble.pages(settings, program.opened, program.clock)
    site = replace(assemble.site(settings), pages=pages)
    steps.append(lambda: program.site.become(site))
    texts = assemble.renderer(settings)
    problems = await asyncio.to_thread(texts.check) if settings.templates.folder else []
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise NotReloaded(f"{problems[0]}{more}; see `otklik templates check`")
    own = assemble.own_mail(settings)
    steps.append(lambda: program.read_mail.become(own=own))
    if program.worker is not None:
        worker = program.worker
        ways = assemble.senders(settings, program.clock)
        for name, old in worker.senders.items():
            if name in ways and getattr(old, "options", None) == ways[name].options:
                ways[name] = old  # type: ignore[assignment]
        preparer = assemble.preparer(settings, program.tokens, pages)
        options, slots = assemble.worker_options(settings, ways), assemble.slots(settings)
        steps.append(lambda: worker.reload(ways, preparer, options, slots))
    if program.listener is not None:
        # the certificate is read here; it is the one step that may fail, and so the first
        checks = assemble_mail.checks(settings, program.clock, program.listener.taking.examine)
        door = assemble_mail.listener_options(settings)
        program.listener.reload(door, program.read_mail, checks.examine, checks.dnsbl)
    if program.http is not None:
        http = program.http
        steps += [
            lambda: http.limit(assemble.http_limits(settings)),
            lambda: setattr(http.traffic, "proxies", Proxies(settings.http.trusted_proxies)),
            lambda: setattr(http.traffic, "personal", settings.log.personal),
        ]
    disk, deadman = assemble.disk_options(settings), settings.deadman
    steps += [
        lambda: setattr(operations.disk, "options", disk),
        lambda: setattr(operations.deadman, "url", deadman.url),
        lambda: setattr(operations.deadman, "method", deadman.method),
        lambda: setattr(operations.deadman, "every", deadman.every.total_seconds()),
        lambda: setattr(operations.monitoring, "token", settings.metrics.token.get_secret_value()),
    ]
    return steps
