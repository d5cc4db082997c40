"""How much a token may ask, and what no request may do: break the program."""

from __future__ import annotations

import json
from typing import Any

import pytest

from desk.tokens import TokenBook
from web.api.allowance import Allowance
from web.api.problem import Problem

TICKETS = "/api/v1/tickets"


def taken(allowance: Allowance, at: float, tries: int) -> int:
    """How many of so many requests at one moment are let through."""
    passed = 0
    for _ in range(tries):
        try:
            allowance.take(at)
        except Problem:
            break
        passed += 1
    return passed


@pytest.mark.parametrize("per_minute", [1, 7, 60, 6000])
def test_a_minute_holds_so_many_and_refills_steadily(per_minute: int) -> None:
    allowance = Allowance(per_minute)
    assert allowance.left(1000.0) == per_minute
    assert taken(allowance, 1000.0, per_minute + 5) == per_minute
    assert allowance.left(1000.0) == 0
    assert taken(allowance, 1000.0 + 60 / per_minute, 5) == 1, "one more after its share of the minute"
    assert taken(allowance, 2000.0, per_minute + 5) == per_minute, "never more than a minute's worth"


async def test_whoever_asks_too_much_is_told_how_long_to_wait(api: Any) -> None:
    book = TokenBook(api.program.opened)
    token = await book.create("slow", ["tickets:read"], api.clock.now(), None, per_minute=3)
    # in every spelling: it is one token
    fields = [f"Bearer {token}", f"bearer {token}", f"Bearer  {token}", f"BEARER {token}"]
    answers = [await api("GET", TICKETS, headers={"Authorization": field}) for field in fields]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    refused = answers[-1]
    assert refused.headers["Content-Type"].startswith("application/problem+json")
    assert 1 <= int(refused.headers["Retry-After"]) <= 20
    assert refused.headers["RateLimit-Policy"] == '"token";q=3;w=60'
    assert refused.headers["RateLimit"].startswith('"token";r=0;t=')
    assert (await api("GET", TICKETS)).status == 200, "others go on"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=cp1251",
                                  "multipart/form-data; boundary=x", "nonsense"])  # fmt: skip
async def test_a_body_that_is_not_called_json_is_refused(api: Any, kind: str) -> None:
    number = (await api.make())["number"]
    for path in ("", f"/{number}/status", f"/{number}/comments", f"/{number}/assign"):
        answer = await api("POST", TICKETS + path, data=b'{"text": "x"}', headers={"Content-Type": kind})
        assert (answer.status, answer.body["title"]) == (415, "Not JSON")
        assert answer.headers["Accept-Post"] == "application/json"


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=UTF-8", "Application/JSON",
                                  "application/vnd.otklik+json"])  # fmt: skip
async def test_json_may_be_called_so_in_several_ways(api: Any, kind: str) -> None:
    body = json.dumps({"contact": {"kind": "email", "value": "a@b.example"}, "text": "x"}).encode()
    assert (await api("POST", TICKETS, data=body, headers={"Content-Type": kind})).status == 201


async def test_methods(api: Any) -> None:
    number = (await api.make())["number"]
    for path, allowed in ((TICKETS, {"GET", "HEAD", "POST"}), (f"{TICKETS}/{number}", {"GET", "HEAD"}),
                          (f"{TICKETS}/{number}/status", {"POST"})):  # fmt: skip
        for method in ("PUT", "DELETE", "PATCH", "TRACE"):
            answer = await api(method, path)
            assert answer.status == 405
            assert set(answer.headers["Allow"].replace(" ", "").split(",")) == allowed
        answer = await api("OPTIONS", path, headers={"Authorization": None})
        assert (answer.status, answer.body) == (204, "")
        assert set(answer.headers["Allow"].replace(" ", "").split(",")) == allowed | {"OPTIONS"}
        assert "Access-Control-Allow-Origin" not in answer.headers
    head = await api("HEAD", f"{TICKETS}/{number}")
    get = await api("GET", f"{TICKETS}/{number}")
    assert (head.status, head.body) == (200, None)
    assert (head.headers["ETag"], head.headers["Content-Length"]) == (
        get.headers["ETag"],
        get.headers["Content-Length"],
    )


