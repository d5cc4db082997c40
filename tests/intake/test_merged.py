"""What is written to a ticket that goes on as another one."""

from __future__ import annotations

from typing import Any

from desk import merge
from desk.actor import Actor
from desk.change import Changes
from tickets.address import Address, AddressKind
from tickets.message import Accepted

PAVEL = Address(AddressKind.EMAIL, "pavel@north.example", "Павел")


async def test_who_was_copied_joins_the_living_ticket_once(desk: Any) -> None:
    living: Accepted = await desk.take(desk.mail())
    merged: Accepted = await desk.take(desk.mail(cc=(PAVEL,)))
    somebody = Actor("staff:a.romanov")
    await desk.database.write(
        lambda c: merge.merge(Changes(c, desk.site, desk.clock.now()), merged.number, living.number, somebody)
    )
    for _ in range(3):
        assert (await desk.take(desk.reply(merged, sender=PAVEL.value))).number == living.number
    events = [row["what"] for row in await desk.rows("events")]
    assert (events.count("participant_added"), events.count("participant_replied")) == (1, 3)
