"""Words: every code has them in both languages, and they are the ones people were promised."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound import foreign, words
from outbound.dates import moment, zone_words
from outbound.typography import bind, bind_template
from tickets.delivery import DeliveryState, Outcome
from tickets.event import AUDIENCE, Event, Role
from tickets.priority import Priority
from tickets.reason import Suppression
from tickets.status import Status

NBSP = "\u00a0"
CYRILLIC = re.compile(r"[а-яё]", re.IGNORECASE)


@pytest.mark.parametrize("say", [words.status_words, words.state_words])
@pytest.mark.parametrize("audience", ["staff", "author"])
def test_every_state_has_words_for_both_audiences(say: Callable[[str, str, str], str], audience: str) -> None:
    for state in Status if say is words.status_words else DeliveryState:
        hidden = state is DeliveryState.EXPIRED and audience == "author"
        _differ(say(state, "ru", audience), say(state, "en", audience), hidden=hidden)


@pytest.mark.parametrize(
    "say, codes",
    [
        (words.priority_words, Priority),
        (words.suppression_words, Suppression),
        (words.outcome_words, Outcome),
        (words.role_words, Role),
    ],
)
def test_every_code_has_words_in_both_languages(say: Callable[[str, str], str], codes: type[StrEnum]) -> None:
    for code in codes:
        _differ(say(code, "ru"), say(code, "en"))


def test_every_event_has_words_for_everyone_who_hears_of_it() -> None:
    assert set(AUDIENCE) == set(Event)
    for event, roles in AUDIENCE.items():
        for role in roles:
            _differ(words.event_words(event, role, "ru"), words.event_words(event, role, "en"))


def _differ(russian: str, english: str, *, hidden: bool = False) -> None:
    assert bool(russian) is bool(english) is not hidden
    assert hidden or (CYRILLIC.search(russian) and not CYRILLIC.search(english)), (russian, english)


@pytest.mark.parametrize(
    "said, words_",
    [
        (words.status_words("waiting", "ru"), "Ждём автора"),
        (words.status_words("waiting", "ru", "author"), "Нужен ваш ответ"),
        (words.status_words("rejected", "en", "author"), "We cannot take this"),
        (words.state_words("failed", "ru", "author"), "не дошло"),
        (words.state_words("failed", "ru"), "не доставлено"),
        (words.state_words("expired", "ru", "author"), ""),
        (words.state_hint("sent", "en"), "accepted, no delivery report yet"),
        (words.state_hint("delivered", "en"), ""),
        (words.suppression_words("own_action", "ru"), "Человек сделал это сам"),
        (words.event_words("author_replied", "lead", "ru"), "Автор написал → руководителю"),
        (words.status_words("of_tomorrow", "ru"), "of_tomorrow"),
        (words.status_words("new", "de-AT"), "Новая"),
        (words.status_words("new", "en_US"), "New"),
    ],
)
def test_the_words_people_were_promised(said: str, words_: str) -> None:
    assert said == words_


@pytest.mark.parametrize(
    "outcome, code, russian",
    [
        ("permanent", "550 5.1.1", "такого ящика нет"),
        ("permanent", "550 5.1.10", "такого ящика нет"),
        ("permanent", "552 5.2.2", "ящик переполнен"),
        ("temporary", "452 4.2.2", "ящик переполнен"),
        ("permanent", "552 5.3.4", "письмо слишком большое"),
        ("permanent", "535 5.7.8", "ключ не подошёл"),
        ("permanent", "550 5.7.1", "письмо не приняли"),
        ("permanent", "554", "письмо не приняли"),
        ("temporary", "451 4.7.1", "сервер просит подождать"),
        ("temporary", "429", "сервер просит подождать"),
        ("temporary", "timeout", "сервер не ответил вовремя"),
        ("temporary", "connect", "сервер недоступен"),
        ("temporary", "", "пока не приняли"),
        ("unknown", "", "ответ потерян при сбое"),
        ("accepted", "250 2.0.0", "приняли к доставке"),
    ],
)
def test_an_attempt_is_told_as_exactly_as_its_code_allows(outcome: str, code: str, russian: str) -> None:
    assert words.outcome_words(outcome, "ru", code) == russian
    assert not CYRILLIC.search(words.outcome_words(outcome, "en", code))


@given(st.integers(-10_000, 10_000))
def test_a_russian_number_takes_the_form_of_its_last_digits(number: int) -> None:
    form = words.plural(number, "ru", "one", "few", "many").partition(NBSP)[2]
    ones, teen = abs(number) % 10, 11 <= abs(number) % 100 <= 14
    assert form == ("many" if teen or ones in (0, 5, 6, 7, 8, 9) else "one" if ones == 1 else "few")


def test_a_noun_without_all_its_forms_is_refused() -> None:
    with pytest.raises(ValueError, match="3 forms in 'ru', not 2"):
        words.plural(1, "ru", "заявка", "заявки")


@pytest.mark.parametrize(
    "at, zone, language, told",
    [
        ("2026-11-20T07:05", "Asia/Novosibirsk", "ru", "20 ноября, 14:05"),
        ("2026-11-20T07:05", "Europe/Moscow", "en", "20 Nov, 10:05"),
        ("2027-05-03T00:00", "Europe/Moscow", "ru", "3 мая 2027, 03:00"),
        ("2026-12-31T20:59", "Europe/Moscow", "ru", "31 декабря, 23:59"),
        ("2026-12-31T21:00", "Europe/Moscow", "ru", "1 января 2027, 00:00"),
        ("2026-12-31T21:00", "Nowhere/Land", "en", "31 Dec, 21:00"),
    ],
)
def test_an_instant_is_told_in_the_readers_zone(at: str, zone: str, language: str, told: str) -> None:
    instant, now = datetime.fromisoformat(at).replace(tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)
    assert moment(instant, zone=zone, now=now, language=language) == told.replace(" ", NBSP).replace(f",{NBSP}", ", ")


@pytest.mark.parametrize(
    "zone, russian, english",
    [
        ("Europe/Moscow", "время московское", "Moscow time"),
        ("Asia/Vladivostok", "время владивостокское", "Vladivostok time"),
        ("America/New_York", "время America/New_York", "New York time"),
        ("UTC", "UTC", "UTC"),
        ("Nowhere/Land", "UTC", "UTC"),
        ("../etc/passwd", "UTC", "UTC"),
    ],
)
def test_the_zone_is_named_in_words(zone: str, russian: str, english: str) -> None:
    assert (zone_words(zone, "ru"), zone_words(zone, "en")) == (russian, english)


class TestTypography:
    @pytest.mark.parametrize(
        "plain, bound",
        [
            ("Заявка № 7 — в работе", "Заявка №_7_— в_работе"),
            ("ответим через 10 минут", "ответим через 10_минут"),
            ("ООО «Ромашка» и мы", "ООО_«Ромашка» и_мы"),
            ("скидка 5 % и 100 ₽", "скидка 5_% и_100_₽"),
            ("слово в\nначале", "слово в\nначале"),
        ],
    )
    def test_russian_words_hold_together(self, plain: str, bound: str) -> None:
        assert bind(plain, "ru") == bound.replace("_", NBSP)

    def test_english_one_letter_words_stay_free(self) -> None:
        assert bind("a mail in 10 minutes", "en") == f"a mail in 10{NBSP}minutes"

    def test_only_the_words_of_a_template_are_touched(self) -> None:
        style, markup = "<style>\n p { margin: 0 1 em }\n</style>", '<p class="в 1 м">'
        source = style + markup + '№ {{ "в 1 м" }}{% if "в 1 м" %}в {{ x }}{# в 1 м #}'
        assert bind_template(source, "ru") == source.replace("№ ", f"№{NBSP}").replace("в {{ x", f"в{NBSP}{{{{ x")


class TestForeignText:
    @given(st.text())
    def test_clean_text_holds_no_controls_and_can_be_sent(self, text: str) -> None:
        cleaned = foreign.clean(text)
        cleaned.encode()
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", cleaned)
        assert foreign.clean(cleaned) == cleaned

    @given(st.text())
    def test_one_line_is_one_line(self, text: str) -> None:
        assert len(foreign.one_line(text).splitlines()) <= 1

    @given(st.text(), st.integers(1, 50))
    def test_short_is_short(self, text: str, length: int) -> None:
        assert len(foreign.shorten(text, length)) <= length

    @given(st.text(max_size=200))
    def test_every_quoted_line_is_marked(self, text: str) -> None:
        assert all(line.startswith(">") for line in foreign.quoted(foreign.clean(text)).split("\n"))

    def test_lone_surrogates_do_not_survive(self) -> None:
        assert foreign.clean("a\ud800b") == "ab"
