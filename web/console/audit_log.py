"""The audit log as a page: who saw and did what, by person, by thing and by time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web

from desk.audit import AuditLog
from storage.audit import Filter
from tickets.role import Right
from web.console.gate import Gate
from web.look.page import Look

THINGS = (
    "login",
    "session",
    "user",
    "ticket",
    "view",
    "delivery",
    "quarantine",
    "spam",
    "sender",
    "people",
    "canned",
    "audit",
)
"""What actions are about, as the filter offers it."""

_PAGE = 50


class AuditPages:
    """`/audit`."""

    def __init__(self, look: Look, gate: Gate, log: AuditLog) -> None:
        self._look = look
        self._gate = gate
        self._log = log

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [web.get("/audit", self._show)]

    async def _show(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.AUDIT_READ)
        asked = {
            name: " ".join(request.query.get(name, "").replace("\x00", "").split())[:160]
            for name in ("who", "object", "action", "since", "until")
        }
        zone = ZoneInfo(visitor.zone)
        since, until = _day(asked["since"], zone), _day(asked["until"], zone, days=1)
        wrong = [name for name, value in (("since", since), ("until", until)) if asked[name] and value is None]
        wanted = Filter(
            asked["who"], asked["object"], asked["action"], since, until, _key(request.query.get("before", "")), _PAGE
        )
        entries: list[dict[str, Any]] = []
        following = None
        if not wrong:
            detail = {name: value for name, value in asked.items() if value}
            await self._gate.saw(visitor, "audit.viewed", "", detail)
            entries, following = await self._log.listing(wanted)
        return self._look.render(
            request,
            "console/audit.html.j2",
            422 if wrong else 200,
            asked=asked,
            wrong=wrong,
            entries=entries,
            following=following,
            things=THINGS,
        )


def _day(text: str, zone: ZoneInfo, *, days: int = 0) -> datetime | None:
    """The instant a day begins in a zone; `days` later."""
    try:
        day = date.fromisoformat(text) + timedelta(days=days)
        return datetime.combine(day, time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _key(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
