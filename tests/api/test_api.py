"""Tickets over HTTP, as other systems see them."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from desk.tokens import TokenBook

TICKETS = "/api/v1/tickets"
CONTACT = {"kind": "email", "value": "irina@sibtrans.example", "name": "Ирина Власова"}
MINIMAL = {"contact": CONTACT, "text": "Не печатает принтер"}


def is_problem(answer: Any, status: int) -> dict[str, Any]:
    """Check the shape of an error (RFC 9457) and return it."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem: dict[str, Any] = answer.body
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    return problem


# ---- who may --------------------------------------------------------------------------------------------------------

CALLS = [
    ("GET", TICKETS, "tickets:read"),
    ("GET", f"{TICKETS}/OTK-26-000001", "tickets:read"),
    ("POST", TICKETS, "tickets:write"),
    ("POST", f"{TICKETS}/OTK-26-000001/status", "tickets:write"),
    ("POST", f"{TICKETS}/OTK-26-000001/comments", "tickets:write"),
    ("POST", f"{TICKETS}/OTK-26-000001/assign", "tickets:write"),
]


async def test_every_call_needs_a_token_with_its_scope(api: Any) -> None:
    for method, path, scope in CALLS:
        for header in (None, "Bearer", "Bearer otk_unknown", "Basic YTpi", f"bearer{api.token}", "Bearer ж"):
            answer = await api(method, path, headers={"Authorization": header})
            is_problem(answer, 401)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        other = "tickets:write" if scope == "tickets:read" else "tickets:read"
        token = await api.token_for(other, "deliveries:read", method, path.replace("/", "."))
        problem = is_problem(await api(method, path, headers={"Authorization": f"Bearer {token}"}), 403)
        assert scope in problem["detail"]


async def test_a_token_ends(api: Any) -> None:
    book = TokenBook(api.program.opened)
    short = await book.create("short", ["tickets:read"], api.clock.now(), api.clock.now() + timedelta(hours=1))
    headers = {"Authorization": f"Bearer {short}"}
    assert (await api("GET", TICKETS, headers=headers)).status == 200
    api.clock.at += timedelta(hours=1)
    is_problem(await api("GET", TICKETS, headers=headers), 401)


async def test_a_revoked_token_that_was_never_used_is_worth_nothing(api: Any) -> None:
    token = await api.token_for("tickets:read")
    await TokenBook(api.program.opened).revoke("t-tickets:read", api.clock.now())
    is_problem(await api("GET", TICKETS, headers={"Authorization": f"Bearer {token}"}), 401)


# ---- a new ticket ---------------------------------------------------------------------------------------------------


async def test_a_new_ticket_is_answered_in_its_whole_shape(api: Any) -> None:
    answer = await api("POST", TICKETS, MINIMAL | {"subject": "Принтер", "impact": "medium"})
    assert answer.status == 201
    ticket = answer.body
    assert answer.headers["Location"] == f"{TICKETS}/{ticket['number']}"
    assert {
        "number", "subject", "status", "type", "category", "impact", "urgency", "priority", "centre", "line", "group",
        "assignee", "customer", "contact", "channel", "created_at", "respond_by", "resolve_by", "closed_at",
        "decision", "messages", "notifications", "history",
    } <= set(ticket)  # fmt: skip
    assert (ticket["number"], ticket["status"], ticket["channel"]) == ("OTK-26-000001", "new", "api")
    assert (ticket["centre"], ticket["group"]) == ("nsk", "nsk-support")
    assert ticket["customer"] == {"id": "sibtrans", "name": "ООО «СибТрансЛогистик»"}
    assert ticket["contact"]["name"] == "Ирина Власова"
    assert ticket["contact"]["addresses"] == [{"kind": "email", "value": "irina@sibtrans.example", "verified": False}]
    assert ticket["created_at"] == "2026-11-18T09:00:00+00:00"
    assert ticket["respond_by"] == "2026-11-18T11:00:00+00:00"
    assert ticket["closed_at"] is None
    for decided in ticket["decision"]:
        assert {"field", "value", "rule", "code", "facts", "because"} <= set(decided)
        assert decided["because"]
    [message] = ticket["messages"]
    assert {
        "id", "direction", "channel", "kind", "from", "subject", "text", "reply_text", "html", "at", "message_id",
        "public", "authenticity", "receipts", "attachments",
    } <= set(message)  # fmt: skip
    assert (message["direction"], message["public"], message["receipts"]) == ("in", True, 1)
    assert message["from"] == {"kind": "email", "value": "irina@sibtrans.example", "name": "Ирина Власова"}
    for told in ticket["notifications"]:
        assert {"id", "event", "to", "state", "created_at", "deliveries"} <= set(told)
        for way in told["deliveries"]:
            assert {
                "id", "step", "channel", "address", "language", "state", "reason", "subject", "text", "due_at",
                "expires_at", "attempts",
            } <= set(way)  # fmt: skip
    assert {n["event"] for n in ticket["notifications"]} == {"received", "assigned"}
    assert all({"at", "by", "what", "old", "new", "because"} <= set(entry) for entry in ticket["history"])
    assert ticket["history"][0]["by"] == "api:crm"
    assert (await api("GET", f"{TICKETS}/{ticket['number']}")).body == ticket, "reading it gives the same"


