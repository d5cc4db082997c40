"""The page of one ticket, and what is done on it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aiohttp import web
from aiohttp.multipart import BodyPartReader

from desk import reply, typed
from desk.canned import NoSuchAnswer
from desk.change import Refused
from desk.classify import Properties
from desk.ticket_desk import ChangedMeanwhile, TicketDesk
from desk.ticket_look import Preview
from desk.visitor import Visitor
from outbound.render import RenderFailed
from tickets.key import new_key
from tickets.priority import Level
from tickets.role import Right
from tickets.status import IllegalMove, Status
from web.console.forms import key_in_path, key_of, posted, see, text_of
from web.console.gate import Gate
from web.console.ticket_view import TicketView
from web.look.page import Look, local
from web.look.refusal import Refusal

Row = dict[str, Any]

PAGE = "console/ticket.html.j2"
LONGEST = 100_000
"""Characters of one message of ours."""

_FILE_NAME = 150


class TicketPages:
    """`/tickets/{number}` and the forms on it."""

    def __init__(self, desk: TicketDesk, look: Look, gate: Gate) -> None:
        self._desk = desk
        self._look = look
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/tickets/{number}", self._show),
            web.get("/tickets/{number}/live", self._live),
            web.post("/tickets/{number}/messages", self._post),
            web.post("/tickets/{number}/draft", self._draft),
            web.post("/tickets/{number}/preview", self._preview),
            web.post("/tickets/{number}/draft/files/{file}/drop", self._drop_file),
            web.post("/tickets/{number}/undo/{nonce}", self._undo),
            web.post("/tickets/{number}/status", self._status),
            web.post("/tickets/{number}/assign", self._assign),
            web.post("/tickets/{number}/classify", self._classify),
            web.post("/tickets/{number}/copies", self._copy),
            web.post("/tickets/{number}/copies/drop", self._drop_copy),
        ]

    # ---- showing --------------------------------------------------------------------------------------------------

    async def _show(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        number = request.match_info["number"]
        return await self._draw(request, visitor, number, look=True)

    async def _live(self, request: web.Request) -> web.Response:
        """What changed since the page was drawn, for scripts; who asks has been noted with the page."""
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        number = request.match_info["number"]
        seen = key_of(request.query.get("seen", ""))
        news = await self._desk.unseen(number, visitor, seen) if seen else 0
        return await self._draw(request, visitor, number, fragment="live", news=news)

    async def _draw(
        self,
        request: web.Request,
        visitor: Visitor,
        number: str,
        *,
        status: int = 200,
        fragment: str = "",
        look: bool = False,
        **more: Any,
    ) -> web.Response:
        """The page, or a fragment of it; `more` is what it has to say besides. With `look` it is noted who sees it."""
        rows, organisation = await self._desk.page(number, visitor, whole="all" in request.query)
        if look:
            await self._desk.look_at(number, visitor)
        view = TicketView(rows, organisation, self._desk.site, visitor, self._desk.clock.now())
        context = view.context()
        mode = str(more.pop("mode", "") or request.query.get("mode", ""))
        if mode not in reply.MODES:
            mode = _mode_to_begin_with(rows, visitor)
        text = str(more.pop("text", context["drafts"].get(mode, "")))
        preview = None
        if mode == reply.REPLY and not fragment and visitor.may(Right.TICKETS_WRITE):
            preview = await self._previewed(rows["ticket"]["number"], visitor, text, more.get("status_along"))
        said: Row = {
            "mode": mode,
            "text": text,
            "preview": preview,
            "nonce": new_key().hex,
            "back": local(request.query.get("back", ""), "/queue"),
            "overtaken": None,
            "changed": None,
            "refused": "",
            "news": 0,
            "status_along": None,
            "partial": bool(fragment),
            "undo_seconds": int(self._desk.limits.undo.total_seconds()),
            "file_room": self._desk.limits.files,
            "only_trouble": "trouble" in request.query,
            "whole": "all" in request.query,
        }
        return self._look.render(request, PAGE, status, fragment=fragment, **(context | said | more))

    async def _previewed(self, number: str, visitor: Visitor, text: str, status: Any) -> Preview | None:
        try:
            return await self._desk.preview(number, visitor, text, status if isinstance(status, Status) else None)
        except RenderFailed:
            return None

    # ---- answering ------------------------------------------------------------------------------------------------

    async def _post(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE, csrf=False)
        form = await self._read(request, visitor)
        number = request.match_info["number"]
        mode, text = form["mode"], form["text"]
        status = _status(form.get("status", ""))
        kept = await self._keep(request, visitor, number, form)
        if kept is not None:
            return kept
        letter = reply.Letter(
            mode=mode,
            text=text,
            nonce=_nonce(form.get("nonce", "")),
            status=status,
            seen=key_of(form.get("seen", "")),
            anyway=form.get("anyway") == "yes",
        )
        again: Row = {"mode": mode, "text": text, "status_along": status}
        try:
            said = await self._desk.post(number, visitor, letter)
        except reply.Overtaken as other:
            return await self._draw(request, visitor, number, status=409, overtaken=other.entries, **again)
        except (Refused, IllegalMove) as error:
            return await self._draw(request, visitor, number, status=422, refused=_code(error), **again)
        response = see(f"/tickets/{quote(said.number)}#m-{said.message_id.hex if said.message_id else ''}")
        if mode == reply.REPLY:
            undo = f"/tickets/{quote(said.number)}/undo/{letter.nonce}" if self._desk.limits.undo else ""
            self._look.tell(response, "ticket.told.answered", undo=undo)
        else:
            self._look.tell(response, "ticket.told.commented")
        return response

    async def _draft(self, request: web.Request) -> web.Response:
        """Keep what is being written, then do what the button says: another mode, a canned answer, files."""
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE, csrf=False)
        form = await self._read(request, visitor)
        number = request.match_info["number"]
        kept = await self._keep(request, visitor, number, form)
        if kept is not None:
            return kept
        mode = form["mode"]
        if answer := key_of(form.get("canned", "")):
            try:
                filled = await self._desk.canned(number, visitor, answer)
            except NoSuchAnswer:
                raise Refusal(404) from None
            joined = f"{form['text'].rstrip()}\n\n{filled}" if form["text"].strip() else filled
            await self._desk.keep_draft(number, visitor, mode, joined)
        to = form.get("to", "")
        return see(f"/tickets/{quote(number)}?mode={to if to in reply.MODES else mode}#composer")

    async def _preview(self, request: web.Request) -> web.Response:
        """What the author would get, while it is being typed; keeps the draft on the way."""
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        form = await posted(request)
        number = request.match_info["number"]
        mode, text = _mode(text_of(form, "mode")), text_of(form, "text")[:LONGEST]
        await self._desk.keep_draft(number, visitor, mode, text)
        status = _status(text_of(form, "status"))
        preview = await self._previewed(number, visitor, text, status) if mode == reply.REPLY else None
        return self._look.render(
            request,
            "console/ticket_preview.html.j2",
            mode=mode,
            preview=preview,
            draft_kept=bool(text.strip()),
            sees_addresses=visitor.may(Right.ADDRESSES_SEE),
        )

    async def _drop_file(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        number = request.match_info["number"]
        await self._desk.drop_file(number, visitor, key_in_path(request, "file"))
        mode = _mode(request.query.get("mode", ""))
        return see(f"/tickets/{quote(number)}?mode={mode}#composer")

    async def _undo(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        number = request.match_info["number"]
        try:
            await self._desk.take_back(number, visitor, _nonce(request.match_info["nonce"]))
        except Refused as error:
            return await self._draw(request, visitor, number, status=409, refused=_code(error))
        response = see(f"/tickets/{quote(number)}?mode=reply#composer")
        self._look.tell(response, "ticket.told.withdrawn")
        return response

    # ---- properties -----------------------------------------------------------------------------------------------

    async def _status(self, request: web.Request) -> web.Response:
        visitor, form = await self._asked(request)
        number = request.match_info["number"]
        new = _status(form.get("status", ""))
        if new is None:
            raise Refusal(400)
        work = self._desk.status(number, visitor, new, form.get("comment", "")[:LONGEST], key_of(form.get("seen", "")))
        return await self._changed(request, visitor, number, work)

    async def _assign(self, request: web.Request) -> web.Response:
        visitor, form = await self._asked(request)
        number = request.match_info["number"]
        whom = {name: form[name] for name in ("assignee", "group", "centre") if name in form}
        return await self._changed(
            request, visitor, number, self._desk.assign(number, visitor, key_of(form.get("seen", "")), **whom)
        )

    async def _classify(self, request: web.Request) -> web.Response:
        visitor, form = await self._asked(request)
        number = request.match_info["number"]
        try:
            wanted = Properties(
                type=form.get("type"),
                category=form.get("category"),
                impact=Level(form["impact"]) if form.get("impact") else None,
                urgency=Level(form["urgency"]) if form.get("urgency") else None,
                customer=form.get("customer"),
            )
        except ValueError:
            raise Refusal(400) from None
        return await self._changed(
            request, visitor, number, self._desk.classify(number, visitor, key_of(form.get("seen", "")), wanted)
        )

    async def _copy(self, request: web.Request) -> web.Response:
        visitor, form = await self._asked(request)
        number = request.match_info["number"]
        work = self._desk.add_participant(number, visitor, form.get("address", ""), form.get("name", ""))
        return await self._changed(request, visitor, number, work)

    async def _drop_copy(self, request: web.Request) -> web.Response:
        visitor, form = await self._asked(request)
        number = request.match_info["number"]
        # the key is not shown to those who see no addresses, and they change nothing
        work = self._desk.remove_participant(number, visitor, form.get("key", ""))
        return await self._changed(request, visitor, number, work)

    async def _changed(self, request: web.Request, visitor: Visitor, number: str, work: Any) -> web.Response:
        fragment = "properties" if request.headers.get("HX-Request") else ""
        try:
            await work
        except ChangedMeanwhile as other:
            status = 422 if fragment else 409
            return await self._draw(request, visitor, number, status=status, fragment=fragment, changed=other.entries)
        except (Refused, IllegalMove) as error:
            return await self._draw(request, visitor, number, status=422, fragment=fragment, refused=_code(error))
        if fragment:
            return await self._draw(request, visitor, number, fragment=fragment)
        response = see(f"/tickets/{quote(number)}")
        self._look.tell(response, "ticket.told.saved")
        return response

    async def _asked(self, request: web.Request) -> tuple[Visitor, dict[str, str]]:
        visitor = await self._gate.staff(request, Right.TICKETS_WRITE)
        form = await posted(request)
        return visitor, {name: text_of(form, name) for name in form}

    # ---- reading a form with files --------------------------------------------------------------------------------

    async def _read(self, request: web.Request, visitor: Visitor) -> Row:
        """The fields of the composer; `files` are what was chosen."""
        fields: Row = {"files": []}
        if request.content_type == "multipart/form-data":
            reader = await request.multipart()
            while (part := await reader.next()) is not None:
                if not isinstance(part, BodyPartReader):
                    raise Refusal(400)
                if part.filename is not None:
                    octets = await _whole(part, self._desk.limits.files)
                    if part.filename and octets:
                        fields["files"].append(_file(part, octets))
                elif part.name:
                    octets = await _whole(part, 4 * LONGEST)
                    fields[part.name] = octets.decode("utf-8", "replace")
        else:
            form = await posted(request)
            fields |= {name: text_of(form, name) for name in form}
        token = request.headers.get("X-CSRF-Token") or str(fields.get("csrf", ""))
        self._gate.check_token(visitor, token)
        fields["mode"] = _mode(str(fields.get("mode", "")))
        fields["text"] = typed.lines(str(fields.get("text", ""))).replace("\r\n", "\n")[:LONGEST]
        return fields

    async def _keep(self, request: web.Request, visitor: Visitor, number: str, form: Row) -> web.Response | None:
        """Keep text and files before anything else is tried; an answer where the files cannot be kept."""
        nonce = str(form.get("nonce", ""))
        await self._desk.keep_draft(number, visitor, form["mode"], form["text"], nonce)
        if form["files"]:
            try:
                await self._desk.keep_files(number, visitor, form["files"], nonce)
            except Refused as error:
                return await self._draw(
                    request, visitor, number, status=422, refused=_code(error), mode=form["mode"], text=form["text"]
                )
        return None


def _mode_to_begin_with(rows: Mapping[str, Any], visitor: Visitor) -> str:
    """An answer, or a comment where the last thing anybody of us said was one."""
    drafts = rows["drafts"]
    if len(drafts) == 1:
        return str(next(iter(drafts)))
    ours = [m for m in rows["messages"] if m["direction"] == "out" and m["account"] == visitor.actor.label]
    commented = bool(ours) and not ours[-1]["public"] and not (ours[-1]["detail"] or {}).get("withdrawn")
    return reply.COMMENT if commented or rows["forecast"].refusal else reply.REPLY


async def _whole(part: BodyPartReader, most: int) -> bytes:
    octets = bytearray()
    while chunk := await part.read_chunk(65_536):
        octets += chunk
        if len(octets) > most:
            raise Refusal(413)
    return bytes(part.decode(bytes(octets)))


def _file(part: BodyPartReader, octets: bytes) -> Row:
    name = (part.filename or "").replace("\\", "/").rpartition("/")[2]
    clean = "".join(c for c in name if c.isprintable() and c not in '"<>|:*?').strip(" .")
    stem, dot, extension = clean.rpartition(".")
    if len(clean) > _FILE_NAME:
        clean = f"{stem[: _FILE_NAME - 12]}{dot}{extension[:10]}" if dot else clean[:_FILE_NAME]
    kind = part.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return {
        "name": clean or "file",
        "content_type": kind[:255] if kind.isascii() and kind.isprintable() and kind else "application/octet-stream",
        "sha256": hashlib.sha256(octets).digest(),
        "octets": octets,
    }


def _mode(text: str) -> str:
    return text if text in reply.MODES else reply.REPLY


def _status(text: str) -> Status | None:
    return Status(text) if text in set(Status) else None


def _nonce(text: str) -> str:
    """The form's own key; a form without one is taken once and cannot be told from its repetition."""
    return text if text.isascii() and text.isalnum() and len(text) <= 64 else new_key().hex


def _code(error: Refused | IllegalMove) -> str:
    return "illegal" if isinstance(error, IllegalMove) else error.code or "other"
