"""What the page of a ticket shows, put together from its rows: plain values for the template, nothing read here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from desk import labels, mask, terms, view
from desk.site import Site
from desk.ticket_desk import is_mailbox
from desk.visitor import Visitor
from outbound.words import priority_words, state_words, status_words
from tickets.address import Address, AddressKind, fold
from tickets.authenticity import doubts
from tickets.organisation import Organisation
from tickets.priority import Level
from tickets.role import Right
from tickets.status import MOVES, Status

Row = dict[str, Any]

MOST_OFFERED = 10
"""Mailboxes offered for copies: whoever writes a mail may name any number of them."""

_GOOD = frozenset({"sent", "delivered", "read"})
_SETTLED_WORDS = frozenset({Status.WAITING, Status.REJECTED})


class TicketView:
    """The page of one ticket for one reader."""

    def __init__(self, rows: Row, organisation: Organisation, site: Site, visitor: Visitor, now: datetime) -> None:
        self._rows = rows
        self._organisation = organisation
        self._site = site
        self._visitor = visitor
        self._now = now
        self._language = visitor.language
        shown = visitor.may(Right.ADDRESSES_SEE)
        self._writers = {m["sender_value"]: m["sender_name"] for m in rows["messages"] if m["sender_name"]}
        self._writers[visitor.actor.label] = visitor.name or visitor.login
        self._address: Callable[[str], str] = str if shown else mask.address
        self._sees = shown

    def context(self) -> Row:
        """Everything the template needs."""
        ticket = self._rows["ticket"]
        events = self._rows["events"]
        summary = view.summary(ticket, self._organisation)
        return {
            "ticket": summary,
            "number": ticket["number"],
            "seen": events[0]["id"].hex if events else "",
            "merged": self._rows["merged"],
            "into": self._rows["into"],
            "strip": self._strip(ticket),
            "messages": self._messages(),
            "hidden": self._rows["hidden"],
            "hidden_after": self._rows["hidden_after"].hex if self._rows["hidden_after"] else "",
            "notifications": self._notifications(),
            "more_notifications": self._rows["more_notifications"],
            "decisions": view.decision(ticket["decision"], self._organisation, self._language),
            "decided": self._decided(ticket),
            "history": self._history(events),
            "links": self._links(),
            "participants": [
                {"key": p["key"], "value": self._address(p["value"]), "name": p["name"], "because": p["because"]}
                for p in self._rows["participants"]
            ],
            "copied": self._copied(),
            "forecast": self._rows["forecast"],
            "forecast_address": self._address(self._rows["forecast"].address),
            "drafts": self._rows["drafts"],
            "draft_files": [
                {"id": f["id"].hex, "name": f["name"], "size": f["size"]} for f in self._rows["draft_files"]
            ],
            "canned": [
                {"id": c["id"].hex, "title": c["title"], "language": c["language"], "own": c["owner_id"] is not None}
                for c in self._rows["canned"]
            ],
            "sees_addresses": self._sees,
            "writes": self._visitor.may(Right.TICKETS_WRITE),
        }

    def _copied(self) -> list[Row]:
        """Whom the author wrote to besides us and who gets no copies yet; for those who may let them have some."""
        if not (self._sees and self._visitor.may(Right.TICKETS_WRITE)):
            return []
        known = {fold(each["value"]) for name in ("participants", "addresses") for each in self._rows[name]}
        known |= self._site.mailboxes
        known |= {fold(to) for row in self._rows["receipts"] for to in (row["envelope"] or {}).get("rcpt_to") or ()}
        named = (
            Address.from_text(AddressKind.EMAIL, to) for row in self._rows["written_to"] for to in row["recipients"]
        )
        found: dict[str, Row] = {}
        for address in named:
            value = address.key[1]
            ours = value in self._organisation.by_intake or value in self._organisation.by_staff_email
            # behind a plus stand our reply tokens
            if not (value in known or ours or "+" in value) and is_mailbox(address.value):
                found.setdefault(value, {"value": address.value, "name": address.name})
        return list(found.values())[:MOST_OFFERED]

    # ---- the strip ------------------------------------------------------------------------------------------------

    def _strip(self, ticket: Row) -> Row:
        organisation = self._organisation
        status = Status(ticket["status"])
        customer = organisation.customers.get(ticket["customer"])
        centre = organisation.centres.get(ticket["centre"])
        group = organisation.groups.get(ticket["team"])
        assignee = organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
        return {
            "status": status.value,
            "moves": [
                {
                    "status": each.value,
                    "legal": each in MOVES[status],
                    "asks": each in _SETTLED_WORDS,
                    "way": [s.value for s in Status if s in MOVES[status] and each in MOVES[s]],
                }
                for each in Status
                if each is not status
            ],
            "priority": ticket["priority"],
            "impact": ticket["impact"],
            "urgency": ticket["urgency"],
            "levels": {
                name: [
                    {"value": level.value, "words": labels.level(name, level.value, self._language)} for level in Level
                ]
                for name in ("impact", "urgency")
            },
            "term": terms.term_of(ticket, self._site, organisation, self._now),
            "assignee": assignee,
            "staff": [
                {"name": each.name, "members": list(each.members)}
                for each in sorted(organisation.groups.values(), key=lambda g: (g.code != ticket["team"], g.name))
                if each.members
            ],
            "me": self._visitor.member,
            "centre": centre,
            "centre_code": ticket["centre"],
            "centres": list(organisation.centres.values()),
            "group": group,
            "group_code": ticket["team"],
            "groups": list(organisation.groups.values()),
            "line": ticket["line"],
            "type": ticket["type"],
            "category": ticket["category"],
            "customer": customer,
            "contact": self._contact(),
        }

    def _contact(self) -> Row:
        contact, returned = self._rows["contact"], self._rows["returned"]
        ways = [
            {
                "kind": a["kind"],
                "value": self._address(a["value"]),
                "verified": a["verified"],
                "dead": a["dead_at"] is not None,
                "opted_out": a["opted_out_at"] is not None,
                "returned": returned.get(a["key"].partition(":")[2]),
            }
            for a in self._rows["addresses"]
            if a["value"]
        ]
        return {
            "id": contact["id"].hex,
            "name": contact["name"] or (ways[0]["value"] if ways else ""),
            "addresses": ways,
        }

    def _decided(self, ticket: Row) -> Row:
        """Values of the decision in words, where a code or an instant is stored."""
        organisation, language = self._organisation, self._language
        group = organisation.groups.get(ticket["team"])
        centre = organisation.centres.get(ticket["centre"])
        customer = organisation.customers.get(ticket["customer"])
        assignee = organisation.members.get(ticket["assignee_id"].hex) if ticket["assignee_id"] else None
        agreement = organisation.agreements.get(ticket["agreement"])
        return {
            "impact": labels.level("impact", ticket["impact"], language),
            "urgency": labels.level("urgency", ticket["urgency"], language),
            "group": group.name if group else None,
            "centre": centre.name if centre else None,
            "customer": customer.name if customer else None,
            "assignee": assignee.name if assignee else None,
            "agreement": agreement.name if agreement else None,
        }

    # ---- the conversation -----------------------------------------------------------------------------------------

    def _messages(self) -> list[Row]:
        files: dict[UUID, list[Row]] = defaultdict(list)
        for row in self._rows["attachments"]:
            if not row["inline"] or row["content_type"].partition("/")[0] != "image" or not row["content_id"]:
                files[row["message_id"]].append({"id": row["id"].hex, "name": row["name"], "size": row["size"]})
        receipts: dict[UUID, list[Row]] = defaultdict(list)
        for row in self._rows["receipts"]:
            receipts[row["message_id"]].append(row)
        told: dict[UUID, list[Row]] = defaultdict(list)
        for note in self._rows["notifications"]:
            if note["message_id"] is not None:
                told[note["message_id"]].append(note)
        states = self._states()
        merged = {row["id"]: row["number"] for row in self._rows["merged"]}
        return [self._message(m, files, receipts, told, states, merged) for m in self._rows["messages"]]

    def _message(
        self,
        row: Row,
        files: dict[UUID, list[Row]],
        receipts: dict[UUID, list[Row]],
        told: dict[UUID, list[Row]],
        states: dict[UUID, str],
        merged: dict[UUID, str],
    ) -> Row:
        inward = row["direction"] == "in"
        detail = row["detail"] or {}
        text = row["reply_text"] or row["text"]
        outside = () if inward else ("author", "copy")
        to = [n for n in told[row["id"]] if n["role"] in outside]
        came = receipts[row["id"]]
        direction = "in" if inward else "out" if row["public"] else "internal"
        shown_address = "" if not inward else self._address(row["sender_value"])
        read_at = self._rows["read_at"]
        return {
            "id": row["id"].hex,
            "direction": direction,
            "hidden_from_author": inward and not row["public"],
            "who": row["sender_name"] or shown_address or row["sender_value"],
            "address": shown_address,
            "channel": row["channel"],
            "at": row["at"],
            "language": row["language"],
            "subject": row["subject"],
            "text": text,
            "whole": row["text"] if row["text"].strip() != text.strip() else "",
            "kind": row["kind"],
            "doubts": doubts(detail.get("authenticity") or {}),
            "defects": list(detail.get("defects") or ()),
            "fax": self._fax(detail.get("fax")),
            "files": files[row["id"]],
            "receipts": [
                {
                    "at": r["received_at"],
                    "to": ", ".join(map(self._address, (r["envelope"] or {}).get("rcpt_to") or ())),
                }
                for r in came
            ],
            "mail": inward and row["channel"] == "email" and row["raw_sha256"] is not None,
            "raw": inward and row["raw_sha256"] is not None,
            "withdrawn": bool(detail.get("withdrawn")),
            "states": [{"name": n["name"], "role": n["role"], "state": states.get(n["id"], "suppressed")} for n in to],
            "merged_from": merged.get(row["ticket_id"], ""),
            "unread": inward and (read_at is None or row["at"] > read_at),
        }

    def _fax(self, told: Row | None) -> Row | None:
        """What is known of a fax, its addresses as the reader may see them."""
        if not told:
            return None
        return {**told, "number": self._address(told["number"]), "gateway": self._address(told["gateway"])}

    def _written_to(self, receipt: Row) -> str:
        envelope = receipt["envelope"] or {}
        return ", ".join(self._address(str(each)) for each in envelope.get("rcpt_to") or ())

    # ---- the ledger -----------------------------------------------------------------------------------------------

    def _ways(self) -> dict[UUID, list[Row]]:
        tries: dict[UUID, list[Row]] = defaultdict(list)
        for row in self._rows["attempts"]:
            tries[row["delivery_id"]].append(view.attempt(row))
        ways: dict[UUID, list[Row]] = defaultdict(list)
        for row in self._rows["deliveries"]:
            shown = view.delivery({**row, "text": "…" if row["has_text"] else ""}, tries[row["id"]], self._language)
            ways[row["notification_id"]].append(shown | {"address": self._address(row["address"])})
        return ways

    def _states(self) -> dict[UUID, str]:
        found: dict[UUID, list[str]] = defaultdict(list)
        for row in self._rows["deliveries"]:
            found[row["notification_id"]].append(row["state"])
        return {key: view.best_state(states) for key, states in found.items()}

    def _notifications(self) -> list[Row]:
        ways = self._ways()
        states = self._states()
        return [
            {
                "id": row["id"].hex,
                "event": row["event"],
                "to": {"person": row["name"], "role": row["role"]},
                "state": states.get(row["id"], "suppressed"),
                "created_at": row["created_at"],
                "deliveries": ways[row["id"]],
                "trouble": states.get(row["id"]) not in _GOOD,
            }
            for row in self._rows["notifications"]
        ]

    # ---- history and links ----------------------------------------------------------------------------------------

    def _history(self, events: list[Row]) -> list[Row]:
        return [
            {
                **view.history(row, self._language),
                "at": row["at"],
                "who": self._actor(row["by"]),
                "old": self._value(row["what"], row["old"]),
                "new": self._value(row["what"], row["new"]),
                "message": row["message_id"].hex if row["message_id"] else "",
            }
            for row in events
        ]

    def _actor(self, label: str) -> str:
        kind, _, login = label.partition(":")
        if kind == "staff":
            member = next((m for m in self._organisation.members.values() if m.login == login), None)
            return member.name if member else self._writers.get(label, login)
        if label == "author":
            return self._contact()["name"] or labels.actor(label, self._language)
        return labels.actor(label, self._language)

    def _value(self, what: str, value: str | None) -> str:
        """A stored old or new value in words."""
        organisation, language = self._organisation, self._language
        if not value:
            return ""
        match what:
            case "status" | "received":
                return status_words(value, language)
            case "priority":
                return priority_words(value, language)
            case "impact" | "urgency":
                return labels.level(what, value, language)
            case "group" | "assigned":
                group = organisation.groups.get(value)
                member = next((m for m in organisation.members.values() if m.login == value), None)
                return member.name if member else group.name if group else value
            case "centre":
                centre = organisation.centres.get(value)
                return centre.name if centre else value
            case "customer":
                customer = organisation.customers.get(value)
                return customer.name if customer else value
            case "delivery_retried" | "delivery_settled":
                return state_words(value, language)
            case "participant_added" | "participant_removed":
                return self._address(value)
            case "deadline_near" | "deadline_missed":
                return labels.field(f"{value}_by", language)
        return value

    def _links(self) -> list[Row]:
        return [
            {
                "id": row["id"].hex,
                "kind": row["kind"],
                "outward": row["outward"],
                "number": row["number"],
                "subject": row["subject"],
                "status": row["status"],
            }
            for row in self._rows["links"]
        ]
