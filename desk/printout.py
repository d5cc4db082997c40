"""A ticket as text for a terminal: understood at a glance, without pages.

Everything on it fits the width it is given, in any terminal that knows Unicode. What others wrote is printed without
control characters, so that no mail can move the cursor or turn text around. Trouble is marked in words and signs;
colour only repeats them.
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from desk import labels
from desk.amounts import seconds, size
from outbound.dates import moment as moment_words
from outbound.dates import zone_info, zone_words
from outbound.foreign import clean, one_line, shorten
from outbound.words import (
    event_words,
    known_language,
    outcome_words,
    priority_words,
    state_words,
    status_words,
)
from tickets.delivery import DeliveryState, Outcome
from tickets.status import OPEN

View = dict[str, Any]

MOST_LINES = 40
"""Lines of one message that are printed."""

_LABEL = 14
_BOLD, _DIM, _RED, _GREEN, _YELLOW = "1", "2", "31", "32", "33"
_STATE_COLOURS = {
    DeliveryState.SENT: _GREEN,
    DeliveryState.DELIVERED: _GREEN,
    DeliveryState.READ: _GREEN,
    DeliveryState.FAILED: _RED,
    DeliveryState.EXPIRED: _YELLOW,
    DeliveryState.UNKNOWN: _YELLOW,
    DeliveryState.SUPPRESSED: _DIM,
}


def ticket_text(
    view: View, language: str, zone: str, width: int = 100, colour: bool = False, *, now: datetime | None = None
) -> str:
    """A ticket, as `desk.view.full` gives it, on lines of at most `width` columns, without a last line break.

    Times are told in `zone`; with `now` deadlines that are over say so.
    """
    page = _Page(known_language(language), zone, max(width, 60), colour, now or instant_of(view["created_at"]))
    lines = [
        *page.title(view),
        *page.facts(view, late=now is not None),
        *page.section("messages", page.conversation(view["messages"])),
        *page.section("decision", page.decision(view)),
        *page.section("notifications", page.notifications(view["notifications"])),
        *page.section("history", page.history(view["history"])),
    ]
    return "\n".join(line.rstrip() for line in lines)


def delivery_text(
    entry: View, language: str, zone: str, width: int = 100, colour: bool = False, *, now: datetime | None = None
) -> str:
    """One delivery, as `desk.ledger.Ledger.show` gives it: what became of it, every attempt, the text as sent."""
    page = _Page(known_language(language), zone, max(width, 60), colour, now or instant_of(entry["created_at"]))
    head = f"{entry['ticket']} · {event_words(entry['event'], entry['to']['role'], language)}"
    lines = [
        *page.between(page.paint(one_line(head), _BOLD), entry["id"]),
        page.rule(),
        *page.delivery(entry, whom=entry["to"]["person"]),
    ]
    for each in entry.get("reports", ()):
        lines += page.wrapped(each["because"], f"  {page.moment(each['at'], seconds=True)}  ")
    lines += ["", page.paint(labels.phrase("text", language), _BOLD)]
    if entry["text"] is None:
        lines.append(f"  {labels.phrase('no_text', language)}")
    else:
        lines += [*page.wrapped(entry["subject"] or "", "  "), "", *page.body(entry["text"], "  ", most=10_000)]
    return "\n".join(line.rstrip() for line in lines)


def decision_lines(view: View, language: str, zone: str, width: int = 100) -> list[str]:
    """The `decision` of a ticket or of what would be one, a line for each field; `assignee` is a login."""
    dues = [d["value"] for d in view["decision"] if d["field"].endswith("_by") and d["value"]]
    now = instant_of(dues[0]) if dues else datetime.max.replace(tzinfo=UTC)
    page = _Page(known_language(language), zone, max(width, 60), False, now)
    return [line.rstrip() for line in page.decision({"customer": None, **view})]


def history_lines(entries: list[View], language: str, zone: str, width: int = 100) -> list[str]:
    """Entries of a history, the days above them."""
    page = _Page(known_language(language), zone, max(width, 60), False, instant_of(entries[0]["at"]))
    return [line.rstrip() for line in page.history(entries)]


def columns(text: str) -> int:
    """How many columns a terminal gives a text.

    >>> columns("Ёлка"), columns("漢字"), columns("e\u0301")
    (4, 4, 1)
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) != 0 or c in "\u200d\ufe0f" for c in text)


