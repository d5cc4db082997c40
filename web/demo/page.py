"""The page of the demonstration: one's own moves at the left, what comes of them in the middle, Irina at the right.

Everything it shows is real but the relay, which delivers nowhere. Moves are forms; what happens is drawn anew every
second by a small request. Whoever presses has to show the token of this demonstration, so that no other site can.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from aiohttp import web

from web.look.page import Look

ADDRESS = "/demo"


@dataclass(frozen=True, slots=True)
class Received:
    """A mail in Irina's mailbox."""

    subject: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Scene:
    """All there is to see. `ticket` is as `desk.view.full` gives it, or None before the first mail.

    `broken_since` is when the relay was broken; `done` names the moves made; `page` is the address of Irina's page.
    """

    ticket: Mapping[str, Any] | None
    news: list[str]
    mails: list[Received]
    broken_since: datetime | None
    done: frozenset[str]
    page: str


class Play(Protocol):
    """What the page can do to the stage."""

    login: str
    password: str
    address: str

    async def scene(self, language: str) -> Scene:
        """All there is to see now."""
        ...

    async def write(self) -> None:
        """Irina writes a mail."""
        ...

    async def answer(self) -> None:
        """The engineer answers her."""
        ...

    async def toggle_relay(self) -> None:
        """Break the relay, or mend it."""
        ...

    async def reply(self) -> None:
        """Irina replies to the last mail she got."""
        ...

    async def solve(self) -> None:
        """The engineer solves the ticket."""
        ...

    async def again(self) -> None:
        """Begin a new story."""
        ...


MOVES = ("write", "answer", "relay", "reply", "solve")


class DemoPage:
    """`/demo`."""

    def __init__(self, play: Play, look: Look) -> None:
        self._play = play
        self._look = look
        self._token = secrets.token_urlsafe(16)
        self._moves: dict[str, Callable[[], Awaitable[None]]] = {
            "write": play.write,
            "answer": play.answer,
            "relay": play.toggle_relay,
            "reply": play.reply,
            "solve": play.solve,
            "again": play.again,
        }

    def routes(self) -> list[web.RouteDef]:
        """The addresses."""
        return [
            web.get(ADDRESS, self._show),
            web.get(f"{ADDRESS}/scene", self._part),
            web.post(f"{ADDRESS}/{{move}}", self._move),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        return await self._draw(request)

    async def _part(self, request: web.Request) -> web.Response:
        return await self._draw(request, fragment="scene")

    async def _draw(self, request: web.Request, fragment: str = "") -> web.Response:
        scene = await self._play.scene(self._look.reader(request).language)
        return self._look.render(
            request,
            "demo/demo.html.j2",
            fragment=fragment,
            headers={"Cache-Control": "no-store"},
            scene=scene,
            play=self._play,
            moves=MOVES,
            token=self._token,
        )

    async def _move(self, request: web.Request) -> web.Response:
        move = self._moves.get(request.match_info["move"])
        if move is None:
            return self._look.error(request, 404)
        form = await request.post()
        if not hmac.compare_digest(str(form.get("token", "")).encode(), self._token.encode()):
            return self._look.error(request, 403, back=ADDRESS)
        await move()
        if request.headers.get("HX-Request"):
            return await self._draw(request, fragment="scene")
        return web.Response(status=303, headers={"Location": ADDRESS})
