"""What is done to a ticket after it was made: status, comments, assignment. One transaction each.

Every function works on a ticket locked for update, writes an event, and queues what people are told about it in the
same transaction.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uuid_utils.compat import uuid7

from desk import deadlines
from desk.notify import audience, enqueue
from desk.site import Site
from outbound.plan import Occasion
from storage import organisation as organisations
from storage import tickets
from storage.database import Connection
from storage.tickets import DirectRows
from tickets.event import Event
from tickets.organisation import Member, Organisation
from tickets.reason import Decided, Reason
from tickets.status import Status, check_move

Row = dict[str, Any]

_CLOCK = ("respond_by", "resolve_by", "paused_at", "alarm", "alarm_at", "alarmed")
_STATUS = ("status", "responded_at", "resolved_at", "closed_at", *_CLOCK)


class NoSuchTicket(LookupError):
    """There is no ticket with this number."""

    def __init__(self, number: str) -> None:
        super().__init__(f"there is no ticket {number}")


class Refused(ValueError):
    """The change makes no sense; the text says why and what would."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it: `label` is what the history shows (`staff:<login>`, `api:<token>`, `clock`), `id` the person."""

    label: str
    name: str = ""
    id: uuid.UUID | None = None


def actor_of(organisation: Organisation, login: str) -> Actor:
    """A member of staff as an actor.

    Raises:
        Refused: nobody has this login.
    """
    member = _member(organisation, login)
    return Actor(f"staff:{member.login}", member.name, uuid.UUID(member.id))


