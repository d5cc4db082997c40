"""One thing done to many tickets: what would happen, then doing it, then taking it back.

Each ticket is a transaction of its own, and is left alone if it has changed since it was ticked. What was done is kept,
so that the page can tell it and it can be undone where nobody outside was told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from desk import audit, triage
from desk.change import Actor, Changes, NoSuchTicket, Refused
from desk.classify import Properties, classify
from desk.guard import Guard, Outdated
from desk.site import Site
from desk.visitor import Visitor
from storage import queue, views
from storage import tags as tag_rows
from storage.database import Connection, Database
from tickets.clock import Clock
from tickets.key import new_key
from tickets.organisation import Organisation
from tickets.priority import Level, Priority
from tickets.status import MOVES, OPEN, IllegalMove, Status

Row = dict[str, Any]

MOST = 200
"""Tickets of one action."""

UNDO_FOR = timedelta(hours=24)

VERBS = ("assign", "group", "status", "priority", "tag", "untag", "snooze", "wake", "spam")
"""What can be done to many tickets at once."""

REASONS = (
    "outdated", "missing", "illegal", "same", "merged_away", "finished", "past", "too_far", "not_snoozed", "tagged",
    "not_tagged", "tag_empty", "tag_long", "tags_full", "no_way", "unknown_value", "say_waiting", "say_rejected",
    "refused", "broken",
)  # fmt: skip
"""Why a ticket was left alone."""

AUDITED = {
    "assign": "ticket.assigned",
    "group": "ticket.assigned",
    "status": "ticket.status_changed",
    "priority": "ticket.classified",
    "tag": "ticket.tagged",
    "untag": "ticket.untagged",
    "snooze": "ticket.snoozed",
    "wake": "ticket.woken",
    "spam": "ticket.made_spam",
}
"""What the audit log calls each of `VERBS`: the same action has one name, wherever it was done."""

_LOUD = frozenset({"status"})
"""Actions that write to authors: what was sent cannot be called back."""


@dataclass(frozen=True, slots=True)
class Action:
    """What is to be done: `verb` is one of `VERBS`, `value` a login, code, tag or instant (ISO 8601), `comment` what
    authors are told."""

    verb: str
    value: str = ""
    comment: str = ""

    @property
    def until(self) -> datetime | None:
        """Until when to snooze; None where the value is no instant."""
        try:
            at = datetime.fromisoformat(self.value)
        except ValueError:
            return None
        return at if at.tzinfo is not None else None


@dataclass(frozen=True, slots=True)
class Ticked:
    """A ticket that was chosen, as the page showed it."""

    number: str
    version: int


@dataclass(slots=True)
class Report:
    """What became of an action, or would: numbers done, and those left alone with the reason's code."""

    done: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    id: UUID | None = None
    undoable: bool = False


