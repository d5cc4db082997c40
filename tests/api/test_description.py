"""The description of the API: valid, whole, and true of every answer."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openapi_spec_validator import validate

from web.api import answers, catalogue
from web.api.access import SCOPES
from web.api.catalogue import OPERATIONS
from web.api.description import describe
from web.api.examples import EXAMPLES

TICKETS = "/api/v1/tickets"
WORDS = Path(catalogue.__file__).parent / "words.toml"


def test_the_document_is_a_valid_one() -> None:
    document = describe()
    validate(document)
    assert document["openapi"].startswith("3.1.")


async def test_every_call_is_described_and_every_description_is_a_call(api: Any) -> None:
    served = {
        (route.method, route.resource.canonical)
        for route in api.program.http._application.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    described = {(operation.method, operation.path) for operation in OPERATIONS}
    api_routes = {(method, path) for method, path in served if path.startswith("/api/") or path == "/openapi.json"}
    assert api_routes <= described
    assert described <= served
    shown = describe()["paths"]
    assert {(method.upper(), path) for path, calls in shown.items() for method in calls} == described


async def test_the_document_is_served_to_everybody_and_only_once(api: Any) -> None:
    first = await api("GET", "/openapi.json", headers={"Authorization": None})
    assert (first.status, first.headers["Content-Type"]) == (200, "application/json")
    assert first.body == describe()
    again = await api("GET", "/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, "")


def test_every_call_names_its_scope_and_every_scope_has_a_call() -> None:
    assert {operation.scope for operation in OPERATIONS} == {"", *SCOPES}
    for path, calls in describe()["paths"].items():
        for call in calls.values():
            assert call["security"] or call["tags"] == ["program"], path


def test_every_refusal_of_every_call_is_a_problem_document() -> None:
    document = describe()
    for calls in document["paths"].values():
        for call in calls.values():
            for status, answer in call["responses"].items():
                if int(status) < 400 or (call["tags"] == ["program"] and status == "503"):
                    continue
                name = answer["$ref"].rpartition("/")[2]
                response = document["components"]["responses"][name]
                content = response["content"]["application/problem+json"]
                assert content["schema"] == {"$ref": "#/components/schemas/ProblemDocument"}
                assert msgspec.convert(content["example"], answers.ProblemDocument).status == int(status)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.id)
def test_examples_have_the_shape_they_are_examples_of(operation: catalogue.Operation) -> None:
    if operation.body is not None:
        assert msgspec.convert(operation.example, operation.body)
    for shape in operation.answers.values():
        if shape is not None:
            assert msgspec.convert(EXAMPLES[shape], shape)


def test_unsafe_calls_may_be_repeated_under_a_key() -> None:
    assert {operation.id for operation in OPERATIONS if operation.method == "POST" and not operation.keyed} == set()
    for operation in OPERATIONS:
        names = parameters(operation)
        assert ("Idempotency-Key" in names) is (operation.method == "POST")
        assert ("If-Match" in names) is operation.conditional
        assert ("If-None-Match" in names) is operation.tagged


def parameters(operation: catalogue.Operation) -> set[str]:
    """The names of what may be sent besides a body."""
    document = describe()
    shared = document["components"]["parameters"]
    given = document["paths"][operation.path][operation.method.lower()]["parameters"]
    return {(shared[each["$ref"].rpartition("/")[2]] if "$ref" in each else each)["name"] for each in given}


async def test_answers_hold_nothing_that_is_not_described(api: Any) -> None:
    made = await api("POST", TICKETS, {"contact": {"kind": "email", "value": "irina@sibtrans.example"}, "text": "x"})
    number = made.body["number"]
    await api("POST", f"{TICKETS}/{number}/comments", {"text": "Едем", "public": True})
    token = await api.token_for("deliveries:read")
    ledger = {"Authorization": f"Bearer {token}"}
    deliveries = await api("GET", "/api/v1/deliveries", headers=ledger)
    for shape, found in (
        (answers.Ticket, made.body),
        (answers.Ticket, (await api("GET", f"{TICKETS}/{number}")).body),
        (answers.TicketPage, (await api("GET", TICKETS)).body),
        (answers.DeliveryPage, deliveries.body),
        (
            answers.DeliveryTold,
            (await api("GET", f"/api/v1/deliveries/{deliveries.body['items'][0]['id']}", headers=ledger)).body,
        ),
        (answers.ProblemDocument, (await api("GET", f"{TICKETS}/nothing")).body),
    ):
        assert msgspec.convert(found, shape)


# ---- the readable page ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_the_page_shows_every_call_and_every_shape(api: Any, language: str) -> None:
    page = await api("GET", f"/api/v1/docs?lang={language}", headers={"Authorization": None})
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert f'<html lang="{language}"' in page.body
    for operation in OPERATIONS:
        assert f'id="{operation.id}"' in page.body
        assert f"{operation.method} {operation.path}" in page.body
    for name, schema in describe()["components"]["schemas"].items():
        assert (f'id="{name}"' in page.body) is ("properties" in schema)


async def test_nothing_of_the_page_comes_from_elsewhere(api: Any) -> None:
    page = await api("GET", "/api/v1/docs")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    for foreign in ("<style", "style=", "onclick", 'src="http', 'href="http', "<script>"):
        assert foreign not in page.body


def test_the_page_calls_things_as_the_document_does() -> None:
    words = tomllib.loads(WORDS.read_text(encoding="utf-8"))
    for operation in OPERATIONS:
        assert words[f"api.call_{operation.id}"]["en"] == operation.summary
