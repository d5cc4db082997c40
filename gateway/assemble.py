"""Puts the program together from its settings: the one place where every part is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from channels.email.smtp_out import Relay, RelayOptions
from desk.site import Site
from desk.words import words
from gateway.faults import Faults
from gateway.settings import Settings, WorkingHours
from outbound.plan import Policy
from outbound.prepare import Preparer, Voice
from outbound.render import Renderer
from outbound.schedule import RetryPolicy
from outbound.token import ReplyTokens
from outbound.worker import WorkerOptions
from router.calendar import Calendar
from router.decide import Router
from router.rules import parse_rule
from storage import keys
from storage.database import Database, open_database
from tickets.clock import Clock
from tickets.message import InboundMessage, Unreadable

REPLY_KEY = "reply"
"""Name of the key the installation makes for itself when the settings give none."""


async def database(settings: Settings, faults: Faults | None = None) -> Database:
    """Open the database of the settings."""
    return await open_database(
        settings.database.url,
        pool=settings.database.pool,
        lock_timeout=settings.database.lock_timeout.total_seconds(),
        fault=(faults or Faults()).sync_point,
    )


def calendar(code: str, hours: WorkingHours) -> Calendar:
    """A calendar of the settings; without a zone of its own it works in the zone of the centre that uses it."""
    return Calendar(
        code,
        hours.zone,
        {day: tuple(spans) for day, spans in hours.iso_week.items()},
        hours.holidays,
        tuple(hours.days_off),
        {day: tuple(spans) for day, spans in hours.working_days.items()},
        {day: tuple(spans) for day, spans in hours.short_days.items()},
    )


def router(settings: Settings) -> Router:
    """The router with the rules and calendars of the settings."""
    rules = tuple(parse_rule(rule, position) for position, rule in enumerate(settings.rules, 1))
    calendars = {code: calendar(code, hours) for code, hours in settings.calendars.items()}
    return Router(rules, calendars, settings.matrix)


def site(settings: Settings) -> Site:
    """What use cases must know of the installation."""
    relays = settings.relays
    return Site(
        prefix=settings.site.prefix,
        name=settings.site.name,
        zone=settings.site.zone,
        language=settings.site.language,
        public_url=settings.site.public_url,
        router=router(settings),
        policy=Policy(
            providers={"email": relays[0]} if relays else {},
            stop_list=frozenset(a.casefold() for a in settings.outbox.stop_list),
            only=frozenset(a.casefold() for a in settings.outbox.test_mode_only),
            lifetime=settings.outbox.horizon,
        ),
        follow_up_after=settings.site.follow_up_after,
        near_percent=settings.deadlines.near_percent,
        near=timedelta(minutes=settings.deadlines.near_minutes),
        acknowledgements=settings.outbox.acknowledgements,
    )


async def tokens(settings: Settings, opened: Database, clock: Clock) -> ReplyTokens:
    """Reply tokens with the keys of the settings, else with one the installation keeps in its database."""
    given = {name: key.get_secret_value().encode() for name, key in settings.mail.reply_keys.items()}
    if given:
        return ReplyTokens(given, list(given)[-1])
    now = clock.now()
    name, secret = await opened.write(lambda c: keys.find_or_make(c, REPLY_KEY, now), name="keys")
    return ReplyTokens({name: secret}, name)


def renderer(settings: Settings) -> Renderer:
    """The texts, the operator's own over the shipped ones."""
    folder = settings.templates.folder
    return Renderer(Path(folder) if folder else None, zone=settings.site.zone)


def preparer(settings: Settings, reply_tokens: ReplyTokens) -> Preparer:
    """Renders what is sent, as this installation."""
    voice = Voice(
        site_name=settings.site.name,
        sender=settings.mail.sender,
        mailbox=settings.mail.answers,
        domain=settings.mail.message_domain,
        name=settings.mail.name,
        url=settings.site.public_url.rstrip("/"),
        zone=settings.site.zone,
    )
    return Preparer(renderer(settings), reply_tokens, voice, words)


def relay_options(settings: Settings, name: str) -> RelayOptions:
    """One relay of the settings."""
    relay = settings.relay[name]
    return RelayOptions(
        name=name,
        host=relay.host,
        port=relay.port,
        tls=relay.tls,
        username=relay.username,
        password=relay.password.get_secret_value(),
        timeout=relay.timeout.total_seconds(),
        data_timeout=relay.data_timeout.total_seconds(),
        connections=relay.connections,
        verify=relay.verify,
        sender=settings.mail.sender,
    )


def senders(settings: Settings, clock: Clock) -> dict[str, Relay]:
    """The ways out, by provider name."""
    return {name: Relay(relay_options(settings, name), clock=clock.now) for name in settings.relays}


def slots(settings: Settings) -> dict[str, int]:
    """How many deliveries are under way at each relay: no more than it has connections for."""
    return {name: min(settings.outbox.concurrency, settings.relay[name].connections) for name in settings.relays}


def worker_options(settings: Settings, ways: Mapping[str, Relay]) -> WorkerOptions:
    """How the worker of this node works.

    The relay's own time-outs come first, then the worker's, then the lease: each has to be longer than the one before.
    """
    outbox = settings.outbox
    timeout = timedelta(seconds=max((relay.patience for relay in ways.values()), default=0.0) + 15)
    return WorkerOptions(
        owner=settings.serve.name,
        slots=outbox.concurrency,
        lease=max(outbox.lease, timeout + timedelta(seconds=30)),
        timeout=timeout,
        poll=outbox.poll,
        resend=frozenset({"email"} if outbox.on_unknown == "resend" else ()),
        retry=RetryPolicy(
            attempts=outbox.attempts, horizon=outbox.horizon, quick=tuple(outbox.quick), every=outbox.every
        ),
    )


def mail_reader(settings: Settings) -> Callable[..., InboundMessage | Unreadable]:
    """Reads raw mail, knowing which mail is this installation's own."""
    from channels.email.read import OwnMail, read

    own = OwnMail(
        addresses=frozenset({settings.mail.sender.casefold(), settings.mail.answers.casefold()}),
        message_id_domains=frozenset({settings.mail.message_domain}),
    )
    return partial(read, own=own)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running program can be reached; None for a duty it does not do."""

    http: str | None
    smtp: str | None
