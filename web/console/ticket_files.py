"""What came from outside, given to a browser so that nothing in it runs, loads or leaves: files, mail, its HTML."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web

from channels.email import frame
from desk.attachments import Files, NoSuchFile
from desk.ticket_desk import TicketDesk
from tickets.role import Right
from web.console.forms import key_in_path
from web.console.gate import Gate
from web.look.page import Look
from web.look.refusal import Refusal

ToDocument = Callable[[bytes, str], str]

_STYLE = b64encode(hashlib.sha256(frame.STYLE.encode()).digest()).decode("ascii")

FRAME_POLICY = (
    f"sandbox; default-src 'none'; img-src data:; style-src 'sha256-{_STYLE}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Of a document made of a stranger's HTML: an origin of its own, no scripts, no forms, pictures of its own alone."""

DOWNLOAD_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"

_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SHOWN_RAW = 200_000
"""Octets of a raw message that are shown; the rest is in the download."""


def download(name: str, data: bytes) -> web.Response:
    """Bytes of a stranger as a file to save, never to be shown.

    The name stands in the header as RFC 6266 has it: plain where it is plain, and coded by RFC 8187.
    """
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " ._-()") else "_" for c in name)[:100].strip() or "file"
    coded = quote(name.encode("utf-8", "replace"), safe="")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{coded}"
    headers = {
        **_COMMON,
        "Content-Type": "application/octet-stream",
        "Content-Disposition": disposition,
        "Content-Security-Policy": DOWNLOAD_POLICY,
    }
    return web.Response(body=data, headers=headers)


class TicketFiles:
    """Files of a ticket and its messages as they came. `document` makes a page of a raw mail."""

    def __init__(self, desk: TicketDesk, files: Files, document: ToDocument, look: Look, gate: Gate) -> None:
        self._desk = desk
        self._files = files
        self._document = document
        self._look = look
        self._gate = gate

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get("/tickets/{number}/files/{file}", self._file),
            web.get("/tickets/{number}/messages/{message}/frame", self._frame),
            web.get("/tickets/{number}/messages/{message}/raw", self._raw),
            web.get("/tickets/{number}/messages/{message}/source", self._source),
        ]

    async def _file(self, request: web.Request) -> web.Response:
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        number = request.match_info["number"]
        try:
            file = await self._files.fetch(key_in_path(request, "file"))
        except NoSuchFile:
            raise Refusal(404) from None
        if not await self._desk.owns(number, file.ticket_id):
            raise Refusal(404)
        await self._gate.saw(visitor, "ticket.file_taken", number, {"name": file.name})
        return download(file.name, file.data)

    async def _frame(self, request: web.Request) -> web.Response:
        """The HTML of a mail for the frame of a ticket's page; it is no page of its own."""
        await self._gate.staff(request, Right.TICKETS_READ)
        row = await self._desk.message(request.match_info["number"], key_in_path(request, "message"))
        if row["raw"] is None or row["channel"] != "email":
            raise Refusal(404)
        text = self._document(row["raw"], row["language"])
        if not text:
            # the page of a refusal forbids frames, and the reader would see a broken one
            text = frame.notice(self._look.say(request, "markup.none"))
        headers = {**_COMMON, "Content-Security-Policy": FRAME_POLICY}
        return web.Response(text=text, content_type="text/html", charset="utf-8", headers=headers)

    async def _as_it_came(self, request: web.Request, seen: str) -> tuple[str, dict[str, Any]]:
        """A message with its raw bytes, and the number of its ticket; who looks at it stands in the audit log.

        Raises:
            Refusal: 403 for those who must not see addresses, 404 without raw bytes.
        """
        visitor = await self._gate.staff(request, Right.TICKETS_READ)
        if not visitor.may(Right.ADDRESSES_SEE):
            raise Refusal(403, "gate.right")
        number = request.match_info["number"]
        row = await self._desk.message(number, key_in_path(request, "message"))
        if row["raw"] is None:
            raise Refusal(404)
        await self._gate.saw(visitor, seen, number, {"message": row["id"].hex})
        return number, row

    async def _raw(self, request: web.Request) -> web.Response:
        number, row = await self._as_it_came(request, "ticket.raw_taken")
        return download(f"{number}-{row['id'].hex[-8:]}.{'eml' if row['channel'] == 'email' else 'bin'}", row["raw"])

    async def _source(self, request: web.Request) -> web.Response:
        number, row = await self._as_it_came(request, "ticket.raw_viewed")
        raw: bytes = row["raw"]
        return self._look.render(
            request,
            "console/ticket_source.html.j2",
            number=number.upper(),
            message=row["id"].hex,
            lines=lines_of(raw),
            octets=len(raw),
            cut=len(raw) > SHOWN_RAW,
        )


def lines_of(raw: bytes) -> list[str]:
    r"""The beginning of raw bytes as lines for a page; what is no UTF-8 is shown octet by octet.

    >>> lines_of(b"Subject: \xcf\xf0\r\n\r\nA\x00")
    ['Subject: \\xcf\\xf0', '', 'A\\x00']
    """
    text = raw[:SHOWN_RAW].decode("utf-8", "backslashreplace").replace("\r\n", "\n").replace("\r", "\n")
    shown = "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)
    return [line[:2000] for line in shown.split("\n")][:5000]
