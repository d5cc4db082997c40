"""What the worker does with a delivery, whatever the provider, the database or the machine do meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from channels.base import OutMessage, SendFailed, Sent
from channels.email.smtp_out import Relay, RelayOptions
from channels.testing import DROP, SimulatedRelay
from outbound.schedule import RetryPolicy, next_try
from outbound.worker import Worker, WorkerOptions
from storage import outbox
from storage.bulk import insert_rows
from storage.database import Database, open_database
from storage.errors import StorageUnavailable
from storage.tables import metadata
from tests.eventually import eventually
from tickets.delivery import Outcome

BUSY = SendFailed("451 4.7.1", "Try again later", retryable=True, exchange="<- 451 4.7.1 Try again later")
GONE = SendFailed("550 5.1.1", "No such user", retryable=False, address_dead=True)
REFUSED = SendFailed("554 5.7.1", "We do not like it", retryable=False)


async def hang(message: OutMessage) -> Sent:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


# ---- one delivery ---------------------------------------------------------------------------------------------------


async def test_accepted(box: Any, script: Any, work: Any) -> None:
    [key] = await box.queue()
    sender = script([Sent("q-17", "250", "2.0.0 OK", "-> DATA\n<- 250 2.0.0 OK")])
    work(box.worker(sender, owner="node-1"))
    await box.until("sent", keys=[key])
    row = await box.one(key)
    assert (row["tries"], row["provider_id"], row["reason"], row["lease_owner"], row["lease_until"]) == (
        1, "q-17", "", "", None,
    )  # fmt: skip
    [attempt] = await box.attempts(key)
    assert {name: attempt[name] for name in ("number", "provider", "outcome", "code", "detail", "provider_id")} == {
        "number": 1, "provider": "main", "outcome": "accepted", "code": "250", "detail": "2.0.0 OK",
        "provider_id": "q-17",
    }  # fmt: skip
    assert attempt["exchange"] == "-> DATA\n<- 250 2.0.0 OK"
    assert attempt["started_at"] == attempt["ended_at"] == box.clock.now()
    [sent] = sender.sent
    assert (sent.id, sent.address, sent.text) == (key.hex, "irina@sibtrans.example", "Здравствуйте!\n")
    assert sent.message_id == f"{key.hex}@otklik.example"


async def test_the_attempt_is_on_record_before_anything_is_sent(box: Any, script: Any, work: Any) -> None:
    seen: list[Any] = []

    async def look(message: OutMessage) -> Sent:
        key = UUID(hex=message.id)
        seen.append(((await box.one(key))["state"], [(a["number"], a["outcome"]) for a in await box.attempts(key)]))
        return Sent()

    [key] = await box.queue()
    work(box.worker(script([look])))
    await box.until("sent", keys=[key])
    assert seen == [("sending", [(1, None)])]


async def test_three_tries_of_one_text(box: Any, script: Any, work: Any) -> None:
    later = SendFailed("421", "Busy", retryable=True, retry_after=timedelta(minutes=7))
    [key] = await box.queue()
    sender = script([BUSY, later])
    policy = RetryPolicy()
    work(box.worker(sender, retry=policy))
    queued_at = box.clock.at
    for number, asked in ((1, None), (2, timedelta(minutes=7))):
        await until_tries(box, key, number)
        row = await box.one(key)
        due = next_try(policy, number, box.clock.at, queued_at, asked, key=key.bytes)
        assert (row["state"], row["due_at"]) == ("queued", due)
        assert len(sender.sent) == number, "nothing is tried before it is due"
        box.clock.at = row["due_at"]
    await box.until("sent", keys=[key])
    attempts = await box.attempts(key)
    assert [a["outcome"] for a in attempts] == ["temporary", "temporary", "accepted"]
    assert [a["code"] for a in attempts] == ["451 4.7.1", "421", "250"]
    assert attempts[0]["exchange"] == "<- 451 4.7.1 Try again later"
    assert len({(m.message_id, m.subject, m.text, m.html) for m in sender.sent}) == 1
    assert attempts[2]["started_at"] - attempts[1]["ended_at"] >= timedelta(minutes=7)


async def until_tries(box: Any, key: UUID, number: int) -> None:
    async def tried() -> bool:
        return bool((await box.one(key))["tries"] >= number)

    await eventually(tried)


async def test_refused_for_good(box: Any, script: Any, work: Any) -> None:
    [key] = await box.queue()
    work(box.worker(script([REFUSED])))
    await box.until("failed", keys=[key])
    row = await box.one(key)
    assert (row["reason"], row["tries"]) == ("refused", 1)
    assert [(a["outcome"], a["code"]) for a in await box.attempts(key)] == [("permanent", "554 5.7.1")]


@pytest.mark.parametrize("answer, dies", [(GONE, True), (REFUSED, False), (BUSY, False)], ids=str)
async def test_an_address_dies_only_of_being_unknown_there(
    box: Any, script: Any, work: Any, answer: SendFailed, dies: bool
) -> None:
    table = metadata.tables["addresses"]
    row = {
        "key": "email:irina@sibtrans.example", "person_id": UUID(int=1), "kind": "email",
        "value": "irina@sibtrans.example", "verified": False, "dead_at": None, "opted_out_at": None,
    }  # fmt: skip
    await box.database.write(lambda c: insert_rows(c, table, [row]))
    [key] = await box.queue(address="Irina@Sibtrans.example")
    work(box.worker(script([answer])))
    await until_tries(box, key, 1)
    dead_at = await box.database.read(lambda c: c.execute(select(table.c.dead_at)).scalar_one())
    assert (dead_at is not None) is dies


async def test_out_of_tries(box: Any, script: Any, work: Any) -> None:
    [key] = await box.queue()
    sender = script([BUSY, BUSY, BUSY])
    work(box.worker(sender, retry=RetryPolicy(attempts=2)))
    await until_tries(box, key, 1)
    box.clock.at += timedelta(minutes=1)
    await box.until("failed", keys=[key])
    assert (await box.one(key))["reason"] == "out_of_tries"
    assert len(sender.sent) == 2


async def test_no_try_is_planned_beyond_the_horizon(box: Any, script: Any, work: Any) -> None:
    [key] = await box.queue(expires_at=box.clock.now() + timedelta(seconds=5))
    work(box.worker(script([BUSY])))
    await box.until("failed", keys=[key])
    assert (await box.one(key))["reason"] == "out_of_tries"


async def test_what_waited_too_long_expires_unsent(box: Any, script: Any, work: Any) -> None:
    late = await box.queue(2, expires_at=box.clock.now() + timedelta(hours=1))
    nobodys = await box.queue(2, expires_at=box.clock.now() + timedelta(hours=1), provider="gone")
    box.clock.at += timedelta(hours=1)
    [fresh] = await box.queue()
    sender = script()
    work(box.worker(sender))
    await box.until("expired", keys=late + nobodys)
    await box.until("sent", keys=[fresh])
    assert [m.id for m in sender.sent] == [fresh.hex]
    assert {(await box.one(key))["reason"] for key in late + nobodys} == {"horizon"}


async def test_what_is_not_due_is_left_alone(box: Any, script: Any, work: Any) -> None:
    [later] = await box.queue(due_at=box.clock.now() + timedelta(seconds=1))
    [now] = await box.queue()
    sender = script()
    work(box.worker(sender))
    await box.until("sent", keys=[now])
    assert await box.states(later) == ["queued"]
    box.clock.at += timedelta(seconds=1)
    await box.until("sent", keys=[later])


async def test_a_text_that_cannot_be_made_fails_alone(box: Any, script: Any, work: Any) -> None:
    [textless] = await box.queue(text=None)
    [fine] = await box.queue()
    work(box.worker(script()))
    await box.until("sent", keys=[fine])
    await box.until("failed", keys=[textless])
    assert (await box.one(textless))["reason"] == "template_error"
    assert await box.attempts(textless) == []


STRANGE = [
    RuntimeError("the library broke"),
    ValueError("\ud800\x00"),
    KeyError("x"),
    ConnectionResetError(104, "reset"),
    TimeoutError(),
]


@pytest.mark.parametrize("error", STRANGE, ids=repr)
async def test_whatever_a_sender_raises_is_a_failed_try(box: Any, script: Any, work: Any, error: Exception) -> None:
    [key] = await box.queue()
    work(box.worker(script([error])))
    await until_tries(box, key, 1)
    [attempt] = await box.attempts(key)
    assert attempt["outcome"] == "temporary"
    assert attempt["code"] in ("internal", "unanswered")
    box.clock.at += timedelta(minutes=1)
    await box.until("sent", keys=[key])


HOSTILE = "\x00\x07\x1b[31m\ud800é" + "я" * 5000 + "\r\n\u2028"


@pytest.mark.parametrize(
    "answer",
    [
        Sent(HOSTILE, HOSTILE, HOSTILE, HOSTILE),
        SendFailed(HOSTILE, HOSTILE, retryable=True, exchange=HOSTILE),
        SendFailed(HOSTILE, HOSTILE, retryable=False, exchange=HOSTILE),
    ],
    ids=["accepted", "temporary", "permanent"],
)
async def test_whatever_a_provider_says_is_stored_as_printable_text(
    box: Any, script: Any, work: Any, answer: Sent | SendFailed
) -> None:
    [key] = await box.queue()
    work(box.worker(script([answer])))
    await until_tries(box, key, 1)
    [attempt] = await box.attempts(key)
    for name in ("code", "detail", "exchange", "provider_id"):
        assert all(c.isprintable() or c == "\n" for c in attempt[name])
    assert "é" in attempt["detail"]
    assert len(attempt["exchange"]) <= 4000


# ---- order and company ----------------------------------------------------------------------------------------------


async def test_an_acknowledgement_does_not_wait_behind_a_mass_mailing(box: Any, script: Any, work: Any) -> None:
    await box.queue(500, priority=3)
    box.clock.at += timedelta(seconds=1)
    [staff] = await box.queue(priority=2)
    [person] = await box.queue(priority=1)
    [alarm] = await box.queue(priority=0)
    sender = script()
    work(box.worker(sender, slots=1))
    await box.until("sent", keys=[alarm, person, staff])
    assert [m.id for m in sender.sent][:3] == [alarm.hex, person.hex, staff.hex]


async def test_what_was_due_first_leaves_first(box: Any, script: Any, work: Any) -> None:
    keys = []
    for seconds in (3, 1, 2):
        keys += await box.queue(due_at=box.clock.now() - timedelta(seconds=seconds))
    sender = script()
    work(box.worker(sender, slots=1))
    await box.until("sent", keys=keys)
    assert [m.id for m in sender.sent] == [keys[0].hex, keys[2].hex, keys[1].hex]


async def test_no_more_are_on_the_wire_than_there_are_slots(box: Any, script: Any, work: Any) -> None:
    on_the_wire = most = 0

    async def slowly(message: OutMessage) -> Sent:
        nonlocal on_the_wire, most
        on_the_wire += 1
        most = max(most, on_the_wire)
        recorded = Counter(await box.states())["sending"]
        assert recorded <= 4
        on_the_wire -= 1
        return Sent()

    keys = await box.queue(20)
    work(box.worker(script([slowly] * 20), slots=4))
    await box.until("sent", keys=keys)
    assert 1 <= most <= 4


async def test_a_provider_that_hangs_holds_up_no_other(box: Any, script: Any, work: Any) -> None:
    stuck = await box.queue(10, provider="dead")
    keys = await box.queue(50, provider="living")
    running = work(box.worker({"dead": script([hang] * 10), "living": script()}, slots=8))
    await box.until("sent", keys=keys)
    assert set(await box.states(*stuck)) == {"sending", "queued"}
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task


async def test_a_silent_provider_is_given_up_on(box: Any, script: Any, work: Any) -> None:
    [key] = await box.queue()
    work(box.worker(script([hang]), timeout=timedelta(milliseconds=30)))
    await until_tries(box, key, 1)
    [attempt] = await box.attempts(key)
    assert (attempt["outcome"], attempt["code"]) == ("temporary", "unanswered"), "it may have been taken"


# one process alone writes to SQLite
@pytest.mark.parametrize("laid_out_url", ["postgresql"], indirect=True)
async def test_two_workers_never_send_the_same_twice(box: Any, script: Any, work: Any, laid_out_url: str) -> None:
    second = await open_database(laid_out_url)
    try:
        keys = await box.queue(200)
        senders = [script(), script()]
        one = work(box.worker(senders[0], owner="one", slots=5))
        box_of_two = type(box)(second, box.clock)
        two = work(box_of_two.worker(senders[1], owner="two", slots=5))
        await box.until("sent", keys=keys)
        await one.stop()
        await two.stop()
        sent = Counter(m.id for sender in senders for m in sender.sent)
        assert sent == Counter({key.hex: 1 for key in keys})
    finally:
        await second.close()


# ---- stopping and crashing ------------------------------------------------------------------------------------------


async def test_stop_finishes_what_is_on_the_wire_and_records_it(box: Any, script: Any, work: Any) -> None:
    arrived, go = asyncio.Semaphore(0), asyncio.Event()

    async def wait(message: OutMessage) -> Sent:
        arrived.release()
        await go.wait()
        return Sent("late")

    keys = await box.queue(5)
    sender = script([wait] * 5)
    running = work(box.worker(sender, slots=2))
    await arrived.acquire()
    await arrived.acquire()
    running.worker.stop()
    assert not running.task.done()
    go.set()
    await running.stop()
    assert Counter(await box.states(*keys)) == {"sent": 2, "queued": 3}
    assert len(sender.sent) == 2
    assert sender.closed


async def test_a_worker_that_is_cut_short_lets_go_of_the_wire(box: Any, script: Any, work: Any) -> None:
    cut = asyncio.Event()

    async def wait(message: OutMessage) -> Sent:
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()
        raise AssertionError("unreachable")

    [key] = await box.queue()
    sender = script([wait])
    running = work(box.worker(sender))
    await box.until("sending", keys=[key])
    await eventually(lambda: sender.sent)
    running.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running.task
    async with asyncio.timeout(5):
        await cut.wait()
    assert sender.closed


@pytest.mark.parametrize(
    "channel, resend, state",
    [("email", {"email"}, "queued"), ("email", set(), "unknown"), ("sms", {"email"}, "unknown")],
)
async def test_a_try_lost_in_a_crash(box: Any, channel: str, resend: set[str], state: str) -> None:
    [key] = await box.queue(channel=channel)
    claimed = await box.claim("crashed", lease=-1)
    await box.begin(claimed)
    assert await box.reap(resend=frozenset(resend)) == (1, 0)
    row = await box.one(key)
    assert (row["state"], row["tries"], row["lease_owner"]) == (state, 1, "")
    [attempt] = await box.attempts(key)
    assert (attempt["outcome"], attempt["ended_at"]) == ("unknown", box.clock.now())


async def test_a_mail_lost_in_a_crash_is_sent_again_under_the_same_message_id(box: Any, script: Any, work: Any) -> None:
    [key] = await box.queue()
    await box.begin(await box.claim("crashed", lease=-1))
    sender = script()
    work(box.worker(sender))
    await box.until("queued", keys=[key])
    assert (await box.one(key))["due_at"] > box.clock.now(), "a lost try waits like a failed one"
    box.clock.at += timedelta(minutes=1)
    await box.until("sent", keys=[key])
    assert [(a["number"], a["outcome"]) for a in await box.attempts(key)] == [(1, "unknown"), (2, "accepted")]
    assert [m.message_id for m in sender.sent] == [f"{key.hex}@otklik.example"]


async def test_what_one_still_has_in_hand_is_not_taken_for_lost(box: Any) -> None:
    """After an outage longer than the lease the reaper must not come before the record of what was sent meanwhile."""
    [key] = await box.queue()
    await box.begin(await box.claim("busy", lease=-1))
    assert await box.reap(held=frozenset({key})) == (0, 0)
    assert await box.states(key) == ["sending"]
    assert await box.reap() == (1, 0)


async def test_a_lease_lasts_for_the_try_however_long_its_text_took(box: Any) -> None:
    [key] = await box.queue()
    claimed = await box.claim("slow", lease=-1)
    assert await box.begin(claimed, lease=60) == [key]
    assert await box.reap() == (0, 0)


async def test_a_mail_whose_answers_get_lost_is_not_sent_for_ever(box: Any, script: Any, work: Any) -> None:
    """The relay may have taken each of them: ten copies are enough, then a person decides."""
    lost = SendFailed("", "no answer to the content", retryable=True, uncertain=True)
    [key] = await box.queue()
    sender = script([BUSY, BUSY, lost, lost, lost])
    work(box.worker(sender, uncertain=3))
    for number in range(1, 5):
        await until_tries(box, key, number)
        await box.until("queued", keys=[key])
        box.clock.at += timedelta(hours=1)
    await box.until("unknown", keys=[key])
    row = await box.one(key)
    assert (row["reason"], len(sender.sent)) == ("answer_lost", 5)
    assert [a["outcome"] for a in await box.attempts(key)] == ["temporary"] * 4 + ["unknown"]


async def test_a_claim_without_a_try_returns_to_the_queue(box: Any) -> None:
    [key] = await box.queue()
    await box.claim("crashed", lease=-1)
    assert await box.reap() == (0, 1)
    row = await box.one(key)
    assert (row["state"], row["tries"], row["reason"]) == ("queued", 0, "")
    assert await box.attempts(key) == []


async def test_a_living_lease_is_respected_and_ones_own_former_life_is_not(box: Any) -> None:
    [key] = await box.queue()
    await box.claim("node", lease=60)
    assert await box.reap() == (0, 0)
    assert await box.claim("other") == []
    assert await box.reap(owner="other") == (0, 0)
    assert await box.reap(owner="node") == (0, 1)
    assert await box.states(key) == ["queued"]


async def test_an_old_fence_records_its_try_and_moves_nothing(box: Any, script: Any) -> None:
    [key] = await box.queue()
    worker = box.worker(script())
    [old] = await box.claim("slow", lease=-1)
    await box.begin([old])
    await box.reap()
    [new] = await box.claim("quick")
    assert new["fence"] > old["fence"]
    late = worker.outcome(old | {"number": 1}, REFUSED)
    await box.database.write(lambda c: outbox.record(c, [late]))
    assert await box.states(key) == ["sending"]
    assert [(a["outcome"], a["code"]) for a in await box.attempts(key)] == [("permanent", "554 5.7.1")]


async def test_a_claim_that_ran_out_before_its_try_began_begins_none(box: Any) -> None:
    """Else two nodes would send the same text at once, under one attempt number."""
    [key] = await box.queue()
    slow = await box.claim("slow", lease=-1)
    await box.reap()
    assert await box.begin(slow) == []
    quick = await box.claim("quick")
    assert await box.begin(slow) == []
    assert await box.begin(quick) == [key]
    assert [a["number"] for a in await box.attempts(key)] == [1]


async def test_results_survive_a_database_that_is_away(
    box: Any, script: Any, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider has taken it: that must be written down as soon as the database is back, and not be sent again."""
    away = asyncio.Event()
    real = type(box.database).write

    async def write(self: Database, unit: Any, *, name: str = "write") -> Any:
        if away.is_set() and name == "outbox.claim":
            refused.append(name)
            raise StorageUnavailable("gone")
        return await real(self, unit, name=name)

    refused: list[str] = []
    monkeypatch.setattr(type(box.database), "write", write)

    async def take(message: OutMessage) -> Sent:
        away.set()
        return Sent("taken")

    [key] = await box.queue()
    sender = script([take])
    work(box.worker(sender))
    await eventually(lambda: len(refused) >= 3)
    assert await box.states(key) == ["sending"]
    away.clear()
    await box.until("sent", keys=[key])
    assert len(sender.sent) == 1
    assert [a["provider_id"] for a in await box.attempts(key)] == ["taken"]


