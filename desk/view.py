"""A ticket as JSON: the shape every reader of the API, the command line and the pages gets."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from desk.words import words
from outbound.words import suppression_words
from tickets.delivery import DeliveryState, notification_state
from tickets.organisation import Organisation
from tickets.reason import Decided, Reason

Row = dict[str, Any]

_encode = msgspec.json.Encoder().encode
_SUPPRESSED = DeliveryState.SUPPRESSED.value


def instant(value: datetime | None) -> str | None:
    """ISO 8601 with offset."""
    if value is None:
        return None
    # in any other zone two equal instants are not spelt alike
    return _instant(value) if value.tzinfo is UTC else value.isoformat()


@lru_cache(maxsize=512)
def _instant(value: datetime) -> str:
    # a new ticket shows the same few moments a dozen times, and spelling one costs ten times as much as finding it
    return value.isoformat()


def summary(ticket: Row, organisation: Organisation) -> Row:
    """One line of a list."""
    customer = organisation.customers.get(ticket["customer"])
    assignee = organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
    return {
        "number": ticket["number"],
        "subject": ticket["subject"],
        "status": ticket["status"],
        "type": ticket["type"],
        "category": ticket["category"],
        "impact": ticket["impact"],
        "urgency": ticket["urgency"],
        "priority": ticket["priority"],
        "centre": ticket["centre"],
        "line": ticket["line"],
        "group": ticket["team"],
        "assignee": assignee.login if assignee else None,
        "customer": {"id": customer.code, "name": customer.name} if customer else None,
        "channel": ticket["channel"],
        "created_at": instant(ticket["created_at"]),
        "updated_at": instant(ticket["updated_at"]),
        "version": ticket["version"],
        "respond_by": instant(ticket["respond_by"]),
        "resolve_by": instant(ticket["resolve_by"]),
        "closed_at": instant(ticket["closed_at"]),
    }


def decision(entries: Iterable[Row | Decided], organisation: Organisation, language: str) -> list[Row]:
    """The router's decision, stored or just made, each field with its reason in words; staff by login, as everywhere.

    What it is made of is shared between answers and not to be changed.
    """
    shown = []
    for entry in entries:
        told = _decided(_encode(entry), language)
        if told["field"] == "assignee":
            told = {**told, "value": _login(told["value"], organisation)}
        shown.append(told)
    return shown


@lru_cache(maxsize=512)
def _decided(entry: bytes, language: str) -> Row:
    # most tickets are decided by the same few reasons with the same facts; what is said once only pushes others out of
    # the processor's cache, so few are kept
    told: Row = msgspec.json.decode(entry)
    # by the same way as in the history, where the same reasons are told again
    told["because"] = _because(_encode(Reason.from_json(told)), language)
    return told


def _login(member_id: str | None, organisation: Organisation) -> str | None:
    member = organisation.members.get(member_id or "")
    return member.login if member else member_id


@lru_cache(maxsize=512)
def _because(reason: bytes, language: str) -> str:
    return words(Reason.from_json(msgspec.json.decode(reason)), language)


def full(rows: dict[str, Any], organisation: Organisation, language: str) -> Row:
    """Everything about a ticket; `rows` as `storage.tickets.everything` gives them."""
    ticket = rows["ticket"]
    contact = rows["contact"]
    view = summary(ticket, organisation)
    files: dict[uuid.UUID, list[Row]] = defaultdict(list)
    for row in rows["attachments"]:
        files[row["message_id"]].append(
            {
                "id": row["id"].hex,
                "name": row["name"],
                "content_type": row["content_type"],
                "size": row["size"],
                "sha256": row["sha256"],
            }
        )
    view.update(
        contact={
            "id": contact["id"].hex,
            "name": contact["name"],
            "addresses": [
                {"kind": a["kind"], "value": a["value"], "verified": a["verified"]} for a in rows["addresses"]
            ],
        },
        decision=decision(ticket["decision"], organisation, language),
        messages=[message(m, rows["receipts"].get(m["id"], 0), files[m["id"]]) for m in rows["messages"]],
        notifications=_notifications(rows, language),
        history=[history(e, language) for e in rows["events"]],
        links=[
            {
                "number": link["number"],
                "kind": link["kind"],
                "at": instant(link["at"]),
                "because": words(Reason.from_json(link["reason"]), language),
            }
            for link in rows["links"]
        ],
    )
    return view


def message(row: Row, receipts: int, files: list[Row]) -> Row:
    """One message; its HTML is made on demand from the raw bytes and not part of this."""
    return {
        "id": row["id"].hex,
        "direction": row["direction"],
        "channel": row["channel"],
        "kind": row["kind"],
        "from": {"kind": row["sender_kind"], "value": row["sender_value"], "name": row["sender_name"]},
        "subject": row["subject"],
        "text": row["text"],
        "reply_text": row["reply_text"],
        "html": "",
        "at": instant(row["at"]),
        "message_id": row["message_id"],
        "public": row["public"],
        "authenticity": row["detail"].get("authenticity", {}),
        "defects": row["detail"].get("defects", []),
        "fax": row["detail"].get("fax"),
        "receipts": receipts,
        "attachments": files,
    }


def history(row: Row, language: str) -> Row:
    """One entry of the history."""
    return {
        "at": instant(row["at"]),
        "by": row["by"],
        "what": row["what"],
        "old": row["old"],
        "new": row["new"],
        "because": "; ".join([_because(_encode(reason), language) for reason in row["reasons"]]),
    }


def _notifications(rows: dict[str, Any], language: str) -> list[Row]:
    tries: dict[uuid.UUID, list[Row]] = defaultdict(list)
    for row in rows["attempts"]:
        tries[row["delivery_id"]].append(attempt(row))
    ways: dict[uuid.UUID, list[Row]] = defaultdict(list)
    for row in rows["deliveries"]:
        ways[row["notification_id"]].append(delivery(row, tries[row["id"]], language))
    return [
        {
            "id": row["id"].hex,
            "event": row["event"],
            "to": {"person": row["name"], "role": row["role"]},
            "state": notification_state(*[way["state"] for way in ways[row["id"]]]).value,
            "created_at": instant(row["created_at"]),
            "deliveries": ways[row["id"]],
        }
        for row in rows["notifications"]
    ]


def best_state(states: list[str]) -> str:
    """The state of a notification by those of its deliveries."""
    return notification_state(*states).value


def delivery(row: Row, attempts: list[Row], language: str) -> Row:
    """One delivery with its attempts."""
    suppressed = row["state"] == _SUPPRESSED
    return {
        "id": row["id"].hex,
        "step": row["step"],
        "channel": row["channel"],
        "provider": row["provider"],
        "address": row["address"],
        "language": row["language"],
        "state": row["state"],
        "reason": row["reason"] or None,
        "because": suppression_words(row["reason"], language) if suppressed else None,
        "subject": row["subject"],
        "text": row["text"],
        "due_at": instant(row["due_at"]),
        "expires_at": instant(row["expires_at"]),
        "attempts": attempts,
    }


def attempt(row: Row) -> Row:
    """One try."""
    return {
        "number": row["number"],
        "provider": row["provider"],
        "started_at": instant(row["started_at"]),
        "ended_at": instant(row["ended_at"]),
        "outcome": row["outcome"],
        "code": row["code"],
        "detail": row["detail"],
        "provider_id": row["provider_id"],
        "cost": row["cost"] or None,
    }
