"""Quarantine: what was taken and kept, yet is no ticket, why, and what a person makes of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from aiohttp import web

from channels.email import anatomy
from desk import mask
from desk.quarantine import NoSuchEntry, Read, Replayed
from desk.quarantine_desk import QuarantineDesk
from desk.visitor import Visitor
from storage.quarantine import DISCARDED, HELD, REPLAYED, SPAM, Filter
from tickets.role import Right
from web.console.forms import key_in_path, key_of, posted, text_of
from web.console.gate import Gate
from web.console.ticket_files import SHOWN_RAW, download, lines_of
from web.look.page import Look
from web.look.refusal import Refusal

Row = dict[str, Any]

PAGE = "console/quarantine.html.j2"
STATES = (HELD, REPLAYED, DISCARDED)
VIEWS = ("text", "raw", "parts")


class QuarantinePages:
    """`/quarantine`; `read` makes messages of raw mail."""

    def __init__(self, desk: QuarantineDesk, read: Read, look: Look, gate: Gate) -> None:
        self._desk = desk
        self._read = read
        self._look = look
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/quarantine", self._list),
            web.get("/quarantine/{entry}", self._one),
            web.get("/quarantine/{entry}/raw", self._raw),
            web.post("/quarantine/{entry}/replay", self._replay),
            web.post("/quarantine/{entry}/accept", self._accept),
            web.post("/quarantine/{entry}/discard", self._discard),
            web.post("/quarantine/{entry}/hold", self._hold),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.QUARANTINE_READ)
        return await self._draw(request, visitor, None)

    async def _one(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.QUARANTINE_READ)
        return await self._draw(request, visitor, key_in_path(request, "entry"))

    async def _draw(
        self, request: web.Request, visitor: Visitor, entry: UUID | None, status: int = 200, **more: Any
    ) -> web.Response:
        query = request.query
        state = query.get("state", "")
        before = query.get("before", "")
        wanted = Filter(
            state=state if state in STATES else HELD,
            channel=query.get("channel", "").replace("\x00", "")[:16],
            reason=query.get("reason", "").replace("\x00", "")[:40],
            without=SPAM,
            before=key_of(before) if before else None,
            limit=30,
        )
        rows, cursor, counts, reasons = await self._desk.listing(wanted)
        opened: Row | None = None
        if entry is not None:
            opened = await self._opened(request, visitor, entry)
        sees = visitor.may(Right.ADDRESSES_SEE)
        show = str if sees else mask.address
        said: Row = {
            "rows": [{**row, "from": show(_sender(row))} for row in rows],
            "next": cursor or "",
            "counts": counts,
            "reasons": reasons,
            "state": wanted.state,
            "states": STATES,
            "reason": wanted.reason,
            "channel": wanted.channel,
            "opened": opened,
            "refused": "",
            "writes": visitor.may(Right.QUARANTINE_WRITE),
            "sees": sees,
        }
        return self._look.render(request, PAGE, status, **(said | more))

    async def _opened(self, request: web.Request, visitor: Visitor, entry: UUID) -> Row:
        """One entry with what the chosen view of it shows."""
        try:
            row = await self._desk.book.show(entry)
        except NoSuchEntry:
            raise Refusal(404) from None
        sees = visitor.may(Right.ADDRESSES_SEE)
        view = request.query.get("view", "text")
        view = view if view in VIEWS and (sees or view != "raw") else "text"
        show = str if sees else mask.address
        try:
            raw: bytes | None = await self._desk.book.raw(entry)
        except NoSuchEntry:
            raw = None
        if raw is not None:
            await self._gate.saw(visitor, f"quarantine.{view}_viewed", entry.hex)
        found: Row = {
            **row,
            "view": view,
            "from": show(_sender(row)),
            "to": ", ".join(show(str(each)) for each in (row["envelope"] or {}).get("rcpt_to") or ()),
            "peer": str((row["envelope"] or {}).get("peer", "")),
            "kept": raw is not None,
            "cut": raw is not None and len(raw) > SHOWN_RAW,
            "lines": lines_of(raw) if raw is not None and view == "raw" else [],
            "parts": anatomy.parts_of(raw) if raw is not None and view == "parts" and row["channel"] == "email" else [],
            "text": "",
            "subject": "",
        }
        if raw is not None:
            found["subject"], found["text"] = anatomy.gist_of(raw) if row["channel"] == "email" else ("", "")
            if not found["text"] and sees:
                found["text"] = "\n".join(lines_of(raw[:20_000]))
        return found

    async def _raw(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.QUARANTINE_READ)
        if not visitor.may(Right.ADDRESSES_SEE):
            raise Refusal(403, "gate.right")
        entry = key_in_path(request, "entry")
        try:
            raw = await self._desk.book.raw(entry)
            row = await self._desk.book.show(entry)
        except NoSuchEntry:
            raise Refusal(404) from None
        await self._gate.saw(visitor, "quarantine.raw_taken", entry.hex)
        return download(f"quarantine-{entry.hex[-8:]}.{'eml' if row['channel'] == 'email' else 'bin'}", raw)

    # ---- moves ----------------------------------------------------------------------------------------------------

    async def _replay(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.QUARANTINE_WRITE)
        entry = key_in_path(request, "entry")
        try:
            replayed = await self._desk.replay(entry, self._read, visitor)
        except NoSuchEntry:
            raise Refusal(404) from None
        if not replayed.number:
            return await self._draw(request, visitor, entry, 409, refused="replay")
        return self._to_ticket(replayed)

    async def _accept(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.QUARANTINE_WRITE)
        entry = key_in_path(request, "entry")
        form = await posted(request)
        subject = text_of(form, "subject").strip()
        try:
            return self._to_ticket(await self._desk.accept(entry, visitor, subject))
        except NoSuchEntry:
            raise Refusal(404) from None

    def _to_ticket(self, replayed: Replayed) -> web.Response:
        response = web.Response(status=303, headers={"Location": f"/tickets/{quote(replayed.number)}"})
        already = replayed.already
        self._look.tell(response, "quarantine.told.was" if already else "quarantine.told.taken", number=replayed.number)
        return response

    async def _discard(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.QUARANTINE_WRITE)
        entry = key_in_path(request, "entry")
        reason = text_of(await posted(request), "reason").strip()
        if not reason:
            return await self._draw(request, visitor, entry, 422, refused="reason")
        try:
            await self._desk.discard(entry, reason, visitor)
        except NoSuchEntry:
            raise Refusal(404) from None
        response = web.Response(status=303, headers={"Location": "/quarantine"})
        self._look.tell(response, "quarantine.told.discarded", undo=f"/quarantine/{entry.hex}/hold")
        return response

    async def _hold(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.QUARANTINE_WRITE)
        entry = key_in_path(request, "entry")
        await self._desk.hold_again(entry, visitor)
        return web.Response(status=303, headers={"Location": f"/quarantine/{entry.hex}"})


def _sender(row: Row) -> str:
    return str((row["envelope"] or {}).get("mail_from") or "")
