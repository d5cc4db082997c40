"""Everything about an installation that can be set, with the meaning and default of each key.

One TOML file (`otklik.toml`), environment variables over it (`OTKLIK_DATABASE__URL` is `url` in `[database]`), and for
every secret `NAME` a `NAME_file` that names a file holding it. All of it has working defaults.
`docs/settings.md` is made from this module.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any, Literal, get_origin
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, ValidationError, field_validator

from gateway.settings_errors import SettingsError, dotted, unknown_key, wrong_value
from gateway.settings_forms import FormName, FormSection, FormsSection
from gateway.settings_mail import Authenticity, Fax, Lmtp, Smtp, Spam
from gateway.settings_mail_out import Dkim, Mail, Outbox, Relay
from gateway.settings_mailboxes import MailboxName, MailboxSection
from gateway.settings_operations import Deadman, Disk, Http, Log, Metrics
from gateway.settings_section import Section
from gateway.settings_source import Keys, Source, is_secret, read, submodel
from gateway.settings_staff import Console, Oidc, Staff
from gateway.settings_values import (
    DatabaseUrl,
    Duration,
    Hours,
    Line,
    LongerThanZero,
    OptionalCountry,
    OptionalFolder,
    OptionalZone,
    PublicUrl,
    SitePrefix,
    Zone,
    secret,
)
from router.rules import parse_rule
from tickets.priority import MATRIX, Level, Matrix, Priority

DEFAULT_FILE = "otklik.toml"

Language = Literal["ru", "en"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Duty = Literal["http", "smtp", "imap", "worker", "clock"]

WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Site(Section):
    """Who we are."""

    prefix: SitePrefix = Field("OTK", description="First part of every ticket number (`OTK-26-000123`).")
    name: Line = Field("Otklik", description="What the service desk is called in texts and pages.")
    zone: Zone = Field("Europe/Moscow", description="IANA time zone in which the site's year and days begin.")
    language: Language = Field("ru", description="Language of people whose own is not known: `ru` or `en`.")
    public_url: PublicUrl = Field("", description="Where people reach the web pages; links are left out without it.")
    follow_up_after: LongerThanZero = Field(
        timedelta(days=14), description="How long its author can reopen a finished ticket; later mail makes a new one."
    )
    close_after: int = Field(
        5,
        ge=0,
        le=250,
        description="Working days after which a solved ticket closes if its author says nothing; 0: never by itself.",
    )
    link_lifetime: LongerThanZero = Field(
        timedelta(days=180), description="How long the link to a ticket's page works from the day it was sent."
    )


class Database(Section):
    """Where everything is kept."""

    url: DatabaseUrl = secret(
        "`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.",
        default_factory=lambda: f"sqlite:///{Path.cwd() / 'otklik.sqlite'}",
        examples=["sqlite:///otklik.sqlite"],
    )
    pool: int = Field(5, ge=1, le=100, description="PostgreSQL connections one process keeps.")
    lock_timeout: LongerThanZero = Field(
        timedelta(seconds=5), description="How long a transaction waits for another before it is tried anew."
    )

    @property
    def shown(self) -> str:
        """The URL without its password, for people."""
        parts = urlsplit(self.url)
        shown = self.url.replace(f":{parts.password}@", ":***@", 1) if parts.password else self.url
        return shown.replace("postgresql+asyncpg://", "postgresql://", 1)


class Api(Section):
    """Programs that use the API."""

    requests_per_minute: int = Field(
        6000,
        ge=0,
        le=10_000_000,
        description="Requests a token may make in a minute at each process, unless it has a limit of its own; then "
        "429. 0: any number.",
    )
    require_if_match: bool = Field(
        False,
        description="Whether every change of a ticket has to say by `If-Match` which version it is meant for; 428 "
        "without.",
    )


class WorkingHours(Section):
    """A working calendar of one's own name; `default` and `24x7` are there already."""

    zone: OptionalZone = Field("", description="IANA time zone; the centre's when empty.")
    week: dict[Weekday, list[Hours]] = Field(
        {},
        description='Hours by weekday, as `{mon = ["09:00-13:00", "14:00-18:00"]}`; a day left out is off. '
        "Monday to Friday from 9 to 18 when empty.",
        validate_default=False,
    )
    holidays: OptionalCountry = Field(
        "RU", description="Country (ISO 3166) whose days off and moved working days are kept; none when empty."
    )
    days_off: list[date] = Field([], description="Days nobody works besides.")
    working_days: dict[date, list[Hours]] = Field({}, description="Days worked after all, with their hours.")
    short_days: dict[date, list[Hours]] = Field({}, description="Days with hours of their own.")

    @property
    def iso_week(self) -> dict[int, list[Hours]]:
        """The week by ISO weekday, Monday is 1."""
        return {WEEKDAYS.index(day) + 1: hours for day, hours in (self.week or _OFFICE_WEEK).items()}


class Templates(Section):
    """Texts."""

    folder: OptionalFolder = Field(None, description="Folder whose texts win over the ones that come with Otklik.")


class Deadlines(Section):
    """When somebody is warned before a promise is broken: at whichever of the two leaves less time."""

    near_percent: int = Field(25, ge=0, le=100, description="Share of the agreed term that is left.")
    near_minutes: int = Field(120, ge=0, le=100_000, description="Working minutes that are left.")


