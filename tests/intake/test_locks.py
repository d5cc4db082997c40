"""What two nodes that take mails for the same tickets do to one another; on SQLite there is but one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from desk import merge
from desk.actor import Actor
from desk.change import Changes
from storage.database import Connection
from tests.eventually import eventually
from tickets.address import Address, AddressKind
from tickets.message import Accepted, Refs

pytestmark = pytest.mark.parametrize("laid_out_url", ["postgresql"], indirect=True)

SOMEBODY = Actor("staff:a.romanov")
LOCK = "SELECT 1 FROM tickets WHERE id = %s FOR UPDATE"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def other(laid_out_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else at work in the database, in a transaction."""
    with psycopg.connect(laid_out_url) as connection:
        yield connection


async def until_so_many_wait(url: str, most: int) -> None:
    """Return when so many transactions wait for another."""
    with psycopg.connect(url, autocommit=True) as connection:

        def waiting() -> bool:
            row = connection.execute(WAITING).fetchone()
            return row is not None and row[0] == most

        await eventually(waiting)


@pytest.mark.parametrize("tie", ["references", "number"])
async def test_tickets_are_locked_in_one_order_whatever_leads_to_them(
    desk: Any, other: psycopg.Connection[Any], laid_out_url: str, tie: str
) -> None:
    """Else two groups that are led to the same two tickets in different ways wait for each other."""
    first: Accepted = await desk.take(desk.mail(message_id="first@x.example"))
    second: Accepted = await desk.take(desk.mail())
    assert first.ticket_id < second.ticket_id
    other.execute(LOCK, (UUID(first.ticket_id),))
    tokens = (desk.tokens.sign(UUID(second.ticket_id)),)
    refs = {
        "references": Refs(tokens=tokens, message_ids=("first@x.example",)),
        "number": Refs(tokens=tokens, numbers=(first.number,)),
    }[tie]
    taking = asyncio.create_task(desk.take(desk.mail(refs=refs)))
    await until_so_many_wait(laid_out_url, 1)
    other.execute(f"{LOCK} NOWAIT", (UUID(second.ticket_id),))
    other.rollback()
    assert (await taking).number == second.number


@pytest.mark.parametrize("verb", ["merge", "unmerge", "link"])
async def test_tickets_that_are_merged_are_locked_in_the_same_order(
    desk: Any, other: psycopg.Connection[Any], laid_out_url: str, verb: str
) -> None:
    first: Accepted = await desk.take(desk.mail())
    second: Accepted = await desk.take(desk.mail())

    def change(verb: str) -> Callable[[Connection], Any]:
        given = {"merge": (first.number,), "unmerge": (), "link": (first.number, "related")}[verb]
        return lambda c: getattr(merge, verb)(Changes(c, desk.site, desk.clock.now()), second.number, *given, SOMEBODY)

    if verb == "unmerge":
        await desk.database.write(change("merge"))
    other.execute(LOCK, (UUID(first.ticket_id),))
    changing = asyncio.create_task(desk.database.write(change(verb)))
    await until_so_many_wait(laid_out_url, 1)
    other.execute(f"{LOCK} NOWAIT", (UUID(second.ticket_id),))
    other.rollback()
    await changing


async def test_who_was_copied_joins_once_though_two_groups_read_the_answers(
    desk: Any, other: psycopg.Connection[Any], laid_out_url: str
) -> None:
    """The second waits for the ticket while the first lets its writer take part, and sees it."""
    pavel = Address(AddressKind.EMAIL, "pavel@north.example", "Павел")
    begun: Accepted = await desk.take(desk.mail(cc=(pavel,)))
    # known already: a new sender would keep the two groups apart
    await desk.take(desk.mail(pavel.value))
    other.execute(LOCK, (UUID(begun.ticket_id),))
    answers = []
    for most in (1, 2):
        answers.append(asyncio.create_task(desk.take(desk.reply(begun, sender=pavel.value))))
        await until_so_many_wait(laid_out_url, most)
    other.rollback()
    assert {(await each).number for each in answers} == {begun.number}
    events = [row["what"] for row in await desk.rows("events")]
    assert (events.count("participant_added"), events.count("participant_replied")) == (1, 2)