class _Page:
    """One printout: the reader's language and zone, the terminal's width and whether it knows colour."""

    def __init__(self, language: str, zone: str, width: int, colour: bool, now: datetime) -> None:
        self.language = language
        self.zone = zone
        self.width = width
        self.colour = colour
        self.now = now

    # ---- parts ----------------------------------------------------------------------------------------------------

    def title(self, view: View) -> Iterator[str]:
        status = f"{status_words(view['status'], self.language)} · {self._priority(view['priority'])}"
        subject = one_line(view["subject"]) or labels.phrase("no_subject", self.language)
        room = self.width - columns(status) - 3
        head = shorten(f"{view['number']}  {subject}", room)
        yield self.paint(head, _BOLD) + " " * (self.width - columns(head) - columns(status)) + status
        yield self.rule()

    def facts(self, view: View, *, late: bool) -> Iterator[str]:
        contact = view["contact"]
        ways = ", ".join(one_line(a["value"]) for a in contact["addresses"] if a["value"])
        name = one_line(contact["name"])
        yield from self._fact("author", " · ".join(filter(None, (name, ways))))
        if view["customer"]:
            yield from self._fact("customer", one_line(view["customer"]["name"]))
        who = view["assignee"] or labels.phrase("nobody", self.language)
        line = f"{labels.phrase('line', self.language)} {view['line']}"
        yield from self._fact("assignee", " · ".join(filter(None, (who, view["group"], line, view["centre"]))))
        for field in ("respond_by", "resolve_by"):
            if view[field]:
                yield from self._fact(field, self._deadline(view, field, late=late))
        came = f"{self.moment(view['created_at'])}, {labels.channel(view['channel'], self.language)}"
        yield from self._fact("created_at", f"{came} · {zone_words(self.zone, self.language)}")
        if view["closed_at"]:
            yield from self._fact("closed_at", self.moment(view["closed_at"]))
        for link in view.get("links", ()):
            told = f"{link['number']} · {labels.link(link['kind'], self.language)}: {one_line(link['because'])}"
            yield from self._fact("links", told)

    def section(self, name: str, lines: Iterator[str]) -> Iterator[str]:
        yield ""
        yield self.paint(labels.head(name, self.language), _BOLD)
        yield from lines

    def conversation(self, messages: list[View]) -> Iterator[str]:
        for number, message in enumerate(messages):
            if number:
                yield ""
            internal = not message["public"]
            sender = message["from"]
            who = one_line(sender["name"]) or one_line(sender["value"]) or labels.phrase("nobody", self.language)
            about = [
                who,
                labels.channel(message["channel"], self.language),
                labels.kind(message["kind"], self.language),
            ]
            if message["direction"] == "out" and internal:
                about.append(labels.phrase("internal", self.language))
            if message["receipts"] > 1:
                about.append(f"{labels.phrase('receipts', self.language)} {message['receipts']}")
            arrow = "←" if message["direction"] == "in" else "✎" if internal else "→"
            head = f"  {arrow} {' · '.join(filter(None, about))}"
            yield from self.between(head, self.moment(message["at"]))
            bar = "    ┊ " if internal else "    │ "
            yield from self.body(message["reply_text"] or message["text"], bar)
            for file in message["attachments"]:
                name = f"{one_line(file['name'])} · {size(file['size'], self.language)}"
                yield from self.wrapped(f"{labels.phrase('file', self.language)} {name}", "    + ", "      ")

    def decision(self, view: View) -> Iterator[str]:
        rows = [
            (labels.field(d["field"], self.language), self._value(view, d), one_line(d["because"]))
            for d in view["decision"]
        ]
        first = max((columns(name) for name, _, _ in rows), default=0) + 2
        second = min(max((columns(value) for _, value, _ in rows), default=0), 28) + 2
        for name, value, because in rows:
            shown = shorten(value, 28)
            lead = f"  {name}{' ' * (first - columns(name))}"
            space = " " * max(second - columns(shown), 1)
            told = self._fold(because, self.width - 2 - first - second) or [""]
            yield lead + self.paint(shown, _BOLD if value != "—" else _DIM) + space + told[0]
            for more in told[1:]:
                yield " " * (2 + first + second) + more

    def notifications(self, notifications: list[View]) -> Iterator[str]:
        if not notifications:
            yield f"  {labels.phrase('nothing', self.language)}"
        for notification in notifications:
            whom = one_line(notification["to"]["person"])
            told = event_words(notification["event"], notification["to"]["role"], self.language)
            head = f"{told}: {whom}" if whom else told
            yield from self._marked(notification["state"], head)
            for delivery in notification["deliveries"]:
                yield from self.delivery(delivery)

    def delivery(self, delivery: View, *, whom: str = "") -> Iterator[str]:
        """A delivery with its attempts, below its notification or, with the recipient's name, by itself."""
        state = delivery["state"]
        way = " · ".join(
            filter(None, (labels.channel(delivery["channel"], self.language), one_line(delivery["address"])))
        )
        if whom:
            yield from self._marked(state, f"{one_line(whom)}, {way}")
        elif state == DeliveryState.SUPPRESSED:
            because = one_line(delivery["because"] or "")
            yield from self.wrapped(" · ".join(filter(None, (way, because))), "      ")
            return
        else:
            yield from self.wrapped(way, "      ")
        for attempt in delivery["attempts"]:
            yield from self._attempt(attempt)
        yield from self._outlook(delivery)

    def history(self, entries: list[View]) -> Iterator[str]:
        day = ""
        for entry in entries:
            local = instant_of(entry["at"]).astimezone(zone_info(self.zone))
            today = self.moment(entry["at"]).rpartition(",")[0]
            if today != day:
                day = today
                yield self.paint(f"  {today}", _DIM)
            said = f"{self._happened(entry)} · {labels.actor(entry['by'], self.language)}"
            if entry["because"]:
                said += f": {one_line(entry['because'])}"
            yield from self.wrapped(said, f"  {local:%H:%M}  ", "         ")

    # ---- lines ----------------------------------------------------------------------------------------------------

    def _fact(self, name: str, text: str) -> Iterator[str]:
        label = labels.field(name, self.language)
        return self.wrapped(text, label + " " * max(_LABEL - columns(label), 1), " " * _LABEL)

    def _deadline(self, view: View, field: str, *, late: bool) -> str:
        told = self.moment(view[field])
        if view["status"] == "waiting":
            return f"{told} · {labels.phrase('paused', self.language)}"
        if late and view["status"] in OPEN and instant_of(view[field]) < self.now and not _answered(view, field):
            return f"{told} · {self.paint(labels.phrase('late', self.language), _RED)}"
        return told

    def _value(self, view: View, decided: View) -> str:
        name, value = decided["field"], decided["value"]
        if not value:
            return "—"
        match name:
            case "priority":
                return self._priority(value)
            case "impact" | "urgency":
                return labels.level(name, value, self.language)
            case "respond_by" | "resolve_by":
                return self.moment(value)
            case "assignee":
                return str(view["assignee"] or value)
            case "customer" if view["customer"]:
                return one_line(view["customer"]["name"])
        return one_line(str(value))

    def _marked(self, state: str, head: str) -> Iterator[str]:
        colour = _STATE_COLOURS.get(DeliveryState(state), "")
        mark = self.paint(labels.MARKS.get(state, " "), colour)
        space = " " * (2 - columns(labels.MARKS.get(state, " ")))
        told = state_words(state, self.language)
        yield from self.between(
            f"  {mark}{space} {head}", self.paint(told, _STATE_COLOURS.get(DeliveryState(state), ""))
        )

    def _attempt(self, attempt: View) -> Iterator[str]:
        began = instant_of(attempt["started_at"])
        local = began.astimezone(zone_info(self.zone))
        head = f"      №{attempt['number']:>2}  {local:%H:%M:%S}  "
        if attempt["outcome"] is None:
            yield head + labels.phrase("in_flight", self.language)
            return
        took = seconds(instant_of(attempt["ended_at"]) - began, self.language)
        code = one_line(attempt["code"])
        words = outcome_words(attempt["outcome"], self.language, code or one_line(attempt["detail"]))
        told = " · ".join(filter(None, (words, took)))
        if attempt["outcome"] != Outcome.ACCEPTED:
            theirs = one_line(attempt["detail"]).removeprefix(code).strip()
            told = " · ".join(filter(None, (told, theirs)))
        lead = head + f"{code:<11} " * bool(code)
        yield from self.wrapped(told, lead, " " * columns(lead))

    def _outlook(self, delivery: View) -> Iterator[str]:
        """What comes next, or why nothing does."""
        state, reason = delivery["state"], delivery["reason"]
        if state == DeliveryState.QUEUED:
            which = "next" if delivery["attempts"] else "first"
            told = f"{labels.phrase(which, self.language)} {self.moment(delivery['due_at'], seconds=True)}"
            if delivery["expires_at"]:
                told += f", {labels.phrase('until', self.language)} {self.moment(delivery['expires_at'])}"
            yield from self.wrapped(told, "      ○   ", "          ")
        elif state == DeliveryState.SUPPRESSED and delivery["because"]:
            yield from self.wrapped(one_line(delivery["because"]), "      ")
        elif reason:
            told = f"{labels.phrase('why_failed', self.language)}: {labels.failure(reason, self.language)}"
            yield from self.wrapped(told, "      ")

    def _happened(self, entry: View) -> str:
        old, new = entry["old"], entry["new"]
        if entry["what"] == "status":
            return f"{status_words(old, self.language)} → {status_words(new, self.language)}"
        told = labels.what(entry["what"], self.language)
        if entry["what"] in ("assigned", "group", "centre", "linked"):
            whom = one_line(new or "") or labels.phrase("nobody", self.language)
            return f"{told}: {whom}" if not old else f"{told}: {one_line(old)} → {whom}"
        return told

    def body(self, text: str, bar: str, *, most: int = MOST_LINES) -> Iterator[str]:
        """What somebody wrote, each line behind a bar."""
        lines: list[str] = []
        for line in clean(text).strip("\n").expandtabs(4).split("\n"):
            lines += self._fold(line, self.width - columns(bar)) or [""]
        if lines == [""]:
            lines = [self.paint(labels.phrase("empty", self.language), _DIM)]
        for line in lines[:most]:
            yield bar + line
        if len(lines) > most:
            yield bar + self.paint(f"{labels.phrase('more_lines', self.language)} {len(lines) - most}", _DIM)

    def wrapped(self, text: str, lead: str, rest: str | None = None) -> Iterator[str]:
        """A text behind a lead, its further lines behind `rest`."""
        rest = " " * columns(lead) if rest is None else rest
        for number, line in enumerate(self._fold(text, self.width - columns(lead)) or [""]):
            yield (rest if number else lead) + line

    def between(self, left: str, right: str) -> Iterator[str]:
        """Two texts at the two ends of a line, or on two lines where they do not fit."""
        room = self.width - columns(_bare(left)) - columns(_bare(right))
        if room >= 2:
            yield left + " " * room + right
            return
        yield from self.wrapped(left.strip(), "  ", "    ") if columns(_bare(left)) > self.width else iter((left,))
        yield " " * max(self.width - columns(_bare(right)), 0) + right

    def rule(self) -> str:
        """A line across."""
        return "─" * self.width

    def paint(self, text: str, code: str) -> str:
        """The text in a colour, where the terminal has any."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code and text else text

    def _fold(self, text: str, width: int) -> list[str]:
        if columns(_bare(text)) <= width:
            return [text] if text else []
        return textwrap.wrap(text, width, break_long_words=True, break_on_hyphens=False)

    def moment(self, at: str, *, seconds: bool = False) -> str:
        """An instant as people write it."""
        instant = instant_of(at)
        told = moment_words(instant, zone=self.zone, now=self.now, language=self.language)
        return f"{told}:{instant:%S}" if seconds else told

    def _priority(self, priority: str) -> str:
        return priority_words(priority, self.language)


def _answered(view: View, field: str) -> bool:
    return field == "respond_by" and any(m["direction"] == "out" and m["public"] for m in view["messages"])


def instant_of(at: str) -> datetime:
    """An instant as views hold it."""
    return datetime.fromisoformat(at)


def _bare(text: str) -> str:
    """The text without our own colours."""
    if "\x1b" not in text:
        return text
    for code in (_BOLD, _DIM, _RED, _GREEN, _YELLOW, "0"):
        text = text.replace(f"\x1b[{code}m", "")
    return text
