"""Who hears of an event on a ticket, and the rows that say so."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Protocol

from desk.site import Site
from outbound.plan import Occasion, Recipient, plan
from tickets.event import AUDIENCE, Event, Role
from tickets.organisation import Member, Organisation


class Rows(Protocol):
    """Where rows to insert are put."""

    def add(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        """A row of a table."""
        ...


def audience(
    event: Event,
    ticket: dict[str, Any],
    person: dict[str, Any],
    organisation: Organisation,
    participants: Iterable[dict[str, Any]] = (),
) -> list[Recipient]:
    """The people an event concerns. Where nobody is assigned, the leads of the group stand in, else all its members.

    `participants` are those of the ticket where something was said to its author, else nobody.
    """
    found: list[Recipient] = []
    for role in AUDIENCE[event]:
        if role is Role.AUTHOR:
            found.append(author(person))
        elif role is Role.ASSIGNEE:
            assignee = organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
            found.extend([_staff(assignee, role)] if assignee else _stand_ins(ticket["team"], organisation))
        elif role is Role.LEAD:
            group = organisation.groups.get(ticket["team"])
            found.extend(_staff(m, role) for m in (group.members if group else ()) if m.lead)
        elif role is Role.PARTICIPANT:
            found.extend(participant(each) for each in participants)
    return found


def participant(row: dict[str, Any]) -> Recipient:
    """A participant as a recipient."""
    return Recipient(
        role=Role.PARTICIPANT,
        person_id=row["person_id"],
        name=row["name"] or row["known_name"] or "",
        language=row["language"],
        email=row["value"],
        dead=row["dead_at"] is not None,
        opted_out=row["opted_out_at"] is not None,
    )


def author(person: dict[str, Any]) -> Recipient:
    """The author as a recipient, reached by mail where the address is one."""
    return Recipient(
        role=Role.AUTHOR,
        person_id=person["person_id"],
        name=person["name"],
        language=person["language"],
        email=person["value"] if person["kind"] == "email" else "",
        dead=person["dead_at"] is not None,
        opted_out=person["opted_out_at"] is not None,
    )


def _staff(member: Member, role: Role) -> Recipient:
    return Recipient(role, uuid.UUID(member.id), member.name, member.language, member.email)


def _stand_ins(team: str, organisation: Organisation) -> list[Recipient]:
    group = organisation.groups.get(team)
    if group is None:
        return []
    present = [m for m in group.members if not m.away] or list(group.members)
    return [_staff(m, Role.GROUP) for m in [m for m in present if m.lead] or present]


def enqueue(rows: Rows, occasion: Occasion, recipients: list[Recipient], site: Site) -> None:
    """Plan and write the notifications of an occasion as rows of the same transaction."""
    planned = plan(occasion, recipients, site.policy)
    for told in planned.notifications:
        rows.add(
            "notifications",
            {
                "id": told.id,
                "site": site.prefix,
                "ticket_id": told.ticket_id,
                "event_id": told.event_id,
                "event": told.event.value,
                "role": told.role.value,
                "person_id": told.person_id,
                "name": told.name,
                "dedupe_key": told.dedupe_key,
                "created_at": told.created_at,
            },
        )
    for way in planned.deliveries:
        rows.add(
            "deliveries",
            {
                "id": way.id,
                "site": site.prefix,
                "notification_id": way.notification_id,
                "ticket_id": way.ticket_id,
                "step": way.step,
                "channel": way.channel,
                "provider": way.provider,
                "address": way.address,
                "language": way.language,
                "priority": way.priority.value,
                "state": way.state.value,
                "reason": way.reason,
                "created_at": way.created_at,
                "updated_at": way.created_at,
                "due_at": way.due_at,
                "expires_at": way.expires_at,
                "tries": 0,
                "fence": 0,
                "lease_owner": "",
                "provider_id": "",
                "subject": None,
                "text": None,
            },
        )