async def test_who_listens_hears_of_every_end(box: Any, script: Any, work: Any) -> None:
    heard: list[tuple[UUID, Outcome]] = []

    async def finished(delivery: dict[str, Any], outcome: Outcome) -> None:
        heard.append((delivery["id"], outcome))

    [key] = await box.queue()
    sender = script([BUSY])
    worker = Worker(
        box.database, {"main": sender}, None, box.clock, WorkerOptions(poll=timedelta(milliseconds=20)),
        finished=finished,
    )  # fmt: skip
    work(worker)
    await until_tries(box, key, 1)
    box.clock.at += timedelta(minutes=1)
    await box.until("sent", keys=[key])
    assert heard == [(key, Outcome.TEMPORARY), (key, Outcome.ACCEPTED)]


# ---- over a real relay ----------------------------------------------------------------------------------------------


@pytest.fixture
async def relay() -> AsyncIterator[SimulatedRelay]:
    """A relay on a real socket."""
    simulated = SimulatedRelay()
    await simulated.start()
    yield simulated
    await simulated.stop()


async def test_a_relay_that_fails_twice(box: Any, work: Any, relay: SimulatedRelay) -> None:
    relay.script(["451 4.7.1 Greylisted", "421 4.3.2 Shutting down"])
    [key] = await box.queue()
    work(box.worker(Relay(RelayOptions(name="main", host="127.0.0.1", port=relay.port), clock=box.clock.now)))
    for number in (1, 2):
        await until_tries(box, key, number)
        box.clock.at += timedelta(minutes=3)
    await box.until("sent", keys=[key])
    assert [(a["outcome"], a["code"]) for a in await box.attempts(key)][:2] == [
        ("temporary", "451 4.7.1"), ("temporary", "421 4.3.2"),
    ]  # fmt: skip
    mails = relay.received
    assert len({mail.message_id for mail in mails}) == 1
    assert len({mail.raw.partition(b"\r\n\r\n")[2] for mail in mails}) == 1
    assert len(relay.to("irina@sibtrans.example")) == 1


