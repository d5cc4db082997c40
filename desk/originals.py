"""Messages as they came: the raw bytes, and their HTML made harmless."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from desk.change import NoSuchTicket
from storage import blobs, conversation, tickets
from storage.database import Connection, Database
from tickets.boundary import EVERYWHERE, Boundary

Row = dict[str, Any]

ToHtml = Callable[[bytes], str]
"""The sanitised HTML of a channel's raw input; empty where it has none."""


class NoOriginal(LookupError):
    """The ticket has no such message, the message was not sent to us, or its bytes were removed in time."""


class Originals:
    """Fetches what came in. `htmls` know the raw input of each channel that may hold HTML."""

    def __init__(self, database: Database, htmls: Mapping[str, ToHtml]) -> None:
        self._database = database
        self._htmls = htmls

    async def raw(self, number: str, message_id: UUID, *, within: Boundary = EVERYWHERE) -> tuple[bytes, str]:
        """The bytes of a ticket's message and the channel they came by.

        Raises:
            NoSuchTicket: the number is nobody's, or that of a ticket outside `within`.
            NoOriginal: there is no such message on it, or there are no bytes of it.
        """

        def look(connection: Connection) -> tuple[bytes | None, str]:
            ticket = tickets.find(connection, number, within=within)
            if ticket is None:
                raise NoSuchTicket(number)
            row = conversation.message_of(connection, [ticket["id"]], message_id)
            if row is None:
                raise NoOriginal(f"{ticket['number']} has no message {message_id.hex}")
            found = blobs.fetch(connection, row["raw_sha256"]) if row["raw_sha256"] else None
            return found, row["channel"]

        found, channel = await self._database.read(look)
        if found is None:
            raise NoOriginal("nothing is kept of this message but its text")
        return found, channel

    async def html(self, number: str, message_id: UUID, *, within: Boundary = EVERYWHERE) -> str:
        """The HTML of a ticket's message without anything that runs or loads.

        Raises:
            NoSuchTicket: as for `raw`.
            NoOriginal: as for `raw`, or the message has no HTML.
        """
        raw, channel = await self.raw(number, message_id, within=within)
        to_html = self._htmls.get(channel)
        # reading a large mail again takes long enough for others to notice
        found = await asyncio.to_thread(to_html, raw) if to_html is not None else ""
        if not found:
            raise NoOriginal("this message has no HTML; its words are in `text`")
        return found

    async def ticket_id(self, number: str, *, within: Boundary = EVERYWHERE) -> UUID:
        """The key of a ticket.

        Raises:
            NoSuchTicket: the number is nobody's, or that of a ticket outside `within`.
        """
        found = await self._database.read(lambda connection: tickets.find(connection, number, within=within))
        if found is None:
            raise NoSuchTicket(number)
        key: UUID = found["id"]
        return key
