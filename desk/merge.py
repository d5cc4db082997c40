"""Two tickets about one thing become one, one ticket about two things becomes two, and tickets are linked.

A merged ticket keeps its number, its rows and its history. Its conversation is shown on the other ticket, and what is
written to it later is filed there. So nothing has to be moved back when the merge is undone.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from desk import deadlines, typed
from desk.change import STATUS_COLUMNS, Actor, Changes, Refused
from desk.known import address_key
from storage import counters, merging, participants, tickets
from tickets.address import fold
from tickets.event import Event
from tickets.key import new_key
from tickets.priority import Priority
from tickets.reason import Decided, Reason
from tickets.status import OPEN, Status

Row = dict[str, Any]

KINDS = ("part_of", "duplicate", "related")
"""Links a person makes."""

_FINISH = {
    Status.NEW: (Status.RESOLVED, Status.CLOSED),
    Status.IN_PROGRESS: (Status.RESOLVED, Status.CLOSED),
    Status.WAITING: (Status.RESOLVED, Status.CLOSED),
    Status.RESOLVED: (Status.CLOSED,),
    Status.REJECTED: (Status.CLOSED,),
    Status.CLOSED: (),
}
"""The legal way of a ticket that goes on as another one to `closed`."""


def merge(changes: Changes, number: str, into: str, actor: Actor, *, follow: bool = True) -> Row:
    """Let a ticket go on as another one; its author is told once. Returns the other ticket.

    With `follow` its author, where it is somebody else, gets copies of the answers given there.

    Raises:
        NoSuchTicket: a number is nobody's.
        Refused: both are the same ticket, or one of them goes on as another already.
    """
    _lock(changes, number, into)
    ticket = changes.living(number)
    target = changes.living(into)
    if ticket["id"] == target["id"]:
        raise Refused("a ticket cannot be merged into itself: name the other one", "merge_self")
    brought = merging.merged_into(changes.connection, ticket["id"])
    merging.hand_on(changes.connection, ticket["id"], target["id"])
    merging.put_into(changes.connection, ticket["id"], target["id"])
    old = Status(ticket["status"])
    step = old
    for new in _FINISH[old]:
        changes.move(ticket, step, new)
        step = new
    facts = {"number": target["number"], "was": old.value, "brought": [row["id"].hex for row in brought]}
    reason = Reason("merge", "into", facts)
    event_id = changes.event(ticket, actor, "merged", ticket["number"], target["number"], None, [reason])
    changes.tell(Event.MERGED, event_id, ticket, actor)
    tickets.save(changes.connection, ticket, STATUS_COLUMNS)
    taken = Reason("merge", "from", {"number": ticket["number"]})
    changes.event(target, actor, "merged_here", None, ticket["number"], None, [taken])
    if follow and ticket["contact_id"] != target["contact_id"]:
        _follow(changes, ticket, target, actor)
    target["updated_at"] = changes.now
    tickets.save(changes.connection, target, ())
    return target


def _lock(changes: Changes, *numbers: str) -> None:
    """Lock these tickets, what they go on as, and what was merged into any of them."""
    found = [row for number in numbers if (row := tickets.find(changes.connection, number)) is not None]
    ids = {row["id"] for row in found} | {row["merged_into_id"] for row in found} - {None}
    ids.update(row["id"] for each in list(ids) for row in merging.merged_into(changes.connection, each))
    tickets.lock_in_order(changes.connection, ids)


def _follow(changes: Changes, ticket: Row, target: Row, actor: Actor) -> None:
    person = tickets.contact(changes.connection, ticket["contact_id"])
    if person["kind"] == "email" and person["value"]:
        participants.add(
            changes.connection,
            {
                "ticket_id": target["id"],
                "key": address_key("email", fold(person["value"])),
                "value": person["value"],
                "name": person["name"],
                "language": person["language"],
                "because": "merged",
                "at": changes.now,
                "by": actor.label,
            },
        )


def unmerge(changes: Changes, number: str, actor: Actor) -> Row:
    """Make a merged ticket one of its own again, with the status it had where the life cycle knows a way back to it.

    Raises:
        NoSuchTicket: the number is nobody's.
        Refused: it was not merged.
    """
    _lock(changes, number)
    ticket = changes.ticket(number)
    if ticket["merged_into_id"] is None:
        raise Refused(f"{ticket['number']} is a ticket of its own already", "not_merged")
    target = tickets.by_id(changes.connection, ticket["merged_into_id"], lock=True)
    merging.put_into(changes.connection, ticket["id"], None)
    entry = merging.last_entry(changes.connection, ticket["id"], "merged")
    facts = entry["reasons"][0]["facts"] if entry and entry["reasons"] else {}
    there = {row["id"] for row in merging.merged_into(changes.connection, target["id"])} if target else set()
    for key in facts.get("brought", ()):
        # one that was made its own again meanwhile, or went on elsewhere, stays where it is
        if UUID(key) in there:
            merging.put_into(changes.connection, UUID(key), ticket["id"])
    _return(changes, ticket, Status(facts.get("was", Status.IN_PROGRESS)))
    reason = Reason("merge", "undone", {"number": target["number"] if target else ""})
    changes.event(ticket, actor, "unmerged", target["number"] if target else None, ticket["number"], None, [reason])
    tickets.save(changes.connection, ticket, STATUS_COLUMNS)
    if target is not None:
        gone = Reason("merge", "left", {"number": ticket["number"]})
        changes.event(target, actor, "unmerged_here", ticket["number"], None, None, [gone])
        person = tickets.contact(changes.connection, ticket["contact_id"])
        for row in participants.of(changes.connection, [target["id"]]):
            if row["because"] == "merged" and row["key"] == address_key("email", fold(person["value"])):
                participants.remove(changes.connection, target["id"], row["key"])
        target["updated_at"] = changes.now
        tickets.save(changes.connection, target, ())
    return ticket


def _return(changes: Changes, ticket: Row, was: Status) -> None:
    now = Status(ticket["status"])
    way: tuple[Status, ...] = ()
    if was in OPEN:
        way = (Status.IN_PROGRESS, Status.WAITING) if was is Status.WAITING else (Status.IN_PROGRESS,)
    elif was is not Status.CLOSED:
        way = (Status.IN_PROGRESS, was)
    if now is not Status.CLOSED:
        way = ()
    for new in way:
        changes.move(ticket, now, new)
        now = new


# ---- split --------------------------------------------------------------------------------------------------------


def split(changes: Changes, number: str, ids: list[UUID], subject: str, actor: Actor, *, tell: bool = True) -> Row:
    """Make a new ticket of some messages of a ticket; returns it.

    It takes over customer, centre, group and priority; its author is who wrote the first of the messages, else the
    old one's. Its terms run from now. With `tell` its author gets its number.

    Raises:
        NoSuchTicket: the number is nobody's.
        Refused: no message is chosen or none would be left, or there is no subject.
    """
    ticket = changes.living(number)
    chosen = merging.messages_of(changes.connection, ticket["id"], ids)
    if not chosen:
        raise Refused("choose the messages that are about something else", "split_none")
    if len(chosen) == merging.count_messages(changes.connection, ticket["id"]):
        raise Refused("leave at least one message on the old ticket, or merge it instead", "split_all")
    subject = typed.line(subject)[:500]
    if not subject:
        raise Refused("give the new ticket a subject", "split_subject")
    new = _beside(changes, ticket, chosen, subject, actor)
    merging.move_messages(changes.connection, [row["id"] for row in chosen], new["id"])
    reason = Reason("split", "from", {"number": ticket["number"], "messages": len(chosen)})
    received = changes.event(new, actor, "received", None, Status.NEW.value, chosen[0]["id"], [reason])
    changes.event(ticket, actor, "split", None, new["number"], None, [reason])
    _link(changes, new, ticket, "split", reason)
    if tell:
        changes.tell(Event.RECEIVED, received, new, actor)
    ticket["updated_at"] = changes.now
    tickets.save(changes.connection, ticket, ())
    return new


def _beside(changes: Changes, ticket: Row, chosen: list[Row], subject: str, actor: Actor) -> Row:
    site, organisation, now = changes.site, changes.organisation, changes.now
    first = next((row for row in chosen if row["direction"] == "in" and row["sender_value"]), None)
    contact = None
    if first is not None:
        contact = merging.person_of(changes.connection, address_key(first["sender_kind"], fold(first["sender_value"])))
    respond_by, resolve_by, dues = site.router.deadlines(
        Priority(ticket["priority"]), ticket["customer"], ticket["centre"], organisation, now
    )
    year = site.year(now)
    serial = counters.reserve(changes.connection, f"{site.prefix}-{year}", 1)
    facts = {"number": ticket["number"]}
    decided = [
        Decided(d["field"], d["value"], "split", "kept", facts).as_json()
        for d in ticket["decision"]
        if d["field"] not in _TERMS
    ]
    row: Row = {
        **{name: ticket[name] for name in _KEPT},
        "id": new_key(),
        "site": site.prefix,
        "number": f"{site.prefix}-{year % 100:02d}-{serial:06d}",
        "serial": serial,
        "subject": subject,
        "status": Status.NEW.value,
        "contact_id": contact or ticket["contact_id"],
        "channel": chosen[0]["channel"] if chosen[0]["direction"] == "in" else ticket["channel"],
        "decision": [*decided, *(d.as_json() for d in dues)],
        "created_at": now,
        "updated_at": now,
        "respond_by": respond_by,
        "resolve_by": resolve_by,
        **dict.fromkeys(("responded_at", "resolved_at", "closed_at", "paused_at", "alarm_at"), None),
        "alarm": "",
        "alarmed": "",
        "version": 1,
    }
    deadlines.set_alarm(row, site, deadlines.calendar_of(site, organisation, row), now)
    changes.rows.add("tickets", row)
    return row


_TERMS = ("respond_by", "resolve_by")
_KEPT = (
    *("type", "category", "impact", "urgency", "priority", "customer", "centre", "line", "team", "assignee_id"),
    "agreement",
)


# ---- links --------------------------------------------------------------------------------------------------------


def link(changes: Changes, number: str, other: str, kind: str, actor: Actor) -> Row:
    """Say how a ticket belongs to another: `part_of`, `duplicate` (of it) or `related`.

    Raises:
        NoSuchTicket: a number is nobody's.
        Refused: it is the same ticket, or an unknown kind.
    """
    if kind not in KINDS:
        raise Refused(f"tickets are linked as one of {', '.join(KINDS)}", "unknown_value")
    _lock(changes, number, other)
    ticket = changes.ticket(number)
    target = changes.ticket(other)
    if ticket["id"] == target["id"]:
        raise Refused("a ticket cannot be linked with itself: name the other one", "merge_self")
    if not merging.linked(changes.connection, ticket["id"], target["id"], kind):
        reason = Reason("manual", "given", {"by": actor.label})
        _link(changes, ticket, target, kind, reason)
        changes.event(ticket, actor, "linked", None, target["number"], None, [reason])
        ticket["updated_at"] = changes.now
        tickets.save(changes.connection, ticket, ())
    return ticket


def unlink(changes: Changes, number: str, link_id: UUID, actor: Actor) -> Row:
    """Take a link away again.

    Raises:
        NoSuchTicket: the number is nobody's.
        Refused: there is no such link.
    """
    ticket = changes.ticket(number)
    gone = merging.unlink(changes.connection, ticket["id"], link_id)
    if gone is None:
        raise Refused("there is no such link any more", "no_link")
    other = tickets.by_id(
        changes.connection, gone["other_id"] if gone["ticket_id"] == ticket["id"] else gone["ticket_id"]
    )
    changes.event(ticket, actor, "unlinked", other["number"] if other else None, None, None, [])
    ticket["updated_at"] = changes.now
    tickets.save(changes.connection, ticket, ())
    return ticket


def _link(changes: Changes, ticket: Row, other: Row, kind: str, reason: Reason) -> None:
    changes.rows.add(
        "links",
        {
            "id": new_key(),
            "ticket_id": ticket["id"],
            "other_id": other["id"],
            "kind": kind,
            "at": changes.now,
            "reason": reason.as_json(),
        },
    )
