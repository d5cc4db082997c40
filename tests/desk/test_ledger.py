"""The ledger: every attempt can be seen, dead letters are replayed, and nobody gets anything twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from channels.testing import SimulatedRelay
from desk import ledger as desk_ledger
from desk.change import Actor, NoSuchTicket, Refused
from desk.ledger import Ledger, NoSuchDelivery, NotMoved
from storage.ledger import Filter
from tickets.delivery import DeliveryState

S = DeliveryState
PERSON = Actor("staff:anna", "Анна Соколова")


async def listed(office: Any, **wanted: Any) -> list[dict[str, Any]]:
    items, _ = await office.ledger.listing(Filter(**wanted), "ru")
    return items


async def to_author(office: Any, **wanted: Any) -> dict[str, Any]:
    """The one delivery to the author."""
    (found,) = await listed(office, person="irina@romashka.example", **wanted)
    return found


# ---- reading ------------------------------------------------------------------------------------------------------


async def test_a_delivery_is_shown_with_every_attempt_and_the_text_as_sent(office: Any, relay: SimulatedRelay) -> None:
    number = await office.receive("Не печатает принтер")
    relay.script(["451 4.7.1 Greylisted, try again later", "451 4.3.0 Busy"], to="irina@romashka.example")
    for _ in range(3):
        await office.deliver(relay)
        office.clock.move(minutes=1)
    entry = await to_author(office)
    shown = await office.ledger.show(UUID(entry["id"]), "ru")
    assert (shown["ticket"], shown["event"], shown["state"]) == (number, "received", "sent")
    assert shown["to"] == {"person": "Ирина Власова", "role": "author"}
    assert [(a["number"], a["outcome"], a["code"]) for a in shown["attempts"]] == [
        (1, "temporary", "451 4.7.1"),
        (2, "temporary", "451 4.3.0"),
        (3, "accepted", "250"),
    ]
    assert all(a["started_at"] and a["ended_at"] and a["provider"] == "local" for a in shown["attempts"])
    assert all("RCPT" in a["exchange"] for a in shown["attempts"])
    assert number in shown["text"]
    (mail,) = [m for m in relay.to("irina@romashka.example") if m.accepted]
    assert shown["envelope"]["message_id"] == mail.message_id


async def test_lists_are_newest_first_and_page_by_cursor(office: Any) -> None:
    numbers = [await office.receive(f"Письмо {n}") for n in range(5)]
    seen: list[str] = []
    wanted = Filter(limit=3)
    while True:
        items, cursor = await office.ledger.listing(wanted, "ru")
        assert len(items) <= 3
        seen += [item["id"] for item in items]
        if cursor is None:
            break
        wanted = replace(wanted, before=UUID(cursor))
    assert len(seen) == len(set(seen)) == 10  # the author and the assignee of each ticket
    assert seen == sorted(seen, reverse=True)
    assert {item["ticket"] for item in await listed(office)} == set(numbers)


async def test_filters(office: Any) -> None:
    first = await office.receive("Первое")
    await office.receive("Второе")
    letter = (await listed(office, person="irina@romashka.example"))[1]
    await office.put(letter["id"], state="failed", reason="refused")

    async def count(**wanted: Any) -> int:
        return len(await listed(office, **wanted))

    assert await count(state=S.FAILED) == 1
    assert await count(dead=True) == 1
    assert await count(state=S.QUEUED) == 3
    assert await count(channel="email") == 4
    assert await count(channel="sms") == 0
    assert await count(provider="local") == 4
    assert await count(provider="other") == 0
    assert await count(person="IRINA@romashka.example") == 2
    assert await count(person="власова") == 2
    assert await count(person="%") == 0
    items, _ = await office.ledger.listing(Filter(), "ru", ticket="1")
    assert {item["ticket"] for item in items} == {first}
    with pytest.raises(NoSuchTicket):
        await office.ledger.listing(Filter(), "ru", ticket="OTK-26-999999")
    with pytest.raises(NoSuchDelivery):
        await office.ledger.show(uuid4(), "ru")


# ---- replaying ----------------------------------------------------------------------------------------------------


async def test_a_dead_letter_is_sent_again_with_its_tries_counted_anew(office: Any, relay: SimulatedRelay) -> None:
    number = await office.receive()
    relay.script(["550 5.7.1 Not today"], to="irina@romashka.example")
    await office.deliver(relay)
    dead = await to_author(office, dead=True)
    assert (dead["state"], dead["reason"], dead["tries"], dead["dead"]) == ("failed", "refused", 1, True)

    office.clock.move(days=30)
    office.queued.clear()
    await office.ledger.retry(UUID(dead["id"]), PERSON)
    again = await to_author(office, state=S.QUEUED)
    assert again["due_at"] == office.clock.now().isoformat()
    assert again["expires_at"] == (office.clock.now() + office.site.policy.lifetime).isoformat()
    assert again["reason"] is None
    assert office.queued

    await office.deliver(relay)
    sent = await to_author(office, state=S.SENT)
    assert [a["number"] for a in sent["attempts"]] == [1, 2]
    refused, taken = [m for m in relay.received if m.rcpt_to == ("irina@romashka.example",)]
    assert (refused.accepted, taken.accepted) == (False, True)
    assert refused.message_id == taken.message_id
    told = [(e["what"], e["by"], e["old"], e["new"]) for e in (await office.ticket(number))["history"]]
    assert ("delivery_retried", "staff:anna", "failed", "queued") in told
    why = next(e["because"] for e in (await office.ticket(number))["history"] if e["what"] == "delivery_retried")
    assert why == "сообщение на irina@romashka.example отправим ещё раз"


async def test_tries_of_before_do_not_shorten_the_patience(office: Any, relay: SimulatedRelay) -> None:
    await office.receive()
    entry = await to_author(office)
    await office.put(entry["id"], state="failed", reason="out_of_tries", tries=100)
    await office.ledger.retry(UUID(entry["id"]), PERSON)
    relay.script(["451 4.7.1 Later"], to="irina@romashka.example")
    await office.deliver(relay)
    entry = await to_author(office)
    assert (entry["state"], entry["tries"]) == ("queued", 101)


@pytest.mark.parametrize("state", list(S))
async def test_only_what_is_over_and_did_not_arrive_returns_to_the_queue(office: Any, state: DeliveryState) -> None:
    await office.receive()
    entry = await to_author(office)
    await office.put(entry["id"], state=state.value)
    if state in (S.FAILED, S.EXPIRED, S.UNKNOWN):
        await office.ledger.retry(UUID(entry["id"]), PERSON)
        assert (await to_author(office))["state"] == "queued"
        return
    with pytest.raises(NotMoved) as refused:
        await office.ledger.retry(UUID(entry["id"]), PERSON)
    assert (await to_author(office))["state"] == state.value
    if state in (S.SENT, S.DELIVERED, S.READ):
        assert "twice" in str(refused.value)


async def test_who_was_told_by_another_delivery_is_not_told_again(office: Any) -> None:
    await office.receive()
    await office.receive()
    one, other = await listed(office, person="irina@romashka.example")
    notification = UUID(other["notification"])
    await office.put(one["id"], state="failed", notification_id=notification)
    await office.put(other["id"], state="delivered")
    with pytest.raises(NotMoved, match="told by another delivery, which is delivered"):
        await office.ledger.retry(UUID(one["id"]), PERSON)
    replayed = await office.ledger.retry_dead(Filter(), PERSON)
    assert replayed.done == 0
    assert [key for key, _ in replayed.refused] == [one["id"]]


@pytest.mark.parametrize(
    "policy, why",
    [
        ({"providers": {}}, "switched off"),
        ({"stop_list": frozenset({"irina@romashka.example"})}, "stop list"),
        ({"stop_list": frozenset({"romashka.example"})}, "stop list"),
        ({"only": frozenset({"test@otklik.example"})}, "test mode"),
    ],
)
async def test_what_may_not_be_written_to_is_not_retried(office: Any, policy: dict[str, Any], why: str) -> None:
    await office.receive()
    entry = await to_author(office)
    await office.put(entry["id"], state="failed")
    strict = replace(office.site, policy=replace(office.site.policy, **policy))
    with pytest.raises(NotMoved, match=why):
        await Ledger(office.database, strict, office.clock).retry(UUID(entry["id"]), PERSON)


async def test_a_retry_leaves_by_the_relay_of_today(office: Any) -> None:
    await office.receive()
    entry = await to_author(office)
    await office.put(entry["id"], state="expired", provider="gone")
    await office.ledger.retry(UUID(entry["id"]), PERSON)
    assert (await to_author(office))["provider"] == "local"


async def test_dead_letters_are_replayed_in_batches(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_ledger, "BATCH", 3)
    for n in range(8):
        await office.receive(f"Письмо {n}")
    entries = await listed(office, person="irina@romashka.example")
    for entry, state in zip(entries, ["failed", "expired"] * 3 + ["sent", "unknown"], strict=True):
        await office.put(entry["id"], state=state)
    replayed = await office.ledger.retry_dead(Filter(), PERSON)
    assert (replayed.done, replayed.refused) == (6, ())
    states = [e["state"] for e in await listed(office, person="irina@romashka.example")]
    assert sorted(states) == ["queued"] * 6 + ["sent", "unknown"]
    assert (await office.ledger.retry_dead(Filter(), PERSON)).done == 0


async def test_a_replay_keeps_to_its_filter(office: Any) -> None:
    first = await office.receive("Первое")
    await office.receive("Второе")
    for entry in await listed(office, person="irina@romashka.example"):
        await office.put(entry["id"], state="failed")
    replayed = await office.ledger.retry_dead(Filter(), PERSON, ticket=first)
    assert replayed.done == 1
    assert {e["ticket"] for e in await listed(office, state=S.FAILED)} == {"OTK-26-000002"}


async def test_the_actor_must_be_somebody(office: Any) -> None:
    await office.receive()
    entry = await to_author(office)
    await office.put(entry["id"], state="failed")
    with pytest.raises(Refused, match="nobody with the login 'ghost'"):
        await office.ledger.retry(UUID(entry["id"]), "ghost")
    await office.ledger.retry(UUID(entry["id"]), "anna")


# ---- what is unknown ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["sent", "failed", "queued"])
async def test_a_person_settles_what_is_unknown(office: Any, answer: str) -> None:
    number = await office.receive()
    entry = await to_author(office)
    await office.put(entry["id"], state="unknown", reason="lost_in_crash")
    await office.ledger.settle(UUID(entry["id"]), S(answer), PERSON)
    settled = await to_author(office)
    assert settled["state"] == answer
    told = [(e["what"], e["old"], e["new"]) for e in (await office.ticket(number))["history"]]
    assert told[-1] == ("delivery_settled", "unknown", answer)


async def test_only_what_is_unknown_is_settled(office: Any) -> None:
    await office.receive()
    entry = await to_author(office)
    with pytest.raises(NotMoved, match="queued: only what is unknown"):
        await office.ledger.settle(UUID(entry["id"]), S.SENT, PERSON)
    await office.put(entry["id"], state="unknown")
    with pytest.raises(NotMoved, match="one of sent, failed, queued"):
        await office.ledger.settle(UUID(entry["id"]), S.READ, PERSON)


# ---- health -------------------------------------------------------------------------------------------------------


async def test_health_of_a_desk_that_never_sent_anything(office: Any) -> None:
    assert await office.ledger.health() == {
        "at": office.clock.now().isoformat(),
        "providers": {},
        "dead": 0,
        "unknown": 0,
    }


async def test_health_by_provider(office: Any, relay: SimulatedRelay) -> None:
    began = office.clock.now()
    await office.receive("Первое")
    relay.script(["451 4.7.1 Greylisted"], to="irina@romashka.example")
    await office.deliver(relay)
    await office.receive("Второе")
    office.clock.move(seconds=5)
    health = await office.ledger.health()
    local = health["providers"]["local"]
    assert (local["due"], local["later"], local["sending"]) == (2, 1, 0)
    assert (local["oldest_due_at"], local["oldest_due_seconds"]) == (began.isoformat(), 5)
    assert (local["sent_last_hour"], local["failed_last_hour"]) == (1, 1)
    assert local["last_success_at"] == began.isoformat()
    assert local["last_error"]["code"] == "451 4.7.1"
    assert local["last_error"]["outcome"] == "temporary"

    office.clock.move(hours=2)
    for entry, state in zip(await listed(office, state=S.QUEUED), ("failed", "expired", "unknown"), strict=True):
        await office.put(entry["id"], state=state)
    health = await office.ledger.health()
    assert (health["dead"], health["unknown"]) == (2, 1)
    assert health["providers"]["local"]["sent_last_hour"] == 0
    assert health["providers"]["local"]["last_success_at"] == began.isoformat()


# PostgreSQL plans by statistics, which an empty table has not
@pytest.mark.parametrize("laid_out_url", ["sqlite"], indirect=True)
async def test_what_is_due_is_found_by_the_partial_indexes(office: Any) -> None:
    plan = await office.database.read(
        lambda c: [
            row[3]
            for condition in ("state IN ('failed', 'expired', 'unknown')", "state = 'queued'")
            for row in c.exec_driver_sql(
                f"EXPLAIN QUERY PLAN SELECT provider, count(*) FROM deliveries WHERE {condition} GROUP BY provider"
            )
        ]
    )
    assert any("ix_deliveries_trouble" in line for line in plan)
    assert any("ix_deliveries_due" in line for line in plan)


async def test_a_lifetime_bounds_what_health_reads(office: Any, relay: SimulatedRelay) -> None:
    await office.receive()
    await office.deliver(relay)
    brief = replace(office.site, policy=replace(office.site.policy, lifetime=timedelta(hours=-2)))
    assert (await Ledger(office.database, brief, office.clock).health())["providers"] == {}