class Bulk:
    """Acts on many tickets. `on_queued` is called when somebody may have to be told."""

    def __init__(
        self, database: Database, site: Site, clock: Clock, on_queued: Callable[[], None] = lambda: None
    ) -> None:
        self._database = database
        self._site = site
        self._clock = clock
        self._on_queued = on_queued

    async def forecast(self, action: Action, ticked: Sequence[Ticked], organisation: Organisation) -> Report:
        """What would happen now; nothing is changed."""
        now = self._clock.now()

        def query(connection: Connection) -> Report:
            ids = queue.ids_of(connection, [one.number for one in ticked])
            rows = {row["number"]: row for row in queue.by_ids(connection, ids)}
            tags = tag_rows.of_all(connection, ids) if action.verb in ("tag", "untag") else {}
            report = Report()
            for one in ticked:
                row = rows.get(one.number)
                why = "missing" if row is None else "outdated" if row["version"] != one.version else ""
                if row is not None and not why:
                    why = _refusal(action, row, tags.get(row["id"], []), organisation, now)
                if why:
                    report.failed.append((one.number, why))
                else:
                    report.done.append(one.number)
            return report

        return await self._database.read(query)

    async def do(self, action: Action, ticked: Sequence[Ticked], visitor: Visitor) -> Report:
        """Do it, ticket by ticket, each with its entry in the audit log, and keep what was done."""
        report = Report(id=new_key(), undoable=action.verb not in _LOUD)
        entries: list[Row] = []
        for one in list(dict.fromkeys(ticked))[:MOST]:
            try:
                entry = await self._database.write(self._unit(action, one, visitor, report.id), name="bulk")
            except NoSuchTicket:
                report.failed.append((one.number, "missing"))
            except Outdated:
                report.failed.append((one.number, "outdated"))
            except IllegalMove:
                report.failed.append((one.number, "illegal"))
            except Refused as error:
                report.failed.append((one.number, error.code if error.code in REASONS else "refused"))
            else:
                entries.append(entry)
                report.done.append(one.number)
        self._on_queued()
        now = self._clock.now()
        row = {
            "id": report.id,
            "user_id": visitor.user_id,
            "at": now,
            "action": f"{action.verb}:{action.value}"[:200],
            "done": entries,
            "failed": [list(pair) for pair in report.failed],
            "undone": False,
        }

        def keep(connection: Connection) -> None:
            views.keep_action(connection, row)
            views.forget_actions(connection, now - UNDO_FOR)

        await self._database.write(keep, name="bulk.keep")
        return report

    async def undo(self, action_id: UUID, visitor: Visitor) -> Report | None:
        """Take an action back where its tickets have not changed since; None where there is nothing to take back."""
        row = await self._database.read(lambda c: views.action(c, action_id, visitor.user_id))
        old = row is None or row["at"] < self._clock.now() - UNDO_FOR
        if row is None or old or row["action"].partition(":")[0] in _LOUD:
            return None
        if not await self._database.write(lambda c: views.take_back(c, action_id, visitor.user_id), name="bulk.undo"):
            return None
        report = Report()
        for entry in row["done"]:
            number = entry["number"]
            try:
                await self._database.write(self._back(entry, visitor, action_id), name="bulk.undo")
            except Outdated:
                report.failed.append((number, "outdated"))
            except (NoSuchTicket, Refused, IllegalMove):
                report.failed.append((number, "refused"))
            else:
                report.done.append(number)
        self._on_queued()
        return report

    def _unit(self, action: Action, one: Ticked, visitor: Visitor, key: UUID | None) -> Callable[[Connection], Row]:
        detail = {"value": action.value} if action.value else {}
        if key is not None:
            detail["bulk"] = key.hex

        def unit(connection: Connection) -> Row:
            guard = Guard(versions=frozenset({one.version}))
            changes = Changes(connection, self._site, self._clock.now(), guard)
            before = changes.ticket(one.number)
            back = _way_back(action, before, changes.organisation)
            # a verb looks its ticket up again, within the same lock
            after = _act(changes, action, one.number, visitor.actor)
            audit.note(connection, visitor, AUDITED[action.verb], after["number"], detail, changes.now)
            return {"number": one.number, "version": after["version"], "back": back}

        return unit

    def _back(self, entry: Row, visitor: Visitor, key: UUID) -> Callable[[Connection], None]:
        actor = visitor.actor

        def unit(connection: Connection) -> None:
            guard = Guard(versions=frozenset({entry["version"]}))
            changes = Changes(connection, self._site, self._clock.now(), guard)
            back = entry["back"]
            number = entry["number"]
            match back["verb"]:
                case "assign":
                    changes.assign(number, actor, group=back["group"] or None, assignee=back["assignee"])
                case "classify":
                    levels = Properties(impact=Level(back["impact"]), urgency=Level(back["urgency"]))
                    classify(changes, number, levels, actor)
                case "untag":
                    triage.untag(changes, number, back["tag"], actor)
                case "tag":
                    triage.tag(changes, number, back["tag"], actor)
                case "wake":
                    triage.wake(changes, number, actor)
                case "snooze":
                    triage.snooze(changes, number, datetime.fromisoformat(back["until"]), actor)
                case "unspam":
                    triage.unspam(changes, number, actor)
            audit.note(connection, visitor, "ticket.action_undone", number, {"bulk": key.hex}, changes.now)

        return unit


