"""The nouns: what may follow what, and how names and numbers are recognised."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tickets.delivery
import tickets.status
from tickets.address import Address, AddressKind, fold
from tickets.delivery import ARCS, DEAD, DeliveryState, IllegalArc, check_arc, notification_state
from tickets.event import AUDIENCE, Event, Role
from tickets.message import InboundMessage, MessageKind
from tickets.number import TicketNumber, find_numbers
from tickets.priority import MATRIX, Level, Priority
from tickets.reason import Decided, Reason
from tickets.status import MOVES, OPEN, RUNNING, IllegalMove, Status, check_move

# ---- a ticket's life ------------------------------------------------------------------------------------------------

LIFE = """
new          in_progress waiting resolved rejected
in_progress  waiting resolved rejected
waiting      in_progress resolved rejected
resolved     closed in_progress
rejected     closed in_progress
closed       in_progress
"""


def table(text: str) -> dict[str, set[str]]:
    """Lines of a name and what may follow it."""
    return {line.split()[0]: set(line.split()[1:]) for line in text.strip().splitlines()}


def test_the_moves_of_a_ticket() -> None:
    assert {old.value: {new.value for new in news} for old, news in MOVES.items()} == table(LIFE)


@pytest.mark.parametrize("old", Status)
@pytest.mark.parametrize("new", Status)
def test_a_move_is_legal_or_refused_with_the_legal_ones(old: Status, new: Status) -> None:
    if new.value in table(LIFE)[old.value]:
        check_move(old, new)
        return
    with pytest.raises(IllegalMove) as refused:
        check_move(old, new)
    assert (refused.value.old, refused.value.new) == (old, new)
    for legal in table(LIFE)[old.value]:
        assert legal in str(refused.value)


def test_nothing_stays_where_it_is_and_everything_can_be_finished() -> None:
    for status in Status:
        assert status not in MOVES[status]
        assert Status.CLOSED in reachable(status, MOVES)
    assert RUNNING < OPEN
    assert not OPEN & {Status.RESOLVED, Status.CLOSED, Status.REJECTED}


def reachable(start: Status, ways: dict[Status, frozenset[Status]]) -> set[Status]:
    """What can be reached in one step or more."""
    found: set[Status] = set()
    edge = {start}
    while edge:
        edge = {new for old in edge for new in ways[old]} - found
        found |= edge
    return found


# ---- a delivery -----------------------------------------------------------------------------------------------------

JOURNEY = """
queued      sending expired suppressed
sending     sent queued failed unknown
sent        delivered read failed
delivered   read
read
unknown     sent delivered failed queued
failed      queued
expired     queued
suppressed
"""


def test_the_arcs_of_a_delivery() -> None:
    assert {old.value: {new.value for new in news} for old, news in ARCS.items()} == table(JOURNEY)


@pytest.mark.parametrize("old", DeliveryState)
@pytest.mark.parametrize("new", DeliveryState)
def test_an_arc_is_legal_or_refused(old: DeliveryState, new: DeliveryState) -> None:
    if new.value in table(JOURNEY)[old.value]:
        check_arc(old, new)
    else:
        with pytest.raises(IllegalArc, match=f"{old} cannot become {new}"):
            check_arc(old, new)


@pytest.mark.parametrize("module, states", [(tickets.delivery, DeliveryState), (tickets.status, Status)])
def test_the_drawing_names_every_state_and_nothing_else(module: object, states: type[Status | DeliveryState]) -> None:
    drawing = str(module.__doc__).split("```")[1]
    words = set(re.findall("[a-z]{2,}(?:_[a-z]+)*", re.sub(r"\([^)]*\)", "", drawing)))
    labels = {"claim", "accepted", "report", "retry", "lost", "in", "crash", "resend", "permanent", "or", "out", "of",
              "tries"}  # fmt: skip
    assert words - labels == {state.value for state in states}


def test_a_dead_letter_can_be_replayed_and_nothing_else_comes_back() -> None:
    back = {state for state in ARCS if DeliveryState.QUEUED in ARCS[state]}
    assert back == DEAD | {DeliveryState.SENDING, DeliveryState.UNKNOWN}


@pytest.mark.parametrize(
    "deliveries, state",
    [
        ("", "suppressed"),
        ("suppressed", "suppressed"),
        ("suppressed expired", "expired"),
        ("expired failed", "failed"),
        ("failed unknown", "unknown"),
        ("failed queued", "queued"),
        ("queued sending", "sending"),
        ("sending sent", "sent"),
        ("failed sent", "sent"),
        ("sent delivered failed", "delivered"),
        ("delivered read suppressed", "read"),
    ],
)
def test_a_notification_is_where_its_best_delivery_is(deliveries: str, state: str) -> None:
    states = [DeliveryState(each) for each in deliveries.split()]
    assert notification_state(*states) == notification_state(*states[::-1]) == DeliveryState(state)


@given(st.lists(st.sampled_from(DeliveryState), min_size=1))
def test_a_notification_is_in_a_state_one_of_its_deliveries_is_in(states: list[DeliveryState]) -> None:
    assert notification_state(*states) in states


# ---- numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, number",
    [
        ("MSK-26-000123", TicketNumber("MSK", 26, 123)),
        (" msk-26-000123\n", TicketNumber("MSK", 26, 123)),
        ("A1-00-000000", TicketNumber("A1", 0, 0)),
        ("OTKLIK-26-123456789", TicketNumber("OTKLIK", 26, 123456789)),
    ],
)
def test_a_number_is_read(text: str, number: TicketNumber) -> None:
    assert TicketNumber.parse(text) == number
    assert str(number) == text.strip().upper()


@pytest.mark.parametrize(
    "text",
    ["", "26-000123", "M-26-000123", "1MS-26-000123", "TOOLONG-26-000123", "MSK-2026-000123", "MSK-26-00012",
     "MSK-26-1234567890", "MSK 26 000123", "МСК-26-000123", "MSK-٢٦-000123", "MSK-26-000123-1", "x MSK-26-000123",
     "MSK-26-000123\nMSK-26-000124"],
)  # fmt: skip
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no ticket number"):
        TicketNumber.parse(text)


@given(st.from_regex(r"\A[A-Z][A-Z0-9]{1,5}\Z"), st.integers(2000, 2099), st.integers(0, 999_999_999))
def test_a_number_is_read_back_as_it_was_written(prefix: str, year: int, serial: int) -> None:
    number = str(TicketNumber(prefix, year, serial))
    assert TicketNumber.parse(number) == TicketNumber(prefix, year % 100, serial)
    assert find_numbers(f"Re: [{number.lower()}] {number}, см.") == (number,)


@pytest.mark.parametrize(
    "subject, numbers",
    [
        ("", ()),
        ("Re: [OTK-26-000001] Принтер", ("OTK-26-000001",)),
        ("заявка№OTK-26-000001.", ("OTK-26-000001",)),
        ("OTK-26-000002 и otk-26-000001, OTK-26-000002", ("OTK-26-000002", "OTK-26-000001")),
        ("ISO-27-000001-2013", ()),
        ("XOTK-26-0000011234567", ()),
        ("1OTK-26-000001", ()),
    ],
)
def test_numbers_are_found_in_a_text(subject: str, numbers: tuple[str, ...]) -> None:
    assert find_numbers(subject) == numbers


@given(st.text(max_size=200))
def test_whatever_is_found_is_a_number(text: str) -> None:
    for number in find_numbers(text):
        assert str(TicketNumber.parse(number)) == number


# ---- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, folded, domain",
    [
        ("Ivan@Example.RU", "ivan@example.ru", "example.ru"),
        (" ivan@example.ru ", "ivan@example.ru", "example.ru"),
        ("Иван@Пример.РФ", "иван@пример.рф", "пример.рф"),
        ('"a@b"@Example.ru', '"a@b"@example.ru', "example.ru"),
        ("nobody", "nobody", ""),
        ("", "", ""),
    ],
)
def test_two_spellings_of_one_mailbox(value: str, folded: str, domain: str) -> None:
    address = Address(AddressKind.EMAIL, value, "Иван")
    assert (address.key, address.domain) == (("email", folded), domain)


@given(st.text(max_size=50))
def test_folding_twice_changes_nothing_more(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_an_address_as_people_read_it() -> None:
    assert str(Address(AddressKind.EMAIL, "i@example.ru", "Иван")) == "Иван <i@example.ru>"
    assert str(Address(AddressKind.PHONE, "+79130000007")) == "+79130000007"


# ---- the rest -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MessageKind)
@pytest.mark.parametrize("sender", ["i@example.ru", ""])
def test_only_a_human_with_an_address_is_acknowledged(kind: MessageKind, sender: str) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    message = InboundMessage("email", "smtp", "1", Address(AddressKind.EMAIL, sender), (), "", "", at, kind=kind)
    assert message.acknowledge is (kind is MessageKind.HUMAN and sender != "")


def test_everything_that_happens_has_somebody_to_hear_of_it() -> None:
    assert set(AUDIENCE) == set(Event)
    assert {event for event, roles in AUDIENCE.items() if Role.AUTHOR in roles} == {
        Event.RECEIVED, Event.STATUS_CHANGED, Event.PUBLIC_COMMENT, Event.RESOLVED, Event.CLOSED,
        Event.MERGED, Event.PORTAL_LINK,
    }  # fmt: skip


def test_the_matrix_of_itil() -> None:
    order = list(Priority)
    assert set(MATRIX) == {(impact, urgency) for impact in Level for urgency in Level}
    for (impact, urgency), priority in MATRIX.items():
        assert MATRIX[urgency, impact] == priority
        for worse in list(Level)[: list(Level).index(impact)]:
            assert order.index(MATRIX[worse, urgency]) <= order.index(priority)


def test_a_reason_is_stored_and_read_back() -> None:
    decided = Decided("centre", "msk", "centre", "centre_intake", {"intake": "a@b", "n": [1, None]})
    assert Decided.from_json(decided.as_json()) == decided
    assert decided.reason == Reason("centre", "centre_intake", {"intake": "a@b", "n": [1, None]})
    assert msgspec.json.encode(decided) == msgspec.json.encode(decided.as_json())
    assert msgspec.json.encode(decided.reason) == msgspec.json.encode(decided.reason.as_json())
    assert Reason.from_json({"rule": "r", "code": "c"}) == Reason("r", "c")


def test_a_notification_has_no_delivery_in_an_unknown_state() -> None:
    with pytest.raises(ValueError, match="lost"):
        notification_state("sent", "lost")
