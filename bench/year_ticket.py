"""What one ticket of the generated year leaves behind: messages, events, and what was sent about them."""

from __future__ import annotations

import hashlib
import random
from datetime import datetime, timedelta
from uuid import UUID

from storage.cells import Row
from tickets.organisation import Organisation
from tickets.routing import Decision

PREFIX = "OTK"

TABLES = (
    "people", "addresses", "receipts", "tickets", "messages", "events", "notifications", "deliveries", "attempts",
)  # fmt: skip
"""Tables a year fills."""


class Made:
    """Rows made so far, by table, and what they are made with. Nothing happens after `end`."""

    def __init__(self, chance: random.Random, end: datetime, organisation: Organisation) -> None:
        self.chance = chance
        self.end = end
        self.organisation = organisation
        self.rows: dict[str, list[Row]] = {name: [] for name in TABLES}

    def key(self, at: datetime) -> UUID:
        """A UUIDv7 (RFC 9562, 5.7) of a moment."""
        milliseconds = int(at.timestamp() * 1000)
        tail = self.chance.getrandbits(74)
        return UUID(int=milliseconds << 80 | 7 << 76 | (tail >> 62) << 64 | 2 << 62 | tail & (1 << 62) - 1)


class TicketStory:
    """One ticket as its year goes by."""

    def __init__(self, made: Made, ticket: Row, writer: Row, decision: Decision) -> None:
        self._made = made
        self._ticket = ticket
        self._writer = writer
        self.assignee = made.organisation.members.get(decision.assignee or "")
        self.at: datetime = ticket["created_at"]
        self.now = self.at
        self.author = (writer["person_id"], writer["name"], writer["value"] if writer["kind"] == "email" else "")
        staff = self.assignee
        self.staff = (UUID(staff.id), staff.name, staff.email) if staff else (None, "", "")

    def later(self, hours: float) -> bool:
        """Let time go by; whether it has not come to the end of the year."""
        self.now += timedelta(hours=hours)
        return bool(self.now < self._made.end)

    def hears(self, text: str, at: datetime, what: str) -> None:
        """Its author writes."""
        writer = self._writer
        mail = self._ticket["channel"] == "email"
        row = self._message("in", writer["kind"], writer["value"], writer["name"], text, at, public=True)
        row["message_id"] = f"{row['id'].hex}@{writer['value'].rpartition('@')[2]}" if mail else ""
        row["digest"] = hashlib.sha256(row["id"].bytes).digest()
        row["recipients"] = [f"{self._ticket['centre']}@desk.example"] if mail else []
        row["subject"] = self._ticket["subject"] if what == "received" else f"Re: {self._ticket['subject']}"
        self._made.rows["receipts"].append(
            {"id": self._made.key(at), "site": PREFIX, "channel": self._ticket["channel"], "account": "main",
             "external_id": row["id"].hex, "message_id": row["id"], "raw_sha256": row["digest"], "received_at": at,
             "envelope": {}}
        )  # fmt: skip
        if what != "received":
            self.happens(what, None, None, at, self.staff, row["id"])

    def says(self, text: str, *, public: bool) -> None:
        """Staff write."""
        if self.assignee is None:
            return
        label = f"staff:{self.assignee.login}"
        row = self._message("out", "staff", label, self.assignee.name, text, self.now, public=public)
        self._ticket["responded_at"] = self._ticket["responded_at"] or self.now
        whom = self.author if public else None
        self.happens("public_comment" if public else "note_added", None, None, self.now, whom, row["id"])

    def moves(self, status: str) -> None:
        """Its status changes."""
        old, self._ticket["status"] = self._ticket["status"], status
        if status in ("resolved", "rejected"):
            self._ticket["resolved_at"] = self.now
        if status == "closed":
            self._ticket["closed_at"] = self.now
        event = status if status in ("resolved", "closed") else "status_changed"
        self.happens("status", old, status, self.now, self.author, event=event)

    def happens(
        self,
        what: str,
        old: str | None,
        new: str | None,
        at: datetime,
        whom: tuple[UUID | None, str, str] | None,
        message_id: UUID | None = None,
        event: str = "",
    ) -> None:
        """One entry of the event log, and who is told of it."""
        by = f"staff:{self.assignee.login}" if self.assignee and what != "received" else "router"
        event_id = self._made.key(at)
        self._made.rows["events"].append(
            {"id": event_id, "site": PREFIX, "ticket_id": self._ticket["id"], "at": at, "by": by, "what": what,
             "old": old, "new": new, "message_id": message_id, "reasons": []}
        )  # fmt: skip
        self._ticket["updated_at"] = at
        self._ticket["version"] += 1
        if whom is not None and (whom[0] is not None or whom[2]):
            self._tell(event or what, event_id, at, whom)

    def _tell(self, event: str, event_id: UUID, at: datetime, whom: tuple[UUID | None, str, str]) -> None:
        made, (person_id, name, address) = self._made, whom
        role = "assignee" if person_id == self.staff[0] else "author"
        notification, delivery = made.key(at), made.key(at)
        luck = made.chance.random()
        state = "suppressed" if not address else "failed" if luck < 0.012 else "unknown" if luck < 0.0125 else "sent"
        tries = 0 if not address else 8 if state == "failed" else 1 if luck < 0.95 else made.chance.randint(2, 4)
        made.rows["notifications"].append(
            {"id": notification, "site": PREFIX, "ticket_id": self._ticket["id"], "event_id": event_id, "event": event,
             "role": role, "person_id": person_id, "name": name, "dedupe_key": f"{event}:{event_id.hex}:{role}",
             "created_at": at}
        )  # fmt: skip
        made.rows["deliveries"].append(
            {"id": delivery, "site": PREFIX, "notification_id": notification, "ticket_id": self._ticket["id"],
             "step": 1, "channel": "email", "provider": "main", "address": address, "language": "ru", "priority": 1,
             "state": state, "reason": "" if address else "no_address", "created_at": at, "updated_at": at,
             "due_at": at, "expires_at": at + timedelta(days=3), "tries": tries, "tries_before": 0,
             "fence": tries, "lease_owner": "", "lease_until": None, "provider_id": "",
             "subject": self._ticket["subject"] if tries else None,
             "text": f"Заявка {self._ticket['number']}: {self._ticket['subject']}" if tries else None, "html": None,
             "envelope": None}
        )  # fmt: skip
        for number in range(1, tries + 1):
            last = number == tries
            outcome = {"sent": "accepted", "unknown": "unknown", "failed": "permanent"}[state] if last else "temporary"
            begun = at + timedelta(seconds=30 * (number - 1) ** 2)
            made.rows["attempts"].append(
                {"delivery_id": delivery, "number": number, "provider": "main", "started_at": begun,
                 "ended_at": begun + timedelta(milliseconds=240), "outcome": outcome,
                 "code": {"accepted": "250", "temporary": "451 4.3.0", "permanent": "550 5.1.1"}.get(outcome, ""),
                 "detail": {"accepted": "2.0.0 Ok", "temporary": "try again later"}.get(outcome, "user unknown"),
                 "provider_id": "", "cost": "", "exchange": ""}
            )  # fmt: skip

    def _message(
        self, direction: str, kind: str, value: str, name: str, text: str, at: datetime, *, public: bool
    ) -> Row:
        row: Row = {
            "id": self._made.key(at), "site": PREFIX, "ticket_id": self._ticket["id"], "direction": direction,
            "channel": self._ticket["channel"] if direction == "in" else "desk", "account": "main", "kind": "human",
            "public": public, "sender_kind": kind, "sender_value": value, "sender_name": name, "recipients": [],
            "subject": "", "text": text, "reply_text": text if direction == "in" else "", "language": "ru",
            "message_id": "", "digest": None, "raw_sha256": None, "sent_at": None, "at": at, "detail": {},
        }  # fmt: skip
        self._made.rows["messages"].append(row)
        return row
