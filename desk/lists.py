"""Tickets and deliveries on one line each, for lists on a terminal."""

from __future__ import annotations

from typing import Any

from desk import labels
from desk.printout import columns, instant_of
from outbound.dates import zone_info
from outbound.foreign import one_line, shorten
from outbound.words import event_words, known_language, outcome_words, priority_words, state_words, status_words
from tickets.delivery import DeliveryState, Outcome

View = dict[str, Any]


def summary_line(row: View, language: str, zone: str, width: int = 100) -> str:
    """A ticket on one line of a list, as `desk.view.summary` gives it."""
    language = known_language(language)
    came = moment(row["created_at"], zone)
    customer = one_line(row["customer"]["name"]) if row["customer"] else ""
    lead = "  ".join(
        (
            row["number"],
            came,
            _cell(status_words(row["status"], language), 11 if language == "ru" else 18),
            _cell(priority_words(row["priority"], language), 11 if language == "ru" else 8),
            _cell(row["assignee"] or "—", 12),
        )
    )
    subject = one_line(row["subject"]) or labels.phrase("no_subject", language)
    told = " · ".join(filter(None, (subject, customer)))
    return f"{lead}  {shorten(told, max(width - columns(lead) - 2, 20))}".rstrip()


def moment(at: str, zone: str) -> str:
    """An instant in a list, by the wall clock of a zone.

    >>> moment("2026-11-22T15:17:00+00:00", "Europe/Moscow")
    '22.11 18:17'
    """
    return f"{instant_of(at).astimezone(zone_info(zone)):%d.%m %H:%M}"


def delivery_line(row: View, language: str, zone: str) -> str:
    """A delivery on one line of a list, as the ledger gives it: id, state, ticket, what, to whom, how it went."""
    language = known_language(language)
    came = moment(row["created_at"], zone)
    mark = labels.MARKS.get(row["state"], " ")
    last = row["attempts"][-1] if row["attempts"] else None
    if row["state"] == DeliveryState.SUPPRESSED:
        why = row["because"] or ""
    elif last is not None and last["outcome"] not in (None, Outcome.ACCEPTED):
        words = outcome_words(last["outcome"], language, last["code"] or last["detail"])
        why = f"{one_line(last['code'])} {words}".strip()
    else:
        why = ""
    told = event_words(row["event"], row["to"]["role"], language)
    lead = f"{row['id']}  {came}  {_cell(mark, 2)} {_cell(state_words(row['state'], language), 14)}"
    rest = f"№{len(row['attempts'])} {why}".strip()
    return f"{lead}  {row['ticket']}  {told}  {one_line(row['address'])}  {rest}"


def _cell(text: str, width: int) -> str:
    shown = shorten(one_line(text), width)
    return shown + " " * (width - columns(shown))
