"""Reads for pages, the API and the command line."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from desk import view
from desk.change import NoSuchTicket
from storage import organisation as organisations
from storage import tickets
from storage.database import Connection, Database
from storage.tickets import Filter
from tickets.boundary import EVERYWHERE, Boundary
from tickets.organisation import Organisation


class Reading:
    """Answers questions about tickets; keeps the organisation in memory until it changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._organisation = Organisation(version=-1)

    async def organisation(self) -> Organisation:
        """The organisation as it is now."""
        return await self._database.read(self._current)

    def current(self, connection: Connection) -> Organisation:
        """The organisation as it is now, for a question that is being asked already."""
        return self._current(connection)

    def _current(self, connection: Connection) -> Organisation:
        if organisations.version(connection) != self._organisation.version:
            self._organisation = organisations.load(connection)
        return self._organisation

    async def ticket(self, number: str, language: str, *, within: Boundary = EVERYWHERE) -> dict[str, Any]:
        """Everything about a ticket.

        Raises:
            NoSuchTicket: the number is nobody's, or that of a ticket outside `within`.
        """

        def query(connection: Connection) -> dict[str, Any]:
            found = tickets.find(connection, number, within=within)
            if found is None:
                raise NoSuchTicket(number)
            rows = shown_within(tickets.everything(connection, found), within)
            return view.full(rows, self._current(connection), language)

        return await self._database.read(query)

    async def by_id(self, ticket_id: UUID, language: str, *, within: Boundary = EVERYWHERE) -> dict[str, Any]:
        """Everything about a ticket, by its key.

        Raises:
            NoSuchTicket: the key is nobody's, or that of a ticket outside `within`.
        """

        def query(connection: Connection) -> dict[str, Any]:
            found = tickets.by_id(connection, ticket_id)
            if found is None or not within.holds(found["customer"], found["centre"]):
                raise NoSuchTicket(ticket_id.hex)
            rows = shown_within(tickets.everything(connection, found), within)
            return view.full(rows, self._current(connection), language)

        return await self._database.read(query)

    async def tickets(self, wanted: Filter) -> tuple[list[dict[str, Any]], str | None]:
        """A page of tickets, newest first, and the cursor of the next page."""

        def query(connection: Connection) -> tuple[list[dict[str, Any]], str | None]:
            organisation = self._current(connection)
            rows = tickets.listing(connection, wanted)
            page = rows[: wanted.limit]
            cursor = page[-1]["id"].hex if len(rows) > wanted.limit else None
            return [view.summary(row, organisation) for row in page], cursor

        return await self._database.read(query)


def shown_within(rows: dict[str, Any], within: Boundary) -> dict[str, Any]:
    """The rows of a ticket for somebody who sees only so far.

    Of a person who may belong elsewhere there is only what they wrote under; of linked tickets only those inside.
    """
    if not within:
        return rows
    rows = {**rows, "links": [link for link in rows["links"] if within.holds(link["customer"], link["centre"])]}
    if within.customer and rows["contact"]["customer"] == within.customer:
        return rows
    used = {(said["sender_kind"], said["sender_value"]): said["sender_name"] for said in rows["messages"]}
    ways = [way for way in rows["addresses"] if (way["kind"], way["value"]) in used]
    name = next((used[way["kind"], way["value"]] for way in ways), "")
    return {**rows, "addresses": ways, "contact": {**rows["contact"], "name": name}}
