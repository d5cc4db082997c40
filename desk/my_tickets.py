"""The list "my tickets": a one-time link to an address, and the session it opens.

Who asks for a link learns nothing: the answer is the same for every address, and the work is done after it. Following
the link proves the address. A session sees the tickets of the person behind that address and nobody else's.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from desk import typed
from desk.known import address_key
from desk.notify import enqueue
from desk.portal_links import page_path
from desk.site import Site
from outbound.plan import Occasion, Recipient
from outbound.portal_token import digest
from storage import author_pages, tickets
from storage.database import Connection, Database
from storage.tickets import DirectRows
from tickets.address import Address, AddressKind
from tickets.clock import Clock
from tickets.event import Event, Role
from tickets.key import new_key

Row = dict[str, Any]

LINK_LIFETIME = timedelta(minutes=15)
SESSION_LIFETIME = timedelta(hours=12)
LINKS_PER_HOUR = 3
"""One-time links one address gets within an hour."""

PAGE = 20
_KEPT = timedelta(days=1)
_LONGEST_ADDRESS = 320


@dataclass(frozen=True, slots=True)
class AuthorSession:
    """Somebody who followed a one-time link."""

    person_id: UUID
    address: str
    name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MyTickets:
    """One page of tickets, newest first; `after` is where the next page begins, empty on the last one."""

    rows: tuple[Row, ...]
    after: str


class MyPages:
    """Links, sessions and lists. `on_queued` is called when a mail is to be sent."""

    def __init__(self, database: Database, site: Site, clock: Clock, on_queued: Callable[[], None] = lambda: None):
        self._database = database
        self._site = site
        self._clock = clock
        self._on_queued = on_queued

    @property
    def offered(self) -> bool:
        """Whether links can be sent: our pages must be reached from outside."""
        return bool(self._site.public_url) and self._site.pages is not None

    async def send_link(self, address: str) -> bool:
        """Send a one-time link if we know the address and it did not get too many; returns whether one was sent."""
        value = address.strip()
        pages = self._site.pages
        if pages is None or not self.offered or "@" not in value or len(value) > _LONGEST_ADDRESS or "\x00" in value:
            return False
        link_id = new_key()
        now = self._clock.now()
        key = address_key(*Address(AddressKind.EMAIL, value).key)
        entrance: Row = {
            "id": link_id,
            "digest": digest(pages.secret(link_id)),
            "address_key": key,
            "created_at": now,
            "expires_at": now + LINK_LIFETIME,
            "used_at": None,
        }

        def unit(connection: Connection) -> bool:
            person = author_pages.person_at(connection, key)
            if person is None:
                return False
            if author_pages.links_since(connection, key, now - timedelta(hours=1)) >= LINKS_PER_HOUR:
                return False
            row = entrance | {"person_id": person["person_id"]}
            author_pages.add_entrance(connection, row, forget_before=now - _KEPT)
            self._tell(connection, link_id, person, now)
            return True

        sent = await self._database.write(unit, name="author.link")
        if sent:
            self._on_queued()
        return sent

    async def enter(self, secret: str) -> str | None:
        """Use a one-time link up; returns the secret of a new session, or None where the link is not good."""
        now = self._clock.now()
        session = secrets.token_urlsafe(32)
        opened: Row = {
            "id": new_key(),
            "digest": digest(session),
            "created_at": now,
            "expires_at": now + SESSION_LIFETIME,
            "revoked_at": None,
        }

        def unit(connection: Connection) -> bool:
            used = author_pages.use_entrance(connection, digest(secret), now)
            if used is None:
                return False
            author_pages.begin_session(connection, opened | used, forget_before=now - _KEPT)
            return True

        return session if await self._database.write(unit, name="author.enter") else None

    async def session(self, secret: str) -> AuthorSession | None:
        """Who bears this cookie; None where it is over, revoked, or never was."""
        now = self._clock.now()
        row = await self._database.read(lambda c: author_pages.session(c, digest(secret), now))
        if row is None:
            return None
        return AuthorSession(row["person_id"], row["value"], row["name"], row["expires_at"])

    async def leave(self, secret: str) -> None:
        """Sign out."""
        now = self._clock.now()
        await self._database.write(lambda c: author_pages.end_session(c, digest(secret), now), name="author.leave")

    async def tickets(self, session: AuthorSession, *, q: str = "", after: str = "") -> MyTickets:
        """Tickets of the person, newest first, each with the address of its page; `q` is looked for in the subject."""
        now = self._clock.now()
        wanted = typed.line(q)[:100]
        # LIKE folds only ASCII on SQLite, so the usual spellings of a Russian word are looked for side by side
        spellings = tuple(dict.fromkeys((wanted, wanted.lower(), wanted.capitalize(), wanted.upper())))

        def query(connection: Connection) -> list[Row]:
            return author_pages.tickets_of(
                connection,
                session.person_id,
                spellings=spellings if wanted else (),
                number=wanted.upper(),
                before=_key(after),
                most=PAGE + 1,
            )

        found = await self._database.read(query)
        rows = tuple(
            {
                "number": row["number"],
                "subject": row["subject"],
                "status": row["status"],
                "created_at": row["created_at"],
                "updated_at": row["updated_at"],
                "path": page_path(self._site, row["id"], session.person_id, now),
            }
            for row in found[:PAGE]
        )
        return MyTickets(rows, found[PAGE - 1]["id"].hex if len(found) > PAGE else "")

    def _tell(self, connection: Connection, link_id: UUID, person: Row, now: datetime) -> None:
        ticket = tickets.by_id(connection, person["ticket_id"])
        if ticket is None:
            return
        rows = DirectRows(connection)
        rows.add(
            "events",
            {
                "id": link_id,
                "site": self._site.prefix,
                "ticket_id": ticket["id"],
                "at": now,
                "by": "author",
                "what": Event.PORTAL_LINK.value,
                "old": None,
                "new": None,
                "message_id": None,
                "reasons": [],
            },
        )
        recipient = Recipient(
            role=Role.AUTHOR,
            person_id=person["person_id"],
            name=person["name"],
            language=person["language"],
            email=person["value"],
            opted_out=person["opted_out_at"] is not None,
        )
        # a link that is no longer good is not sent
        policy = replace(self._site.policy, lifetime=LINK_LIFETIME)
        site = replace(self._site, policy=policy)
        enqueue(rows, Occasion(Event.PORTAL_LINK, link_id, ticket["id"], now), [recipient], site)


def _key(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
