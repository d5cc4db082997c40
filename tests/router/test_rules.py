"""Rules as they stand in the settings: what holds, what follows, and how a wrong one is answered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.probe import OPENING, TEXT_LIMIT, Probe, fold_text
from router.rules import Assignments, parse_rule
from router.urgency import CALM, STEMS, URGENT, urgency_of
from tickets.priority import Level


def probe(customer: str = "", vip: bool = False, **given: Any) -> Probe:
    plain: dict[str, Any] = {
        "channel": "email", "intake": ("help@desk.example",), "sender": "anna@msk.north.example",
        "domain": "msk.north.example", "subject": "Тема", "text": "Текст",
    }  # fmt: skip
    made = Probe(**{**plain, **given})
    made.customer, made.vip = customer, vip
    return made


@pytest.mark.parametrize(
    "when, message, holds",
    [
        ({}, probe(), True),
        ({"channel": "email"}, probe(), True),
        ({"channel": ["api", "sms"]}, probe(), False),
        ({"intake": "HELP@desk.example"}, probe(), True),
        ({"intake": ["a@desk.example", "b@desk.example"]}, probe(intake=("x@y.example", "b@desk.example")), True),
        ({"intake": "a@desk.example"}, probe(intake=()), False),
        ({"sender": "Anna@MSK.north.example"}, probe(), True),
        ({"sender": "+74950000000"}, probe(sender="+74950000000"), True),
        ({"domain": "north.example"}, probe(), True),
        ({"domain": "orth.example"}, probe(), False),
        ({"domain": "Пример.РФ"}, probe(domain="пример.рф"), True),
        ({"domain": "xn--e1afmkfd.xn--p1ai"}, probe(domain="пример.рф"), True),
        ({"domain": "north.example"}, probe(domain=""), False),
        ({"customer": ["north", "south"]}, probe(customer="north"), True),
        ({"customer": "north"}, probe(), False),
        ({"vip": True}, probe(vip=True), True),
        ({"vip": True}, probe(), False),
        ({"vip": False}, probe(), True),
        ({"subject_contains": "ПРИНТЕР"}, probe(subject="Re: принтер-3 молчит"), True),
        ({"subject_contains": ["мфу", "принтер"]}, probe(text="принтер"), False),
        ({"subject_contains": "учётная запись"}, probe(subject="УЧЕТНАЯ ЗАПИСЬ заперта"), True),
        ({"subject_contains": "ёлка"}, probe(subject="Е\u0308лка"), True),
        ({"text_contains": "не печатает"}, probe(text="Он не\r\nпечатает"), True),
        ({"text_contains": "принтер"}, probe(subject="Принтер", text=""), True),
        ({"text_contains": "a.*b"}, probe(text="a to b"), False),
        ({"text_contains": "конец"}, probe(text="х" * TEXT_LIMIT + "конец"), False),
        ({"channel": "email", "customer": "north"}, probe(customer="south"), False),
        ({"channel": "email", "customer": "north"}, probe(customer="north"), True),
        ({"subject_contains": "тема", "text_contains": "нет"}, probe(), False),
    ],
)
def test_a_rule_holds_when_all_its_conditions_do(when: dict[str, Any], message: Probe, holds: bool) -> None:
    rule = parse_rule({"name": "r", "when": when, "then": {"category": "c"}}, 1)
    assert (rule.when.held(message) is not None) is holds


def test_the_phrase_that_was_found_is_told() -> None:
    when = {"subject_contains": ["тема", "другая"], "text_contains": ["нет такого", "Текст"]}
    assert parse_rule({"name": "r", "when": when, "then": {"type": "request"}}, 1).when.held(probe()) == "текст"


def test_a_rule_is_read_whole() -> None:
    rule = parse_rule(
        {
            "name": " Принтеры  севера ",
            "when": {"domain": ["north.example"]},
            "then": {"type": "request", "category": "printing", "impact": "low", "urgency": "high", "centre": "nsk",
                     "group": "nsk-all", "line": 2, "customer": "north"},
        },
        7,
    )  # fmt: skip
    assert (rule.name, rule.position) == ("Принтеры севера", 7)
    assert rule.then == Assignments("north", "request", "printing", Level.LOW, Level.HIGH, "nsk", "nsk-all", 2)


THEN = {"category": "c"}


@pytest.mark.parametrize(
    "data, says",
    [
        ("text", "rules[3]: expected a table with name, when and then, got 'text'; write it as [[rules]]"),
        (
            {"when": {}, "then": THEN},
            'rules[3].name: expected a short text that people will read in reasons; add name = "…"',
        ),
        ({"name": 5, "when": {}, "then": THEN}, "rules[3].name: expected a short text"),
        ({"name": "r", "if": {}, "then": THEN}, "rules[3].if: unknown key, expected one of name, when, then"),
        (
            {"name": "r", "then": THEN},
            "rules[3].when: expected a table of conditions, got nothing; write when = {} to hold always",
        ),
        ({"name": "r", "when": {}}, "rules[3].then: expected a table of what to set, got nothing"),
        ({"name": "r", "when": {}, "then": {}}, "rules[3].then: expected a table of what to set, got {}"),
        (
            {"name": "r", "when": {"subject": "x"}, "then": THEN},
            "rules[3].when.subject: unknown key, expected one of channel",
        ),
        ({"name": "r", "when": {"subject_contain": "x"}, "then": THEN}, "did you mean subject_contains?"),
        (
            {"name": "r", "when": {"channel": []}, "then": THEN},
            "rules[3].when.channel: expected a text or a list of texts, got []",
        ),
        (
            {"name": "r", "when": {"text_contains": ["a", " "]}, "then": THEN},
            "rules[3].when.text_contains: expected a text",
        ),
        (
            {"name": "r", "when": {"sender": "example.ru"}, "then": THEN},
            "rules[3].when.sender: expected a mailbox such as",
        ),
        (
            {"name": "r", "when": {"domain": "a@example.ru"}, "then": THEN},
            "rules[3].when.domain: expected a mail domain such as",
        ),
        ({"name": "r", "when": {"vip": "yes"}, "then": THEN}, "rules[3].when.vip: expected true or false, got 'yes'"),
        ({"name": "r", "when": {}, "then": {"priority": "high"}}, "rules[3].then.priority: unknown key"),
        (
            {"name": "r", "when": {}, "then": {"impact": "huge"}},
            "rules[3].then.impact: expected high, medium or low, got 'huge'",
        ),
        (
            {"name": "r", "when": {}, "then": {"line": "2"}},
            "rules[3].then.line: expected a support line from 1 to 9, got '2'",
        ),
        ({"name": "r", "when": {}, "then": {"line": True}}, "rules[3].then.line: expected a support line"),
        ({"name": "r", "when": {}, "then": {"group": ""}}, "rules[3].then.group: expected a text, got ''"),
        (
            {"name": "r", "when": {"vip": True}, "then": {"customer": "x"}},
            "rules[3].when.vip: expected nothing about the customer",
        ),
    ],
)
def test_a_wrong_rule_is_answered_in_one_line_with_the_key_and_the_mend(data: Any, says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        parse_rule(data, 3)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
keys = st.sampled_from(
    ["channel", "intake", "sender", "domain", "customer", "subject_contains", "vip", "impact", "line"]
)


@given(st.dictionaries(keys, anything, max_size=3), st.dictionaries(keys, anything, max_size=3))
def test_whatever_is_written_a_rule_comes_out_or_a_value_error(when: dict[str, Any], then: dict[str, Any]) -> None:
    said = ""
    try:
        rule = parse_rule({"name": "r", "when": when, "then": then}, 1)
        rule.when.held(probe())
    except ValueError as error:
        said = str(error)
    assert not said or said.startswith("rules[1]")


@given(st.text())
def test_folding_comes_to_an_end(text: str) -> None:
    folded = fold_text(fold_text(text))
    assert fold_text(folded) == folded


@pytest.mark.parametrize(
    "subject, text, level",
    [
        ("СРОЧНО! Не печатает", "", Level.HIGH),
        ("Принтер", "Прошу срочной помощи", Level.HIGH),
        ("Авария на узле", "", Level.HIGH),
        ("Сеть", "Интернет не работает\nу всех", Level.HIGH),
        ("Server is down", "", Level.HIGH),
        ("URGENT", "", Level.HIGH),
        ("Need it ASAP", "", Level.HIGH),
        ("Новая мышь, не срочно", "", Level.LOW),
        ("Несрочное", "", Level.LOW),
        ("Not urgent: new mouse", "", Level.LOW),
        ("Бессрочный договор", "", None),
        ("Не работает мышь", "", None),
        ("Please scroll down", "The file is downloading, see downloads", None),
        ("Принтер", "х" * OPENING + " срочно", None),
        ("", "", None),
    ],
)
def test_words_of_urgency(subject: str, text: str, level: Level | None) -> None:
    found = urgency_of(probe(subject=subject, text=text).opening)
    assert (found[0] if found else None) is level


@pytest.mark.parametrize("phrase", [*CALM, *URGENT])
def test_every_phrase_of_urgency_is_written_as_it_is_compared_and_can_be_heard(phrase: str) -> None:
    plain = phrase.rstrip("*")
    assert fold_text(plain) == plain
    assert any(stem in plain for stem in STEMS)
    assert urgency_of(f"кто-то пишет {plain}, и всё") is not None
