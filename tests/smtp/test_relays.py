"""Several relays: the first that works takes the mail, and one that does not is left alone for a while."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.base import OutMessage, SendFailed
from channels.email.relays import FIRST_REST, LONGEST_REST, Relays
from channels.email.smtp_out import Relay, RelayOptions
from channels.testing import DROP, SimulatedRelay

MESSAGE = OutMessage(
    id="1", channel="email", address="irina@sibtrans.example", subject="Да", text="Да", sender="support@otklik.example"
)


class Hands:
    """A clock that stands until it is moved."""

    at = 1000.0

    def __call__(self) -> float:
        return self.at


class Stage:
    """Two simulated relays and what goes on to the second."""

    def __init__(self) -> None:
        self.main, self.spare = SimulatedRelay(), SimulatedRelay()
        self.clock = Hands()
        self.relays: Relays

    async def open(self, stack: AsyncExitStack) -> None:
        ways = []
        for name, relay in (("main", self.main), ("spare", self.spare)):
            await relay.start()
            stack.push_async_callback(relay.stop)
            options = RelayOptions(name=name, port=relay.port, timeout=5)
            ways.append(Relay(options, clock=lambda: datetime(2026, 11, 22, tzinfo=UTC)))
        self.relays = Relays(ways, monotonic=self.clock)
        stack.push_async_callback(self.relays.close)

    def took(self) -> tuple[int, int]:
        """How many mails each has taken."""
        return sum(m.accepted for m in self.main.received), sum(m.accepted for m in self.spare.received)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Both relays listen."""
    async with AsyncExitStack() as stack:
        made = Stage()
        await made.open(stack)
        yield made


async def test_the_first_takes_everything_while_it_works(stage: Stage) -> None:
    for _ in range(3):
        sent = await stage.relays.send(MESSAGE)
    assert stage.took() == (3, 0)
    assert sent.detail.startswith("main: ")
    assert sent.exchange.startswith("relay: main")


async def test_one_that_is_away_is_left_alone_and_asked_again_later(stage: Stage) -> None:
    await stage.main.stop()
    sent = await stage.relays.send(MESSAGE)
    assert sent.detail.startswith("spare: ")
    assert "main:  cannot connect" in sent.exchange or "main: cannot connect" in sent.exchange
    assert stage.relays.resting() == {"main": True, "spare": False}
    await stage.main.start()
    await stage.relays.send(MESSAGE)
    assert stage.took() == (0, 2), "it rests"
    stage.clock.at += FIRST_REST + 1
    await stage.relays.send(MESSAGE)
    assert stage.took() == (1, 2)
    assert stage.relays.resting() == {"main": False, "spare": False}


async def test_rests_grow_up_to_a_bound(stage: Stage) -> None:
    await stage.main.stop()
    rests = []
    for _ in range(8):
        begun = stage.clock.at
        await stage.relays.send(MESSAGE)
        while stage.relays.resting()["main"]:
            stage.clock.at += 1
        rests.append(stage.clock.at - begun)
    assert rests == sorted(rests)
    assert rests[0] == FIRST_REST
    assert rests[-1] == LONGEST_REST


@pytest.mark.parametrize(
    "script, stage_of, goes_on",
    [
        ("421 4.3.2 Shutting down", "mail", True),
        ("550 5.7.1 Sender not owned by user", "mail", True),
        ("451 4.7.1 Too many mails from you", "mail", True),
        (DROP, "mail", True),
        ("550 5.1.1 No such user", "rcpt", False),
        ("450 4.2.0 Greylisted", "rcpt", False),
        ("554 5.7.1 Spam", "data", False),
        (DROP, "data", False),
    ],
)
async def test_what_is_said_of_us_goes_on_and_what_is_said_of_the_mail_is_final(
    stage: Stage, script: str, stage_of: Any, goes_on: bool
) -> None:
    stage.main.script([script], stage=stage_of)
    if goes_on:
        await stage.relays.send(MESSAGE)
        assert stage.took() == (0, 1)
        return
    with pytest.raises(SendFailed) as refused:
        await stage.relays.send(MESSAGE)
    assert stage.took() == (0, 0)
    assert not refused.value.provider_down
    assert refused.value.detail.startswith("main: ")
    assert stage.relays.resting() == {"main": False, "spare": False}


async def test_when_none_works_the_try_has_failed_for_now(stage: Stage) -> None:
    await stage.main.stop()
    await stage.spare.stop()
    with pytest.raises(SendFailed) as failed:
        await stage.relays.send(MESSAGE)
    assert failed.value.retryable
    assert "main" in failed.value.exchange
    assert "spare" in failed.value.exchange
    assert failed.value.exchange.count("main: ") == 1
    assert failed.value.detail.startswith("spare: ")
    await stage.main.start()
    await stage.relays.send(MESSAGE)
    assert stage.took() == (1, 0), "where all rest, they are asked all the same"
