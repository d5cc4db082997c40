"""Rules tried on a table of cases."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from router.calendar import Calendar
from router.decide import Router
from router.rules import parse_rule
from router.table import run_cases
from tickets.organisation import Organisation

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def router(calendars: dict[str, Calendar]) -> Router:
    rule = {"name": "Принтеры", "when": {"subject_contains": "принтер"}, "then": {"category": "printing"}}
    return Router([parse_rule(rule, 1)], calendars)


@pytest.mark.parametrize(
    "message, expect",
    [
        ({"from": "A@north.example", "subject": "Принтер"}, {"customer": "north", "category": "printing", "line": 2}),
        ({"phone": "+79130000001", "channel": "sms"}, {"customer": "taxi"}),
        ({"to": "Sibir@desk.example"}, {"centre": "nsk", "customer": "", "category": None}),
        ({"to": ["x@y.example", "sibir@desk.example"]}, {"centre": "nsk"}),
        ({"at": "2026-11-23T12:00+07:00", "centre": "nsk"}, {"respond_by": "2026-11-23T17:00:00+07:00"}),
        ({"at": "2026-11-23T12:00+07:00", "centre": "nsk"}, {"respond_by": "2026-11-23T13:00:00+03:00"}),
        ({"urgency": "high", "impact": "high"}, {"priority": "critical", "respond_by": None}),
        ({"load": {"2": 5}}, {"assignee": "1"}),
        ({"from": "x@free.example", "known_customer": "taxi", "verified": False}, {"customer": "taxi"}),
        ({}, {"group": "msk-first"}),
    ],
)
def test_cases_that_hold(
    router: Router, organisation: Organisation, message: dict[str, Any], expect: dict[str, Any]
) -> None:
    (result,) = run_cases(router, organisation, [{"message": message, "expect": expect}], NOW)
    assert result.differences == ()
    assert result.passed


def test_a_case_that_does_not_hold_tells_what_came_out_and_why(router: Router, organisation: Organisation) -> None:
    cases: list[dict[str, Any]] = [
        {"name": "fine", "message": {}, "expect": {"centre": "msk"}},
        {"message": {"from": "a@shop.example"}, "expect": {"customer": "north", "centre": "msk", "line": 3}},
    ]
    fine, other = run_cases(router, organisation, cases, NOW)
    assert (fine.name, fine.passed, other.name, other.passed, other.position) == ("fine", True, "cases[2]", False, 2)
    customer, line = other.differences
    assert (customer.field, customer.expected, customer.actual) == ("customer", "north", "shop")
    assert customer.reason is not None
    assert customer.reason.code == "customer_domain"
    assert (line.expected, line.actual) == ("3", "1")


@pytest.mark.parametrize(
    "case, says",
    [
        (5, "cases[1]: expected a table"),
        ({"message": {}}, "cases[1].expect: expected a table"),
        (
            {"massage": {}, "expect": {"line": 1}},
            "cases[1].massage: unknown key, expected one of name, message, expect; did you mean message?",
        ),
        ({"message": {"form": "a@x"}, "expect": {"line": 1}}, "cases[1].message.form: unknown key"),
        ({"message": {}, "expect": {"prio": "high"}}, "did you mean priority?"),
        ({"message": {"subject": 5}, "expect": {"line": 1}}, "cases[1].message.subject: expected a text, got 5"),
        ({"message": {"to": 5}, "expect": {"line": 1}}, "cases[1].message.to: expected a mailbox"),
        ({"message": {"impact": "x"}, "expect": {"line": 1}}, "cases[1].message.impact: expected high, medium or low"),
        (
            {"message": {"at": "2026-11-20T12:00"}, "expect": {"line": 1}},
            "cases[1].message.at: expected an instant with its offset",
        ),
        ({"message": {"load": [1]}, "expect": {"line": 1}}, "cases[1].message.load: expected open tickets"),
        ({"message": {"verified": "no"}, "expect": {"line": 1}}, "cases[1].message.verified: expected true or false"),
        ({"message": {}, "expect": {"respond_by": "soon"}}, "cases[1].expect.respond_by: expected an instant"),
    ],
)
def test_a_case_that_cannot_be_read_says_where(
    router: Router, organisation: Organisation, case: Any, says: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        run_cases(router, organisation, [case], NOW)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
