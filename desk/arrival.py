"""One message finds its ticket, or makes one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from desk import deadlines, opening, people, report
from desk.cap import Cap
from desk.known import LONGEST_ADDRESS, Known, indexed
from desk.notify import audience, enqueue
from desk.site import Site
from outbound.plan import Occasion
from storage import addresses, participants
from storage.intake import Batch
from tickets.address import Address, AddressKind
from tickets.authenticity import Trust, trust
from tickets.event import Event
from tickets.key import new_key
from tickets.measure import Count
from tickets.message import InboundMessage, MessageKind
from tickets.organisation import Member, Organisation
from tickets.reason import Reason
from tickets.status import Status

if TYPE_CHECKING:
    from desk.intake import Given

Row = dict[str, Any]

PROOF = frozenset({"reply_token", "our_message_id", "return_path"})
"""Ties that only somebody who got a mail of ours can have."""


@dataclass(slots=True)
class Desk:
    """The state of one group while its messages are filed."""

    site: Site
    organisation: Organisation
    load: dict[str, int]
    batch: Batch
    known: Known
    now: datetime
    cap: Cap
    unnumbered: list[tuple[Row, Row, Row]] = field(default_factory=list)
    trace: UUID | None = None
    reported: Count = field(default_factory=Count)
    loops: list[str] = field(default_factory=list)

    def name_links(self) -> None:
        """Put numbers into links to tickets of the same group, which had none yet when they were linked."""
        for other, link, event in self.unnumbered:
            event["new"] = link["reason"]["facts"]["number"] = other["number"]
            event["reasons"] = [Reason.from_json(link["reason"])]

    def file(self, message: InboundMessage, sha256: bytes, given: Given) -> tuple[Row, Row, dict[str, Any] | None]:
        """Append the message to its ticket or make a new one.

        Returns the ticket's row, the message's row, and for a new ticket all rows made.
        """
        message, forwarder = self._forwarded(message)
        person = people.find_or_make(self, message)
        member = self._member(message)
        links: list[tuple[Row, str, Reason]] = []
        for named, tie in self.known.thread(message):
            number = {"number": named["number"]}
            if self._may_append(named, tie, message, person, member):
                ticket = self.known.lives_on(named)
                if self._too_late(ticket):
                    links.append((ticket, "follow_up", Reason("threading", "long_finished", number)))
                    continue
                row = self._append(ticket, tie, message, sha256, person, member)
                self.known.learn(message, ticket, row, sha256)
                return ticket, row, None
            code = "returned" if tie == "recipient" else "stranger"
            links.append((named, "review", Reason("sender_check", code, {**number, "tie": tie})))
        ticket, row, made = opening.open_ticket(self, message, sha256, person, given)
        if forwarder is not None:
            by = f"staff:{forwarder.login}"
            reason = Reason("threading", "forwarded", {"by": by, "address": message.sender.value})
            self.event(ticket["id"], by, "forwarded", None, forwarder.login, row["id"], [reason])
            # whom the author wrote to is not known: these are the forwarder's
            row["recipients"] = []
        for other, kind, reason in links:
            link = self.batch.add(
                "links",
                {
                    "id": new_key(),
                    "ticket_id": ticket["id"],
                    "other_id": other["id"],
                    "kind": kind,
                    "at": self.now,
                    "reason": reason.as_json(),
                },
            )
            self.event(ticket["id"], "router", "linked", None, other["number"], row["id"], [reason])
            if not other["number"]:
                self.unnumbered.append((other, link, self.batch.rows("events")[-1]))
        self.known.learn(message, ticket, row, sha256)
        return ticket, row, made

    def _member(self, message: InboundMessage) -> Member | None:
        """The member of staff who writes; a mail that failed its check is nobody's of ours."""
        if trust(message.authenticity) is Trust.FAILED:
            return None
        return people.staff_member(self.organisation, message.sender)

    def _forwarded(self, message: InboundMessage) -> tuple[InboundMessage, Member | None]:
        """What a member of staff forwards, as the mail of who wrote it, and the member; else the message itself.

        An answer to a mail of ours stays an answer, whatever it quotes.
        """
        found = message.extra.get("forwarded")
        member = self._member(message) if found and self.site.staff_forwards else None
        if not found or member is None or message.kind is not MessageKind.HUMAN:
            return message, None
        address = Address(AddressKind.EMAIL, found["address"], found["name"])
        ties = {tie for _, tie in self.known.thread(message)}
        if address.key == message.sender.key or ties & PROOF or people.staff_member(self.organisation, address):
            return message, None
        text = found["text"] or message.text
        said = replace(
            message,
            sender=address,
            subject=found["subject"] or message.subject,
            text=f"{found['note']}\n\n{text}".strip() if found["note"] else text,
            reply_text=text,
            authenticity={},
            refs=replace(message.refs, numbers=()),
        )
        return said, member

    # ---- threading ------------------------------------------------------------------------------------------------

    def _may_append(self, ticket: Row, tie: str, message: InboundMessage, person: Row, member: Member | None) -> bool:
        """Whether this sender may speak on this ticket.

        The author may, but nobody is the author of what came without a sender, nor, without a proof, of a mail that
        failed its check. Staff may where they answer a mail of ours, and what they write stays internal; so may
        machines, whose bounces and absence notes bear its token, participants, and whom the author had written to
        besides. To anybody else a number or a foreign reference proves nothing.
        """
        failed = trust(message.authenticity) is Trust.FAILED
        if ticket["contact_id"] == person["person_id"] and message.sender.value and (tie in PROOF or not failed):
            return True
        if tie not in PROOF:
            return False
        return (
            member is not None
            or message.kind is not MessageKind.HUMAN
            or self.known.takes_part(ticket, person["key"])
            or self.known.takes_part(self.known.lives_on(ticket), person["key"])
            or self._was_copied(ticket, message, person)
        )

    def _was_copied(self, ticket: Row, message: InboundMessage, person: Row) -> bool:
        """Whether the author had written to this sender too, who now answers with a proof: a participant from now on.

        Only being named proves nothing: whoever writes a mail may name anybody.
        """
        address = self.known.written_to.get(ticket["id"], {}).get(message.sender.key)
        sender = message.sender.key[1]
        ours = sender in self.organisation.by_intake or sender in self.site.mailboxes
        if address is None or ours or trust(message.authenticity) is Trust.FAILED:
            return False
        living = self.known.lives_on(ticket)
        joined = {
            "ticket_id": living["id"],
            "key": person["key"],
            "value": address.value[:LONGEST_ADDRESS],
            "name": address.name or message.sender.name,
            "language": person["language"],
            "because": "answered",
            "at": self.now,
            "by": "participant",
        }
        self.batch.then(partial(participants.add, row=joined))
        reason = Reason("threading", "copied", {"address": address.value})
        self.event(living["id"], "participant", "participant_added", None, address.value, None, [reason])
        self.known.learn_participant(living, person["key"])
        return True

    def _too_late(self, ticket: Row) -> bool:
        finished = ticket["closed_at"]
        return finished is not None and self.now - finished > self.site.follow_up_after

    def _append(
        self, ticket: Row, tie: str, message: InboundMessage, sha256: bytes, person: Row, member: Member | None
    ) -> Row:
        human = message.kind is MessageKind.HUMAN
        by_author = human and ticket["contact_id"] == person["person_id"]
        row = self.message(ticket["id"], message, sha256, public=by_author)
        # who takes part, or wrote a ticket that lives on as this one, is heard by staff and not shown to the author
        another = human and not by_author and member is None
        by, what = f"machine:{message.kind.value}", "machine_wrote"
        if by_author:
            by, what = "author", "author_replied"
        elif another:
            by, what = "participant", "participant_replied"
        elif member is not None and human:
            by, what = f"staff:{member.login}", "note_added"
        event_id = self.event(ticket["id"], by, what, None, None, row["id"], [Reason("threading", tie, {})])
        report.take(self, ticket, message, row["id"], self.known.tokens)
        ticket["updated_at"] = self.now
        ticket["version"] += 1
        if by_author:
            self._reopen(ticket, row["id"])
        if by_author and tie in PROOF and not person["verified"] and trust(message.authenticity) is not Trust.FAILED:
            # only who reads the mailbox can answer what we sent there
            person["verified"] = True
            self.batch.then(partial(addresses.verify, values=[person["value"]]))
        if by_author or another:
            self._wake(ticket, by)
            enqueue(
                self.batch,
                Occasion(Event.AUTHOR_REPLIED, event_id, ticket["id"], self.now, actor=person["person_id"]),
                audience(Event.AUTHOR_REPLIED, ticket, person, self.organisation),
                self.site,
            )
        if ticket["number"]:
            self.batch.change(ticket)
        return row

    def _wake(self, ticket: Row, by: str) -> None:
        """Somebody from outside has written: a snoozed ticket comes back before its time."""
        if ticket.get("snoozed_until") is not None:
            ticket["snoozed_until"] = None
            self.event(ticket["id"], by, "woken", None, "answered", None, [])

    def _reopen(self, ticket: Row, message_id: UUID) -> None:
        """An answer of the author puts a ticket that waits for them, or that was thought finished, back to work."""
        old = Status(ticket["status"])
        if old in (Status.NEW, Status.IN_PROGRESS):
            return
        calendar = deadlines.calendar_of(self.site, self.organisation, ticket)
        ticket["status"] = Status.IN_PROGRESS.value
        ticket["resolved_at"] = ticket["closed_at"] = None
        deadlines.resume(ticket, calendar, self.now)
        deadlines.set_alarm(ticket, self.site, calendar, self.now)
        reason = Reason("threading", "author_answered", {})
        self.event(ticket["id"], "author", "status", old.value, ticket["status"], message_id, [reason])

    # ---- rows -----------------------------------------------------------------------------------------------------

    def message(self, ticket_id: UUID, message: InboundMessage, sha256: bytes, *, public: bool) -> Row:
        """The row of a message, with its files."""
        # the log leads from the door to what is sent about a message by one id: its own
        traced, self.trace = self.trace, None
        row = self.batch.add(
            "messages",
            {
                "id": traced or new_key(),
                "site": self.site.prefix,
                "ticket_id": ticket_id,
                "direction": "in",
                "channel": message.channel,
                "account": message.account,
                "kind": message.kind.value,
                "public": public,
                "sender_kind": message.sender.kind.value,
                "sender_value": message.sender.value,
                "sender_name": message.sender.name,
                "recipients": [str(a) for a in (*message.recipients, *message.cc)],
                "subject": message.subject,
                "text": message.text,
                "reply_text": message.reply_text,
                "language": message.language,
                "message_id": indexed(message.message_id),
                "digest": message.digest or None,
                "raw_sha256": sha256,
                "sent_at": message.sent_at,
                "at": message.received_at,
                "detail": {
                    "authenticity": dict(message.authenticity),
                    "defects": list(message.defects),
                    "because": list(message.kind_because),
                    **({"fax": message.extra["fax"]} if "fax" in message.extra else {}),
                },
            },
        )
        for attachment in message.attachments:
            self.batch.add(
                "attachments",
                {
                    "id": new_key(),
                    "message_id": row["id"],
                    "part": attachment.part,
                    "name": attachment.name,
                    "content_type": attachment.content_type[:255],
                    "size": attachment.size,
                    "sha256": attachment.sha256,
                    "inline": attachment.inline,
                    "content_id": attachment.content_id,
                },
            )
        return row

    def event(
        self,
        ticket_id: UUID,
        by: str,
        what: str,
        old: str | None,
        new: str | None,
        message_id: UUID | None,
        reasons: list[Reason],
    ) -> UUID:
        """An entry of a ticket's history; returns its key."""
        row = self.batch.add(
            "events",
            {
                "id": new_key(),
                "site": self.site.prefix,
                "ticket_id": ticket_id,
                "at": self.now,
                "by": by,
                "what": what,
                "old": old,
                "new": new,
                "message_id": message_id,
                "reasons": reasons,
            },
        )
        return row["id"]  # type: ignore[no-any-return]