class Serve(Section):
    """The running program."""

    only: list[Duty] = Field(
        [], description="Duties of this process: `http`, `smtp`, `imap`, `worker`, `clock`; all if empty."
    )
    node: str = Field("", description="This process's name among its kind, no two alike; the machine's when empty.")
    grace: Duration = Field(timedelta(seconds=10), description="Time to finish what is under way when told to stop.")
    drain: Duration = Field(
        timedelta(), description="Time before that in which `/readyz` says no and the doors are still open."
    )

    @property
    def name(self) -> str:
        """This process's name."""
        return self.node or socket.gethostname()


_OFFICE_WEEK: dict[Weekday, list[tuple[time, time]]] = {day: [(time(9), time(18))] for day in WEEKDAYS[:5]}
_CALENDARS = {
    "default": WorkingHours(),
    "24x7": WorkingHours(week={day: [(time(0), time(0))] for day in WEEKDAYS}, holidays=""),
}


class Settings(Section):
    """All settings of one process."""

    site: Site = Site()
    database: Database = Field(default_factory=Database)
    http: Http = Http()
    api: Api = Api()
    smtp: Smtp = Smtp()
    lmtp: Lmtp = Lmtp()
    authenticity: Authenticity = Authenticity()
    spam: Spam = Spam()
    fax: Fax = Fax()
    mail: Mail = Mail()
    dkim: Dkim = Dkim()
    mailbox: dict[MailboxName, MailboxSection] = Field({}, description="Mailboxes read by IMAP, by name.")
    relay: dict[str, Relay] = Field({"local": Relay()}, description="Relays by name.")
    outbox: Outbox = Outbox()
    form: dict[FormName, FormSection] = Field({"support": FormSection()}, description="Web forms by name.")
    forms: FormsSection = FormsSection()
    calendars: dict[str, WorkingHours] = Field(_CALENDARS, description="Working calendars by name.")
    rules: list[dict[str, Any]] = Field([], description="Routing rules, in order.")
    priorities: dict[Level, dict[Level, Priority]] = Field(
        {}, description="Cells of the priority matrix that differ from ITIL's: impact, then urgency."
    )
    templates: Templates = Templates()
    deadlines: Deadlines = Deadlines()
    staff: Staff = Staff()
    console: Console = Console()
    oidc: Oidc = Oidc()
    serve: Serve = Serve()
    metrics: Metrics = Metrics()
    disk: Disk = Disk()
    deadman: Deadman = Deadman()
    log: Log = Log()

    @field_validator("calendars", mode="before")
    @classmethod
    def _keep_calendars(cls, given: Any) -> Any:
        return {**_CALENDARS, **given} if isinstance(given, Mapping) else given

    @property
    def relays(self) -> tuple[str, ...]:
        """Names of the relays in the order they are tried."""
        return tuple(self.mail.relays or self.relay)

    @property
    def own_mailboxes(self) -> frozenset[str]:
        """Folded: those we send from, and those people write to us at as far as settings name them."""
        read = (each.address for each in self.mailbox.values())
        named = (self.mail.sender, self.mail.answers, *self.smtp.recipients, *read)
        return frozenset(each.casefold() for each in named if each)

    @property
    def matrix(self) -> Matrix:
        """The priority matrix with the cells of `[priorities]` in it."""
        own = {(impact, urgency): value for impact, row in self.priorities.items() for urgency, value in row.items()}
        return {**MATRIX, **own}


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read and check the settings; `path` None means that there is no file.

    Raises:
        SettingsError: something is wrong with them, told in one line.
    """
    source = read(path, environ, Settings)
    try:
        settings = Settings.model_validate(source.values, context={"base": source.base})
    except ValidationError as refused:
        raise _explained(source, refused) from None
    for index, rule in enumerate(settings.rules):
        try:
            parse_rule(rule, index + 1)
        except ValueError as error:
            raise SettingsError(source.origin(("rules", index)), "", str(error)) from None
    for index, name in enumerate(settings.mail.relays):
        if name not in settings.relay:
            raise SettingsError(
                source.origin(("mail", "relays", index)),
                dotted(("mail", "relays", index)),
                f"there is no [relay.{name}]; known: {', '.join(settings.relay)}",
            )
    if settings.oidc.issuer and not settings.site.public_url:
        where = source.origin(("oidc", "issuer"))
        raise SettingsError(where, "oidc.issuer", "site.public_url is needed too: the provider sends people back there")
    return settings


def find(given: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The settings file to read: the one given, else `OTKLIK_CONFIG`, else `otklik.toml` here if it exists."""
    named = given or (Path(environ["OTKLIK_CONFIG"]) if environ.get("OTKLIK_CONFIG") else None)
    usual = Path(DEFAULT_FILE)
    return named or (usual if usual.exists() else None)


def _explained(source: Source, refused: ValidationError) -> SettingsError:
    """The first complaint, unknown keys before wrong values: a misspelt key is often the cause of the rest."""
    complaints = sorted(refused.errors(include_url=False), key=lambda details: details["type"] != "extra_forbidden")
    details = complaints[0]
    path: Keys = tuple(part for part in details["loc"] if part != "[key]")
    model, hidden = _surroundings(path)
    if details["type"] == "extra_forbidden":
        return unknown_key(source.origin(path), path, model.model_fields)
    return wrong_value(source.origin(path), path, details, secret=hidden)


def _surroundings(path: Keys) -> tuple[type[BaseModel], bool]:
    """The model a key belongs to, and whether the key is or lies in a secret."""
    model: type[BaseModel] = Settings
    parts = list(path)
    while parts:
        info = model.model_fields.get(str(parts.pop(0)))
        if info is None:
            break
        if is_secret(info):
            return model, True
        inner = submodel(info.annotation)
        if inner is None:
            break
        if get_origin(info.annotation) is dict and parts:
            parts.pop(0)
        if parts:
            model = inner
    return model, False
