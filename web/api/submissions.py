"""New tickets over HTTP: the call that matters most, and is made most."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from aiohttp import web
from msgspec.structs import replace

from channels.base import NotAcceptedNow
from desk import view
from desk.intake import DifferentContent, Given, Intake, Misstated
from desk.reading import Reading, shown_within
from desk.submission import BadContact, message_of
from tickets.clock import Clock
from tickets.priority import Level
from web.api import catalogue
from web.api.access import Access, Caller
from web.api.idempotency import key_of
from web.api.language import language_of
from web.api.problem import Problem, busy
from web.api.requests import NewTicket, octets_of, read
from web.api.serving import answer, answered, encoded, route, worded


class Submissions:
    """The handler of `POST /api/v1/tickets`."""

    def __init__(self, intake: Intake, reading: Reading, access: Access, clock: Clock) -> None:
        self._intake = intake
        self._reading = reading
        self._access = access
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        """Method, path and handler of each call."""
        return [route(catalogue.CREATE_TICKET, self._access, self.create)]

    async def create(self, request: web.Request, caller: Caller, _query: Any) -> web.Response:
        """A new ticket: 201; the same `Idempotency-Key` and body again: 200 with the ticket there is."""
        key = key_of(request)
        raw = await octets_of(request)
        wanted = read(raw, NewTicket)
        try:
            message = message_of(
                account=caller.name,
                idempotency_key=key,
                kind=wanted.contact.kind,
                value=wanted.contact.value,
                name=wanted.contact.name,
                subject=wanted.subject,
                text=wanted.text,
                language=wanted.language,
                received_at=self._clock.now(),
                envelope={"peer": request.remote or "", "by": caller.label},
            )
        except BadContact as error:
            detail = str(error)
            raise Problem(422, "Bad contact", detail, errors=[{"field": "contact.value", "detail": detail}]) from None
        language = language_of(request)
        within = caller.within

        def show(rows: dict[str, Any]) -> tuple[int, bytes]:
            return _told(view.full(shown_within(rows, within), self._intake.organisation, language))

        try:
            taken = await self._intake.take(message, raw, _given(wanted, caller), show)
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
        if taken.shown is not None:
            version, body = taken.shown
        else:
            version, body = _told(await self._reading.by_id(UUID(accepted.ticket_id), language, within=within))
        headers = {"Location": f"/api/v1/tickets/{accepted.number}", "ETag": f'"{version}"', **worded(language)}
        if accepted.joined:
            headers["Idempotency-Replayed"] = "true"
        return answered(body, 200 if accepted.joined else 201, headers)


def _told(document: dict[str, Any]) -> tuple[int, bytes]:
    """A ticket's version, and the whole of it as the answer's body."""
    return document["version"], encoded(document)


def _given(wanted: NewTicket, caller: Caller) -> Given:
    given = Given(
        type=wanted.type,
        category=wanted.category,
        impact=Level(wanted.impact) if wanted.impact else None,
        urgency=Level(wanted.urgency) if wanted.urgency else None,
        customer=wanted.customer,
        centre=wanted.centre,
        group=wanted.group,
        assignee=wanted.assignee,
        by=caller.label,
    )
    return _kept_within(given, caller) if caller.within else given


def _kept_within(given: Given, caller: Caller) -> Given:
    """What is stated by whoever sees but one customer or centre: the ticket is of that one.

    Raises:
        Problem: 422, as for what does not exist, where another is stated.
    """
    for field in ("customer", "centre"):
        own, stated = getattr(caller.within, field), getattr(given, field)
        if own and stated not in ("", own):
            detail = f"there is no {field} {stated!r}"
            raise Problem(422, "Unknown value", detail, errors=[{"field": field, "detail": detail}])
    return replace(
        given, customer=caller.within.customer or given.customer, centre=caller.within.centre or given.centre
    )
