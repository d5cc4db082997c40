"""Puts the API together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from desk.attachments import Files
from desk.idempotency import KeyBook
from desk.intake import Intake
from desk.ledger import Ledger
from desk.originals import Originals, ToHtml
from desk.quarantine import Quarantine, Read
from desk.reading import Reading
from desk.ticketing import Ticketing
from desk.tokens import TokenBook
from storage.database import Database
from tickets.clock import Clock
from web.api.access import PER_MINUTE, Access
from web.api.deliveries import Deliveries
from web.api.idempotency import OnceOnly
from web.api.originals import TicketOriginals
from web.api.quarantine import QuarantineEntries
from web.api.submissions import Submissions
from web.api.tickets import Tickets


@dataclass(frozen=True, slots=True)
class ApiRules:
    """What is demanded of clients: requests a minute for each token (0: any number), and whether every change of a
    ticket has to say which version it is meant for."""

    per_minute: int = PER_MINUTE
    if_match: bool = False


@dataclass(frozen=True, slots=True)
class ApiParts:
    """What the API is a door to. `read` makes messages of raw mail, `htmls` its HTML by channel."""

    database: Database
    clock: Clock
    intake: Intake
    reading: Reading
    ticketing: Ticketing
    ledger: Ledger
    files: Files
    read: Read
    quarantine: Quarantine
    htmls: Mapping[str, ToHtml]


def api_door(parts: ApiParts, rules: ApiRules = ApiRules()) -> list[web.RouteDef]:
    """Method, path and handler of every call that needs a token."""
    access = Access(TokenBook(parts.database), parts.clock, rules.per_minute)
    once = OnceOnly(KeyBook(parts.database, parts.clock))
    return [
        *Submissions(parts.intake, parts.reading, access, parts.clock).routes(),
        *Tickets(parts.ticketing, parts.reading, access, once, if_match=rules.if_match).routes(),
        *TicketOriginals(Originals(parts.database, parts.htmls), parts.files, access).routes(),
        *Deliveries(parts.ledger, access, once).routes(),
        *QuarantineEntries(parts.quarantine, parts.read, access, once).routes(),
    ]
