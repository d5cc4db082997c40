"""Links to the page of one ticket: made for its author, judged when somebody comes by one, revoked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from desk.change import Actor, Changes, Refused
from desk.site import Site
from storage import author_pages
from storage.database import Connection, Database
from tickets.clock import Clock

Row = dict[str, Any]

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Opened:
    """A page that opens: whose it is, the row of its ticket, and how long the link works."""

    person_id: UUID
    ticket: Row
    expires_at: datetime


def portal_link(site: Site, ticket_id: UUID, person_id: UUID, now: datetime) -> str:
    """The absolute address of a ticket's page for a person; empty where `site.public_url` is not set.

    Whoever has it acts as that person on that ticket. It works for `site.link_lifetime` and until it is revoked.
    """
    if site.pages is None or not site.public_url:
        return ""
    return site.pages.address(site.pages.sign(ticket_id, person_id, now))


def page_path(site: Site, ticket_id: UUID, person_id: UUID, now: datetime) -> str:
    """The same address without scheme and host, for our own pages."""
    return f"/t/{site.pages.sign(ticket_id, person_id, now)}" if site.pages is not None else ""


def opened(connection: Connection, site: Site, token: str, now: datetime) -> Opened | None:
    """What a token opens now; None where it is forged, expired or revoked, or its person is no longer the contact.

    The same is read in every case, so that the time of the answer does not tell these apart.
    """
    claims = site.pages.open(token) if site.pages is not None else None
    person_id = claims.person_id if claims else _NOBODY
    ticket = author_pages.page(connection, claims.ticket_id if claims else _NOBODY, person_id)
    if claims is None or ticket is None or claims.expires_at <= now:
        return None
    revoked = ticket.pop("links_until")
    if revoked is not None and claims.issued_at <= revoked:
        return None
    return Opened(person_id, ticket, claims.expires_at)


def revoke(connection: Connection, ticket_id: UUID, person_id: UUID, now: datetime) -> None:
    """Make every link of a person to a ticket useless; those sent from the next second on work again."""
    author_pages.revoke_links(connection, ticket_id, person_id, now)


class PageLinks:
    """Links as members of staff give and revoke them; the history of the ticket says who did."""

    def __init__(self, database: Database, site: Site, clock: Clock) -> None:
        self._database = database
        self._site = site
        self._clock = clock

    async def give(self, number: str, actor: Actor) -> str:
        """A link for the author of a ticket.

        Raises:
            NoSuchTicket: the number is nobody's.
            Refused: `site.public_url` is not set, so that there is no address to give.
        """
        if not self._site.public_url:
            raise Refused("there is no address to give: set public_url in [site]")
        now = self._clock.now()

        def unit(connection: Connection) -> str:
            changes = Changes(connection, self._site, now)
            ticket = changes.ticket(number)
            changes.event(ticket, actor, "link_given", None, None, None, [])
            return portal_link(self._site, ticket["id"], ticket["contact_id"], now)

        return await self._database.write(unit, name="author.link")

    async def revoke(self, number: str, actor: Actor) -> None:
        """Make every link of the author useless that was given out so far.

        Raises:
            NoSuchTicket: the number is nobody's.
        """
        now = self._clock.now()

        def unit(connection: Connection) -> None:
            changes = Changes(connection, self._site, now)
            ticket = changes.ticket(number)
            revoke(connection, ticket["id"], ticket["contact_id"], now)
            changes.event(ticket, actor, "links_revoked", None, None, None, [])

        await self._database.write(unit, name="author.link")
