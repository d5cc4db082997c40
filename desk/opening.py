"""A message makes a ticket: routed with its reasons, and told to its author and to whoever is to see to it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any
from uuid import UUID

from desk import deadlines
from desk.cap import LEFT, Answer, Standing
from desk.notify import audience, enqueue
from outbound.plan import Occasion
from tickets.delivery import DeliveryState
from tickets.event import Event
from tickets.key import new_key
from tickets.message import InboundMessage, MessageKind
from tickets.proven import proven
from tickets.reason import Reason
from tickets.routing import Decision, Facts
from tickets.status import Status

if TYPE_CHECKING:
    from desk.arrival import Desk
    from desk.given import Given

Row = dict[str, Any]

ANSWERED = Answer()

_SHOWN = ("attachments", "events", "notifications", "deliveries")


def open_ticket(
    desk: Desk, message: InboundMessage, sha256: bytes, person: Row, given: Given
) -> tuple[Row, Row, dict[str, Any]]:
    """Make a ticket of a message: the ticket's row, the message's, and all rows made."""
    decision = desk.site.router.decide(_facts(desk, message, person, given), desk.now)
    if decision.assignee:
        desk.load[decision.assignee] = desk.load.get(decision.assignee, 0) + 1
    if decision.customer and "row" in person:
        person["row"]["customer"] = person["customer"] = decision.customer
    before = {name: len(desk.batch.rows(name)) for name in _SHOWN}
    ticket = desk.batch.add("tickets", _ticket(desk, message, person, decision))
    calendar = deadlines.calendar_of(desk.site, desk.organisation, ticket)
    deadlines.set_alarm(ticket, desk.site, calendar, desk.now)
    row = desk.message(ticket["id"], message, sha256, public=True)
    by = given.by or ("author" if message.kind is MessageKind.HUMAN else f"machine:{message.kind.value}")
    received = desk.event(ticket["id"], by, "received", None, Status.NEW.value, row["id"], [])
    automatic = not message.acknowledge
    answer = ANSWERED if automatic or given.unproven else _asked(desk, message, person)
    _agreed(desk, ticket, person, given)
    enqueue(
        desk.batch,
        Occasion(
            Event.RECEIVED,
            received,
            ticket["id"],
            desk.now,
            automatic=automatic,
            silence=answer.why,
            unproven=given.unproven,
        ),
        audience(Event.RECEIVED, ticket, person, desk.organisation),
        desk.site,
    )
    if not automatic and not given.unproven:
        _keep(desk, person, desk.batch.rows("deliveries")[-1])
    if answer.loop:
        _looped(desk, ticket, row["id"], person)
    if decision.assignee or decision.group:
        reasons = [d.reason for d in decision.reasons if d.field in ("group", "assignee")]
        who = desk.organisation.members.get(decision.assignee)
        assigned = desk.event(
            ticket["id"], "router", "assigned", None, who.login if who else decision.group, None, reasons
        )
        enqueue(
            desk.batch,
            Occasion(Event.ASSIGNED, assigned, ticket["id"], desk.now),
            audience(Event.ASSIGNED, ticket, person, desk.organisation),
            desk.site,
        )
    made: dict[str, Any] = {name: desk.batch.rows(name)[start:] for name, start in before.items()}
    made.update(ticket=ticket, messages=[row], receipts={row["id"]: 1}, attempts=[], links=[])
    made["contact"] = {"id": person["person_id"], "name": person["name"], "customer": person["customer"]}
    made["addresses"] = [person]
    return ticket, row, made


def _asked(desk: Desk, message: InboundMessage, person: Row) -> Answer:
    """Whether the author is acknowledged; what is known of the address is changed, and kept by `_keep`."""
    proved = proven(message.channel, message.authenticity, bool(person["verified"]))
    standing = Standing.of(person["standing"])
    answer = desk.cap.ask(message, standing, desk.now, proved=proved, left=person["acknowledgement"] in LEFT)
    stored = standing.stored()
    # most who write again within the hour change nothing, so that nothing is written
    person["changed"] = stored != (person["standing"] or {})
    person["standing"] = stored
    return answer


def _keep(desk: Desk, person: Row, way: Row) -> None:
    """Keep what is known of the author's address, with the acknowledgement that was just given."""
    if not person["changed"]:
        return
    if way["state"] == DeliveryState.QUEUED:
        person["acknowledgement_id"], person["acknowledgement"] = way["id"], way["state"]
    if "address" in person:
        person["address"].update(standing=person["standing"], acknowledgement_id=person["acknowledgement_id"])
    else:
        desk.batch.stand(person["key"], person["standing"], person["acknowledgement_id"])


def _looped(desk: Desk, ticket: Row, message_id: UUID, person: Row) -> None:
    """Tell staff, once, that somebody answers all our acknowledgements."""
    desk.loops.append(person["key"])
    reason = Reason("mail_loop", "stopped", {"address": person["value"]})
    event_id = desk.event(ticket["id"], "router", "mail_loop", None, person["value"], message_id, [reason])
    enqueue(
        desk.batch,
        Occasion(Event.MAIL_LOOP, event_id, ticket["id"], desk.now),
        audience(Event.MAIL_LOOP, ticket, person, desk.organisation),
        desk.site,
    )


def _agreed(desk: Desk, ticket: Row, person: Row, given: Given) -> None:
    for consent in given.consents:
        desk.batch.word({"digest": consent.digest, "text": consent.text, "created_at": desk.now})
        desk.batch.add(
            "consents",
            {
                "id": new_key(),
                "site": desk.site.prefix,
                "ticket_id": ticket["id"],
                "person_id": person["person_id"],
                "form": consent.form,
                "field": consent.field,
                "version": consent.version,
                "language": consent.language,
                "text_digest": consent.digest,
                "given_at": desk.now,
            },
        )


def _facts(desk: Desk, message: InboundMessage, person: Row, given: Given) -> Facts:
    return Facts(
        channel=message.channel,
        sender_kind=message.sender.kind.value,
        sender_value=message.sender.key[1],
        intake=tuple(a.key[1] for a in message.recipients),
        subject=message.subject,
        text=message.reply_text or message.text,
        organisation=desk.organisation,
        known_customer=person["customer"],
        type=given.type,
        category=given.category,
        impact=given.impact,
        urgency=given.urgency,
        customer=given.customer,
        centre=given.centre,
        group=given.group,
        assignee=given.assignee,
        load=desk.load,
    )


def _ticket(desk: Desk, message: InboundMessage, person: Row, decision: Decision) -> Row:
    return {
        "id": new_key(),
        "site": desk.site.prefix,
        "number": "",
        "serial": 0,
        "subject": message.subject,
        "status": Status.NEW.value,
        "type": decision.type,
        "category": decision.category,
        "impact": decision.impact.value,
        "urgency": decision.urgency.value,
        "priority": decision.priority.value,
        "customer": decision.customer,
        "contact_id": person["person_id"],
        "centre": decision.centre,
        "line": decision.line,
        "team": decision.group,
        "assignee_id": uuid.UUID(decision.assignee) if decision.assignee else None,
        "agreement": decision.agreement,
        "channel": message.channel,
        "decision": decision.reasons,
        "created_at": desk.now,
        "updated_at": desk.now,
        "respond_by": decision.respond_by,
        "resolve_by": decision.resolve_by,
        "responded_at": None,
        "resolved_at": None,
        "closed_at": None,
        "paused_at": None,
        "alarm_at": None,
        "alarm": "",
        "alarmed": "",
        "version": 1,
    }
