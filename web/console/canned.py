"""Canned answers: everybody's, kept by leads, and one's own."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from desk import audit, canned
from desk.canned import NoSuchAnswer, Wording
from desk.change import Refused
from desk.ticket_desk import TicketDesk
from desk.visitor import Visitor
from storage import canned as rows
from storage.database import Connection
from tickets.role import Right
from web.console.forms import key_in_path, posted, see, text_of
from web.console.gate import Gate
from web.look.page import Look
from web.look.refusal import Refusal

PAGE = "console/canned.html.j2"


class CannedPages:
    """`/canned`."""

    def __init__(self, desk: TicketDesk, look: Look, gate: Gate) -> None:
        self._desk = desk
        self._look = look
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/canned", self._list),
            web.post("/canned", self._save),
            web.post("/canned/{answer}", self._save),
            web.post("/canned/{answer}/drop", self._drop),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        return await self._draw(request, visitor)

    async def _save(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        form = await posted(request)
        wording = Wording(
            title=text_of(form, "title"),
            text=text_of(form, "text"),
            language=text_of(form, "language"),
            shared=text_of(form, "shared") == "1",
        )
        answer = key_in_path(request, "answer") if "answer" in request.match_info else None
        now = self._desk.clock.now()

        def unit(connection: Connection) -> None:
            key = canned.save(connection, visitor, wording, now, answer)
            audit.note(connection, visitor, "canned.saved", key.hex, {"title": wording.title[:120]}, now)

        try:
            await self._desk.database.write(unit, name="canned")
        except NoSuchAnswer:
            raise Refusal(404) from None
        except Refused as error:
            return await self._draw(request, visitor, refused=error.code, wording=wording, answer=answer)
        response = see("/canned")
        self._look.tell(response, "ticket.told.saved")
        return response

    async def _drop(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        answer = key_in_path(request, "answer")
        now = self._desk.clock.now()

        def unit(connection: Connection) -> None:
            title = canned.remove(connection, visitor, answer)
            audit.note(connection, visitor, "canned.removed", answer.hex, {"title": title}, now)

        try:
            await self._desk.database.write(unit, name="canned")
        except NoSuchAnswer:
            raise Refusal(404) from None
        except Refused:
            raise Refusal(403, "gate.right") from None
        response = see("/canned")
        self._look.tell(response, "canned.told.dropped")
        return response

    async def _draw(
        self,
        request: web.Request,
        visitor: Visitor,
        *,
        refused: str = "",
        wording: Wording | None = None,
        answer: UUID | None = None,
    ) -> web.Response:
        user = visitor.user_id
        answers = await self._desk.database.read(lambda connection: rows.all_of(connection, user))
        leads = visitor.may(Right.CANNED_WRITE)
        return self._look.render(
            request,
            PAGE,
            422 if refused else 200,
            answers=[
                {**row, "id": row["id"].hex, "own": row["owner_id"] is not None, "mine": leads or row["owner_id"]}
                for row in answers
            ],
            refused=refused,
            wording=wording or Wording("", "", visitor.language, leads),
            editing=answer.hex if answer else "",
            leads=leads,
            facts=canned.FACTS,
        )
