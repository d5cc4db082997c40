"""`/t/{token}`: the page of one ticket for its author."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from aiohttp import web

from channels.base import NotAcceptedNow
from channels.webform import files as form_files
from channels.webform.form import FileLimits
from desk.attachments import File, Files, NoSuchFile
from desk.author_page import AuthorPages, NoSuchPage, Reply
from desk.author_verbs import NotNow
from desk.author_view import AuthorView, reopening_days
from desk.change import Refused
from desk.site import Site
from outbound.dates import zone_words
from web.look import dates
from web.look.page import Look
from web.look.refusal import Refusal
from web.portal.days import on_day
from web.portal.door import SECRECY, Door, Sent

FOLDED = 3
"""So many messages are shown at once; older ones unfold."""

_FORM_ROOM = 100_000
_LIMITS = FileLimits()


class AuthorPage:
    """Routes of the page; every one of them begins with the token, and those without a good one end alike."""

    def __init__(
        self,
        pages: AuthorPages,
        look: Look,
        door: Door,
        site: Site,
        *,
        files: Files | None = None,
        limits: FileLimits = _LIMITS,
    ) -> None:
        self._pages = pages
        self._look = look
        self._door = door
        self._site = site
        self._files = files
        self._limits = limits

    def routes(self) -> list[web.RouteDef]:
        """The page, its files, and what is pressed on it."""
        verbs: dict[str, Callable[[web.Request, str], Awaitable[web.Response]]] = {
            "reply": self._reply,
            "confirm": partial(self._press, self._pages.confirm, "author.confirmed"),
            "object": partial(self._press, self._pages.reopen, "author.objected"),
            "reopen": partial(self._press, self._pages.reopen, "author.reopened"),
            "withdraw": partial(self._press, self._pages.withdraw, "author.withdrawn"),
            "revoke": self._revoke,
            "rate": self._rate,
        }
        return [
            web.get("/t/{token}", self._guarded(self._show)),
            web.get("/t/{token}/news", self._guarded(self._news)),
            web.get("/t/{token}/files/{id}", self._guarded(self._file)),
            *(web.post(f"/t/{{token}}/{name}", self._guarded(verb)) for name, verb in verbs.items()),
        ]

    def _guarded(
        self, handler: Callable[[web.Request, str], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            try:
                return await handler(request, request.match_info["token"])
            except (NoSuchPage, NoSuchFile):
                return gone(self._look, request, self._door)
            except Refusal as refusal:
                return self._look.error(request, refusal.status, key=refusal.key, headers=SECRECY, facts=refusal.facts)

        return guarded

    # ---- showing --------------------------------------------------------------------------------------------------

    async def _show(self, request: web.Request, token: str) -> web.Response:
        return self._draw(request, token, await self._pages.show(token))

    def _draw(
        self, request: web.Request, token: str, page: AuthorView, *, status: int = 200, error: str = "", text: str = ""
    ) -> web.Response:
        reader = self._look.reader(request)
        told = partial(dates.told, zone=page.zone, now=reader.now, language=reader.language)

        def date(at: Any, form: str = "default") -> str:
            return "" if at is None else told(at, form)

        def on(at: datetime) -> str:
            return on_day(at, zone=page.zone, now=reader.now, language=reader.language)

        return self._look.render(
            request,
            "portal/author.html.j2",
            status,
            headers=SECRECY,
            page=page,
            base=f"/t/{token}",
            form_fields=lambda: self._door.form_fields(token.lower()),
            date=date,
            on_day=on,
            zone=page.zone,
            zone_words=zone_words(page.zone, reader.language),
            folded=max(0, len(page.messages) - FOLDED),
            reopening_days=reopening_days(self._site),
            limits=self._limits,
            my_offered=bool(self._site.public_url),
            error=error,
            typed=text,
        )

    async def _news(self, request: web.Request, token: str) -> web.Response:
        """Nothing (204) while the page is as it was drawn, else a sentence with a link to draw it anew."""
        page = await self._pages.show(token)
        if request.query.get("version") == str(page.version):
            return web.Response(status=204, headers=SECRECY)
        return self._look.render(request, "portal/news.html.j2", headers=SECRECY, base=f"/t/{token}")

    async def _file(self, request: web.Request, token: str) -> web.Response:
        page = await self._pages.show(token)
        try:
            wanted = UUID(request.match_info["id"])
        except ValueError:
            raise NoSuchPage from None
        if self._files is None or wanted.hex not in {f["id"] for m in page.messages for f in m["files"]}:
            raise NoSuchPage
        return _download(await self._files.fetch(wanted))

    # ---- pressing -------------------------------------------------------------------------------------------------

    async def _press(
        self, verb: Callable[[str], Awaitable[None]], said: str, request: web.Request, token: str
    ) -> web.Response:
        await self._door.take(request, token.lower())
        try:
            await verb(token)
        except NotNow:
            return self._back(token, "author.not_now")
        return self._back(token, said)

    async def _rate(self, request: web.Request, token: str) -> web.Response:
        sent = await self._door.take(request, token.lower())
        score = sent.fields.get("score", "")
        if score not in {"1", "2", "3", "4", "5"}:
            return self._back(token, "author.rate_none", anchor="#rate")
        try:
            await self._pages.rate(token, int(score), sent.fields.get("comment", ""))
        except NotNow:
            return self._back(token, "author.not_now")
        return self._back(token, "author.rated")

    async def _revoke(self, request: web.Request, token: str) -> web.Response:
        await self._door.take(request, token.lower())
        await self._pages.revoke(token)
        return gone(self._look, request, self._door, revoked=True)

    async def _reply(self, request: web.Request, token: str) -> web.Response:
        sent = await self._door.take(request, token.lower(), most=self._limits.total + _FORM_ROOM)
        text = sent.fields.get("text", "")
        refused = self._refusal(request, sent)
        if refused:
            return self._draw(request, token, await self._pages.show(token), status=422, error=refused, text=text)
        attachments = tuple(form_files.attachment(part) for part in sent.files)
        try:
            await self._pages.reply(token, Reply(sent.nonce, text, sent.raw, attachments))
        except NotAcceptedNow:
            said = self._look.say(request, "author.busy")
            try:
                page = await self._pages.show(token)
            except NoSuchPage:
                raise
            except Exception:
                raise Refusal(503) from None
            return self._draw(request, token, page, status=503, error=said, text=text)
        except Refused:
            said = self._look.say(request, "author.empty")
            return self._draw(request, token, await self._pages.show(token), status=422, error=said)
        return self._back(token, "author.replied")

    def _refusal(self, request: web.Request, sent: Sent) -> str:
        """What is wrong with a reply before anybody reads it, in words; empty where nothing is."""
        limits, say = self._limits, partial(self._look.say, request)
        if not sent.fields.get("text", "").strip() and not sent.files:
            return say("author.empty")
        if len(sent.files) > limits.count:
            return say("author.files_many", n=limits.count)
        if sum(len(part.data) for part in sent.files) > limits.total:
            return say("author.files_total", size=dates.size(limits.total, self._look.reader(request).language))
        for part in sent.files:
            name = form_files.name_of(part)
            why = form_files.refusal(name, part.data, limits)
            if why:
                size = dates.size(limits.each, self._look.reader(request).language)
                return say(f"author.file_{why}", name=name, size=size)
        return ""

    def _back(self, token: str, said: str, *, anchor: str = "") -> web.Response:
        response = web.Response(status=303, headers={**SECRECY, "Location": f"/t/{token}{anchor}"})
        self._look.tell(response, said)
        return response


def gone(look: Look, request: web.Request, door: Door, *, revoked: bool = False) -> web.Response:
    """The page of a link that opens nothing: forged, expired, revoked, or one that never was."""
    return look.render(
        request,
        "portal/gone.html.j2",
        200 if revoked else 404,
        headers=SECRECY,
        form_fields=lambda: door.form_fields("my"),
        revoked=revoked,
        my_offered=bool(look.site.public_url),
    )


def _download(file: File) -> web.Response:
    from urllib.parse import quote

    return web.Response(
        body=file.data,
        content_type="application/octet-stream",
        headers={
            **SECRECY,
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )
