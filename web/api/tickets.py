"""Tickets over HTTP."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from channels.base import NotAcceptedNow
from desk import view
from desk.change import Actor, Refused
from desk.intake import DifferentContent, Given, Intake, Misstated
from desk.reading import Reading
from desk.submission import BadContact, message_of
from desk.ticketing import Ticketing
from storage.tickets import Filter
from tickets.clock import Clock
from tickets.priority import Level
from tickets.status import IllegalMove, Status
from web.api import parameters
from web.api.access import Access
from web.api.problem import Problem
from web.api.requests import Assignment, Comment, NewTicket, StatusChange, read

_KEY = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,254}")


def language_of(request: web.Request) -> str:
    """Russian or English, by Accept-Language (RFC 9110, section 12.5.4); Russian where neither is asked for."""
    best, weight = "ru", 0.0
    for entry in request.headers.get("Accept-Language", "").split(",")[:20]:
        name, _, quality = entry.strip().partition(";q=")
        language = name[:2].lower()
        try:
            asked = float(quality or 1)
        except ValueError:
            continue
        if language in ("ru", "en") and asked > weight:
            best, weight = language, asked
    return best


def answer(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer."""
    return web.Response(
        body=msgspec.json.encode(document), status=status, content_type="application/json", headers=headers
    )


