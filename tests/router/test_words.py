"""Reasons in words."""

from __future__ import annotations

import re
from string import Formatter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.words import CODES, words
from tickets.reason import Reason

DUE = {
    "agreement": "Золотое", "priority": "high", "minutes": 300, "calendar": "office", "zone": "Asia/Novosibirsk",
    "local": "2026-11-23T13:05:30.250000+07:00",
}  # fmt: skip


@pytest.mark.parametrize(
    "reason, russian, english",
    [
        (Reason("given", "given"), "указано при создании", "stated when the ticket was made"),
        (
            Reason("Принтеры", "rule", {"position": 3, "found": "мфу"}),
            "правило «Принтеры»: в письме есть «мфу»",
            "rule “Принтеры”: the message says “мфу”",
        ),
        (Reason("VIP", "rule", {"position": 1}), "правило «VIP»", "rule “VIP”"),
        (
            Reason("customer", "customer_domain", {"customer": "ООО «Север»", "domain": "north.example"}),
            "почтовый домен north.example записан за заказчиком ООО «Север»",
            "domain north.example belongs to ООО «Север»",
        ),
        (
            Reason("matrix", "matrix", {"impact": "high", "urgency": "medium"}),
            "воздействие высокое, срочность средняя",
            "impact is high, urgency is medium",
        ),
        (
            Reason("deadline", "deadline", DUE),
            (
                "5 часов рабочего времени по соглашению «Золотое» при высоком приоритете: "
                "до 23 ноября 2026, 13:05, Asia/Novosibirsk (календарь «office»)"
            ),
            (
                "5 hours of working time by agreement “Золотое” at high priority: "
                "until 23 November 2026, 13:05, Asia/Novosibirsk (calendar “office”)"
            ),
        ),
        (
            Reason("deadline", "deadline", {**DUE, "minutes": 61, "missing": "own"}),
            (
                "1 час 1 минута рабочего времени по соглашению «Золотое» при высоком приоритете: "
                "до 23 ноября 2026, 13:05, "
                "Asia/Novosibirsk (календарь «office», потому что календаря «own» нет в настройках)"
            ),
            (
                "1 hour 1 minute of working time by agreement “Золотое” at high priority: "
                "until 23 November 2026, 13:05, "
                "Asia/Novosibirsk (calendar “office”, for the settings have no calendar “own”)"
            ),
        ),
        (
            Reason("agreement", "agreement_default", {"agreement": "Обычное", "missing": "lost"}),
            "общее соглашение «Обычное»; соглашения «lost», указанного у заказчика, нет",
            "the common agreement “Обычное”; the customer's agreement “lost” does not exist",
        ),
    ],
)
def test_a_reason_reads(reason: Reason, russian: str, english: str) -> None:
    assert (words(reason, "ru"), words(reason, "en")) == (russian, english)


def test_other_languages_read_english() -> None:
    assert words(Reason("given", "given"), "de") == words(Reason("given", "given"), "en")


def test_an_unknown_code_is_shown_with_its_facts() -> None:
    assert words(Reason("x", "from_the_future", {"a": 1, "b": "два"}), "ru") == "from_the_future (a: 1, b: два)"
    assert words(Reason("x", "from_the_future"), "en") == "from_the_future"


@pytest.mark.parametrize("code", sorted(CODES))
def test_both_wordings_of_a_code_need_the_same_facts(code: str) -> None:
    def needed(text: str) -> set[str]:
        names = {name for _, name, _, _ in Formatter().parse(text) if name}
        return {re.sub("_(neuter|feminine|prepositional)$", "", name) for name in names}

    russian, english = CODES[code]
    assert needed(russian) == needed(english)
    assert re.search("[а-яё]", russian)
    assert not re.search("[а-яё]", english, re.IGNORECASE)


@pytest.mark.parametrize("code", sorted(CODES))
def test_facts_that_are_missing_or_odd_never_raise(code: str) -> None:
    for facts in ({}, {"minutes": "many", "local": 5, "open": None}, {"minutes": float("inf"), "local": "soon"}):
        for language in ("ru", "en"):
            assert words(Reason("r", code, facts), language)


names = st.sampled_from(
    ["customer", "minutes", "local", "zone", "found", "ignored", "missing", "open", "name", "calendar"]
)
values: st.SearchStrategy[Any] = (
    st.none() | st.integers() | st.text() | st.lists(st.text()) | st.dictionaries(st.text(), st.text())
)


@given(
    st.sampled_from(sorted(CODES)) | st.text(), st.text(), st.dictionaries(names, values), st.sampled_from(["ru", "en"])
)
def test_whatever_was_stored_the_words_are_one_printable_line(
    code: str, rule: str, facts: dict[str, Any], language: str
) -> None:
    assert words(Reason(rule, code, facts), language).isprintable()


def test_outside_text_is_cut_and_is_never_a_template() -> None:
    text = words(Reason("r", "group_of_assignee", {"name": "{rule.__class__}\r\nBcc: x\u202e" + "я" * 999}), "ru")
    assert text.startswith("группа, в которой работает {rule.__class__}  Bcc: x я")
    assert len(text) < 260
