"""The formats of organisation files, and what their values mean."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from desk.organisation import Bundle, Refused, difference, parse
from desk.organisation_kinds import KINDS
from desk.site import Site
from tickets.organisation import Organisation, Target

CENTRE = '[[centre]]\ncode = "msk"\nname = "Москва"\n'
GROUP = '[[group]]\ncode = "desk"\nname = "Первая линия"\ncentre = "msk"\n'
STAFF = '[[staff]]\nlogin = "petrova"\nname = "Анна Петрова"\nemail = "petrova@desk.example"\ngroup = "desk"\n'
CUSTOMER = '[[customer]]\ncode = "romashka"\nname = "ООО «Ромашка»"\n'
OTHER = '[[customer]]\ncode = "lutik"\nname = "Лютик"\n'
AGREEMENT = '[[agreement]]\ncode = "gold"\nname = "Gold"\n'


def problems_of(text: str, source: str = "org.toml") -> list[str]:
    with pytest.raises(Refused) as refused:
        difference(Organisation(), parse(text, source), site=Site())
    assert all(problem.isprintable() for problem in refused.value.problems)
    return list(refused.value.problems)


def organisation_of(text: str, source: str = "org.toml") -> Organisation:
    return difference(Organisation(), parse(text, source), site=Site()).after


BAD_FILES = {
    "json: no JSON": ("org.json", '{\n"centre": [}', "org.json:2: this is not JSON: Expecting value"),
    "json: no object": ("org.json", "[]", "org.json: expected an object with lists such as customer and staff"),
    "json: a key twice": (
        "org.json",
        '{"centre": [{"code": "a", "code": "b"}]}',
        'org.json: "code" stands twice in one object; keep one of the two',
    ),
    "json: the entry's position": (
        "org.json",
        '{"centre": [{"code": "msk", "name": "M"}, {"code": "nsk", "name": "N", "zone": "UTC+7"}]}',
        (
            'org.json: centre number 2 nsk: zone: expected an IANA time zone such as "Europe/Moscow"; got "UTC+7"; '
            "did you mean UTC?"
        ),
    ),
    "json: nothing but brackets": ("org.json", "[" * 100_000, "org.json: this is no organisation: "),
    "csv: empty": (
        "customers.csv",
        "\n\n",
        "customers.csv: expected a header such as code,name,domains or login,name,email,group",
    ),
    "csv: unknown column": (
        "customers.csv",
        "code,name,telephone\n",
        'customers.csv:1: there is no such column "telephone" in a list of customer; did you mean phones?',
    ),
    "csv: a column twice": (
        "staff.csv",
        "login,name,name\n",
        "staff.csv:1: the column name stands there twice; keep one of the two",
    ),
    "csv: cells missing": (
        "customers.csv",
        "code,name,vip\na,A\n",
        "customers.csv:2: expected 3 cells as in the header; got 2",
    ),
    "csv: the line": (
        "staff.csv",
        "login;name;email;group;line\na;A;a@b.example;desk;first\n",
        'staff.csv:2: staff a: line: expected a support line, 1 to 9; got "first"',
    ),
    "csv: an open quote": ("customers.csv", 'code,name\na,"A\n', "customers.csv:2: this is not CSV: unexpected end of"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_other_formats_are_checked_as_strictly(case: str) -> None:
    source, text, expected = BAD_FILES[case]
    (problem,) = problems_of(text, source)
    assert problem.startswith(expected)


def test_two_files_may_not_list_the_same_entry() -> None:
    with pytest.raises(Refused) as refused:
        Bundle.joined([parse(CUSTOMER, "one.toml"), parse(CUSTOMER, "two.toml")])
    assert str(refused.value) == (
        "two.toml:2: customer romashka: code: one.toml:1: customer romashka has it already; "
        "give one of them another code"
    )


@pytest.mark.parametrize(
    "written",
    [
        "8 (495) 000-12-34",
        "84950001234",
        "+7 495 000 12 34",
        "7-495-000-12-34",
        "+7\u00a0(495)\u00a0000\u201112\u201134",
    ],
)
def test_phone_numbers_come_in_many_spellings(written: str) -> None:
    found = organisation_of(CUSTOMER + f'phones = ["{written}"]')
    assert found.by_phone == {"+74950001234": "romashka"}


@pytest.mark.parametrize(
    "written, expected",
    [
        ("9160001234", "+79160001234"),
        ("8 800 000-12-34", "+78000001234"),
        ("+44 20 7946 0123", "+442079460123"),
        ("810 44 20 7946 0123", "+442079460123"),
        ("+375 29 612-34-56", "+375296123456"),
    ],
)
def test_phone_numbers_are_kept_in_e164(written: str, expected: str) -> None:
    found = organisation_of(CUSTOMER + f'phones = ["{written}"]')
    assert found.customers["romashka"].phones == (expected,)


def test_a_target_counts_working_minutes_and_a_day_has_eight_hours() -> None:
    found = organisation_of(
        AGREEMENT + 'respond = { critical = "30 min", high = "4 h" }\n'
        'resolve = { critical = "1 h 30 min", high = "2 days", low = "1.5 d" }\n'
    )
    assert found.agreements["gold"].targets == {
        "critical": Target(30, 90),
        "high": Target(240, 960),
        "low": Target(0, 720),
    }


def test_json_says_the_same_as_toml() -> None:
    tree = {
        "centre": [{"code": "msk", "name": "Москва"}],
        "group": [{"code": "desk", "name": "Первая линия", "centre": "msk"}],
        "agreement": [{"code": "gold", "name": "Gold", "respond": {"high": "1 h"}}],
    }
    toml = CENTRE + GROUP + AGREEMENT + 'respond = { high = "1 h" }'
    assert organisation_of(json.dumps(tree), "org.JSON") == organisation_of(toml)


def test_a_spreadsheet_of_customers_says_the_same_as_toml() -> None:
    text = "\ufeffCode;Name;Domains;Phones;VIP\r\nromashka;ООО «Ромашка»;a.example, b.example;8 495 000-12-34;да\r\n"
    toml = CUSTOMER + 'domains = ["a.example", "b.example"]\nphones = ["+74950001234"]\nvip = true'
    read, written = organisation_of(text, "customers.csv"), organisation_of(toml)
    assert read.by_domain == written.by_domain == {"a.example": "romashka", "b.example": "romashka"}
    assert read.by_phone == written.by_phone
    assert read.customers["romashka"].vip
    assert read.customers["romashka"].name == "ООО «Ромашка»"


def test_a_list_of_staff_is_recognised_by_its_logins() -> None:
    text = 'login,name,email,group,line,lead,away,language\npetrova,"Петрова, Анна",P@desk.example,desk,2,yes,,\n'
    joined = Bundle.joined([parse(CENTRE + GROUP, "org.toml"), parse(text, "people.csv")])
    (member,) = difference(Organisation(), joined, site=Site()).after.groups["desk"].members
    assert (member.name, member.email, member.line, member.lead, member.away, member.language) == (
        "Петрова, Анна",
        "p@desk.example",
        2,
        True,
        False,
        "ru",
    )


def test_lines_are_not_guessed_where_the_file_hides_them() -> None:
    text = 'customer = [\n  { code = "a", name = "A" },\n  { code = "b", name = "B", vip = 1 },\n]\n'
    assert problems_of(text) == ["org.toml: customer number 2 b: vip: expected true or false; got 1"]


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm() -> None:
    text = "\ufeff" + CENTRE.replace("\n", "\r\n") + "vip = true\r\n"
    assert problems_of(text) == [
        "org.toml:4: centre msk: vip: there is no such key; known: addresses, calendar, code, default, name, zone"
    ]


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["msk", "1 h", "a@b.c"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
tables = st.one_of([st.fixed_dictionaries({}, optional=dict.fromkeys(keys, anything)) for keys in KINDS.values()])
trees = st.dictionaries(st.sampled_from([*KINDS, "else"]), st.lists(tables, max_size=3) | anything, max_size=4)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(trees)
def test_whatever_a_file_holds_the_answer_is_a_line_for_people(tree: dict[str, object]) -> None:
    assert_told(lambda: difference(Organisation(), parse(json.dumps(tree), "org.json"), site=Site()))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60), st.sampled_from(["org.toml", "org.json", "customers.csv"]))
@example("x = 0x" + "f" * 9000, "org.toml")
@example('{"centre": ' + "9" * 9000 + "}", "org.json")
@example("code,name\n\0,a", "customers.csv")
def test_whatever_a_file_is_the_answer_is_a_line_for_people(text: str, source: str) -> None:
    assert_told(lambda: parse(text, source))


def assert_told(attempt: Callable[[], object]) -> None:
    problems: tuple[str, ...] = ("it went well",)
    try:
        attempt()
    except Refused as refused:
        problems = refused.problems
    assert problems
    assert all(problem.isprintable() and len(problem) < 500 for problem in problems)
