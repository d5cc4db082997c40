"""A new ticket on somebody's behalf: who calls, what they have open already, what it is about."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from channels.base import NotAcceptedNow
from desk import audit, mask, new_ticket
from desk.intake import DifferentContent, Intake, NotTaken
from desk.new_ticket import CHANNELS, Wish
from desk.submission import BadContact
from desk.ticket_desk import TicketDesk
from desk.visitor import Visitor
from tickets.key import new_key
from tickets.priority import Level
from tickets.role import Right
from web.console.forms import posted, text_of
from web.console.gate import Gate
from web.look.page import Look
from web.look.refusal import Refusal

Row = dict[str, Any]

PAGE = "console/ticket_new.html.j2"
FIELDS = ("nonce", "channel", "contact", "name", "subject", "text", "type", "impact", "urgency", "customer")
LONGEST = {"contact": 254, "name": 200, "subject": 500, "text": 100_000, "type": 40, "customer": 80, "nonce": 64}


class NewTicketPages:
    """`/tickets/new`."""

    def __init__(self, desk: TicketDesk, intake: Intake, look: Look, gate: Gate) -> None:
        self._desk = desk
        self._intake = intake
        self._look = look
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/tickets/new", self._form),
            web.get("/tickets/new/known", self._known),
            web.post("/tickets/new", self._make),
        ]

    async def _form(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        given = {name: request.query.get(name, "")[: LONGEST.get(name, 40)] for name in FIELDS}
        return await self._draw(request, visitor, given | {"nonce": new_key().hex})

    async def _known(self, request: web.Request) -> web.Response:
        """Who that may be, while it is typed."""
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        said = request.query.get("contact", "") or request.query.get("name", "")
        people = self._shown(await new_ticket.known(self._desk.database, said), visitor)
        await self._gate.saw(visitor, "people.searched", "", {"found": len(people)})
        return self._look.render(
            request, "console/ticket_known.html.j2", people=people, asked=said, sees=visitor.may(Right.ADDRESSES_SEE)
        )

    async def _make(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        form = await posted(request)
        given = {name: text_of(form, name)[: LONGEST.get(name, 40)] for name in FIELDS}
        if text_of(form, "search"):
            return await self._draw(request, visitor, given)
        errors = _missing(given)
        if not given["nonce"].isalnum():
            raise Refusal(400)
        if not errors:
            try:
                taken = await new_ticket.take(self._intake, Wish(**given), visitor, self._desk.clock.now())
            except BadContact:
                errors = [{"id": "contact", "key": "new.error.contact"}]
            except DifferentContent:
                # the button was pressed, the text changed, and the button pressed again
                return await self._draw(
                    request, visitor, given | {"nonce": new_key().hex}, [{"id": "text", "key": "new.error.twice"}]
                )
            except (NotTaken, ValueError):
                errors = [{"id": "subject", "key": "new.error.value"}]
            except NotAcceptedNow:
                raise Refusal(503) from None
        if errors:
            return await self._draw(request, visitor, given, errors)
        accepted = taken.accepted
        if not accepted.number:
            return web.Response(status=303, headers={"Location": f"/quarantine/{accepted.quarantine_id}"})
        now = self._desk.clock.now()
        if not accepted.joined:
            await self._desk.database.write(
                lambda c: audit.note(c, visitor, "ticket.made", accepted.number, {"channel": given["channel"]}, now),
                name="new",
            )
        response = web.Response(status=303, headers={"Location": f"/tickets/{quote(accepted.number)}"})
        self._look.tell(response, "new.told.made", number=accepted.number)
        return response

    async def _draw(
        self, request: web.Request, visitor: Visitor, given: dict[str, str], errors: list[Row] | None = None
    ) -> web.Response:
        said = given["contact"] or given["name"]
        people = self._shown(await new_ticket.known(self._desk.database, said), visitor)
        organisation = await self._desk.organisation()
        return self._look.render(
            request,
            PAGE,
            422 if errors else 200,
            given=given,
            errors=errors or [],
            people=people,
            asked=said,
            sees=visitor.may(Right.ADDRESSES_SEE),
            channels=CHANNELS,
            levels=[level.value for level in Level],
            customers=sorted(organisation.customers.values(), key=lambda c: c.name),
        )

    def _shown(self, people: list[Row], visitor: Visitor) -> list[Row]:
        show = str if visitor.may(Right.ADDRESSES_SEE) else mask.address
        return [
            {
                **person,
                "id": person["id"].hex,
                "addresses": [{**a, "shown": show(a["value"])} for a in person["addresses"]],
            }
            for person in people
        ]


def _missing(given: dict[str, str]) -> list[Row]:
    errors = [
        {"id": name, "key": f"new.error.{name}"} for name in ("contact", "subject", "text") if not given[name].strip()
    ]
    if given["channel"] not in CHANNELS:
        given["channel"] = CHANNELS[0]
    for name in ("impact", "urgency"):
        if given[name] and given[name] not in set(Level):
            given[name] = ""
    return errors
