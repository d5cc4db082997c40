"""An export imports back to the same organisation, whatever is in it."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk.organisation import Bundle, difference, export, parse
from desk.organisation_kinds import ids_of, organisation_of
from desk.organisation_toml import quoted
from desk.site import Site
from tickets.organisation import Organisation

SITE = Site()

codes = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,11}", fullmatch=True)
names = st.text(
    st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"]), min_size=1, max_size=20
) | st.sampled_from(['ООО "Рога и \\ копыта"', "'''", "a = 1 # [x]", "[[staff]]", '"""', "{x}", "Ёж 🦔"])
labels = st.from_regex(r"[a-zа-я][a-zа-я0-9]{0,8}", fullmatch=True)
zones = st.sampled_from(["Europe/Moscow", "Asia/Vladivostok", "UTC"])
languages = st.sampled_from(["ru", "en"])
flags = st.booleans()
terms = st.integers(1, 5000)


@st.composite
def organisations(draw: st.DrawFn) -> Organisation:
    """Any organisation an import could have made."""

    def some(strategy: st.SearchStrategy[str], most: int, least: int = 0) -> list[str]:
        return draw(st.lists(strategy, min_size=least, max_size=most, unique=True))

    def named(known: list[str]) -> str:
        return draw(st.sampled_from(["", *known]))

    def dealt(values: list[str]) -> tuple[str, ...]:
        count = draw(st.integers(0, len(values)))
        taken = tuple(values[:count])
        del values[:count]
        return taken

    centres, agreements = some(codes, 3, 1), some(codes, 3)
    groups, logins, customers = some(codes, 3, 1), some(codes, 5), some(codes, 4)
    mailboxes = [
        f"{n}.{label}@{label}.example" for n, label in enumerate(draw(st.lists(labels, min_size=8, max_size=12)))
    ]
    domains = [f"{label}.{n}.example" for n, label in enumerate(draw(st.lists(labels, max_size=6)))]
    phones = some(st.from_regex(r"\+7[3-9][0-9]{9}", fullmatch=True), 5)
    emails = {login: mailboxes.pop() for login in logins}
    default = named(centres)
    values: dict[str, dict[str, dict[str, Any]]] = {
        "centre": {},
        "agreement": {},
        "group": {},
        "staff": {},
        "customer": {},
    }
    for code in centres:
        values["centre"][code] = {
            "code": code,
            "name": draw(names),
            "zone": draw(zones),
            "addresses": dealt(mailboxes),
            "calendar": draw(st.sampled_from(["default", "24x7"])),
            "default": code == default,
        }
    for code in agreements:
        priorities = some(st.sampled_from(["critical", "high", "normal", "low"]), 4)
        respond = {priority: draw(terms) for priority in priorities}
        resolve = {priority: minutes + draw(terms) for priority, minutes in respond.items() if draw(flags)}
        calendar = draw(st.sampled_from(["", "default", "24x7"]))
        entry = {"code": code, "name": draw(names), "calendar": calendar, "respond": respond, "resolve": resolve}
        values["agreement"][code] = entry
    for code in groups:
        values["group"][code] = {"code": code, "name": draw(names), "centre": draw(st.sampled_from(centres))}
    for login in logins:
        values["staff"][login] = {
            "login": login,
            "name": draw(names),
            "email": emails[login],
            "group": draw(st.sampled_from(groups)),
            "line": draw(st.integers(1, 9)),
            "language": draw(languages),
            "lead": draw(flags),
            "away": draw(flags),
        }
    for code in customers:
        values["customer"][code] = {
            "code": code,
            "name": draw(names),
            "centre": named(centres),
            "agreement": named(agreements),
            "group": named(groups),
            "domains": dealt(domains),
            "addresses": dealt(mailboxes),
            "phones": dealt(phones),
            "language": draw(languages | st.just("")),
            "vip": draw(flags),
        }
    keys = [("staff", login) for login in logins] + [("customer", code) for code in customers]
    return organisation_of(values, {key: f"{n:032x}" for n, key in enumerate(keys)}, draw(st.integers(0, 9)))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(organisations())
def test_an_export_changes_nothing_where_it_came_from(organisation: Organisation) -> None:
    bundle = parse(export(organisation), "export.toml")
    for replace in (False, True):
        changes = difference(organisation, bundle, site=SITE, replace=replace)
        assert changes.lines() == [f"0 added, 0 changed, 0 removed, {changes.unchanged} unchanged"]
        assert changes.after == organisation


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(organisations(), organisations())
def test_an_export_makes_the_same_organisation_anywhere(organisation: Organisation, other: Organisation) -> None:
    text = export(organisation)
    bundle = parse(text, "export.toml")
    everything = Bundle(
        {kind: bundle.entries.get(kind, {}) for kind in ("centre", "agreement", "group", "staff", "customer")}
    )
    for old, with_replace in ((Organisation(), False), (other, True)):
        after = difference(old, everything, site=SITE, replace=with_replace).after
        assert export(after) == text
        kept = ids_of(old)
        assert all(number == kept[key] for key, number in ids_of(after).items() if key in kept)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_can_be_quoted(text: str) -> None:
    assert tomllib.loads(f"text = {quoted(text)}") == {"text": text}


def test_an_export_reads_well() -> None:
    text = """[[agreement]]
code = "gold"
name = "Gold"
calendar = "24x7"
respond = { critical = "15 min", low = "24 h" }

[[customer]]
code = "romashka"
name = "ООО \\"Ромашка\\""
agreement = "gold"
phones = ["+74950001234"]
vip = true
"""
    found = difference(Organisation(), parse(text, "org.toml"), site=SITE).after
    assert export(found) == '# Terms count working time; a "day" is 8 working hours.\n\n' + text