async def test_a_caller_by_telephone(api: Any) -> None:
    ticket = await api.make(contact={"kind": "phone", "value": "8 (383) 000-11-22", "name": "Склад"})
    assert ticket["contact"]["addresses"][0]["value"] == "+73830001122"
    assert ticket["customer"]["id"] == "sibtrans"
    [received] = [n for n in ticket["notifications"] if n["event"] == "received"]
    assert received["deliveries"][0]["reason"] == "no_address"


async def test_what_is_stated_is_taken(api: Any) -> None:
    ticket = await api.make(
        type="request", category="Печать", impact="high", urgency="high", customer="globex", centre="msk",
        group="msk-business", assignee="m.gusev",
    )  # fmt: skip
    shown = {name: ticket[name] for name in ("type", "category", "impact", "urgency", "priority", "centre", "group",
                                             "assignee")}  # fmt: skip
    assert shown == {
        "type": "request", "category": "Печать", "impact": "high", "urgency": "high", "priority": "critical",
        "centre": "msk", "group": "msk-business", "assignee": "m.gusev",
    }  # fmt: skip
    assert ticket["customer"]["id"] == "globex"


@pytest.mark.parametrize("field", ["customer", "centre", "group", "assignee"])
async def test_what_is_stated_must_exist(api: Any, field: str) -> None:
    problem = is_problem(await api("POST", TICKETS, MINIMAL | {field: "нет-такого"}), 422)
    assert [e["field"] for e in problem["errors"]] == [field]
    assert "нет-такого" in problem["detail"]
    assert (await api("GET", TICKETS)).body["items"] == []


async def test_the_same_key_and_body_is_the_same_ticket(api: Any) -> None:
    headers = {"Idempotency-Key": "order 66"}
    first = await api("POST", TICKETS, MINIMAL, headers=headers)
    again = await api("POST", TICKETS, MINIMAL, headers=headers)
    assert (first.status, again.status) == (201, 200)
    assert first.body["number"] == again.body["number"]
    assert again.headers["Location"] == first.headers["Location"]
    other = await api("POST", TICKETS, MINIMAL | {"text": "Другое"}, headers=headers)
    assert "Idempotency-Key" in is_problem(other, 422)["title"]
    assert len((await api("GET", TICKETS)).body["items"]) == 1


async def test_one_key_many_times_at_once(api: Any) -> None:
    headers = {"Idempotency-Key": "k"}
    answers = await asyncio.gather(*(api("POST", TICKETS, MINIMAL, headers=headers) for _ in range(10)))
    assert sorted(a.status for a in answers) == [200] * 9 + [201]
    assert len({a.body["number"] for a in answers}) == 1


async def test_a_key_is_its_callers_own(api: Any) -> None:
    headers = {"Idempotency-Key": "k"}
    other = await api.token_for("tickets:read", "tickets:write")
    one = await api("POST", TICKETS, MINIMAL, headers=headers)
    two = await api("POST", TICKETS, MINIMAL, headers=headers | {"Authorization": f"Bearer {other}"})
    assert one.body["number"] != two.body["number"]


