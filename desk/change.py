"""What is done to a ticket after it was made: status, comments, assignment. One transaction each.

Every function works on a ticket locked for update, writes an event, and queues what people are told about it in the
same transaction.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from desk import deadlines, typed
from desk.actor import PLAIN, Actor, NoSuchTicket, Refused, Speech, actor_of, member_of
from desk.guard import UNGUARDED, Guard
from desk.notify import audience, enqueue
from desk.site import Site
from outbound.plan import Occasion
from storage import organisation as organisations
from storage import participants, tickets
from storage.database import Connection
from storage.tickets import DirectRows
from tickets.event import Event
from tickets.key import new_key
from tickets.reason import Decided, Reason
from tickets.status import OPEN, Status, check_move

Row = dict[str, Any]

_CLOCK = ("respond_by", "resolve_by", "paused_at", "alarm", "alarm_at", "alarmed")
STATUS_COLUMNS = ("status", "responded_at", "resolved_at", "closed_at", "snoozed_until", *_CLOCK)
"""What a move to another status may change."""


class Changes:
    """Changes to tickets inside one transaction."""

    def __init__(self, connection: Connection, site: Site, now: datetime, guard: Guard = UNGUARDED) -> None:
        self.guard = guard
        self.connection = connection
        self.site = site
        self.now = now
        self.organisation = organisations.load(connection)
        self.rows = DirectRows(connection)

    def ticket(self, number: str) -> Row:
        """The ticket, locked.

        Raises:
            NoSuchTicket: the number is nobody's, or outside what the caller may see.
            Outdated: it is no longer as the caller saw it.
        """
        found = tickets.find(self.connection, number, lock=True, within=self.guard.within)
        if found is None:
            raise NoSuchTicket(number)
        self.guard.check(found)
        return found

    def living(self, number: str) -> Row:
        """The ticket, locked, if it is one of its own.

        Raises:
            NoSuchTicket: the number is nobody's.
            Refused: it was merged into another.
        """
        ticket = self.ticket(number)
        if ticket.get("merged_into_id") is not None:
            into = tickets.by_id(self.connection, ticket["merged_into_id"])
            raise Refused(
                f"{ticket['number']} was merged into {into['number'] if into else 'another'}: go on there",
                "merged_away",
            )
        return ticket

    # ---- verbs ----------------------------------------------------------------------------------------------------

    def status(self, number: str, new: Status, actor: Actor, comment: str = "", *, speech: Speech = PLAIN) -> Row:
        """Move a ticket to another status and tell its author.

        Raises:
            NoSuchTicket: the number is nobody's.
            IllegalMove: the life cycle has no such arc.
            Refused: a rejection or a question without words, or the ticket was merged into another.
        """
        ticket = self.living(number)
        old = Status(ticket["status"])
        check_move(old, new)
        if new in (Status.REJECTED, Status.WAITING) and not comment.strip():
            what = "why it is declined" if new is Status.REJECTED else "what is asked of the author"
            raise Refused(f"say {what} in a comment: the author reads it", f"say_{new.value}")
        message_id = self.say(ticket, comment, public=True, actor=actor, speech=speech) if comment.strip() else None
        self.move(ticket, old, new)
        event_id = self.event(ticket, actor, "status", old.value, new.value, message_id, [])
        event = {Status.RESOLVED: Event.RESOLVED, Status.CLOSED: Event.CLOSED}.get(new, Event.STATUS_CHANGED)
        self.tell(event, event_id, ticket, actor, said=message_id is not None, hold=speech.hold)
        tickets.save(self.connection, ticket, STATUS_COLUMNS)
        return ticket

    def comment(self, number: str, text: str, actor: Actor, *, public: bool, speech: Speech = PLAIN) -> Row:
        """Write on a ticket; a public comment goes to its author and is the first response if there was none.

        Raises:
            NoSuchTicket: the number is nobody's.
            Refused: there is nothing in it, or the ticket was merged into another.
        """
        if not text.strip():
            raise Refused("the comment is empty: write what the author or your colleagues should read", "empty")
        ticket = self.living(number)
        ticket["updated_at"] = self.now
        message_id = self.say(ticket, text, public=public, actor=actor, speech=speech)
        what = "public_comment" if public else "note_added"
        event_id = self.event(ticket, actor, what, None, None, message_id, [])
        if public:
            self.responded(ticket)
            self.tell(Event.PUBLIC_COMMENT, event_id, ticket, actor, said=True, hold=speech.hold)
        tickets.save(self.connection, ticket, STATUS_COLUMNS)
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
            raise Refused("say whom to give it to: assignee, group or centre", "nobody_named")
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
        if ticket["alarm"] == deadlines.CLOSE_DUE:
            self._close_unanswered(ticket)
            return True
        which, _, stage = ticket["alarm"].partition("_")
        if ticket[f"{which}_by"] <= self.now:
            # nobody looked in time: what is missed already is no longer near
            stage = "missed"
        clock = Actor("clock")
        facts = {"deadline": which, "due": ticket[f"{which}_by"].isoformat()}
        reason = Reason("deadline", f"{which}_{stage}", facts)
        event_id = self.event(ticket, clock, f"deadline_{stage}", None, which, None, [reason])
        self.tell(Event(f"deadline_{stage}"), event_id, ticket, clock)
        ticket["alarmed"] = f"{which}_{stage}"
        ticket["updated_at"] = self.now
        calendar = deadlines.calendar_of(self.site, self.organisation, ticket)
        deadlines.set_alarm(ticket, self.site, calendar, ticket["created_at"])
        tickets.save(self.connection, ticket, _CLOCK)
        return True

    def _close_unanswered(self, ticket: Row) -> None:
        """Close a solved ticket whose author was told when this would happen, and said nothing."""
        if ticket["status"] != Status.RESOLVED:
            deadlines.set_alarm(ticket, self.site, None, self.now)
            tickets.save(self.connection, ticket, STATUS_COLUMNS)
            return
        clock = Actor("clock")
        self.move(ticket, Status.RESOLVED, Status.CLOSED)
        reason = Reason("closing", "no_answer", {"days": self.site.close_after})
        event_id = self.event(ticket, clock, "status", Status.RESOLVED.value, Status.CLOSED.value, None, [reason])
        self.tell(Event.CLOSED, event_id, ticket, clock)
        tickets.save(self.connection, ticket, STATUS_COLUMNS)

    # ---- parts ----------------------------------------------------------------------------------------------------

    def move(self, ticket: Row, old: Status, new: Status) -> None:
        """Change the status in the row, with all that follows for its clock; `old` to `new` is a legal arc."""
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
        if new not in OPEN:
            ticket["snoozed_until"] = None
        if new is Status.CLOSED:
            ticket["closed_at"] = self.now
        if new is not Status.IN_PROGRESS or old is not Status.NEW:
            self.responded(ticket)
        deadlines.set_alarm(ticket, self.site, calendar, running_since)
        if new is Status.RESOLVED:
            deadlines.set_closing(ticket, self.site, self.organisation, self.now)

    def responded(self, ticket: Row) -> None:
        """Somebody answered: from now on only the term to resolve runs."""
        if ticket["responded_at"] is None:
            ticket["responded_at"] = self.now
            calendar = deadlines.calendar_of(self.site, self.organisation, ticket)
            deadlines.set_alarm(ticket, self.site, calendar, ticket["created_at"])

    def _centre(self, ticket: Row, code: str, reason: Reason, actor: Actor) -> None:
        if code not in self.organisation.centres:
            raise Refused(
                f"there is no centre {code!r}; known: {', '.join(self.organisation.centres) or 'none'}", "unknown_value"
            )
        old, ticket["centre"] = ticket["centre"], code
        self.decided(ticket, "centre", code, reason)
        self.event(ticket, actor, "centre", old, code, None, [reason])

    def _group(self, ticket: Row, code: str, reason: Reason, actor: Actor) -> None:
        group = self.organisation.groups.get(code)
        if group is None:
            raise Refused(
                f"there is no group {code!r}; known: {', '.join(self.organisation.groups) or 'none'}", "unknown_value"
            )
        old, ticket["team"] = ticket["team"], code
        self.decided(ticket, "group", code, reason)
        assignee = self.organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
        if assignee is not None and assignee.group != code:
            ticket["assignee_id"] = None
            self.decided(ticket, "assignee", None, reason)
        event_id = self.event(ticket, actor, "group", old, code, None, [reason])
        self.tell(Event.ASSIGNED, event_id, ticket, actor)

    def _assignee(self, ticket: Row, login: str, reason: Reason, actor: Actor) -> None:
        previous = self.organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
        member = member_of(self.organisation, login) if login else None
        if member is not None and ticket["team"] != member.group:
            ticket["team"] = member.group
            self.decided(ticket, "group", member.group, reason)
        ticket["assignee_id"] = uuid.UUID(member.id) if member else None
        if member is not None:
            ticket["line"] = member.line
        self.decided(ticket, "assignee", member.id if member else None, reason)
        event_id = self.event(
            ticket, actor, "assigned", previous.login if previous else None, login or None, None, [reason]
        )
        if member is not None:
            self.tell(Event.ASSIGNED, event_id, ticket, actor)

    def decided(self, ticket: Row, field: str, value: str | None, reason: Reason) -> None:
        """Put a field's new value and its reason in place of the old decision."""
        kept = [d for d in ticket["decision"] if d["field"] != field]
        ticket["decision"] = [*kept, Decided(field, value, reason.rule, reason.code, reason.facts).as_json()]

    def say(self, ticket: Row, text: str, *, public: bool, actor: Actor, speech: Speech = PLAIN) -> uuid.UUID:
        """Write a message of ours, with its files; returns its key."""
        row = self.rows.add(
            "messages",
            {
                "id": new_key(),
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
                "text": typed.lines(text),
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
        for number, file in enumerate(speech.files, 1):
            attachment = self.rows.add(
                "attachments",
                {
                    "id": new_key(),
                    "message_id": row["id"],
                    "part": str(number),
                    "name": file["name"],
                    "content_type": file["content_type"][:255],
                    "size": file["size"],
                    "sha256": file["sha256"].hex(),
                    "inline": False,
                    "content_id": "",
                },
            )
            self.rows.add("message_files", {"attachment_id": attachment["id"], "sha256": file["sha256"]})
        return row["id"]  # type: ignore[no-any-return]

    def event(
        self,
        ticket: Row,
        actor: Actor,
        what: str,
        old: str | None,
        new: str | None,
        message_id: uuid.UUID | None,
        reasons: list[Reason],
    ) -> uuid.UUID:
        """Write an entry of the history; returns its key."""
        row = self.rows.add(
            "events",
            {
                "id": new_key(),
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

    def tell(
        self,
        event: Event,
        event_id: uuid.UUID,
        ticket: Row,
        actor: Actor,
        *,
        said: bool = False,
        hold: timedelta = timedelta(0),
    ) -> None:
        """Queue what people are told of an event; participants hear of it where something was `said` to the author."""
        person = tickets.contact(self.connection, ticket["contact_id"])
        others = participants.of(self.connection, [ticket["id"]]) if said else []
        occasion = Occasion(event, event_id, ticket["id"], self.now, actor=actor.id, hold=hold)
        enqueue(self.rows, occasion, audience(event, ticket, person, self.organisation, others), self.site)


__all__ = ["STATUS_COLUMNS", "Actor", "Changes", "NoSuchTicket", "Refused", "Speech", "actor_of"]
