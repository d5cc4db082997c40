"""Reply tokens: ours are known again in any case, and nothing else ever is."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from outbound.token import ReplyTokens, address

OLD, NEW = b"o" * 32, b"n" * 32
TOKENS = ReplyTokens({"k1": OLD, "k2": NEW}, "k2")
BEFORE = ReplyTokens({"k1": OLD}, "k1")
STRANGER = ReplyTokens({"k1": b"x" * 32, "k2": b"y" * 32}, "k2")
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567-."

ids = st.uuids()


@given(ids)
def test_a_token_names_its_ticket_in_any_case(ticket: uuid.UUID) -> None:
    signed = TOKENS.sign(ticket)
    assert re.fullmatch(r"k2-[a-z2-7]{52}", signed)
    assert TOKENS.verify(signed) == ticket
    assert TOKENS.verify(signed.upper()) == ticket
    assert TOKENS.verify(signed.title()) == ticket


@given(ids)
def test_a_rotated_key_still_verifies_and_a_dropped_one_does_not(ticket: uuid.UUID) -> None:
    assert TOKENS.verify(BEFORE.sign(ticket)) == ticket
    assert BEFORE.verify(TOKENS.sign(ticket)) is None


@given(ids)
def test_another_site_cannot_sign_for_us(ticket: uuid.UUID) -> None:
    assert TOKENS.verify(STRANGER.sign(ticket)) is None


@given(ids, st.integers(0, 54), st.sampled_from(ALPHABET))
def test_no_changed_character_survives(ticket: uuid.UUID, place: int, other: str) -> None:
    signed = TOKENS.sign(ticket)
    assume(signed[place] != other)
    assert TOKENS.verify(signed[:place] + other + signed[place + 1 :]) is None


@given(ids, ids)
def test_a_mac_serves_no_other_ticket(one: uuid.UUID, two: uuid.UUID) -> None:
    assume(one != two)
    signed, other = TOKENS.sign(one), TOKENS.sign(two)
    assert TOKENS.verify(other[:28] + signed[28:]) is None


@given(ids, st.integers(0, 54))
def test_no_shortened_or_lengthened_token_survives(ticket: uuid.UUID, length: int) -> None:
    signed = TOKENS.sign(ticket)
    assert TOKENS.verify(signed[:length]) is None
    assert TOKENS.verify(signed + signed[: length + 1]) is None


@given(st.text(max_size=80))
def test_any_text_is_answered_without_an_error(text: str) -> None:
    assert TOKENS.verify(text) is None
    assert TOKENS.ticket_of_message_id(text) is None


def test_a_letter_that_only_looks_ours_is_refused() -> None:
    kelvin = "\N{KELVIN SIGN}"
    signed = TOKENS.sign(uuid.UUID(int=7))
    assert TOKENS.verify(kelvin + signed[1:]) is None
    assert TOKENS.verify(signed + "\n") is None


@pytest.mark.parametrize(
    "keys, current, complaint",
    [
        ({}, "k1", "no key 'k1'"),
        ({"k1": OLD}, "k2", "no key 'k2'"),
        ({"K1": OLD}, "K1", "1 to 4 of a-z"),
        ({"five5": OLD}, "five5", "1 to 4 of a-z"),
        ({"": OLD}, "", "1 to 4 of a-z"),
        ({"k1": b"short"}, "k1", "16 octets or more"),
    ],
)
def test_keys_without_sense_are_refused(keys: dict[str, bytes], current: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ReplyTokens(keys, current)


def detail(mailbox: str) -> str:
    """What stands between the last plus of the local part and the domain (RFC 5233)."""
    return mailbox.rpartition("@")[0].rpartition("+")[2]


class TestAddress:
    @given(ids)
    def test_the_token_is_found_again(self, ticket: uuid.UUID) -> None:
        longest = ReplyTokens({"2026": NEW}, "2026")
        made = address("reply@example.ru", longest.sign(ticket))
        assert len(made.rpartition("@")[0]) <= 64
        assert longest.verify(detail(made)) == ticket
        assert longest.verify(detail(made.upper())) == ticket

    def test_a_mailbox_with_a_detail_of_its_own_keeps_it(self) -> None:
        signed = TOKENS.sign(uuid.UUID(int=1))
        assert address("r+x@example.ru", signed) == f"r+x+{signed}@example.ru"

    @pytest.mark.parametrize("mailbox", ["", "reply", "@example.ru", "reply@"])
    def test_what_is_no_mailbox_is_refused(self, mailbox: str) -> None:
        with pytest.raises(ValueError, match="no mailbox"):
            address(mailbox, TOKENS.sign(uuid.UUID(int=1)))

    def test_a_local_part_without_room_is_refused(self) -> None:
        with pytest.raises(ValueError, match="too long for reply addresses"):
            address("servicedesk@example.ru", TOKENS.sign(uuid.UUID(int=1)))


class TestMessageId:
    @given(ids, ids)
    def test_it_names_ticket_and_delivery(self, ticket: uuid.UUID, delivery: uuid.UUID) -> None:
        made = TOKENS.message_id(ticket, delivery, "desk.example.ru")
        assert made == TOKENS.message_id(ticket, delivery, "desk.example.ru")
        assert len(made) < 120
        assert made.isascii()
        for spelling in (made, f"<{made}>", made.upper()):
            assert TOKENS.ticket_of_message_id(spelling) == ticket

    @given(ids, ids, ids)
    def test_it_is_bound_to_its_delivery(self, ticket: uuid.UUID, one: uuid.UUID, two: uuid.UUID) -> None:
        assume(one != two)
        mine, other = (TOKENS.message_id(ticket, d, "example.ru") for d in (one, two))
        forged = mine.partition(".")[0] + "." + other.partition(".")[2]
        assert TOKENS.ticket_of_message_id(forged) is None

    @given(ids, ids)
    def test_no_reply_address_can_be_made_of_it_nor_it_of_a_reply_address(
        self, ticket: uuid.UUID, delivery: uuid.UUID
    ) -> None:
        made = TOKENS.message_id(ticket, delivery, "example.ru")
        assert TOKENS.verify(made.partition(".")[0]) is None
        tail = made.partition(".")[2]
        assert TOKENS.ticket_of_message_id(f"{TOKENS.sign(ticket)}.{tail}") is None

    @given(ids, ids, st.integers(0, 81), st.sampled_from(ALPHABET))
    def test_no_changed_character_survives(
        self, ticket: uuid.UUID, delivery: uuid.UUID, place: int, other: str
    ) -> None:
        made = TOKENS.message_id(ticket, delivery, "example.ru")
        assume(made[place] != other)
        assert TOKENS.ticket_of_message_id(made[:place] + other + made[place + 1 :]) is None

    @pytest.mark.parametrize("foreign", ["", "@", "20261120.1@mail.example.ru", "<CAF=abc@mail.gmail.com>"])
    def test_a_foreign_one_is_not_ours(self, foreign: str) -> None:
        assert TOKENS.ticket_of_message_id(foreign) is None