def reported(connection: Connection, action_id: UUID, user_id: UUID) -> tuple[str, Report] | None:
    """The verb of what a user did, and what became of it."""
    row = views.action(connection, action_id, user_id)
    if row is None:
        return None
    verb = row["action"].partition(":")[0]
    undoable = not row["undone"] and verb not in _LOUD
    failed = [(number, why) for number, why in row["failed"]]
    return verb, Report([entry["number"] for entry in row["done"]], failed, row["id"], undoable)


def _act(changes: Changes, action: Action, number: str, actor: Actor) -> Row:
    match action.verb:
        case "assign":
            return changes.assign(number, actor, assignee="" if action.value == "none" else action.value)
        case "group":
            return changes.assign(number, actor, group=action.value)
        case "status":
            return changes.status(number, _known(Status, action.value), actor, action.comment)
        case "priority":
            return triage.prioritise(changes, number, _known(Priority, action.value), actor)
        case "tag":
            return triage.tag(changes, number, action.value, actor)
        case "untag":
            return triage.untag(changes, number, action.value, actor)
        case "snooze" if action.until is not None:
            return triage.snooze(changes, number, action.until, actor)
        case "wake":
            return triage.wake(changes, number, actor)
        case "spam":
            return triage.spam(changes, number, actor)
    raise Refused("there is nothing of this kind to be done", "unknown_value")


def _known(kind: Callable[[str], Any], value: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise Refused(f"{value!r} is unknown", "unknown_value") from None


def _way_back(action: Action, before: Row, organisation: Organisation) -> Row:
    match action.verb:
        case "assign" | "group":
            member = organisation.members.get(before["assignee_id"].hex) if before["assignee_id"] else None
            return {"verb": "assign", "assignee": member.login if member else "", "group": before["team"]}
        case "priority":
            return {"verb": "classify", "impact": before["impact"], "urgency": before["urgency"]}
        case "tag":
            return {"verb": "untag", "tag": action.value}
        case "untag":
            return {"verb": "tag", "tag": action.value}
        case "snooze" | "wake" if before["snoozed_until"] is not None:
            return {"verb": "snooze", "until": before["snoozed_until"].isoformat()}
        case "snooze":
            return {"verb": "wake"}
        case "spam":
            return {"verb": "unspam"}
    return {"verb": ""}


def _refusal(action: Action, row: Row, tags: Iterable[str], organisation: Organisation, now: datetime) -> str:
    """Why a ticket would be left alone, as far as its row tells; empty where it would not."""
    status = Status(row["status"])
    if row["merged_into_id"] is not None and action.verb in ("assign", "group", "status", "priority", "snooze", "spam"):
        return "merged_away"
    match action.verb:
        case "status" | "spam":
            return _no_move(action, status)
        case "assign":
            return _no_person(action, row, organisation)
        case "group":
            return (
                "same"
                if row["team"] == action.value
                else ""
                if action.value in organisation.groups
                else "unknown_value"
            )
        case "priority":
            return "same" if row["priority"] == action.value else ""
        case "tag" | "untag":
            return _no_tag(action, tags)
        case "snooze":
            until = action.until
            late = until is None or until <= now
            return "finished" if status not in OPEN else "past" if late else ""
        case "wake":
            return "" if row["snoozed_until"] is not None else "not_snoozed"
    return "unknown_value"


def _no_move(action: Action, status: Status) -> str:
    new = Status.REJECTED if action.verb == "spam" else action.value
    if new not in set(Status):
        return "unknown_value"
    if Status(new) is status:
        return "same"
    return "" if Status(new) in MOVES[status] else "illegal"


def _no_person(action: Action, row: Row, organisation: Organisation) -> str:
    if action.value == "none":
        return "" if row["assignee_id"] is not None else "same"
    member = next((m for m in organisation.members.values() if m.login == action.value), None)
    if member is None:
        return "unknown_value"
    return "same" if row["assignee_id"] is not None and row["assignee_id"].hex == member.id else ""


def _no_tag(action: Action, tags: Iterable[str]) -> str:
    try:
        name = triage.tag_of(action.value)
    except Refused as error:
        return error.code
    there = name in tags
    if action.verb == "tag":
        return "tagged" if there else ""
    return "" if there else "not_tagged"
