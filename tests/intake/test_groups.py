"""However the input of a day falls into groups, the same tickets come of it as if each had been taken in by itself."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk.intake import Input, NotTaken
from storage.database import Connection
from tickets.message import MessageKind, Refs, Unreadable


@dataclass(frozen=True)
class Step:
    """One input; small numbers stand for names, so that they often meet."""

    sender: int
    content: int | None
    key: int | None
    answers: tuple[int, ...]
    kind: MessageKind
    later: int
    readable: bool
    together: bool
    window: int


STEPS = st.lists(
    st.builds(
        Step,
        sender=st.integers(0, 2),
        content=st.none() | st.integers(0, 2),
        key=st.none() | st.integers(0, 2),
        answers=st.lists(st.integers(0, 8), max_size=2).map(tuple),
        kind=st.sampled_from([MessageKind.HUMAN, MessageKind.HUMAN, MessageKind.BOUNCE]),
        later=st.integers(0, 2),
        readable=st.integers(0, 9).map(bool),
        together=st.booleans(),
        window=st.sampled_from([0, 10, 24 * 60]),
    ),
    min_size=2,
    max_size=9,
)


def inputs(desk: Any, steps: list[Step], world: str) -> list[Input]:
    """The steps as inputs of a world of their own: nothing in it has ever been seen in another."""
    units = []
    at = desk.clock.now()
    for number, step in enumerate(steps):
        at += timedelta(minutes=step.later * 7)
        content = number if step.content is None else -step.content - 1
        raw = f"{world} {content}".encode()
        message = desk.mail(
            sender=f"p{step.sender}@{world}.example" if step.sender else "",
            text=f"{content}",
            message_id=f"{number}@{world}",
            refs=Refs(message_ids=tuple(f"{n}@{world}" for n in step.answers)),
            digest=hashlib.sha256(raw).digest(),
            kind=step.kind,
            received_at=at,
            window=timedelta(minutes=step.window),
        )
        if step.key is not None:
            message = replace(message, external_id=f"{world}-{step.key}", fresh=False)
        entry = Unreadable("email", "smtp", "no_headers", at)
        units.append(Input(message if step.readable else entry, raw, hashlib.sha256(raw).digest()))
    return units


async def outcome(desk: Any, groups: list[list[Input]]) -> tuple[list[Any], list[Any]]:
    """What was answered to each input, and every ticket, with its place in the order of making instead of a number."""
    order: dict[str, int] = {}
    answers: list[Any] = []
    for units in groups:

        def work(connection: Connection, units: list[Input] = units) -> list[Any]:
            return list(desk.intake.handle(connection, units))

        for answer in await desk.database.write(work):
            if isinstance(answer, NotTaken):
                answers.append(type(answer).__name__)
            elif answer.accepted.quarantine_id:
                answers.append("quarantine")
            else:
                number = answer.accepted.number
                answers.append((order.setdefault(number, len(order)), answer.accepted.joined))
    assert "" not in order
    tickets = []
    for number in order:
        shown = await desk.ticket(number)
        tickets.append(
            {
                "status": shown["status"],
                "messages": [(m["text"], m["kind"], m["public"], m["receipts"]) for m in shown["messages"]],
                "links": [(order[link["number"]], link["kind"], link["number"] in link["because"])
                          for link in shown["links"]],
                "linked": [(order.get(h["new"]), h["new"] in h["because"]) for h in shown["history"]
                           if h["what"] == "linked"],
                "history": [(h["what"], h["by"], h["because"].replace(number, "")) for h in shown["history"]
                            if h["what"] != "linked"],
                "told": [(n["event"], n["state"], n["to"]["role"]) for n in shown["notifications"]],
            }
        )  # fmt: skip
    serials = [int(number.rpartition("-")[2]) for number in order]
    assert len(set(serials)) == len(serials)
    return answers, tickets


@given(steps=STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_groups_make_no_difference(make_desk: Any, steps: list[Step]) -> None:
    desk = make_desk()
    alone = inputs(desk, steps, uuid.uuid4().hex)
    grouped = inputs(desk, steps, uuid.uuid4().hex)
    groups: list[list[Input]] = []
    for step, unit in zip(steps, grouped, strict=True):
        if step.together and groups:
            groups[-1].append(unit)
        else:
            groups.append([unit])
    assert await outcome(desk, groups) == await outcome(desk, [[unit] for unit in alone])
