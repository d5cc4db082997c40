"""What an author does on the page of their ticket, each inside one transaction of the caller's.

What was done already is done: the same press again changes nothing and is no error.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from desk.change import STATUS_COLUMNS, Actor, Changes, Refused
from desk.portal_links import Opened, revoke
from desk.site import Site
from storage import author_pages, tickets
from storage.database import Connection
from tickets.event import Event
from tickets.status import OPEN, Status

Row = dict[str, Any]

SCORES = range(1, 6)
"""1 is bad, 5 is good."""

LONGEST_COMMENT = 2000


class NotNow(Refused):
    """The ticket has moved on: what was pressed makes no sense any more."""


class AuthorVerbs:
    """The verbs of one author on one ticket, which is locked."""

    def __init__(self, connection: Connection, site: Site, now: datetime, page: Opened) -> None:
        self.connection = connection
        self.now = now
        self.page = page
        self.changes = Changes(connection, site, now)
        self.ticket = self.changes.ticket(page.ticket["number"])
        person = tickets.contact(connection, page.person_id)
        self.actor = Actor("author", person["name"], page.person_id)

    def confirm(self) -> None:
        """Yes, it works: a solved ticket closes.

        Raises:
            NotNow: it is not solved (any more).
        """
        self._on_its_own()
        if self.status is Status.CLOSED:
            return
        if self.status is not Status.RESOLVED:
            raise NotNow("the ticket is not solved")
        self._note("confirmed")
        self._tell(Event.CLOSED, self._move(Status.CLOSED))
        self._save()

    def reopen(self) -> None:
        """No, it is still broken: a solved ticket, or one closed not long ago, is worked on again.

        Raises:
            NotNow: it was closed too long ago, declined, or merged into another.
        """
        self._on_its_own()
        if self.status in OPEN:
            return
        closed_at = self.ticket["closed_at"]
        late = closed_at is not None and self.now - closed_at > self.changes.site.follow_up_after
        if self.status is Status.REJECTED or late:
            raise NotNow("the ticket was declined, or closed too long ago")
        said = self._note("reopened")
        self._move(Status.IN_PROGRESS)
        self._tell(Event.REOPENED, said)
        self._save()

    def withdraw(self) -> None:
        """Nothing more is to be done: an open ticket is declined by its own author, and closes.

        Raises:
            NotNow: it is finished.
        """
        self._on_its_own()
        if self.status is Status.CLOSED:
            return
        if self.status not in OPEN:
            raise NotNow("the ticket is finished")
        said = self._note("withdrawn")
        self._move(Status.REJECTED)
        self._move(Status.CLOSED)
        self._tell(Event.WITHDRAWN, said)
        self._save()

    def rate(self, score: int, comment: str) -> None:
        """What they think of the work; a later word takes the place of an earlier one.

        Raises:
            NotNow: the ticket is not closed, or goes on as another one.
            ValueError: no such score.
        """
        if score not in SCORES:
            raise ValueError(f"a score from {SCORES[0]} to {SCORES[-1]}, not {score}")
        self._on_its_own()
        if self.status is not Status.CLOSED:
            raise NotNow("the ticket is not closed")
        clean = comment.replace("\x00", "").strip()[:LONGEST_COMMENT]
        known = author_pages.rating(self.connection, self.ticket["id"])
        if known is not None and (known["score"], known["comment"]) == (score, clean):
            return
        row = {
            "ticket_id": self.ticket["id"],
            "person_id": self.page.person_id,
            "score": score,
            "comment": clean,
            "at": self.now,
        }
        author_pages.rate(self.connection, row)
        old = str(known["score"]) if known else None
        self.changes.event(self.ticket, self.actor, "rated", old, str(score), None, [])

    def revoke(self) -> None:
        """Close the page to everybody who has a link to it."""
        revoke(self.connection, self.ticket["id"], self.page.person_id, self.now)
        self._note("links_revoked")

    # ---- parts ----------------------------------------------------------------------------------------------------

    @property
    def status(self) -> Status:
        """Where the ticket stands."""
        return Status(self.ticket["status"])

    def _on_its_own(self) -> None:
        if self.ticket["merged_into_id"] is not None:
            # what would be opened or closed here goes on as another ticket, where staff work on it
            raise NotNow("the ticket goes on as another one")

    def _note(self, what: str) -> Any:
        return self.changes.event(self.ticket, self.actor, what, None, None, None, [])

    def _move(self, new: Status) -> Any:
        old = self.status
        self.changes.move(self.ticket, old, new)
        return self.changes.event(self.ticket, self.actor, "status", old.value, new.value, None, [])

    def _tell(self, event: Event, event_id: Any) -> None:
        self.changes.tell(event, event_id, self.ticket, self.actor)

    def _save(self) -> None:
        tickets.save(self.connection, self.ticket, STATUS_COLUMNS)