async def test_what_is_not_asked_for_is_refused(api: Any) -> None:
    number = (await api.make())["number"]
    for path in (f"{TICKETS}?statsu=new", f"{TICKETS}?limit=1&limit=2", f"{TICKETS}/{number}?x=1", "/openapi.json?x=1"):
        answer = await api("GET", path)
        assert (answer.status, answer.body["title"]) == (400, "Bad parameter")


HOSTILE: list[Any] = [
    "\x00", "\ud800", "a\udfffb", "\u202e", "x" * 100_000, "9" * 5000, 10**400, -(10**400), 1e400, float("nan"), True,
    None, [], {}, [[[[]]]], {"a": {"b": {}}}, "%00", "'; DROP TABLE tickets; --", "{{ 7*7 }}", "\r\nX: y", "\u2028", "",
]  # fmt: skip


@pytest.mark.parametrize(
    "path, body",
    [
        ("", {"contact": {"kind": "email", "value": "a@b.example", "name": "И"}, "text": "x", "subject": "s",
              "language": "ru", "type": "t", "category": "c", "impact": "low", "urgency": "low", "customer": "",
              "centre": "", "group": "", "assignee": ""}),
        ("/1/status", {"status": "in_progress", "comment": "c"}),
        ("/1/comments", {"text": "x", "public": False}),
        ("/1/assign", {"assignee": "d.volkov", "group": "nsk-support", "centre": "nsk"}),
    ],
    ids=["ticket", "status", "comment", "assign"],
)  # fmt: skip
async def test_no_value_of_any_field_breaks_anything(api: Any, path: str, body: dict[str, Any]) -> None:
    await api.make()
    places: list[tuple[str, ...]] = [(name,) for name in body]
    places += [("contact", name) for name in ("kind", "value", "name")] if "contact" in body else []
    for place in places:
        for value in HOSTILE:
            sent = json.loads(json.dumps(body))
            inside = sent
            for name in place[:-1]:
                inside = inside[name]
            inside[place[-1]] = value
            raw = json.dumps(sent).encode()
            answer = await api("POST", TICKETS + path, data=raw, headers={"Content-Type": "application/json"})
            assert answer.status < 500, (place, str(value)[:40], answer.body)


QUERIES = ["%ED%A0%80", "%FF", "9" * 3000, "-1", "%E2%80%AE", "null", "[]", "%27%3B--", "1e9", "٣", "%0A", "x" * 5000]


@pytest.mark.parametrize(
    "path, names",
    [
        (TICKETS, ["status", "centre", "customer", "assignee", "channel", "q", "since", "until", "limit", "cursor"]),
        ("/api/v1/deliveries", ["state", "dead", "channel", "provider", "ticket", "person", "limit", "cursor"]),
        ("/api/v1/quarantine", ["state", "channel", "limit", "cursor"]),
    ],
    ids=["tickets", "deliveries", "quarantine"],
)
async def test_no_query_breaks_anything(api: Any, path: str, names: list[str]) -> None:
    token = await api.token_for("tickets:read", "deliveries:read", "quarantine:read")
    for name in names:
        for value in QUERIES:
            answer = await api("GET", f"{path}?{name}={value}", headers={"Authorization": f"Bearer {token}"})
            assert answer.status in (200, 400, 404), (name, value, answer.body)
            if answer.status == 400:
                assert answer.body["errors"][0]["field"] == name


async def test_several_statuses(api: Any) -> None:
    await api.make()
    await api.make()
    await api("POST", f"{TICKETS}/2/status", {"status": "in_progress"})
    await api.make()
    await api("POST", f"{TICKETS}/3/status", {"status": "resolved"})
    for query, expected in {
        "status=new&status=resolved": [3, 1], "status=new,in_progress": [2, 1], "status=": [3, 2, 1],
        "status=new&status=new": [1],
    }.items():  # fmt: skip
        page = await api("GET", f"{TICKETS}?{query}")
        assert [int(item["number"][-6:]) for item in page.body["items"]] == expected, query
    assert (await api("GET", f"{TICKETS}?status=new,lost")).status == 400


async def test_a_header_that_is_too_long(api: Any) -> None:
    answer = await api("GET", TICKETS, headers={"X-Long": "x" * 20_000})
    assert 400 <= answer.status < 500
    assert (await api("GET", TICKETS)).status == 200
