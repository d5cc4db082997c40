"""Idempotency-Key on every change: made once, answered alike, never mixed up."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from storage import tickets as ticket_rows

TICKETS = "/api/v1/tickets"
KEY = {"Idempotency-Key": "job 17/b"}


async def comments(api: Any, number: str) -> list[str]:
    """What was said on a ticket after its beginning."""
    return [m["text"] for m in (await api("GET", f"{TICKETS}/{number}")).body["messages"]][1:]


CHANGES: list[tuple[str, dict[str, Any], int]] = [
    ("status", {"status": "in_progress"}, 200),
    ("comments", {"text": "Едем", "public": True}, 201),
    ("assign", {"assignee": "d.volkov"}, 200),
]


@pytest.mark.parametrize("path, body, status", CHANGES, ids=[c[0] for c in CHANGES])
async def test_the_same_change_again_is_answered_alike_and_not_made(
    api: Any, path: str, body: dict[str, Any], status: int
) -> None:
    number = (await api.make())["number"]
    address = f"{TICKETS}/{number}/{path}"
    first = await api("POST", address, body, headers=KEY)
    again = await api("POST", address, body, headers=KEY)
    assert (first.status, again.status) == (status, status)
    assert again.body == first.body
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    now = await api("GET", f"{TICKETS}/{number}")
    assert now.body["version"] == first.body["version"], "it was made once"


async def test_the_answer_stays_though_the_ticket_goes_on(api: Any) -> None:
    number = (await api.make())["number"]
    body = {"text": "раз", "public": False}
    first = await api("POST", f"{TICKETS}/{number}/comments", body, headers=KEY)
    await api("POST", f"{TICKETS}/{number}/comments", {"text": "два", "public": False})
    again = await api("POST", f"{TICKETS}/{number}/comments", body, headers=KEY)
    assert again.body == first.body
    assert await comments(api, number) == ["раз", "два"]


@pytest.mark.parametrize(
    "path, body",
    [
        ("comments", {"text": "другое", "public": True}),
        ("comments", {"text": "Едем", "public": False}),
        ("status", {"status": "in_progress"}),
    ],
    ids=["another text", "another audience", "another call"],
)
async def test_the_same_key_with_another_request_is_refused(api: Any, path: str, body: dict[str, Any]) -> None:
    number = (await api.make())["number"]
    await api("POST", f"{TICKETS}/{number}/comments", {"text": "Едем", "public": True}, headers=KEY)
    refused = await api("POST", f"{TICKETS}/{number}/{path}", body, headers=KEY)
    assert (refused.status, refused.body["title"]) == (422, "Idempotency-Key used before")
    assert await comments(api, number) == ["Едем"]


async def test_a_key_is_its_tokens_own(api: Any) -> None:
    number = (await api.make())["number"]
    other = await api.token_for("tickets:write")
    for token in (api.token, other):
        headers = KEY | {"Authorization": f"Bearer {token}"}
        answer = await api(
            "POST", f"{TICKETS}/{number}/comments", {"text": token[:8], "public": False}, headers=headers
        )
        assert answer.status == 201
    assert len(await comments(api, number)) == 2


async def test_many_at_once_make_one(api: Any) -> None:
    number = (await api.make())["number"]
    body = {"text": "Едем", "public": True}
    address = f"{TICKETS}/{number}/comments"
    answers = await asyncio.gather(*(api("POST", address, body, headers=KEY) for _ in range(10)))
    statuses = {answer.status for answer in answers}
    assert 201 in statuses
    assert statuses <= {201, 409}
    for answer in answers:
        if answer.status == 409:
            assert answer.headers["Retry-After"] == "1"
            assert answer.body["title"] == "The same request is under way"
    assert await comments(api, number) == ["Едем"]
    assert (await api("POST", address, body, headers=KEY)).status == 201, "then it is answered as the first was"


async def test_a_refused_change_has_not_used_its_key(api: Any) -> None:
    number = (await api.make())["number"]
    address = f"{TICKETS}/{number}/status"
    assert (await api("POST", address, {"status": "closed"}, headers=KEY)).status == 409
    assert (await api("POST", address, {"status": "in_progress"}, headers=KEY)).status == 200


async def test_a_key_is_forgotten_after_a_day(api: Any) -> None:
    number = (await api.make())["number"]
    address = f"{TICKETS}/{number}/comments"
    await api("POST", address, {"text": "раз", "public": False}, headers=KEY)
    api.clock.at += timedelta(hours=24)
    assert (await api("POST", address, {"text": "два", "public": False}, headers=KEY)).status == 201
    assert await comments(api, number) == ["раз", "два"]


async def test_an_answer_that_a_crash_kept_back_is_made_anew(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program dies between the change and its answer: the change stands, and its key with it."""
    number = (await api.make())["number"]
    body = {"text": "Едем", "public": True}
    address = f"{TICKETS}/{number}/comments"

    def dies(*_: Any) -> None:
        raise RuntimeError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(ticket_rows, "everything", dies)
        assert (await api("POST", address, body, headers=KEY)).status == 500
    assert await comments(api, number) == ["Едем"]
    assert (await api("POST", address, body, headers=KEY)).status == 409, "it might still be under way"
    api.clock.at += timedelta(seconds=31)
    again = await api("POST", address, body, headers=KEY)
    assert again.status == 201
    assert await comments(api, number) == ["Едем"], "and was not made again"
    assert (await api("POST", address, body, headers=KEY)).body == again.body


@pytest.mark.parametrize("key", ["x" * 256, "ключ", ""])
async def test_what_can_be_no_key_is_refused(api: Any, key: str) -> None:
    number = (await api.make())["number"]
    for path, body in (("", {"contact": {"kind": "email", "value": "a@b.example"}, "text": "x"}),
                       (f"/{number}/comments", {"text": "x", "public": True})):  # fmt: skip
        answer = await api("POST", TICKETS + path, body, headers={"Idempotency-Key": key})
        assert (answer.status, answer.body["title"]) == (400, "Bad Idempotency-Key")


async def test_a_replayed_delivery_and_entry_honour_keys_too(api: Any) -> None:
    await api.make()
    token = await api.token_for("deliveries:read", "deliveries:write")
    headers = KEY | {"Authorization": f"Bearer {token}"}
    [told, *_] = (await api("GET", "/api/v1/deliveries", headers=headers)).body["items"]
    address = f"/api/v1/deliveries/{told['id']}/retry"
    refused = await api("POST", address, headers=headers)
    assert refused.status == 409, "it is in the queue already"
    assert (await api("POST", address, headers=headers)).body == refused.body
