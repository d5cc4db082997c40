"""The tables of `docs/states.md` and `docs/events.md` are those of the program."""

from __future__ import annotations

import re
from pathlib import Path

from tickets.delivery import ARCS, DeliveryState, Outcome
from tickets.event import AUDIENCE, Event
from tickets.reason import Suppression
from tickets.status import MOVES, OPEN, RUNNING, Status

ROOT = Path(__file__).parents[2]
STATES = (ROOT / "docs/states.md").read_text(encoding="utf-8")
EVENTS = (ROOT / "docs/events.md").read_text(encoding="utf-8")

RESERVED = {Suppression.DUPLICATE, Suppression.OUTDATED}
"""Said on the page to be produced by nothing yet."""


def table(page: str, heading: str, header: str) -> list[list[str]]:
    """The cells of the table with this header below a heading."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0] if heading else page
    lines = iter(section.splitlines())
    for line in lines:
        if line == header:
            break
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows[1:]


def codes(cell: str) -> set[str]:
    return set(re.findall(r"`([a-z_]+)`", cell))


def code(cell: str) -> str:
    (only,) = codes(cell)
    return only


def test_the_moves_of_a_ticket_are_those_of_the_program() -> None:
    written = {code(old): codes(new) for old, new in table(STATES, "Tickets", "| from | to |")}
    assert written == {old.value: {new.value for new in news} for old, news in MOVES.items()}


def test_every_status_says_whether_work_is_owed_and_the_clock_runs() -> None:
    rows = table(STATES, "Tickets", "| status | means | open | clock of the agreement |")
    assert {code(row[0]): (row[2] == "yes", row[3] == "runs") for row in rows} == {
        status.value: (status in OPEN, status in RUNNING) for status in Status
    }


def test_the_arcs_of_a_delivery_are_those_of_the_program() -> None:
    written = {code(old): codes(new) for old, new in table(STATES, "Deliveries", "| from | to |")}
    assert written == {old.value: {new.value for new in news} for old, news in ARCS.items()}


def test_every_state_of_a_delivery_is_explained() -> None:
    rows = table(STATES, "Deliveries", "| state | means | what comes next |")
    assert [code(row[0]) for row in rows] == [state.value for state in DeliveryState]


def test_every_reason_for_silence_is_explained() -> None:
    rows = table(STATES, "Deliveries", "| reason | when |")
    assert {code(row[0]) for row in rows} == {each.value for each in set(Suppression) - RESERVED}
    assert all(f"`{each.value}`" in STATES for each in RESERVED)


def test_every_outcome_of_an_attempt_is_explained() -> None:
    rows = table(STATES, "Attempts", "| outcome | means | the delivery becomes |")
    assert [row[0].strip("`") for row in rows] == ["none", *(outcome.value for outcome in Outcome)]


def test_the_audience_of_every_event_is_that_of_the_program() -> None:
    written = {code(row[0]): codes(row[2]) for row in table(EVENTS, "", "| event | when | who is told |")}
    assert written == {event.value: {role.value for role in AUDIENCE[event]} for event in Event}
