"""Where tickets go, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.calendar import Calendar
from router.decide import Router
from router.rules import parse_rule
from router.words import CODES, words
from tickets.organisation import Customer, Organisation, Target, index
from tickets.priority import Level, Priority
from tickets.reason import Decided
from tickets.routing import Decision, Facts

Make = Callable[..., Facts]
Calendars = dict[str, Calendar]

WITHOUT_ORGANISATION = {"centre_none", "group_none", "assignee_no_group", "agreement_none", "deadline_no_agreement"}
TO_NSK = {"intake": ("sibir@desk.example",)}
RULES = [
    parse_rule(data, position)
    for position, data in enumerate(
        [
            {
                "name": "Гости",
                "when": {"intake": "guest@desk.example"},
                "then": {"customer": "shop", "type": "request"},
            },
            {
                "name": "Призрак",
                "when": {"subject_contains": "призрак"},
                "then": {"customer": "ghost", "centre": "ghost", "group": "ghost"},
            },
            {
                "name": "Принтеры",
                "when": {"text_contains": ["принтер", "мфу"]},
                "then": {"category": "printing", "impact": "low"},
            },
            {
                "name": "Печать в Сибири",
                "when": {"subject_contains": "принтер"},
                "then": {"category": "other", "centre": "nsk"},
            },
            {"name": "Серверы", "when": {"subject_contains": "сервер"}, "then": {"impact": "high", "urgency": "high"}},
            {"name": "Эксперты", "when": {"subject_contains": "ядро"}, "then": {"group": "msk-first", "line": 2}},
        ],
        1,
    )
]


@pytest.fixture(scope="module")
def router(calendars: Calendars) -> Router:
    return Router(RULES, calendars)


def told(decision: Decision, field: str) -> Decided:
    (found,) = [each for each in decision.reasons if each.field == field]
    return found


CASES: list[tuple[str, dict[str, Any], dict[str, tuple[Any, str]]]] = [
    # who it is from
    ("boss@free.example", {}, {"customer": ("shop", "customer_address")}),
    ("Boss@FREE.example", {}, {"customer": ("shop", "customer_address")}),
    ("anna@shop.example", {}, {"customer": ("shop", "customer_domain")}),
    ("anna@east.shop.example", {}, {"customer": ("shop", "customer_domain")}),
    ("anna@myshop.example", {}, {"customer": ("", "customer_unknown")}),
    ("анна@пример.рф", {}, {"customer": ("north", "customer_domain")}),
    ("anna@xn--e1afmkfd.xn--p1ai", {}, {"customer": ("north", "customer_domain")}),
    ("+79130000001", {"channel": "sms"}, {"customer": ("taxi", "customer_phone")}),
    ("x@free.example", {"known_customer": "taxi"}, {"customer": ("taxi", "customer_known")}),
    ("x@free.example", {"known_customer": "left"}, {"customer": ("", "customer_unknown")}),
    ("anna@shop.example", {"known_customer": "taxi"}, {"customer": ("shop", "customer_domain")}),
    ("anna@shop.example", {"customer": "taxi"}, {"customer": ("taxi", "given")}),
    (
        "anna@north.example",
        {"intake": ("guest@desk.example",)},
        {"customer": ("shop", "rule"), "type": ("request", "rule")},
    ),
    ("", {}, {"customer": ("", "customer_unknown")}),
    # what it is
    (
        "a@x.example",
        {},
        {"type": ("incident", "default"), "category": ("", "default"), "impact": (Level.MEDIUM, "default")},
    ),
    (
        "a@x.example",
        {"type": "request", "category": "mice"},
        {"type": ("request", "given"), "category": ("mice", "given")},
    ),
    ("a@x.example", {"subject": "Принтер"}, {"category": ("printing", "rule"), "centre": ("nsk", "rule")}),
    ("a@x.example", {"subject": "Принтер"}, {"impact": (Level.LOW, "rule"), "priority": (Priority.LOW, "matrix")}),
    (
        "a@north.example",
        {"subject": "Принтер"},
        {"impact": (Level.MEDIUM, "vip"), "priority": (Priority.NORMAL, "matrix")},
    ),
    ("a@north.example", {"subject": "Принтер", "impact": Level.LOW}, {"impact": (Level.LOW, "given")}),
    (
        "a@x.example",
        {"subject": "Срочно"},
        {"urgency": (Level.HIGH, "words_urgent"), "priority": (Priority.HIGH, "matrix")},
    ),
    (
        "a@x.example",
        {"subject": "Не срочно"},
        {"urgency": (Level.LOW, "words_calm"), "priority": (Priority.LOW, "matrix")},
    ),
    ("a@x.example", {"subject": "Срочно", "urgency": Level.LOW}, {"urgency": (Level.LOW, "given")}),
    (
        "a@x.example",
        {"subject": "Сервер, не срочно"},
        {"urgency": (Level.HIGH, "rule"), "priority": (Priority.CRITICAL, "matrix")},
    ),
    # which centre
    ("a@x.example", {}, {"centre": ("msk", "centre_default")}),
    ("a@x.example", TO_NSK, {"centre": ("nsk", "centre_intake")}),
    ("a@x.example", {"intake": ("x@y.example", "SIBIR@desk.example")}, {"centre": ("nsk", "centre_intake")}),
    ("a@north.example", {}, {"centre": ("nsk", "centre_customer")}),
    ("a@north.example", {"intake": ("help@desk.example",)}, {"centre": ("msk", "centre_intake")}),
    ("a@x.example", {**TO_NSK, "centre": "msk"}, {"centre": ("msk", "given")}),
    (
        "a@x.example",
        {**TO_NSK, "group": "msk-first"},
        {"centre": ("msk", "centre_of_group"), "group": ("msk-first", "given")},
    ),
    # which group
    ("a@x.example", {}, {"group": ("msk-first", "group_first")}),
    ("a@north.example", {}, {"group": ("nsk-net", "group_customer")}),
    ("a@north.example", {"intake": ("help@desk.example",)}, {"group": ("msk-first", "group_first")}),
    (
        "a@x.example",
        {**TO_NSK, "subject": "Ядро"},
        {"centre": ("nsk", "centre_intake"), "group": ("msk-first", "rule")},
    ),
    # whose hands
    ("a@x.example", {}, {"line": (1, "line_first"), "assignee": ("2", "assignee_least_loaded")}),
    ("a@x.example", {"load": {"2": 1}}, {"assignee": ("1", "assignee_least_loaded")}),
    ("a@x.example", {"load": {"1": 3, "2": 3, "4": 0}}, {"assignee": ("2", "assignee_least_loaded")}),
    ("a@x.example", {"subject": "Ядро"}, {"line": (2, "rule"), "assignee": ("4", "assignee_least_loaded")}),
    ("a@x.example", {"subject": "Сервер"}, {"line": (2, "line_critical"), "assignee": ("4", "assignee_least_loaded")}),
    (
        "a@x.example",
        {**TO_NSK, "subject": "Сервер"},
        {"line": (1, "line_first"), "assignee": ("5", "assignee_least_loaded")},
    ),
    ("a@north.example", {}, {"line": (2, "line_up"), "assignee": ("7", "assignee_least_loaded")}),
    ("a@x.example", {"group": "nsk-empty"}, {"centre": ("nsk", "centre_of_group"), "assignee": ("", "assignee_none")}),
    ("a@x.example", {"group": "nsk-all", "subject": "Ядро"}, {"line": (2, "rule"), "assignee": ("", "assignee_none")}),
    (
        "a@x.example",
        {"assignee": "9"},
        {"assignee": ("9", "given"), "group": ("msk-senior", "group_of_assignee"), "line": (2, "line_of_assignee")},
    ),
    ("a@x.example", {**TO_NSK, "assignee": "9"}, {"centre": ("msk", "centre_of_group")}),
    (
        "a@x.example",
        {"assignee": "gone"},
        {"assignee": ("gone", "given"), "group": ("msk-first", "group_first"), "line": (1, "line_first")},
    ),
    # by when
    (
        "a@x.example",
        {},
        {"agreement": ("default", "agreement_default"), "respond_by": ("2026-11-23T07:30:00+00:00", "deadline")},
    ),
    ("a@x.example", {"centre": "nsk"}, {"respond_by": ("2026-11-23T06:00:00+00:00", "deadline")}),
    (
        "a@shop.example",
        {"subject": "Срочно"},
        {"respond_by": (None, "deadline_no_target"), "resolve_by": (None, "deadline_no_target")},
    ),
    (
        "a@north.example",
        {},
        {"agreement": ("gold", "agreement_customer"), "resolve_by": ("2026-11-20T20:30:00+00:00", "deadline")},
    ),
    ("+79130000001", {}, {"agreement": ("default", "agreement_default")}),
]


@pytest.mark.parametrize("sender, message, expect", CASES)
def test_the_specification(
    router: Router, facts: Make, now: datetime, sender: str, message: dict[str, Any], expect: dict[str, tuple[Any, str]]
) -> None:
    decision = router.decide(facts(sender, **message), now)
    for field, (value, code) in expect.items():
        actual = getattr(decision, field)
        assert (actual.isoformat() if isinstance(actual, datetime) else actual) == value, field
        assert told(decision, field).reason.code == code, field


def test_every_field_has_one_reason_that_states_its_value(router: Router, facts: Make, now: datetime) -> None:
    for sender, message, _ in CASES:
        decision = router.decide(facts(sender, **message), now)
        fields = [each.field for each in decision.reasons]
        assert sorted(fields) == sorted(set(fields))
        assert {"reasons", *fields} == set(Decision.__struct_fields__)
        for each in decision.reasons:
            value = getattr(decision, each.field)
            if isinstance(value, datetime):
                assert each.value is not None
                assert datetime.fromisoformat(each.value) == value
            else:
                assert (each.value or "") == ("" if value is None else str(value))


def test_the_first_rule_that_sets_a_field_wins_for_that_field_alone(router: Router, facts: Make, now: datetime) -> None:
    decision = router.decide(facts(subject="Принтер"), now)
    category, centre = told(decision, "category").reason, told(decision, "centre").reason
    assert (category.rule, dict(category.facts)) == ("Принтеры", {"position": 3, "found": "принтер"})
    assert (centre.rule, centre.facts["position"]) == ("Печать в Сибири", 4)


def test_a_rule_that_names_what_does_not_exist_is_passed_over_and_told(
    router: Router, facts: Make, now: datetime
) -> None:
    decision = router.decide(facts("a@shop.example", subject="Призрак"), now)
    assert (decision.customer, decision.centre, decision.group) == ("shop", "msk", "msk-first")
    for field in ("customer", "centre", "group"):
        assert told(decision, field).reason.facts["ignored"] == {"rule": "Призрак", "value": "ghost"}
        assert "правило «Призрак» пропущено: «ghost»" in words(told(decision, field).reason, "ru")


def test_a_sender_who_is_not_proven_is_recognised_and_told(router: Router, facts: Make, now: datetime) -> None:
    decision = router.decide(facts("a@shop.example", verified=False), now)
    assert decision.customer == "shop"
    assert "не подтверждена" in words(told(decision, "customer").reason, "ru")


def test_deadlines_tell_agreement_hours_and_local_time(router: Router, facts: Make, now: datetime) -> None:
    reason = told(router.decide(facts(centre="nsk"), now), "respond_by").reason
    assert dict(reason.facts) == {
        "agreement": "Обычное",
        "priority": "normal",
        "minutes": 240,
        "calendar": "office",
        "zone": "Asia/Novosibirsk",
        "local": "2026-11-23T13:00:00+07:00",
    }


def test_a_change_of_priority_counts_again_from_the_start(
    router: Router, organisation: Organisation, now: datetime
) -> None:
    respond_by, resolve_by, reasons = router.deadlines(Priority.CRITICAL, "north", "nsk", organisation, now)
    assert (respond_by, resolve_by) == (now + timedelta(minutes=15), now + timedelta(minutes=120))
    assert [each.field for each in reasons] == ["respond_by", "resolve_by"]


@pytest.mark.parametrize(
    "customer, centre, code, zone",
    [
        ("north", "nsk", "always", "Europe/Moscow"),
        ("shop", "msk", "office", "Europe/Moscow"),
        ("shop", "nsk", "office", "Asia/Novosibirsk"),
        ("", "", "24x7", "UTC"),
    ],
)
def test_the_calendar_of_a_ticket(
    router: Router, organisation: Organisation, customer: str, centre: str, code: str, zone: str
) -> None:
    calendar = router.calendar_for(customer, centre, organisation)
    assert (calendar.code, calendar.zone) == (code, zone)
    assert router.calendar_for(customer, centre, organisation) is calendar


def test_a_calendar_that_is_not_in_the_settings_is_replaced_and_told(facts: Make, now: datetime) -> None:
    decision = Router((), {}).decide(facts("a@north.example"), now)
    reason = told(decision, "respond_by").reason
    assert (reason.facts["calendar"], reason.facts["missing"]) == ("24x7", "always")
    assert decision.respond_by == now + timedelta(minutes=120)


def test_a_promise_no_calendar_can_keep_gives_no_deadline(
    facts: Make, organisation: Organisation, now: datetime
) -> None:
    rare = Calendar("office", "", {1: ((now.time(), now.replace(minute=31).time()),)})
    decision = Router((), {"office": rare}).decide(facts("a@shop.example"), now)
    assert decision.resolve_by is not None
    slow = replace(organisation.agreements["default"], targets={"normal": Target(30, 1_000_000)})
    other = replace(organisation, agreements={"default": slow})
    decision = Router((), {"office": rare}).decide(facts("a@shop.example", organisation=other), now)
    assert (decision.resolve_by, told(decision, "resolve_by").reason.code) == (None, "deadline_too_far")
    assert decision.respond_by is not None


def test_before_anything_is_imported_tickets_are_taken_all_the_same(facts: Make, now: datetime) -> None:
    decision = Router(RULES, {}).decide(facts(organisation=Organisation(), subject="Сервера нет?"), now)
    assert (decision.centre, decision.group, decision.assignee, decision.customer, decision.agreement) == ("",) * 5
    assert (decision.line, decision.respond_by, decision.resolve_by) == (1, None, None)
    plain = Router((), {}).decide(facts(organisation=Organisation()), now)
    assert (plain.priority, plain.type) == (Priority.NORMAL, "incident")
    codes = {each.reason.code for each in plain.reasons}
    assert {
        "customer_unknown",
        "centre_none",
        "group_none",
        "assignee_no_group",
        "agreement_none",
        "deadline_no_agreement",
    } <= codes


def test_the_matrix_may_differ_in_single_cells(facts: Make, now: datetime) -> None:
    router = Router((), {}, {(Level.MEDIUM, Level.MEDIUM): Priority.CRITICAL})
    assert router.decide(facts(), now).priority is Priority.CRITICAL
    assert router.decide(facts(urgency=Level.HIGH), now).priority is Priority.HIGH


def test_a_new_snapshot_of_the_organisation_is_seen_at_once(
    router: Router, facts: Make, organisation: Organisation, now: datetime
) -> None:
    assert router.decide(facts("a@new.example"), now).customer == ""
    customers = [*organisation.customers.values(), Customer("9", "new", "Новые", domains=("new.example",))]
    later = index(
        2,
        list(organisation.centres.values()),
        list(organisation.agreements.values()),
        customers,
        list(organisation.groups.values()),
    )
    assert router.decide(facts("a@new.example", organisation=later), now).customer == "new"
    assert router.decide(facts("a@new.example"), now).customer == ""


def test_all_codes_the_table_brings_up_are_declared_and_few_are_left(
    router: Router, facts: Make, now: datetime
) -> None:
    seen = set()
    for sender, message, _ in CASES:
        for each in router.decide(facts(sender, **message), now).reasons:
            seen.add(each.reason.code)
            for language in ("ru", "en"):
                said = words(each.reason, language)
                assert said != each.reason.code
                assert not said.startswith(f"{each.reason.code} (")
    assert seen <= set(CODES)
    assert set(CODES) - seen == WITHOUT_ORGANISATION | {"deadline_too_far"}


senders = st.sampled_from(["a@north.example", "+79130000001", "boss@free.example", "", "@", "a@"]) | st.text(
    max_size=30
)
texts = st.text(max_size=200) | st.sampled_from(["Принтер", "ядро срочно", "призрак сервер"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    senders,
    st.lists(senders, max_size=3).map(tuple),
    texts,
    texts,
    st.sampled_from(["", "north", "nobody"]),
    st.sampled_from(["", "msk-first", "nowhere"]),
    st.sampled_from(["", "9", "nobody"]),
    st.booleans(),
)
def test_any_input_gives_a_whole_decision_and_twice_the_same(
    router: Router,
    facts: Make,
    now: datetime,
    sender: str,
    intake: tuple[str, ...],
    subject: str,
    text: str,
    customer: str,
    group: str,
    assignee: str,
    empty: bool,
) -> None:
    more = {"organisation": Organisation()} if empty else {}
    question = facts(
        sender, intake=intake, subject=subject, text=text, customer=customer, group=group, assignee=assignee, **more
    )
    decision = router.decide(question, now)
    assert router.decide(question, now) == decision
    assert len(decision.reasons) == len(Decision.__struct_fields__) - 1
    for each in decision.reasons:
        assert Decided.from_json(each.as_json()) == each
        assert words(each.reason, "ru")
        assert words(each.reason, "en")
