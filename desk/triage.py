"""What the queue does to a ticket besides status and assignment: snooze, tags, priority, spam. One transaction each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from desk.change import STATUS_COLUMNS, Actor, Changes, Refused
from desk.classify import Properties, classify
from desk.stems import fold
from storage import readings, tickets
from storage import tags as tag_rows
from tickets.priority import Level, Priority
from tickets.reason import Reason
from tickets.status import OPEN, Status, check_move

Row = dict[str, Any]

LONGEST_TAG = 40
MOST_TAGS = 20
LONGEST_SNOOZE = timedelta(days=366)
SPAM = "спам"
"""The tag of what was closed as spam."""


def tag_of(text: str) -> str:
    """A tag as it is kept: one line, folded to lower case.

    Raises:
        Refused: nothing is left of it, or it is too long.
    """
    tag = " ".join(fold(text.replace("\x00", "").replace(",", " ").strip().lstrip("#")).split())
    if not tag:
        raise Refused("a tag needs at least one letter", "tag_empty")
    if len(tag) > LONGEST_TAG:
        raise Refused(f"a tag has at most {LONGEST_TAG} characters", "tag_long")
    return tag


def snooze(changes: Changes, number: str, until: datetime, actor: Actor) -> Row:
    """Take an open ticket out of the queue until a moment; an answer of its author brings it back earlier.

    Its terms run on meanwhile.

    Raises:
        NoSuchTicket: the number is nobody's.
        Refused: it is finished, or the moment is past or more than a year away.
    """
    ticket = changes.living(number)
    if Status(ticket["status"]) not in OPEN:
        raise Refused("a finished ticket need not be snoozed", "finished")
    if until <= changes.now:
        raise Refused("snooze it until a moment to come", "past")
    if until > changes.now + LONGEST_SNOOZE:
        raise Refused("a ticket can be snoozed for a year at most", "too_far")
    old = ticket["snoozed_until"]
    ticket["snoozed_until"] = until
    changes.event(ticket, actor, "snoozed", old.isoformat() if old else None, until.isoformat(), None, [])
    return _saved(changes, ticket, "snoozed_until")


def wake(changes: Changes, number: str, actor: Actor) -> Row:
    """Bring a snoozed ticket back by hand.

    Raises:
        NoSuchTicket: the number is nobody's.
        Refused: it is not snoozed.
    """
    ticket = changes.ticket(number)
    if ticket["snoozed_until"] is None:
        raise Refused("it is not snoozed", "not_snoozed")
    ticket["snoozed_until"] = None
    changes.event(ticket, actor, "woken", None, "hand", None, [])
    return _saved(changes, ticket, "snoozed_until")


def wake_due(changes: Changes, ticket_id: UUID) -> bool:
    """Bring a ticket back whose time has come; whether it was so. Everybody sees it as unread again."""
    ticket = tickets.by_id(changes.connection, ticket_id, lock=True)
    if ticket is None or ticket["snoozed_until"] is None or ticket["snoozed_until"] > changes.now:
        return False
    ticket["snoozed_until"] = None
    changes.event(ticket, Actor("clock"), "woken", None, "due", None, [])
    readings.forget(changes.connection, ticket_id)
    _saved(changes, ticket, "snoozed_until")
    return True


def tag(changes: Changes, number: str, text: str, actor: Actor) -> Row:
    """Put a tag on a ticket.

    Raises:
        NoSuchTicket: the number is nobody's.
        Refused: it is no tag, it is there already, or there are too many.
    """
    name = tag_of(text)
    ticket = changes.ticket(number)
    known = tag_rows.of(changes.connection, ticket["id"])
    if name in known:
        raise Refused(f"it has the tag {name} already", "tagged")
    if len(known) >= MOST_TAGS:
        raise Refused(f"a ticket has at most {MOST_TAGS} tags", "tags_full")
    tag_rows.add(changes.connection, ticket["id"], name, changes.now)
    changes.event(ticket, actor, "tagged", None, name, None, [])
    return _saved(changes, ticket)


def untag(changes: Changes, number: str, text: str, actor: Actor) -> Row:
    """Take a tag off a ticket.

    Raises:
        NoSuchTicket: the number is nobody's.
        Refused: it is not there.
    """
    name = tag_of(text)
    ticket = changes.ticket(number)
    if not tag_rows.remove(changes.connection, ticket["id"], name):
        raise Refused(f"it has no tag {name}", "not_tagged")
    changes.event(ticket, actor, "untagged", name, None, None, [])
    return _saved(changes, ticket)


def prioritise(changes: Changes, number: str, wanted: Priority, actor: Actor) -> Row:
    """Give a ticket a priority, by the urgency, and the impact where that is not enough, that lead to it.

    Raises:
        NoSuchTicket: the number is nobody's.
        Refused: it has it already, or no impact and urgency lead to it here.
    """
    ticket = changes.living(number)
    if ticket["priority"] == wanted.value:
        raise Refused("it has this priority already", "same")
    impact, urgency = Level(ticket["impact"]), Level(ticket["urgency"])
    pairs = [(i, u) for i in Level for u in Level if changes.site.router.priority(i, u) is wanted]
    if not pairs:
        raise Refused("no impact and urgency lead to this priority here", "no_way")
    order = list(Level)
    best = min(pairs, key=lambda pair: (pair[0] is not impact, abs(order.index(pair[1]) - order.index(urgency))))
    return classify(changes, number, Properties(impact=best[0], urgency=best[1]), actor)


def spam(changes: Changes, number: str, actor: Actor) -> Row:
    """Decline a ticket as spam: it gets a tag, and nobody is written to, least of all its author.

    Raises:
        NoSuchTicket: the number is nobody's.
        IllegalMove: it is finished already.
        Refused: it was merged into another.
    """
    ticket = changes.living(number)
    old = Status(ticket["status"])
    check_move(old, Status.REJECTED)
    changes.move(ticket, old, Status.REJECTED)
    reason = Reason("manual", "spam", {"by": actor.label})
    changes.event(ticket, actor, "status", old.value, Status.REJECTED.value, None, [reason])
    if SPAM not in tag_rows.of(changes.connection, ticket["id"]):
        tag_rows.add(changes.connection, ticket["id"], SPAM, changes.now)
        changes.event(ticket, actor, "tagged", None, SPAM, None, [])
    return _saved(changes, ticket, *STATUS_COLUMNS)


def unspam(changes: Changes, number: str, actor: Actor) -> Row:
    """Put what was taken for spam back to work, as quietly.

    Raises:
        NoSuchTicket: the number is nobody's.
        IllegalMove: it is not declined any more.
    """
    ticket = changes.living(number)
    old = Status(ticket["status"])
    check_move(old, Status.IN_PROGRESS)
    changes.move(ticket, old, Status.IN_PROGRESS)
    changes.event(ticket, actor, "status", old.value, Status.IN_PROGRESS.value, None, [])
    if tag_rows.remove(changes.connection, ticket["id"], SPAM):
        changes.event(ticket, actor, "untagged", SPAM, None, None, [])
    return _saved(changes, ticket, *STATUS_COLUMNS)


def _saved(changes: Changes, ticket: Row, *names: str) -> Row:
    ticket["updated_at"] = changes.now
    tickets.save(changes.connection, ticket, names)
    return ticket
