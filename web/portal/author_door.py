"""Puts the pages of authors together."""

from __future__ import annotations

from aiohttp import web

from desk.attachments import Files
from desk.author_page import AuthorPages
from desk.intake import Intake
from desk.my_tickets import MyPages
from desk.site import Site
from storage.database import Database
from tickets.clock import Clock
from web.look.page import Look
from web.portal.author import AuthorPage
from web.portal.door import Door
from web.portal.my import MyTicketPages


class AuthorDoor:
    """`/t/{token}` and `/my`. `settle` waits for what was promised and is not done yet; call it before the end.

    Raises:
        ValueError: the site has nothing to sign links with.
    """

    def __init__(
        self, database: Database, intake: Intake, site: Site, clock: Clock, look: Look, files: Files | None = None
    ) -> None:
        if site.pages is None:
            raise ValueError("the site has nothing to sign links with")
        door = Door(site.pages, clock)
        self._page = AuthorPage(AuthorPages(database, intake, site, clock), look, door, site, files=files)
        self._my = MyTicketPages(MyPages(database, site, clock, intake.on_queued), look, door)

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [*self._page.routes(), *self._my.routes()]

    async def settle(self) -> None:
        """Wait until every link that was asked for is on its way."""
        await self._my.settle()