async def test_without_a_key_every_submission_is_its_own(api: Any) -> None:
    assert (await api.make())["number"] != (await api.make())["number"]


@pytest.mark.parametrize("key", ["x" * 256, "ключ"])
async def test_a_bad_key_is_refused(api: Any, key: str) -> None:
    is_problem(await api("POST", TICKETS, MINIMAL, headers={"Idempotency-Key": key}), 400)


# ---- what cannot be understood --------------------------------------------------------------------------------------

NO_JSON = [
    b"",
    b"{",
    b"\xff\xfe",
    b'{"text": "\xed\xa0\x80"}',
    b"[" * 100_000,
    b"nul",
    b'{"a":1}{"b":2}',
    b'{"text": "\\ud800"}',
    b'{"text": "\\ud800x"}',
    b"\x00" * 99,
]


async def test_a_body_that_is_no_json(api: Any) -> None:
    for body in NO_JSON:
        for path in ("", "/OTK-26-000001/status", "/OTK-26-000001/comments", "/OTK-26-000001/assign"):
            answer = await api("POST", TICKETS + path, data=body, headers={"Content-Type": "application/json"})
            assert answer.status in (400, 422), (body[:20], answer.body)
            is_problem(answer, answer.status)


MISSHAPEN: list[tuple[Any, str]] = [
    ([], ""),
    (None, ""),
    ({}, ""),
    ({"text": "x"}, ""),
    (MINIMAL | {"text": 3}, "text"),
    (MINIMAL | {"contact": "irina@sibtrans.example"}, "contact"),
    (MINIMAL | {"contact": CONTACT | {"kind": "fax"}}, "contact.kind"),
    (MINIMAL | {"contact": {"kind": "email", "value": ""}}, "contact.value"),
    (MINIMAL | {"contact": {"kind": "email", "value": "nobody"}}, "contact.value"),
    (MINIMAL | {"contact": {"kind": "email", "value": "a@b\r\nBcc: c@d"}}, "contact.value"),
    (MINIMAL | {"contact": {"kind": "phone", "value": "four"}}, "contact.value"),
    (MINIMAL | {"contact": CONTACT | {"fax": "1"}}, "contact"),
    (MINIMAL | {"impact": "enormous"}, "impact"),
    (MINIMAL | {"subject": "x" * 999}, "subject"),
    (MINIMAL | {"priority": "high"}, ""),
    (MINIMAL | {"category": "Пе\x00чать"}, "category"),
]


