"""Several forms with questions of their own, lists of them, forms in frames of other sites, and wrong settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.settings import load
from gateway.settings_errors import SettingsError

TWO = """
[form.cash]
title = { ru = "Касса не работает", en = "The till does not work" }
centre = "nsk"
type = "incident"
category = "hardware"
work = 0
origins = ["https://www.romashka.example", "http://localhost:8000/"]
[[form.cash.field]]
key = "serial"
kind = "number"
label = { ru = "Номер кассы", en = "Till number" }
[[form.cash.field]]
key = "since"
kind = "date"
label = "С какого дня"
required = false
[[form.cash.field]]
key = "model"
kind = "choice"
label = "Модель"
choices = ["Атол", "Штрих"]
[[form.cash.field]]
key = "topic"
maps_to = "subject"
label = "Коротко"
[[form.cash.field]]
key = "who"
kind = "phone"
label = "Телефон"
required = false
[[form.cash.field]]
key = "mail"
kind = "email"
label = "Почта"
required = false
[form.ask]
title = "Задать вопрос"
centre = "nowhere"
work = 0
[form.hidden]
listed = false
"""
CASH = {"serial": "1 205", "since": "20.11.2026", "model": "Атол", "topic": "Не печатает", "who": "8 913 000-00-07"}


@pytest.fixture
def more(request: pytest.FixtureRequest) -> dict[str, str]:
    """Two forms, and one that is not listed."""
    return {"toml": TWO}


async def cash(person: Any, answers: dict[str, str], query: str = "") -> Any:
    """Fill in the form `cash`."""
    person.form = "cash"
    page = await person.open(query)
    return await person.send(page, answers, proof="", consent=False, query=query)


async def test_each_form_has_its_own_questions_centre_and_type(person: Any) -> None:
    page = await person.get("/form/cash")
    assert page.title == "Касса не работает — Otklik"
    assert 'name="f-what"' not in page.body
    assert "altcha" in page.body
    assert "Проверяем" not in page.words, "no proof is asked for"
    ticket = await person.ticket(await person.done(await cash(person, CASH)))
    assert (ticket["centre"], ticket["type"], ticket["category"]) == ("nsk", "incident", "hardware")
    assert ticket["subject"] == "Не печатает"
    assert ticket["messages"][0]["from"] == {"kind": "phone", "value": "+79130000007", "name": ""}
    assert ticket["messages"][0]["text"] == "Номер кассы: 1205\nС какого дня: 2026-11-20\nМодель: Атол"


async def test_who_leaves_no_mailbox_is_answered_by_telephone(person: Any) -> None:
    done = await person.done(await cash(person, CASH))
    assert "ответим по телефону +79130000007" in done.words
    assert "отправляем письмо" not in done.words


async def test_one_way_to_answer_is_enough_and_needed(person: Any) -> None:
    without = {key: value for key, value in CASH.items() if key != "who"}
    again = await cash(person, without)
    assert again.status == 422
    assert "Укажите почту или телефон" in again.words
    assert (await cash(person, without | {"mail": "i@romashka.example"})).status == 303


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"serial": "пять"}, "нужно число"),
        ({"serial": "1e9"}, "нужно число"),
        ({"since": "31.02.2026"}, "нужна дата"),
        ({"since": "завтра"}, "нужна дата"),
        ({"model": "Нет такой"}, "Выберите один из ответов"),
    ],
)
async def test_values_are_checked_by_their_kind(person: Any, wrong: dict[str, str], words: str) -> None:
    again = await cash(person, CASH | wrong)
    assert again.status == 422
    assert words in again.words


async def test_a_centre_nobody_has_costs_no_ticket(person: Any) -> None:
    person.form = "ask"
    ticket = await person.ticket(await person.done(await person.send(await person.open(), proof="")))
    assert ticket["centre"] != "nowhere"
    assert ticket["status"] == "new"


async def test_the_list_names_the_forms_that_are_listed(person: Any) -> None:
    page = await person.get("/form")
    assert "Касса не работает" in page.words
    assert "Задать вопрос" in page.words
    assert "/form/hidden" not in page.body
    assert (await person.get("/form/hidden")).status == 200


@pytest.mark.parametrize(
    "path", ["/form/none", "/form/none/challenge", "/form/none/done/x", "/form/..%2f..%2fetc", "/form/%00"]
)
async def test_a_form_that_is_not_there(person: Any, path: str) -> None:
    page = await person.get(path)
    assert page.status in (400, 404)
    assert "Traceback" not in page.body


async def test_a_form_is_framed_by_the_sites_it_names_and_by_nobody_else(person: Any) -> None:
    plain = await person.get("/form/cash")
    assert "frame-ancestors 'none'" in plain.headers["Content-Security-Policy"]
    framed = await person.get("/form/cash?embed=1")
    policy = framed.headers["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors https://www.romashka.example http://localhost:8000")
    assert 'action="/form/cash?embed=1"' in framed.body
    assert "<header" not in framed.body
    unnamed = await person.get("/form/ask?embed=1")
    assert "frame-ancestors 'none'" in unnamed.headers["Content-Security-Policy"]


async def test_in_a_frame_errors_and_receipt_stay_in_it(person: Any) -> None:
    again = await cash(person, CASH | {"topic": ""}, "?embed=1&lang=ru")
    assert again.status == 422
    assert "frame-ancestors https://www.romashka.example" in again.headers["Content-Security-Policy"]
    sent = await cash(person, CASH, "?embed=1&lang=ru")
    assert sent.location.endswith("?embed=1&lang=ru")
    done = await person.done(sent)
    assert "frame-ancestors https://www.romashka.example" in done.headers["Content-Security-Policy"]
    assert 'target="_blank"' in done.search(r'(<a class="button main"[^>]*>)')


async def test_other_sites_may_load_the_snippet_and_nothing_else(person: Any) -> None:
    snippet = await person.get("/static/embed.js")
    assert snippet.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert (await person.get("/static/form.js")).headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_a_nonce_of_one_form_opens_no_other(person: Any) -> None:
    person.form = "cash"
    page = await person.open()
    pairs = [("nonce", page.nonce), ("language", "ru"), *((f"f-{k}", v) for k, v in person.right.items())]
    again = await person.post("/form/ask", pairs)
    assert again.status == 422
    assert await person.tickets() == 0


# ---- settings -------------------------------------------------------------------------------------------------------

FIELD = '[[form.a.field]]\nkey = "x"\nlabel = "X"\n'
MAIL = '[[form.a.field]]\nkey = "m"\nkind = "email"\nlabel = "M"\n'
WRONG = [
    (FIELD.replace('"x"', '"X y"') + MAIL, 'small Latin letters, digits and _'),
    (FIELD + 'kind = "colour"\n' + MAIL, "expected 'text', 'long', 'choice'"),
    (FIELD + 'knd = "text"\n' + MAIL, "form.a.field[1].knd: there is no such key; did you mean kind?"),
    (FIELD + 'kind = "choice"\n' + MAIL, "choices for a field of the kind choice"),
    (FIELD + 'choices = ["a"]\n' + MAIL, "choices for a field of the kind choice"),
    (FIELD + 'kind = "choice"\nchoices = ["a", "a"]\n' + MAIL, "no two alike"),
    (FIELD + 'maps_to = "urgency"\nkind = "choice"\nchoices = ["now"]\n' + MAIL, "choices high, medium and low"),
    (FIELD + 'maps_to = "email"\n' + MAIL, "the kind email"),
    (FIELD + 'maps_to = "sender"\n' + MAIL, "maps_to"),
    (FIELD + MAIL, 'a field with maps_to = "text" or "subject"'),
    (FIELD + 'maps_to = "text"\n', "nobody could be answered"),
    (FIELD + 'maps_to = "text"\n' + FIELD + MAIL, "'x' is there twice"),
    (FIELD + 'maps_to = "text"\n' + MAIL + MAIL.replace('"m"', '"n"'), "one field at most that maps to email"),
    ('[[form.a.field]]\nkey = "x"\n' + MAIL, "label"),
    ("[form.a]\norigins = [\"https://a.example/path\"]\n", "an origin without a path"),
    ("[form.a]\norigins = [\"*\"]\n", 'an origin such as'),
    ("[form.a]\norigins = [\"https://a.example; script-src *\"]\n", 'an origin such as'),
    ("[form.a]\ntitle = { de = \"Hallo\" }\n", "one in each language"),
    ("[form.a]\nwork = -1\n", "0 or more"),
    ("[form.a.files]\nkinds = [\"../x\"]\n", "the ending of a file name"),
    ("[form.a.caps]\nclient = 0\n", "1 or more"),
    ('[form."A B"]\n', "names of forms in small Latin letters"),
    ('[forms]\nper_hour = "many"\n', "a whole number"),
]  # fmt: skip


@pytest.mark.parametrize("toml, words", WRONG)
def test_wrong_settings_are_told_in_one_line(tmp_path: Path, toml: str, words: str) -> None:
    file = tmp_path / "otklik.toml"
    file.write_text(toml, encoding="utf-8")
    with pytest.raises(SettingsError) as told:
        load(file, {})
    assert words in str(told.value)
    assert "\n" not in str(told.value)
    assert str(file) in str(told.value)


def test_without_settings_there_is_one_form() -> None:
    assert list(load(None, {}).form) == ["support"]
