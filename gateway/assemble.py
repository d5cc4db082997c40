"""Puts the program together from its settings: the one place where every part is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from channels.email.dkim_signer import Signer, signer
from channels.email.fax_gateways import FaxGateways
from channels.email.relays import Relays
from channels.email.smtp_out import Relay, RelayOptions
from channels.webform.form import Form
from desk.attachments import Decode, Files
from desk.cap import Caps
from desk.forms import Forms, FormsAgain
from desk.intake import Intake
from desk.ledger import Ledger
from desk.originals import ToHtml
from desk.quarantine import Quarantine, Read, ReadAgain
from desk.site import Site
from desk.staff_rules import StaffRules
from desk.vault import Vault
from desk.words import words
from gateway.disk import DiskOptions
from gateway.faults import Faults
from gateway.settings import Settings, WorkingHours
from outbound.plan import Policy
from outbound.portal_token import PageTokens
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
from web.api.door import ApiRules
from web.look.page import Look
from web.portal.form_pages import FormPages
from web.portal.form_sending import FormLimits
from web.traffic import Limits

if TYPE_CHECKING:
    from channels.email.read import OwnMail
    from channels.email.reading_room import ReadingRoom
    from web.console.oidc import SignOn
    from web.console.sign_on import Claims
    from web.console.staff_door import StaffDoor
    from web.console.ticket_door import TicketDoor

REPLY_KEY = "reply"
"""Name of the key the installation makes for itself when the settings give none."""
FORM_KEY = "form"
"""The same for opened forms and their proofs of work."""
VAULT_KEY = "vault"
"""The same for second factors."""


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
        mailboxes=settings.own_mailboxes,
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
        caps=Caps(
            verified=settings.outbox.acknowledgements,
            unverified=settings.outbox.unverified_acknowledgements,
            domain=settings.outbox.domain_acknowledgements,
            total=settings.outbox.total_acknowledgements,
            loop_after=settings.outbox.loop_after,
        ),
        close_after=settings.site.close_after,
        staff_forwards=settings.mail.staff_forwards,
        spam_lifetime=settings.mail.spam_lifetime,
    )


async def tokens(settings: Settings, opened: Database, clock: Clock) -> ReplyTokens:
    """Reply tokens with the keys of the settings, else with one the installation keeps in its database."""
    return ReplyTokens(*await _signing_keys(settings, opened, clock))


async def pages(settings: Settings, opened: Database, clock: Clock) -> PageTokens:
    """Links to authors' pages, signed with the keys of reply tokens."""
    known, current = await _signing_keys(settings, opened, clock)
    base, lifetime = settings.site.public_url.rstrip("/"), settings.site.link_lifetime
    return PageTokens(known, current, base=base, lifetime=lifetime)


async def _signing_keys(settings: Settings, opened: Database, clock: Clock) -> tuple[dict[str, bytes], str]:
    given = {name: key.get_secret_value().encode() for name, key in settings.mail.reply_keys.items()}
    if given:
        return given, list(given)[-1]
    now = clock.now()
    name, secret = await opened.write(lambda c: keys.find_or_make(c, REPLY_KEY, now), name="keys")
    return {name: secret}, name


async def vault(settings: Settings, opened: Database, clock: Clock) -> Vault:
    """Seals second factors with the keys of the settings, else with one the installation keeps in its database."""
    given = {name: key.get_secret_value().encode() for name, key in settings.staff.keys.items()}
    now = clock.now()
    # what was sealed before keys were given still opens
    name, secret = await opened.write(lambda c: keys.find_or_make(c, VAULT_KEY, now), name="keys")
    return Vault({f"own-{name}": secret, **given})


def staff_rules(settings: Settings) -> StaffRules:
    """What is demanded of staff who log in."""
    staff = settings.staff
    return StaffRules(
        lifetime=staff.session,
        idle=staff.idle,
        totp_roles=frozenset(staff.require_totp),
        tries=staff.tries,
        address_tries=staff.address_tries,
        longest_wait=staff.longest_wait,
        zone=settings.site.zone,
        # short and plain: the picture for authenticators grows with it
        issuer=urlsplit(settings.site.public_url).hostname or f"Otklik {settings.site.prefix}",
    )


def sign_on(settings: Settings) -> tuple[SignOn, Claims] | None:
    """The organisation's identity provider, if there is one."""
    from web.console.oidc import SignOn
    from web.console.sign_on import CALLBACK, Claims

    oidc = settings.oidc
    if not oidc.issuer:
        return None
    options = SignOn(
        issuer=oidc.issuer,
        client_id=oidc.client_id,
        client_secret=oidc.client_secret.get_secret_value(),
        redirect_uri=f"{settings.site.public_url.rstrip('/')}{CALLBACK}",
        name=oidc.name,
        scopes=tuple(oidc.scopes),
    )
    return options, Claims(oidc.login_claim, oidc.role_claim, oidc.roles, oidc.create)


def renderer(settings: Settings) -> Renderer:
    """The texts, the operator's own over the shipped ones."""
    folder = settings.templates.folder
    return Renderer(Path(folder) if folder else None, zone=settings.site.zone)


def preparer(settings: Settings, reply_tokens: ReplyTokens, page_tokens: PageTokens | None = None) -> Preparer:
    """Renders what is sent, as this installation."""
    voice = Voice(
        site_name=settings.site.name,
        sender=settings.mail.sender,
        mailbox=settings.mail.answers,
        domain=settings.mail.message_domain,
        name=settings.mail.name,
        url=settings.site.public_url.rstrip("/"),
        zone=settings.site.zone,
        reference=settings.mail.reference_line,
        calendar=settings.mail.calendar_files,
        returns=settings.mail.returns if settings.mail.return_path == "token" else "",
    )
    return Preparer(renderer(settings), reply_tokens, voice, words, page_tokens)


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
        signer=dkim_signer(settings),
    )


