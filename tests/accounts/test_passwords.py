"""What is stored of a password, what it costs, and which ones are refused."""

from __future__ import annotations

import asyncio
import unicodedata

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from desk import passwords
from desk.passwords import WeakPassword


@pytest.mark.usefixtures("real_cost")
async def test_a_password_costs_what_the_rfc_recommends() -> None:
    stored = await passwords.hashed("корова под дождём")
    found = extract_parameters(stored)
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (Type.ID, 65536, 3, 4)
    assert await passwords.matches("корова под дождём", stored)
    assert not passwords.is_old(stored)


async def test_a_password_of_older_cost_is_told_and_still_matches() -> None:
    old = PasswordHasher(time_cost=2, memory_cost=32, parallelism=1).hash("корова под дождём".encode())
    assert passwords.is_old(old)
    assert await passwords.matches("корова под дождём", old)


async def test_one_word_typed_on_two_keyboards_is_one_password() -> None:
    word = "ёлочка-йод-é-гори"
    stored = await passwords.hashed(unicodedata.normalize("NFD", word))
    assert await passwords.matches(unicodedata.normalize("NFC", word), stored)


@pytest.mark.parametrize("typed", ["", "x" * 10_000, "\ud800", "\x00", "корова под дождем"])
async def test_anything_may_be_typed(typed: str) -> None:
    stored = await passwords.hashed("корова под дождём")
    assert await passwords.matches(typed, stored) is False
    assert await passwords.matches(typed, "") is False
    assert await passwords.matches(typed, "garbage") is False


@pytest.mark.usefixtures("real_cost")
async def test_two_are_hashed_at_once_and_the_loop_goes_on() -> None:
    many = [asyncio.create_task(passwords.hashed(f"корова {n}")) for n in range(4)]
    turns = 0
    while not all(task.done() for task in many):
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    assert len({task.result() for task in many}) == 4


@pytest.mark.parametrize(
    "password, code",
    [
        ("elevenchars", "short"),
        ("x" * 257, "long"),
        ("aaaaaaaaaaaaaaaaaa", "common"),
        ("абвгдежзийклмноп", "common"),
        ("ponmlkjihgfedcba", "common"),
        ("121212121212121212", "common"),
        ("I am Petrova, truly", "login"),
    ],
)
def test_what_is_guessed_first_is_refused(password: str, code: str) -> None:
    with pytest.raises(WeakPassword) as refused:
        passwords.check(password, "petrova")
    assert refused.value.code == code


def test_a_generated_password_will_do() -> None:
    made = {passwords.generated() for _ in range(100)}
    assert len(made) == 100
    for each in made:
        passwords.check(each, "petrova")