async def test_json_of_another_shape_is_refused_with_the_place(api: Any) -> None:
    for body, field in MISSHAPEN:
        answer = await api(
            "POST", TICKETS, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        problem = is_problem(answer, 422)
        assert field in str(problem["errors"][0]["field"]), body
    assert (await api("GET", TICKETS)).body["items"] == []


async def test_text_that_databases_do_not_like_is_taken(api: Any) -> None:
    ticket = await api.make(
        contact=CONTACT | {"name": "И\x00рина"}, subject="Прин\x00тер\r\nBcc: x@y", text="a\x00b\U0001f5a8\u202e",
    )  # fmt: skip
    assert ticket["subject"] == "Принтер Bcc: x@y"
    assert ticket["messages"][0]["text"] == "ab\U0001f5a8\u202e"
    assert ticket["contact"]["name"] == "Ирина"


async def test_doors_that_are_not_there(api: Any) -> None:
    number = (await api.make())["number"]
    for method, path, status in (
        ("GET", "/api/v1/", 404),
        ("GET", "/api/v1/nothing", 404),
        ("GET", f"{TICKETS}/OTK-26-999999", 404),
        ("GET", f"{TICKETS}/%00", 400),
        ("GET", f"{TICKETS}?centre=%00", 400),
        ("GET", "/api/v1/deliveries?provider=%00", 400),
        ("GET", f"{TICKETS}/%ED%A0%80", 404),
        ("GET", f"{TICKETS}/'%20OR%201=1--", 404),
        ("POST", f"{TICKETS}/OTK-26-999999/status", 404),
        ("DELETE", f"{TICKETS}/{number}", 405),
        ("PUT", TICKETS, 405),
    ):
        body = {"status": "resolved"} if path.endswith("status") else None
        answer = await api(method, path, body)
        is_problem(answer, status)
        assert ("Allow" in answer.headers) is (status == 405)


async def test_too_large(api: Any) -> None:
    is_problem(await api("POST", TICKETS, MINIMAL | {"text": "x" * 200_000}), 413)


@pytest.mark.parametrize("spelling", ["{number}", "{lower}", "{digits}", "{serial}"])
async def test_numbers_as_people_write_them(api: Any, spelling: str) -> None:
    number = (await api.make())["number"]
    digits = number.rpartition("-")[2]
    asked = spelling.format(number=number, lower=number.lower(), digits=digits, serial=int(digits))
    assert (await api("GET", f"{TICKETS}/{asked}")).body["number"] == number


# ---- lists ----------------------------------------------------------------------------------------------------------


async def test_a_list_is_filtered(api: Any) -> None:
    await api.make(subject="Принтер на складе")
    api.clock.at += timedelta(hours=1)
    await api.make(contact={"kind": "email", "value": "i@dalryba.example"}, subject="100%_сети")
    await api.make(contact={"kind": "email", "value": "i@nobody.example"}, subject="Вопрос", assignee="d.volkov")
    await api("POST", f"{TICKETS}/3/status", {"status": "in_progress"})

    async def numbers(query: str) -> list[int]:
        answer = await api("GET", f"{TICKETS}?{query}")
        assert answer.status == 200, answer.body
        assert answer.body["next"] is None
        return [int(item["number"][-6:]) for item in answer.body["items"]]

    for query, expected in {
        "": [3, 2, 1],
        "status=new": [2, 1],
        "status=in_progress": [3],
        "centre=vvo": [2],
        "customer=sibtrans": [1],
        "assignee=d.volkov": [3],
        "assignee=nobody": [],
        "channel=api": [3, 2, 1],
        "channel=email": [],
        "q=принтер": [1],
        "q=OTK-26-000002": [2],
        "q=100%25_": [2],
        "q=%25": [2],
        "since=2026-11-18T10:00:00Z": [3, 2],
        "since=2026-11-18T13:00:00%2B03:00": [3, 2],
        "until=2026-11-18T10:00:00Z": [1],
        "status=new&customer=sibtrans&q=Принтер": [1],
    }.items():
        assert await numbers(query) == expected, query


@pytest.mark.parametrize(
    "query",
    ["status=lost", "limit=0", "limit=-1", "limit=201", "limit=x", "limit=000000001999999", "limit=" + "9" * 5000,
     "limit=١", "cursor=x", "since=yesterday", "since=2026-11-18", "since=2026-11-18T10:00:00",
     "until=0001-01-01T00:00:00%2B14:00"],
)  # fmt: skip
async def test_bad_parameters_are_named(api: Any, query: str) -> None:
    problem = is_problem(await api("GET", f"{TICKETS}?{query}"), 400)
    assert problem["errors"][0]["field"] == query.partition("=")[0]


async def test_pages_hold_everything_once(api: Any) -> None:
    made = [(await api.make())["number"] for _ in range(7)]
    seen: list[str] = []
    cursor: str | None = ""
    pages = 0
    while cursor is not None:
        page = (await api("GET", f"{TICKETS}?limit=3" + (f"&cursor={cursor}" if cursor else ""))).body
        seen += [item["number"] for item in page["items"]]
        cursor, pages = page["next"], pages + 1
        if pages == 1:
            await api.make(subject="came in between")
    assert seen == made[::-1]
    assert pages == 3


# ---- changes --------------------------------------------------------------------------------------------------------


async def test_a_life(api: Any) -> None:
    number = (await api.make())["number"]
    for body, status in (
        ({"status": "in_progress"}, "in_progress"),
        ({"status": "waiting", "comment": "Какая модель?"}, "waiting"),
        ({"status": "in_progress"}, "in_progress"),
        ({"status": "resolved", "comment": "Заменили картридж"}, "resolved"),
        ({"status": "closed"}, "closed"),
    ):
        answer = await api("POST", f"{TICKETS}/{number}/status", body)
        assert (answer.status, answer.body["status"]) == (200, status)
    ticket = answer.body
    assert ticket["closed_at"] is not None
    moved = [(h["old"], h["new"], h["by"]) for h in ticket["history"] if h["what"] == "status"]
    assert moved[0] == ("new", "in_progress", "api:crm")
    assert [n["event"] for n in ticket["notifications"]][-2:] == ["resolved", "closed"]


async def test_an_illegal_move_is_a_conflict_that_names_the_legal_ones(api: Any) -> None:
    number = (await api.make())["number"]
    problem = is_problem(await api("POST", f"{TICKETS}/{number}/status", {"status": "closed"}), 409)
    assert "in_progress" in problem["detail"]
    is_problem(await api("POST", f"{TICKETS}/{number}/status", {"status": "new"}), 409)
    is_problem(await api("POST", f"{TICKETS}/{number}/status", {"status": "lost"}), 422)
    is_problem(await api("POST", f"{TICKETS}/{number}/status", {"status": "rejected"}), 422)
    assert (await api("GET", f"{TICKETS}/{number}")).body["status"] == "new"


async def test_comments(api: Any) -> None:
    number = (await api.make())["number"]
    hidden = await api("POST", f"{TICKETS}/{number}/comments", {"text": "Опять он", "public": False})
    shown = await api("POST", f"{TICKETS}/{number}/comments", {"text": "Едем\x00 к вам", "public": True})
    assert (hidden.status, shown.status) == (201, 201)
    said = [(m["text"], m["public"], m["direction"]) for m in shown.body["messages"]][1:]
    assert said == [("Опять он", False, "out"), ("Едем к вам", True, "out")]
    told = [n["event"] for n in shown.body["notifications"]]
    assert told.count("public_comment") == 1
    is_problem(await api("POST", f"{TICKETS}/{number}/comments", {"text": " ", "public": True}), 422)
    is_problem(await api("POST", f"{TICKETS}/{number}/comments", {"text": "x"}), 422)


async def test_assign(api: Any) -> None:
    number = (await api.make())["number"]
    given = await api("POST", f"{TICKETS}/{number}/assign", {"assignee": "s.orlov"})
    assert (given.body["assignee"], given.body["group"]) == ("s.orlov", "msk-network")
    taken = await api("POST", f"{TICKETS}/{number}/assign", {"assignee": ""})
    assert taken.body["assignee"] is None
    for body in ({"assignee": "nobody"}, {"group": "nothing"}, {"centre": "nowhere"}, {}):
        is_problem(await api("POST", f"{TICKETS}/{number}/assign", body), 422)


async def test_reasons_in_the_language_asked_for(api: Any) -> None:
    number = (await api.make())["number"]

    async def because(language: str | None) -> str:
        answer = await api("GET", f"{TICKETS}/{number}", headers={"Accept-Language": language})
        return str(answer.body["decision"][0]["because"])

    russian, english = await because("ru"), await because("en")
    assert russian != english
    for asked, expected in {
        "en-GB,en;q=0.9": english, "de,en;q=0.5,ru;q=0.4": english, "ru-RU,en;q=0.9": russian,
        "en;q=0.1,ru;q=0.2": russian,
        "de": russian, "*": russian, "": russian, "en;q=x": russian, ";;;,,": russian, "en;q=nan": russian,
    }.items():  # fmt: skip
        assert await because(asked) == expected, asked


# ---- health ---------------------------------------------------------------------------------------------------------


async def test_health(api: Any) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await api("GET", path, headers={"Authorization": None})
        assert (answer.status, answer.body["status"]) == (200, "ok")


async def test_a_database_that_is_away(api: Any) -> None:
    assert (await api("GET", TICKETS)).status == 200, "the token is known"
    await api.program.opened.close()
    assert (await api("GET", "/healthz")).status == 200
    assert (await api("GET", "/readyz")).status == 503
    for method, path, body in (
        ("POST", TICKETS, MINIMAL),
        ("GET", TICKETS, None),
        ("GET", f"{TICKETS}/OTK-26-000001", None),
        ("POST", f"{TICKETS}/OTK-26-000001/status", {"status": "resolved"}),
    ):
        answer = await api(method, path, body)
        is_problem(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
