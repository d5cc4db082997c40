"""Tokens that see but a part: a ticket outside is as good as none, to the last octet and millisecond."""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest

from desk.tokens import TokenBook
from tickets.boundary import Boundary

TICKETS = "/api/v1/tickets"
ALL = ["tickets:read", "tickets:write", "deliveries:read", "deliveries:write"]
OUTSIDE = {"kind": "email", "value": "i@dalryba.example", "name": "Чужой"}
INSIDE = {"kind": "email", "value": "irina@sibtrans.example", "name": "Ирина Власова"}


async def bounded(api: Any, **within: str) -> dict[str, str]:
    """The header with a token restricted so."""
    name = f"bounded {within}"
    book = TokenBook(api.program.opened)
    token = await book.create(name, ALL, api.clock.now(), None, within=Boundary(**within), per_minute=0)
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    "within", [{"customer": "sibtrans"}, {"centre": "nsk"}, {"customer": "sibtrans", "centre": "nsk"}]
)
async def test_only_what_is_inside_exists(api: Any, within: dict[str, str]) -> None:
    inside = (await api.make(contact=INSIDE))["number"]
    await api.make(contact=OUTSIDE)
    headers = await bounded(api, **within)
    assert [t["number"] for t in (await api("GET", TICKETS, headers=headers)).body["items"]] == [inside]
    assert (await api("GET", f"{TICKETS}/{inside}", headers=headers)).status == 200
    ledger = (await api("GET", "/api/v1/deliveries", headers=headers)).body["items"]
    assert {entry["ticket"] for entry in ledger} == {inside}


CALLS: list[tuple[str, str, Any]] = [
    ("GET", f"{TICKETS}/{{}}", None),
    ("POST", f"{TICKETS}/{{}}/status", {"status": "in_progress"}),
    ("POST", f"{TICKETS}/{{}}/status", {"status": "closed"}),
    ("POST", f"{TICKETS}/{{}}/comments", {"text": "x", "public": True}),
    ("POST", f"{TICKETS}/{{}}/comments", {"text": " ", "public": True}),
    ("POST", f"{TICKETS}/{{}}/assign", {"assignee": "d.volkov"}),
    ("POST", f"{TICKETS}/{{}}/assign", {"group": "nothing"}),
    ("GET", f"{TICKETS}/{{}}/messages/{'0' * 32}/raw", None),
    ("GET", f"{TICKETS}/{{}}/messages/{'0' * 32}/html", None),
    ("GET", f"{TICKETS}/{{}}/attachments/{'0' * 32}", None),
    ("GET", "/api/v1/deliveries?ticket={}", None),
]


async def test_anothers_ticket_is_answered_exactly_as_a_missing_one(api: Any) -> None:
    outside = (await api.make(contact=OUTSIDE))["number"]
    headers = await bounded(api, customer="sibtrans") | {"If-Match": '"1"', "Idempotency-Key": "k"}
    missing = "OTK-26-999999"
    for method, path, body in CALLS:
        answers = [await api(method, path.format(number), body, headers=headers) for number in (outside, missing)]
        shown = [
            str(answer.body).replace(number, "N") for answer, number in zip(answers, (outside, missing), strict=True)
        ]
        assert answers[0].status == answers[1].status, path
        assert shown[0] == shown[1], path
        assert answers[0].status == 404 or body == {"text": " ", "public": True}
        for name in {name.lower() for name in answers[0].headers} - {"date", "x-request-id"}:
            assert answers[0].headers[name] == answers[1].headers[name], (path, name)
    whole = (await api("GET", f"{TICKETS}/{outside}")).body
    assert (whole["version"], whole["status"]) == (1, "new")


async def test_a_delivery_of_anothers_ticket_is_as_good_as_none(api: Any) -> None:
    await api.make(contact=OUTSIDE)
    everything = await api.token_for("deliveries:read")
    [told, *_] = (await api("GET", "/api/v1/deliveries", headers={"Authorization": f"Bearer {everything}"})).body[
        "items"
    ]
    headers = await bounded(api, customer="sibtrans")
    nobodys = "0" * 31 + "1"
    for method, path in (("GET", ""), ("POST", "/retry"), ("POST", "/settle")):
        body = {"state": "sent"} if path == "/settle" else None
        answers = [
            await api(method, f"/api/v1/deliveries/{key}{path}", body, headers=headers) for key in (told["id"], nobodys)
        ]
        shown = [str(answer.body).replace(key, "K") for answer, key in zip(answers, (told["id"], nobodys), strict=True)]
        assert [answer.status for answer in answers] == [404, 404]
        assert shown[0] == shown[1]


