"""Many tickets at once: first what would happen, then doing it, then taking it back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from desk.bulk import MOST, Action, Bulk, Report, Ticked
from desk.news import NewsDesk
from desk.queue import Queue
from desk.reading import Reading
from desk.visitor import Visitor
from tickets.clock import Clock
from tickets.priority import Priority
from tickets.role import Right
from tickets.status import Status
from web.console.forms import key_in_path, posted, text_of
from web.console.gate import Gate
from web.console.queue_context import ticked_of
from web.look.page import Look, local
from web.look.refusal import Refusal

PAGE = "console/queue_bulk.html.j2"
LONGEST_COMMENT = 20_000

PRESETS = ("today", "tomorrow", "monday", "week")
"""Moments to snooze until: 17:00 today, 9:00 tomorrow, on Monday, in a week; by the reader's clock."""

_WITH_VALUE = frozenset({"assign", "group", "status", "priority", "tag", "untag", "snooze"})
_ASKS_COMMENT = frozenset({Status.WAITING.value, Status.REJECTED.value})


class BulkPages:
    """`/queue/bulk`. One ticket may be acted on by whoever may change it, several by those who may act on many."""

    def __init__(
        self, bulk: Bulk, queue: Queue, news: NewsDesk, reading: Reading, look: Look, gate: Gate, clock: Clock
    ) -> None:
        self._news = news
        self._bulk = bulk
        self._queue = queue
        self._reading = reading
        self._look = look
        self._gate = gate
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [web.post("/queue/bulk", self._act), web.post("/queue/bulk/{id}/undo", self._undo)]

    async def _act(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        form = await posted(request)
        ticked = [Ticked(*pair) for pair in ticked_of([str(value) for value in form.getall("t", [])])][:MOST]
        back = local(text_of(form, "back"), "/queue")
        if not ticked:
            response = web.Response(status=303, headers={"Location": back})
            self._look.tell(response, "queue.bulk.none")
            return response
        if len(ticked) > 1 and not visitor.may(Right.TICKETS_BULK):
            raise self._gate.forbidden(request)
        action = self._action(form, visitor)
        asks = action.verb in _WITH_VALUE and not action.value
        organisation = await self._reading.organisation()
        confirmed = text_of(form, "sure") == "1" and not asks
        silent = action.value in _ASKS_COMMENT and not action.comment.strip()
        if confirmed and not (action.verb == "status" and silent):
            report = await self._bulk.do(action, ticked, visitor)
            self._changed(visitor)
            return self._done(action, report, back)
        report = Report() if asks else await self._bulk.forecast(action, ticked, organisation)
        return self._look.render(
            request,
            PAGE,
            422 if confirmed else 200,
            action=action,
            ticked=ticked,
            report=report,
            asks=asks,
            back=back,
            wrong="queue.bulk.say" if confirmed else "",
            asks_comment=action.verb == "status" and action.value in _ASKS_COMMENT,
            takes_comment=action.verb == "status",
            members=sorted(organisation.members.values(), key=lambda member: member.name),
            organisation=organisation,
            statuses=[status for status in Status if status is not Status.NEW],
            priorities=list(Priority),
            presets=self._presets(visitor),
            until=action.until,
            longest=LONGEST_COMMENT,
        )

    def _done(self, action: Action, report: Report, back: str) -> web.Response:
        if report.failed:
            # what was left alone has to be read, so it stands on the page and not in a toast
            joined = "&" if "?" in back else "?"
            where = back if "done=" in back else f"{back}{joined}done={report.id.hex if report.id else ''}"
            return web.Response(status=303, headers={"Location": where})
        response = web.Response(status=303, headers={"Location": back})
        undo = f"/queue/bulk/{report.id.hex}/undo" if report.undoable and report.id else ""
        self._look.tell(response, f"queue.did.{action.verb}", undo=undo, n=len(report.done))
        return response

    async def _undo(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        report = await self._bulk.undo(key_in_path(request, "id"), visitor)
        if report is None:
            raise Refusal(409, "queue.undo.gone", back="/queue")
        self._changed(visitor)
        back = _left_page(request)
        response = web.Response(status=303, headers={"Location": back})
        if report.failed:
            self._look.tell(response, "queue.undo.part", n=len(report.done), left=len(report.failed))
        else:
            self._look.tell(response, "queue.undo.done", n=len(report.done))
        return response

    def _changed(self, visitor: Visitor) -> None:
        self._queue.forget_counts(visitor)
        self._news.recount()

    def _action(self, form: Any, visitor: Visitor) -> Action:
        """`action` is `verb:value` of a button, or a verb beside which fields tell the rest."""
        verb, _, value = text_of(form, "action").partition(":")
        value = value or text_of(form, "value").strip()
        comment = text_of(form, "comment")[:LONGEST_COMMENT]
        if verb == "snooze":
            value = self._until(text_of(form, "until").strip() or value, visitor)
        if verb == "assign" and value == "me":
            value = visitor.login if visitor.member else ""
        return Action(verb, value[:200], comment)

    def _until(self, value: str, visitor: Visitor) -> str:
        """A preset, or a moment by the reader's clock, as an instant; empty where it is neither."""
        preset = self._presets(visitor).get(value)
        if preset is not None:
            return preset.isoformat()
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            return ""
        if not 2000 <= at.year < 3000:
            return ""
        return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(visitor.zone))).astimezone(UTC).isoformat()

    def _presets(self, visitor: Visitor) -> dict[str, datetime]:
        return presets(self._clock.now(), visitor.zone)


def presets(now: datetime, zone: str) -> dict[str, datetime]:
    """The moments of `PRESETS` that are still to come, in UTC."""
    local = now.astimezone(ZoneInfo(zone))
    morning = local.replace(hour=9, minute=0, second=0, microsecond=0)
    found = {
        "today": local.replace(hour=17, minute=0, second=0, microsecond=0),
        "tomorrow": morning + timedelta(days=1),
        "monday": morning + timedelta(days=7 - local.weekday()),
        "week": morning + timedelta(days=7),
    }
    if found["monday"] == found["tomorrow"]:
        del found["monday"]
    return {name: at.astimezone(UTC) for name, at in found.items() if at > local + timedelta(minutes=30)}


def _left_page(request: web.Request) -> str:
    """The page the button stood on, as far as the browser tells and it is one of ours."""
    from urllib.parse import urlsplit

    parts = urlsplit(request.headers.get("Referer", ""))
    return local(f"{parts.path}{'?' + parts.query if parts.query else ''}", "/queue") if parts.path else "/queue"
