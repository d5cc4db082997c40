"""The page of one ticket as its author's browser uses it: what it shows, and what is pressed there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from desk.author_verbs import AuthorVerbs
from desk.author_view import AuthorView, view
from desk.change import Refused
from desk.intake import DifferentContent, Given, Intake
from desk.known import address_key
from desk.portal_links import Opened, opened
from desk.site import Site
from storage import author_pages, participants, tickets
from storage import organisation as organisations
from storage.database import Connection, Database
from tickets.address import Address, AddressKind, fold
from tickets.clock import Clock
from tickets.message import Attachment, InboundMessage, Refs
from tickets.organisation import Organisation

CHANNEL = "web"
ACCOUNT = "page"
LONGEST_TEXT = 20_000


class NoSuchPage(LookupError):
    """The link is forged, expired or revoked, or never was; which of these is nobody's business."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an author wrote on the page. `nonce` names the form it was written in, `raw` is the request's body."""

    nonce: str
    text: str
    raw: bytes
    files: Sequence[Attachment] = ()


class AuthorPages:
    """Answers the pages of authors. Every call begins with the link and ends in `NoSuchPage` where it opens nothing."""

    def __init__(self, database: Database, intake: Intake, site: Site, clock: Clock) -> None:
        self._database = database
        self._intake = intake
        self._site = site
        self._clock = clock
        self._organisation = Organisation(version=-1)

    async def show(self, token: str) -> AuthorView:
        """What the page shows.

        Raises:
            NoSuchPage: the link opens nothing.
        """
        now = self._clock.now()

        def query(connection: Connection) -> AuthorView | None:
            page = opened(connection, self._site, token, now)
            if page is None:
                return None
            if organisations.version(connection) != self._organisation.version:
                self._organisation = organisations.load(connection)
            rows = tickets.everything(connection, page.ticket)
            _go_on(connection, rows, page)
            rating = author_pages.rating(connection, page.ticket["id"])
            return view(rows, page, rating, self._organisation, self._site, now)

        shown = await self._database.read(query)
        if shown is None:
            raise NoSuchPage
        return shown

    async def confirm(self, token: str) -> None:
        """See `desk.author_verbs.AuthorVerbs.confirm`; so the others."""
        await self._do(token, AuthorVerbs.confirm)

    async def reopen(self, token: str) -> None:
        """Back to work."""
        await self._do(token, AuthorVerbs.reopen)

    async def withdraw(self, token: str) -> None:
        """Nothing more is to be done."""
        await self._do(token, AuthorVerbs.withdraw)

    async def rate(self, token: str, score: int, comment: str) -> None:
        """How it was."""
        await self._do(token, lambda verbs: verbs.rate(score, comment))

    async def revoke(self, token: str) -> None:
        """Close the page."""
        await self._do(token, AuthorVerbs.revoke)

    async def reply(self, token: str, reply: Reply) -> bool:
        """Take what the author wrote, for good; returns whether it is new, and not the same form sent again.

        Raises:
            NoSuchPage: the link opens nothing.
            Refused: there is nothing in it.
            NotAcceptedNow: nothing was kept; the same again may work.
        """
        if not reply.text.strip() and not reply.files:
            raise Refused("the reply is empty")
        now = self._clock.now()

        def query(connection: Connection) -> tuple[Opened, Address] | None:
            page = opened(connection, self._site, token, now)
            if page is None:
                return None
            person = tickets.contact(connection, page.person_id)
            kind = AddressKind(person["kind"]) if person["kind"] else AddressKind.EMAIL
            return page, Address(kind, person["value"], person["name"])

        found = await self._database.read(query)
        if found is None or not found[1].value:
            # nobody can be the author of what came without a sender
            raise NoSuchPage
        page, sender = found
        text = reply.text.replace("\x00", "").strip()[:LONGEST_TEXT]
        message = InboundMessage(
            channel=CHANNEL,
            account=ACCOUNT,
            external_id=_external_id(page.ticket["id"], reply, text),
            sender=sender,
            recipients=(),
            subject="",
            text=text,
            reply_text=text,
            received_at=now,
            refs=Refs(pages=(page.ticket["id"],)),
            attachments=tuple(reply.files),
            window=timedelta(0),
            authenticity={"by": "author_page"},
        )
        try:
            taken = await self._intake.take(message, reply.raw, Given())
        except DifferentContent:
            # the same words and files: a browser that sends a form again draws another boundary around them
            return False
        return not taken.accepted.joined

    async def _do(self, token: str, verb: Callable[[AuthorVerbs], None]) -> None:
        now = self._clock.now()

        def unit(connection: Connection) -> bool:
            page = opened(connection, self._site, token, now)
            if page is None:
                return False
            verb(AuthorVerbs(connection, self._site, now, page))
            return True

        if not await self._database.write(unit, name="author.page"):
            raise NoSuchPage
        self._intake.on_queued()


def _go_on(connection: Connection, rows: dict[str, Any], page: Opened) -> None:
    """What was said since on the ticket this one goes on as: by its author, and by us where they get copies."""
    ticket = page.ticket
    other = tickets.by_id(connection, ticket["merged_into_id"]) if ticket["merged_into_id"] is not None else None
    if other is None:
        return
    own = {(row["kind"], fold(row["value"])) for row in rows["addresses"]}
    keys = {address_key(kind, value) for kind, value in own}
    hears = other["contact_id"] == page.person_id or any(
        row["key"] in keys for row in participants.of(connection, [other["id"]])
    )
    since = max((e["at"] for e in rows["events"] if e["what"] == "merged"), default=ticket["closed_at"])
    there = tickets.everything(connection, other)
    said = [
        {**message, "public": True}
        for message in there["messages"]
        if since is None or message["at"] >= since
        if (message["direction"] == "in" and (message["sender_kind"], fold(message["sender_value"])) in own)
        or (message["direction"] == "out" and message["public"] and hears)
    ]
    kept = {message["id"] for message in said}
    rows["messages"] += said
    rows["attachments"] += [file for file in there["attachments"] if file["message_id"] in kept]
    rows["ticket"] = {**ticket, "version": ticket["version"] + other["version"]}


def _external_id(ticket_id: UUID, reply: Reply, text: str) -> str:
    """One form with one content: what was changed before it was sent again is another message."""
    digest = hashlib.sha256(f"{ticket_id.hex}\0{reply.nonce}\0{text}".encode("utf-8", "replace"))
    for file in reply.files:
        digest.update(f"\0{file.name}\0{file.sha256}".encode("utf-8", "replace"))
    return digest.hexdigest()
