"""Entity tags: nothing is sent twice, nobody's change is lost."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import settings as settings_module
from gateway.settings import Settings

TICKETS = "/api/v1/tickets"


async def test_a_ticket_that_did_not_change_is_not_sent_again(api: Any) -> None:
    number = (await api.make())["number"]
    first = await api("GET", f"{TICKETS}/{number}")
    assert first.headers["ETag"].startswith('"1-')
    for field in (first.headers["ETag"], f'"x", {first.headers["ETag"]}', f"W/{first.headers['ETag']}", "*"):
        again = await api("GET", f"{TICKETS}/{number}", headers={"If-None-Match": field})
        assert (again.status, again.body, again.headers["ETag"]) == (304, "", first.headers["ETag"]), field
    for field in ('"x"', "x", "", first.headers["ETag"].strip('"')):
        assert (await api("GET", f"{TICKETS}/{number}", headers={"If-None-Match": field})).status == 200, field


async def test_any_change_of_the_answer_is_noticed(api: Any) -> None:
    number = (await api.make())["number"]
    seen = (await api("GET", f"{TICKETS}/{number}")).headers["ETag"]
    other = await api("GET", f"{TICKETS}/{number}", headers={"If-None-Match": seen, "Accept-Language": "en"})
    assert other.status == 200, "the words are others"
    await api("POST", f"{TICKETS}/{number}/comments", {"text": "x", "public": False})
    assert (await api("GET", f"{TICKETS}/{number}", headers={"If-None-Match": seen})).status == 200


async def test_lists_have_tags_too(api: Any) -> None:
    await api.make()
    seen = (await api("GET", TICKETS)).headers["ETag"]
    assert (await api("GET", TICKETS, headers={"If-None-Match": seen})).status == 304
    await api.make()
    assert (await api("GET", TICKETS, headers={"If-None-Match": seen})).status == 200


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": "in_progress"}),
    ("comments", {"text": "Едем", "public": True}),
    ("assign", {"assignee": "d.volkov"}),
]


@pytest.mark.parametrize("path, body", CHANGES, ids=[c[0] for c in CHANGES])
async def test_a_change_of_what_is_no_longer_there_is_refused(api: Any, path: str, body: dict[str, Any]) -> None:
    number = (await api.make())["number"]
    seen = (await api("GET", f"{TICKETS}/{number}")).headers["ETag"]
    await api("POST", f"{TICKETS}/{number}/comments", {"text": "раньше", "public": False})
    before = (await api("GET", f"{TICKETS}/{number}")).body
    refused = await api("POST", f"{TICKETS}/{number}/{path}", body, headers={"If-Match": seen})
    assert (refused.status, refused.body["title"]) == (412, "Changed meanwhile")
    now = await api("GET", f"{TICKETS}/{number}")
    assert now.body == before
    for field in (now.headers["ETag"], f'"1", {now.headers["ETag"]}'):
        number = number if field == now.headers["ETag"] else (await api.make())["number"]
        taken = await api("POST", f"{TICKETS}/{number}/{path}", body, headers={"If-Match": field})
        assert taken.status < 300, field


async def test_the_tag_of_a_change_is_good_for_the_next_one(api: Any) -> None:
    made = await api("POST", TICKETS, {"contact": {"kind": "email", "value": "a@b.example"}, "text": "x"})
    address, seen = f"{TICKETS}/{made.body['number']}/comments", made.headers["ETag"]
    for text in ("раз", "два", "три"):
        answer = await api("POST", address, {"text": text, "public": False}, headers={"If-Match": seen})
        assert answer.status == 201
        assert answer.headers["ETag"] != seen
        seen = answer.headers["ETag"]


@pytest.mark.parametrize("field", ["1-0123456789abcdef", "W/", '"', "“1”"])
async def test_what_is_no_tag_protects_nothing_and_is_refused(api: Any, field: str) -> None:
    number = (await api.make())["number"]
    answer = await api(
        "POST", f"{TICKETS}/{number}/comments", {"text": "x", "public": False}, headers={"If-Match": field}
    )
    assert (answer.status, answer.body["title"]) == (400, "Bad If-Match")


@pytest.mark.parametrize("field", ['W/"1"', '"nothing"', '"2"'])
async def test_a_tag_of_another_version_does_not_match(api: Any, field: str) -> None:
    number = (await api.make())["number"]
    answer = await api(
        "POST", f"{TICKETS}/{number}/comments", {"text": "x", "public": False}, headers={"If-Match": field}
    )
    assert answer.status == 412


class TestDemanded:
    """`[api] require_if_match`."""

    @pytest.fixture
    def settings(self, laid_out_url: str) -> Settings:
        """Every change has to say what it changes."""
        return settings_module.load(
            None,
            {
                "OTKLIK_DATABASE__URL": laid_out_url,
                "OTKLIK_HTTP__LISTEN": "127.0.0.1:0",
                "OTKLIK_API__REQUIRE_IF_MATCH": "true",
            },
        )

    async def test_a_change_without_a_version_is_refused(self, api: Any) -> None:
        number = (await api.make())["number"]
        body = {"text": "x", "public": False}
        refused = await api("POST", f"{TICKETS}/{number}/comments", body)
        assert (refused.status, refused.body["title"]) == (428, "If-Match is missing")
        assert (await api("POST", f"{TICKETS}/{number}/comments", body, headers={"If-Match": '"1"'})).status == 201