def dkim_signer(settings: Settings) -> Signer | None:
    """What signs outgoing mail, if anything does."""
    dkim = settings.dkim
    if not dkim.selector:
        return None
    return signer(dkim.domain or settings.mail.message_domain, dkim.selector, dkim.key.get_secret_value().encode())


def senders(settings: Settings, clock: Clock) -> dict[str, Relay | Relays]:
    """The ways out, by provider name. The first one goes on to the others where it cannot be used."""
    found: dict[str, Relay | Relays] = {}
    for name in settings.relays:
        found[name] = Relay(relay_options(settings, name), clock=clock.now)
    if len(found) > 1:
        first = settings.relays[0]
        all_of_them = [Relay(relay_options(settings, name), clock=clock.now) for name in settings.relays]
        found[first] = Relays(all_of_them)
    return found


def slots(settings: Settings) -> dict[str, int]:
    """How many deliveries are under way at each relay: no more than it has connections for."""
    return {name: min(settings.outbox.concurrency, settings.relay[name].connections) for name in settings.relays}


def worker_options(settings: Settings, ways: Mapping[str, Relay | Relays]) -> WorkerOptions:
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


def http_limits(settings: Settings) -> Limits:
    """How much a client of the HTTP door may ask."""
    http = settings.http
    return Limits(
        body=http.max_body,
        header=http.max_header,
        connections=http.connections,
        idle=http.idle_timeout.total_seconds(),
        arrival=http.request_timeout.total_seconds(),
    )


def disk_options(settings: Settings) -> DiskOptions:
    """What the guard of the disk looks at: the named folder, else that of the SQLite file."""
    disk, url = settings.disk, settings.database.url
    own = Path(url.removeprefix("sqlite:///")).parent if url.startswith("sqlite:///") else None
    return DiskOptions(disk.path or own, disk.warn, disk.floor, disk.every.total_seconds())


def mail_reader(settings: Settings) -> ReadingRoom:
    """Reads raw mail, knowing which mail is this installation's own."""
    from channels.email.read import read
    from channels.email.reading_room import ReadingRoom

    return ReadingRoom(read, own=own_mail(settings))


def own_mail(settings: Settings) -> OwnMail:
    """What mail of this installation looks like."""
    from channels.email.read import OwnMail

    return OwnMail(
        addresses=frozenset({settings.mail.sender.casefold(), settings.mail.answers.casefold()}),
        message_id_domains=frozenset({settings.mail.message_domain}),
        intake=settings.own_mailboxes,
    )


def decoders() -> dict[str, Decode]:
    """What takes one file out of the raw input of each channel."""
    from channels.email.read import attachment_bytes
    from channels.webform import files

    return {"email": attachment_bytes, "web": files.attachment_bytes}


def forms(settings: Settings) -> dict[str, Form]:
    """The web forms, by name."""
    return {name: section.form(name) for name, section in settings.form.items()}


def readers(settings: Settings) -> dict[str, ReadAgain]:
    """What reads the quarantine of channels other than mail."""
    return {"web": FormsAgain(forms(settings))}


def quarantine(settings: Settings, intake: Intake, gateways: FaxGateways | None = None) -> Quarantine:
    """What was kept and is no ticket, with all that reads it again."""
    faxes = gateways or FaxGateways(settings.fax.gateways, intake.accept)
    return Quarantine(intake.database, intake, readers(settings), faxes.file)


def ticket_door(
    settings: Settings, book: Quarantine, files: Files, staff: StaffDoor, preparer: Preparer, ledger: Ledger, read: Read
) -> TicketDoor:
    """The pages of tickets, deliveries and quarantine."""
    from desk.delivery_desk import DeliveryDesk
    from desk.quarantine_desk import QuarantineDesk
    from desk.spam_desk import SpamDesk
    from desk.ticket_desk import TicketDesk
    from desk.ticket_look import Limits
    from web.console.ticket_door import TicketDoor

    intake = book.intake
    opened, site, clock = intake.database, intake.site, intake.clock
    limits = Limits(settings.console.undo, settings.console.files)
    return TicketDoor(
        TicketDesk(opened, site, clock, preparer, limits, intake.on_queued),
        DeliveryDesk(opened, site, clock, ledger, intake.on_queued),
        QuarantineDesk(opened, intake, book),
        SpamDesk(opened, book, clock),
        read,
        intake,
        files,
        staff.look,
        staff.gate,
    )


async def form_pages(settings: Settings, opened: Database, intake: Intake, look: Look, clock: Clock) -> FormPages:
    """The pages of web forms, with the key the installation keeps for them."""
    now = clock.now()
    _, key = await opened.write(lambda c: keys.find_or_make(c, FORM_KEY, now), name="keys")
    shared = settings.forms
    desk = Forms(opened, intake, look.site, clock, room=shared.parked)
    limits = FormLimits(shared.per_hour, shared.memory, shared.parked_by_client)
    return FormPages(forms(settings), desk, look, clock, key, limits)


def htmls() -> dict[str, ToHtml]:
    """What makes harmless HTML of the raw input of each channel that may hold some."""
    from channels.email.read import html_of

    return {"email": html_of}


def api_rules(settings: Settings) -> ApiRules:
    """What is demanded of programs that use the API."""
    return ApiRules(per_minute=settings.api.requests_per_minute, if_match=settings.api.require_if_match)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running program can be reached; None for a duty it does not do."""

    http: str | None
    smtp: str | None