async def test_asking_for_anothers_ticket_asks_the_same_of_the_database_as_for_a_missing_one(
    api: Any, asked: list[str]
) -> None:
    outside = (await api.make(contact=OUTSIDE))["number"]
    headers = await bounded(api, customer="sibtrans")
    found = []
    for number in (outside, outside, "OTK-26-999999"):
        asked.clear()
        await api("GET", f"{TICKETS}/{number}", headers=headers)
        found.append(list(asked))
    assert found[1] == found[2]


@pytest.mark.long
async def test_asking_for_anothers_ticket_takes_as_long_as_for_a_missing_one(api: Any) -> None:
    outside = (await api.make(contact=OUTSIDE))["number"]
    headers = await bounded(api, customer="sibtrans")

    async def took(number: str) -> float:
        begun = time.perf_counter()
        await api("GET", f"{TICKETS}/{number}", headers=headers)
        return time.perf_counter() - begun

    # in turns, each time the other first: what else the machine does is no difference of ours
    times: dict[str, list[float]] = {outside: [], "OTK-26-999999": []}
    for turn in range(500):
        for number in list(times)[:: 1 if turn % 2 else -1]:
            times[number].append(await took(number))
    one, two = map(statistics.median, times.values())
    assert abs(one - two) < 0.001, (one, two)


async def test_a_new_ticket_is_of_the_customer_it_must_be_of(api: Any) -> None:
    headers = await bounded(api, customer="sibtrans", centre="nsk")
    made = await api("POST", TICKETS, {"contact": OUTSIDE, "text": "x"}, headers=headers)
    assert made.status == 201
    assert (made.body["customer"]["id"], made.body["centre"]) == ("sibtrans", "nsk")
    assert (await api("GET", f"{TICKETS}/{made.body['number']}", headers=headers)).status == 200
    for field, other in (("customer", "globex"), ("centre", "msk")):
        answers = [
            await api("POST", TICKETS, {"contact": INSIDE, "text": "x", field: code}, headers=headers)
            for code in (other, "нет")
        ]
        assert [answer.status for answer in answers] == [422, 422]
        assert answers[0].body["detail"].replace(other, "") == answers[1].body["detail"].replace("нет", "")


async def test_nothing_is_learned_of_people_of_others(api: Any) -> None:
    """Whoever names somebody's mailbox learns neither their name nor their telephone number."""
    await api.make(contact=OUTSIDE | {"name": "Тайна Тайновна"})
    headers = await bounded(api, customer="sibtrans")
    named = {"kind": "email", "value": OUTSIDE["value"], "name": "Некто"}
    made = await api("POST", TICKETS, {"contact": named, "text": "x"}, headers=headers)
    shown = await api("GET", f"{TICKETS}/{made.body['number']}", headers=headers)
    for answer in (made, shown):
        assert "Тайна" not in str(answer.body["contact"])
        assert [a["value"] for a in answer.body["contact"]["addresses"]] == [OUTSIDE["value"]]


async def test_a_ticket_cannot_be_given_out_of_sight(api: Any) -> None:
    number = (await api.make(contact=INSIDE))["number"]
    headers = await bounded(api, centre="nsk")
    refused = await api("POST", f"{TICKETS}/{number}/assign", {"centre": "msk"}, headers=headers)
    assert (refused.status, refused.body["detail"]) == (422, "there is no centre 'msk'")
    refused = await api("POST", f"{TICKETS}/{number}/assign", {"assignee": "nobody"}, headers=headers)
    assert "d.volkov" not in refused.body["detail"], "who else works here is not told"


async def test_quarantine_is_not_for_those_who_see_a_part(api: Any) -> None:
    book = TokenBook(api.program.opened)
    token = await book.create("q", ["quarantine:read"], api.clock.now(), None, within=Boundary("sibtrans"))
    assert (await api("GET", "/api/v1/quarantine", headers={"Authorization": f"Bearer {token}"})).status == 403


async def test_a_boundary_must_exist(api: Any) -> None:
    book = TokenBook(api.program.opened)
    for within in (Boundary("nothing"), Boundary(centre="nowhere")):
        with pytest.raises(ValueError, match="there is no"):
            await book.create("x", ["tickets:read"], api.clock.now(), None, within=within)
