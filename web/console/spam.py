"""`/spam`: what is held as spam and why; one press makes it a ticket or blocks its sender."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from desk import mask
from desk.change import Refused
from desk.quarantine import NoSuchEntry, Read
from desk.spam_desk import HELD_SPAM, SpamDesk
from desk.visitor import Visitor
from tickets.role import Right
from web.console.forms import key_in_path, key_of, posted, text_of
from web.console.gate import Gate
from web.look.page import Look
from web.look.refusal import Refusal

Row = dict[str, Any]

PAGE = "console/spam.html.j2"


class SpamPages:
    """Routes of the page; `read` makes messages of raw mail."""

    def __init__(self, desk: SpamDesk, read: Read, look: Look, gate: Gate) -> None:
        self._desk = desk
        self._read = read
        self._look = look
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/spam", self._list),
            web.post("/spam/rules", self._rule),
            web.post("/spam/rules/forget", self._forget),
            web.post("/spam/{entry}/release", self._release),
            web.post("/spam/{entry}/block", self._block),
            web.post("/spam/{entry}/discard", self._discard),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        return await self._draw(request, await self._gate.staff(request, Right.QUARANTINE_READ))

    async def _draw(self, request: web.Request, visitor: Visitor, status: int = 200, refused: str = "") -> web.Response:
        before = request.query.get("before", "")
        rows, cursor = await self._desk.listing(replace(HELD_SPAM, before=key_of(before) if before else None, limit=50))
        sees = visitor.may(Right.ADDRESSES_SEE)
        show = str if sees else mask.address
        rules = await self._desk.rules()
        return self._look.render(
            request,
            PAGE,
            status,
            rows=[{**row, "shown": show(row["from"]), "domain": row["from"].rpartition("@")[2]} for row in rows],
            next=cursor or "",
            held=await self._desk.held(),
            rules=[{**rule, "shown": _shown(rule["key"], sees)} for rule in rules],
            releases=visitor.may(Right.TICKETS_WRITE),
            writes=visitor.may(Right.QUARANTINE_WRITE),
            refused=refused,
        )

    async def _release(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        allow = text_of(await posted(request), "allow") == "1" and visitor.may(Right.QUARANTINE_WRITE)
        try:
            done = await self._desk.release(_key(request), self._read, visitor, allow=allow)
        except NoSuchEntry:
            raise Refusal(404) from None
        if not done.number:
            return await self._draw(request, visitor, 409, "release")
        response = web.Response(status=303, headers={"Location": f"/tickets/{quote(done.number)}"})
        self._look.tell(response, "spam.told.released", number=done.number)
        return response

    async def _block(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.QUARANTINE_WRITE)
        said = text_of(await posted(request), "sender")
        try:
            await self._desk.block(said, visitor, entry=_key(request))
        except Refused:
            return await self._draw(request, visitor, 422, "rule")
        return self._back("spam.told.blocked")

    async def _discard(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.QUARANTINE_WRITE)
        try:
            await self._desk.discard(_key(request), visitor)
        except NoSuchEntry:
            raise Refusal(404) from None
        return self._back("spam.told.discarded")

    async def _rule(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.QUARANTINE_WRITE)
        form = await posted(request)
        verb = self._desk.allow if text_of(form, "verdict") == "allow" else self._desk.block
        try:
            await verb(text_of(form, "sender"), visitor, text_of(form, "note"))
        except Refused:
            return await self._draw(request, visitor, 422, "rule")
        return self._back("spam.told.rule")

    async def _forget(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.QUARANTINE_WRITE)
        try:
            await self._desk.forget(text_of(await posted(request), "key"), visitor)
        except Refused:
            raise Refusal(404) from None
        return self._back("spam.told.forgotten")

    def _back(self, said: str) -> web.Response:
        response = web.Response(status=303, headers={"Location": "/spam"})
        self._look.tell(response, said)
        return response


def _key(request: web.Request) -> UUID:
    return key_in_path(request, "entry")


def _shown(key: str, sees: bool) -> str:
    kind, _, value = key.partition(":")
    return f"@{value}" if kind == "domain" else value if sees else mask.address(value)