async def test_a_relay_that_knows_no_such_user(box: Any, work: Any, relay: SimulatedRelay) -> None:
    relay.script(["550 5.1.1 No such user"], to="irina@sibtrans.example", stage="rcpt")
    [key] = await box.queue()
    work(box.worker(Relay(RelayOptions(name="main", host="127.0.0.1", port=relay.port), clock=box.clock.now)))
    await box.until("failed", keys=[key])
    assert [(a["outcome"], a["code"]) for a in await box.attempts(key)] == [("permanent", "550 5.1.1")]


async def test_a_relay_that_takes_it_and_says_nothing_gets_it_again(box: Any, work: Any, relay: SimulatedRelay) -> None:
    relay.script([DROP])
    [key] = await box.queue()
    work(box.worker(Relay(RelayOptions(name="main", host="127.0.0.1", port=relay.port), clock=box.clock.now)))
    await until_tries(box, key, 1)
    box.clock.at += timedelta(minutes=1)
    await box.until("sent", keys=[key])
    assert len({mail.message_id for mail in relay.received}) == 1
    assert len(relay.received) == 2


async def test_two_hundred_deliveries_over_a_relay(box: Any, work: Any, relay: SimulatedRelay) -> None:
    keys = await box.queue(200)
    work(box.worker(Relay(RelayOptions(name="main", host="127.0.0.1", port=relay.port), clock=box.clock.now)))
    await box.until("sent", keys=keys)
    assert Counter(mail.message_id for mail in relay.received) == Counter(f"{key.hex}@otklik.example" for key in keys)


async def test_a_replayed_dead_letter_has_its_tries_anew(box: Any, script: Any, work: Any) -> None:
    [key] = await box.queue(tries=2)
    table = metadata.tables["deliveries"]
    await box.database.write(lambda c: c.execute(update(table).values(tries_before=2)))
    sender = script([BUSY])
    work(box.worker(sender, retry=RetryPolicy(attempts=2)))
    await until_tries(box, key, 3)
    assert await box.states(key) == ["queued"]
    box.clock.at += timedelta(minutes=1)
    await box.until("sent", keys=[key])
    assert [a["number"] for a in await box.attempts(key)] == [3, 4]