class Changes:
    """Changes to tickets inside one transaction."""

    def __init__(self, connection: Connection, site: Site, now: datetime) -> None:
        self.connection = connection
        self.site = site
        self.now = now
        self.organisation = organisations.load(connection)
        self.rows = DirectRows(connection)

    def ticket(self, number: str) -> Row:
        """The ticket, locked.

        Raises:
            NoSuchTicket: the number is nobody's.
        """
        found = tickets.find(self.connection, number, lock=True)
        if found is None:
            raise NoSuchTicket(number)
        return found

    # ---- verbs ----------------------------------------------------------------------------------------------------

    def status(self, number: str, new: Status, actor: Actor, comment: str = "") -> Row:
        """Move a ticket to another status and tell its author.

        Raises:
            NoSuchTicket: the number is nobody's.
            IllegalMove: the life cycle has no such arc.
            Refused: a rejection or a question without words.
        """
        ticket = self.ticket(number)
        old = Status(ticket["status"])
        check_move(old, new)
        if new in (Status.REJECTED, Status.WAITING) and not comment.strip():
            what = "why it is declined" if new is Status.REJECTED else "what is asked of the author"
            raise Refused(f"say {what} in a comment: the author reads it")
        message_id = self._say(ticket, comment, public=True, actor=actor) if comment.strip() else None
        self._move(ticket, old, new)
        event_id = self._event(ticket, actor, "status", old.value, new.value, message_id, [])
        event = {Status.RESOLVED: Event.RESOLVED, Status.CLOSED: Event.CLOSED}.get(new, Event.STATUS_CHANGED)
        self._tell(event, event_id, ticket, actor)
        tickets.save(self.connection, ticket, _STATUS)
        return ticket

    def comment(self, number: str, text: str, actor: Actor, *, public: bool) -> Row:
        """Write on a ticket; a public comment goes to its author and is the first response if there was none.

        Raises:
            NoSuchTicket: the number is nobody's.
            Refused: there is nothing in it.
        """
        if not text.strip():
            raise Refused("the comment is empty: write what the author or your colleagues should read")
        ticket = self.ticket(number)
        ticket["updated_at"] = self.now
        message_id = self._say(ticket, text, public=public, actor=actor)
        what = "public_comment" if public else "note_added"
        event_id = self._event(ticket, actor, what, None, None, message_id, [])
        if public:
            self._responded(ticket)
            self._tell(Event.PUBLIC_COMMENT, event_id, ticket, actor)
        tickets.save(self.connection, ticket, _STATUS)
        return ticket

    def assign(
        self,
        number: str,
        actor: Actor,
        *,
        assignee: str | None = None,
        group: str | None = None,
        centre: str | None = None,
    ) -> Row:
        """Give a ticket to a centre, a group or a person (by login; "" takes it from everybody).

        Raises:
            NoSuchTicket: the number is nobody's.
            Refused: nobody and nothing is called so, or the person is not of that group.
        """
        ticket = self.ticket(number)
        ticket["updated_at"] = self.now
        if assignee is None and group is None and centre is None:
            raise Refused("say whom to give it to: assignee, group or centre")
        reason = Reason("manual", "given", {"by": actor.label})
        if centre is not None:
            self._centre(ticket, centre, reason, actor)
        if group is not None:
            self._group(ticket, group, reason, actor)
        if assignee is not None:
            self._assignee(ticket, assignee, reason, actor)
        tickets.save(self.connection, ticket, ("centre", "team", "assignee_id", "line", "decision", *_CLOCK))
        return ticket

    def alarm(self, ticket_id: uuid.UUID) -> bool:
        """Raise the deadline event a ticket's alarm names, if it is still due; returns whether it was."""
        ticket = tickets.by_id(self.connection, ticket_id, lock=True)
        if ticket is None or ticket["alarm_at"] is None or ticket["alarm_at"] > self.now:
            return False
        which, _, stage = ticket["alarm"].partition("_")
        if ticket[f"{which}_by"] <= self.now:
            # nobody looked in time: what is missed already is no longer near
            stage = "missed"
        clock = Actor("clock")
        facts = {"deadline": which, "due": ticket[f"{which}_by"].isoformat()}
        reason = Reason("deadline", f"{which}_{stage}", facts)
        event_id = self._event(ticket, clock, f"deadline_{stage}", None, which, None, [reason])
        self._tell(Event(f"deadline_{stage}"), event_id, ticket, clock)
        ticket["alarmed"] = f"{which}_{stage}"
        ticket["updated_at"] = self.now
        calendar = deadlines.calendar_of(self.site, self.organisation, ticket)
        deadlines.set_alarm(ticket, self.site, calendar, ticket["created_at"])
        tickets.save(self.connection, ticket, _CLOCK)
        return True

    # ---- parts ----------------------------------------------------------------------------------------------------

    def _move(self, ticket: Row, old: Status, new: Status) -> None:
        ticket["status"] = new.value
        ticket["updated_at"] = self.now
        calendar = deadlines.calendar_of(self.site, self.organisation, ticket)
        running_since = ticket["created_at"]
        if new in (Status.WAITING, Status.RESOLVED, Status.REJECTED) and ticket["paused_at"] is None:
            ticket["paused_at"] = self.now
        if new is Status.IN_PROGRESS:
            if ticket["paused_at"] is not None:
                running_since = self.now
            deadlines.resume(ticket, calendar, self.now)
            ticket["resolved_at"] = ticket["closed_at"] = None
        if new in (Status.RESOLVED, Status.REJECTED):
            ticket["resolved_at"] = self.now
        if new is Status.CLOSED:
            ticket["closed_at"] = self.now
        if new is not Status.IN_PROGRESS or old is not Status.NEW:
            self._responded(ticket)
        deadlines.set_alarm(ticket, self.site, calendar, running_since)

    def _responded(self, ticket: Row) -> None:
        if ticket["responded_at"] is None:
            ticket["responded_at"] = self.now
            calendar = deadlines.calendar_of(self.site, self.organisation, ticket)
            deadlines.set_alarm(ticket, self.site, calendar, ticket["created_at"])

    def _centre(self, ticket: Row, code: str, reason: Reason, actor: Actor) -> None:
        if code not in self.organisation.centres:
            raise Refused(f"there is no centre {code!r}; known: {', '.join(self.organisation.centres) or 'none'}")
        old, ticket["centre"] = ticket["centre"], code
        self._decided(ticket, "centre", code, reason)
        self._event(ticket, actor, "centre", old, code, None, [reason])

    def _group(self, ticket: Row, code: str, reason: Reason, actor: Actor) -> None:
        group = self.organisation.groups.get(code)
        if group is None:
            raise Refused(f"there is no group {code!r}; known: {', '.join(self.organisation.groups) or 'none'}")
        old, ticket["team"] = ticket["team"], code
        self._decided(ticket, "group", code, reason)
        assignee = self.organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
        if assignee is not None and assignee.group != code:
            ticket["assignee_id"] = None
            self._decided(ticket, "assignee", None, reason)
        event_id = self._event(ticket, actor, "group", old, code, None, [reason])
        self._tell(Event.ASSIGNED, event_id, ticket, actor)

    def _assignee(self, ticket: Row, login: str, reason: Reason, actor: Actor) -> None:
        previous = self.organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
        member = _member(self.organisation, login) if login else None
        if member is not None and ticket["team"] != member.group:
            ticket["team"] = member.group
            self._decided(ticket, "group", member.group, reason)
        ticket["assignee_id"] = uuid.UUID(member.id) if member else None
        if member is not None:
            ticket["line"] = member.line
        self._decided(ticket, "assignee", member.id if member else None, reason)
        event_id = self._event(
            ticket, actor, "assigned", previous.login if previous else None, login or None, None, [reason]
        )
        if member is not None:
            self._tell(Event.ASSIGNED, event_id, ticket, actor)

    def _decided(self, ticket: Row, field: str, value: str | None, reason: Reason) -> None:
        kept = [d for d in ticket["decision"] if d["field"] != field]
        ticket["decision"] = [*kept, Decided(field, value, reason).as_json()]

    def _say(self, ticket: Row, text: str, *, public: bool, actor: Actor) -> uuid.UUID:
        row = self.rows.add(
            "messages",
            {
                "id": uuid7(),
                "site": self.site.prefix,
                "ticket_id": ticket["id"],
                "direction": "out",
                "channel": "desk",
                "account": actor.label[:80],
                "kind": "human",
                "public": public,
                "sender_kind": "staff",
                "sender_value": actor.label,
                "sender_name": actor.name,
                "recipients": [],
                "subject": "",
                "text": text.replace("\x00", ""),
                "reply_text": "",
                "language": "",
                "message_id": "",
                "digest": None,
                "raw_sha256": None,
                "sent_at": None,
                "at": self.now,
                "detail": {},
            },
        )
        return row["id"]  # type: ignore[no-any-return]

    def _event(
        self,
        ticket: Row,
        actor: Actor,
        what: str,
        old: str | None,
        new: str | None,
        message_id: uuid.UUID | None,
        reasons: list[Reason],
    ) -> uuid.UUID:
        row = self.rows.add(
            "events",
            {
                "id": uuid7(),
                "site": self.site.prefix,
                "ticket_id": ticket["id"],
                "at": self.now,
                "by": actor.label,
                "what": what,
                "old": old,
                "new": new,
                "message_id": message_id,
                "reasons": [r.as_json() for r in reasons],
            },
        )
        return row["id"]  # type: ignore[no-any-return]

    def _tell(self, event: Event, event_id: uuid.UUID, ticket: Row, actor: Actor) -> None:
        person = tickets.contact(self.connection, ticket["contact_id"])
        occasion = Occasion(event, event_id, ticket["id"], self.now, actor=actor.id)
        enqueue(self.rows, occasion, audience(event, ticket, person, self.organisation), self.site)


def _member(organisation: Organisation, login: str) -> Member:
    for member in organisation.members.values():
        if member.login == login:
            return member
    known = ", ".join(sorted(m.login for m in organisation.members.values())) or "none"
    raise Refused(f"there is nobody with the login {login!r}; known: {known}")