class Tickets:
    """The handlers of `/api/v1/tickets`."""

    def __init__(self, intake: Intake, ticketing: Ticketing, reading: Reading, access: Access, clock: Clock) -> None:
        self._intake = intake
        self._ticketing = ticketing
        self._reading = reading
        self._access = access
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [
            web.get("/api/v1/tickets", self.list),
            web.post("/api/v1/tickets", self.create),
            web.get("/api/v1/tickets/{number}", self.show),
            web.post("/api/v1/tickets/{number}/status", self.status),
            web.post("/api/v1/tickets/{number}/comments", self.comment),
            web.post("/api/v1/tickets/{number}/assign", self.assign),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """A new ticket: 201; the same `Idempotency-Key` and body again: 200 with the ticket there is."""
        caller = await self._access.caller(request, "tickets:write")
        key = request.headers.get("Idempotency-Key", "")
        if key and not _KEY.fullmatch(key):
            raise Problem(400, "Bad Idempotency-Key", "send 1 to 255 printable ASCII characters")
        raw = await request.read()
        wanted = read(raw, NewTicket)
        try:
            message = message_of(
                account=caller,
                idempotency_key=key,
                kind=wanted.contact.kind,
                value=wanted.contact.value,
                name=wanted.contact.name,
                subject=wanted.subject,
                text=wanted.text,
                language=wanted.language,
                received_at=self._clock.now(),
                envelope={"peer": request.remote or "", "by": f"api:{caller}"},
            )
        except BadContact as error:
            detail = str(error)
            raise Problem(422, "Bad contact", detail, errors=[{"field": "contact.value", "detail": detail}]) from None
        given = Given(
            type=wanted.type,
            category=wanted.category,
            impact=Level(wanted.impact) if wanted.impact else None,
            urgency=Level(wanted.urgency) if wanted.urgency else None,
            customer=wanted.customer,
            centre=wanted.centre,
            group=wanted.group,
            assignee=wanted.assignee,
            by=f"api:{caller}",
        )
        try:
            taken = await self._intake.take(message, raw, given)
        except NotAcceptedNow:
            raise busy() from None
        except DifferentContent as error:
            raise Problem(422, "Idempotency-Key used before", f"{error}; use a new key for a new ticket") from None
        except Misstated as error:
            detail = str(error)
            raise Problem(422, "Unknown value", detail, errors=[{"field": error.field, "detail": detail}]) from None
        accepted = taken.accepted
        if not accepted.number:
            detail = f"it is kept as quarantine entry {accepted.quarantine_id}; staff can replay it"
            return answer({"quarantine_id": accepted.quarantine_id, "detail": detail}, 202)
        language = language_of(request)
        if taken.rows is not None:
            document = view.full(taken.rows, self._intake.organisation, language)
        else:
            document = await self._reading.by_id(UUID(accepted.ticket_id), language)
        location = {"Location": f"/api/v1/tickets/{accepted.number}"}
        return answer(document, 200 if accepted.joined else 201, location)

    async def show(self, request: web.Request) -> web.Response:
        """One ticket with everything that hangs on it."""
        await self._access.caller(request, "tickets:read")
        return answer(await self._ticket(request))

    async def list(self, request: web.Request) -> web.Response:
        """Tickets, newest first."""
        await self._access.caller(request, "tickets:read")
        items, cursor = await self._reading.tickets(await self._filter(request))
        return answer({"items": items, "next": cursor})

    async def status(self, request: web.Request) -> web.Response:
        """Move a ticket along its life cycle."""
        by = await self._actor(request)
        wanted = read(await request.read(), StatusChange)
        try:
            await self._ticketing.status(request.match_info["number"], Status(wanted.status), by, wanted.comment)
        except IllegalMove as error:
            raise Problem(409, "Illegal move", str(error)) from None
        except Refused as error:
            raise Problem(422, "Refused", str(error)) from None
        return answer(await self._ticket(request))

    async def comment(self, request: web.Request) -> web.Response:
        """Write on a ticket."""
        by = await self._actor(request)
        wanted = read(await request.read(), Comment)
        try:
            await self._ticketing.comment(request.match_info["number"], wanted.text, by, public=wanted.public)
        except Refused as error:
            raise Problem(422, "Refused", str(error)) from None
        return answer(await self._ticket(request), 201)

    async def assign(self, request: web.Request) -> web.Response:
        """Give a ticket to somebody."""
        by = await self._actor(request)
        wanted = read(await request.read(), Assignment)
        try:
            await self._ticketing.assign(
                request.match_info["number"], by, assignee=wanted.assignee, group=wanted.group, centre=wanted.centre
            )
        except Refused as error:
            raise Problem(422, "Refused", str(error)) from None
        return answer(await self._ticket(request))

    async def _actor(self, request: web.Request) -> Actor:
        caller = await self._access.caller(request, "tickets:write")
        return Actor(f"api:{caller}", caller)

    async def _ticket(self, request: web.Request) -> dict[str, Any]:
        return await self._reading.ticket(request.match_info["number"], language_of(request))

    async def _filter(self, request: web.Request) -> Filter:
        query = request.query
        assignee: UUID | None = None
        if query.get("assignee"):
            organisation = await self._reading.organisation()
            member = next((m for m in organisation.members.values() if m.login == query["assignee"]), None)
            # a login nobody has finds nothing, like any other value that matches no ticket
            assignee = UUID(member.id) if member else UUID(int=0)
        status = query.get("status", "")
        if status and status not in set(Status):
            raise parameters.bad("status", f"one of {', '.join(Status)}")
        return Filter(
            status=status,
            centre=query.get("centre", ""),
            customer=query.get("customer", ""),
            assignee=assignee,
            channel=query.get("channel", ""),
            q=query.get("q", "")[:200].replace("\x00", ""),
            since=_instant(query.get("since", ""), "since"),
            until=_instant(query.get("until", ""), "until"),
            before=parameters.cursor(query.get("cursor", "")),
            limit=parameters.limit(query.get("limit", "50")),
        )


def _instant(text: str, name: str) -> datetime | None:
    if not text:
        return None
    try:
        value = datetime.fromisoformat(text.replace(" ", "+"))
        if value.tzinfo is not None:
            # the first and last days there are have no UTC
            return value.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise parameters.bad(name, "an ISO 8601 time with offset such as 2026-11-20T14:05:00+03:00")


def busy() -> Problem:
    """Nothing was kept for now."""
    return Problem(
        503,
        "Not accepted now",
        "nothing was kept; send it again, best with an Idempotency-Key",
        headers={"Retry-After": "5"},
    )
