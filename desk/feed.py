"""What happened since one last looked, as lines for people."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from desk import labels
from desk.words import words
from outbound.words import event_words, outcome_words, state_words, status_words, suppression_words
from storage import feed
from storage.database import Connection, Database
from tickets.delivery import DeliveryState
from tickets.reason import Decided, Reason

_OVER = frozenset({"sent", "delivered", "read", "failed", "expired", "suppressed"})
_EVENTS = {
    "received": ("принята заявка: {subject}", "received: {subject}"),
    "assigned": ("назначена: {new}", "assigned: {new}"),
    "author_replied": ("автор ответил", "its author replied"),
    "note_added": ("внутренний комментарий", "internal comment"),
    "public_comment": ("ответ автору", "answer to its author"),
    "linked": ("связана с {new}", "linked to {new}"),
    "mail_bounced": ("письмо вернулось: {new}", "mail came back: {new}"),
    "mail_loop": ("автоответчики отвечают друг другу: {new}", "two programs answer each other: {new}"),
    "machine_wrote": ("письмо от программы", "automatic mail"),
}


class Feed:
    """Tells each event and each attempt once."""

    def __init__(self, database: Database, language: str, zone: str) -> None:
        self._database = database
        self._language = language
        self._zone = ZoneInfo(zone)
        self._event = self._delivery = self._held = UUID(int=0)
        self._told: set[tuple[UUID, int | str]] = set()

    async def news(self) -> list[str]:
        """Lines since the last call, in order of time."""
        return await self._database.read(self._news)

    def _news(self, connection: Connection) -> list[str]:
        lines: list[tuple[datetime, str]] = []
        for event in feed.events_after(connection, self._event):
            self._event = event["id"]
            lines.extend((event["at"], line) for line in self._event_lines(event))
        finished = True
        for delivery in feed.deliveries_after(connection, self._delivery):
            lines.extend(self._delivery_lines(delivery))
            # the cursor stands still at the first delivery that may still have news
            finished = finished and delivery["state"] in _OVER
            if finished:
                self._delivery = delivery["id"]
        for entry in feed.quarantined_after(connection, self._held):
            self._held = entry["id"]
            held = self._say(f"в карантине: {entry['reason']}", f"in quarantine: {entry['reason']}")
            lines.append((entry["received_at"], f"{'—':<15} {held}"))
        lines.sort(key=lambda line: line[0])
        return [f"{at.astimezone(self._zone):%H:%M:%S}  {line}" for at, line in lines]

    def _event_lines(self, event: dict[str, Any]) -> list[str]:
        number = event["number"]
        if event["what"] == "status":
            moved = " → ".join(status_words(event[side], self._language, "staff") for side in ("old", "new"))
            return [f"{number:<15} {moved}"]
        texts = _EVENTS.get(event["what"])
        subject = _short(event["subject"]) or labels.phrase("no_subject", self._language)
        said = (
            labels.what(event["what"], self._language)
            if texts is None
            else self._say(*texts).format(subject=subject, new=event["new"] or "")
        )
        because = "; ".join(words(Reason.from_json(r), self._language) for r in event["reasons"])
        lines = [f"{number:<15} {said}" + (f" ({because})" if because and event["what"] != "assigned" else "")]
        if event["what"] == "received":
            for entry in event["decision"]:
                decided = Decided.from_json(entry)
                if decided.value and decided.field in ("customer", "priority", "centre", "assignee", "resolve_by"):
                    why = words(decided.reason, self._language)
                    lines.append(f"{'':<15}   {_field(decided.field, self._language):<14} {why}")
        return lines

    def _delivery_lines(self, delivery: dict[str, Any]) -> list[tuple[datetime, str]]:
        who = f"{event_words(delivery['event'], delivery['role'], self._language)} {delivery['address']}".strip()
        lines: list[tuple[datetime, str]] = []
        for attempt in delivery["attempts"]:
            key = (delivery["id"], attempt["number"])
            if attempt["outcome"] is None or key in self._told:
                continue
            self._told.add(key)
            outcome = outcome_words(attempt["outcome"], self._language, attempt["code"])
            attempt_words = self._say(f"попытка {attempt['number']}", f"attempt {attempt['number']}")
            code = f"[{attempt['code']}] " if attempt["code"] else ""
            lines.append((attempt["ended_at"], f"{delivery['number']:<15} {who}: {attempt_words} {code}{outcome}"))
        state = DeliveryState(delivery["state"])
        if state in (DeliveryState.SUPPRESSED, DeliveryState.EXPIRED, DeliveryState.FAILED):
            key = (delivery["id"], state.value)
            if key not in self._told:
                self._told.add(key)
                suppressed = state is DeliveryState.SUPPRESSED
                why = suppression_words(delivery["reason"], self._language) if suppressed else ""
                # it goes on in the same sentence
                because = f", {why[0].lower()}{why[1:]}" if why else ""
                text = f"{who}: {state_words(state.value, self._language)}{because}"
                lines.append((delivery["due_at"], f"{delivery['number']:<15} {text}"))
        return lines

    def _say(self, russian: str, english: str) -> str:
        return english if self._language == "en" else russian


def _short(subject: str) -> str:
    return subject if len(subject) <= 70 else subject[:69] + "…"


def _field(name: str, language: str) -> str:
    russian = {
        "customer": "заказчик",
        "priority": "приоритет",
        "centre": "центр",
        "assignee": "исполнитель",
        "resolve_by": "решить до",
    }
    return name.replace("_", " ") if language == "en" else russian.get(name, name)
