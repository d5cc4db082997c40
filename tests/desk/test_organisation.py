"""Importing the organisation: what changes, what stays, and that importing twice changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

import gateway
from desk.organisation import Bundle, Changes, Refused, difference, export, import_bundle, parse
from desk.site import Site
from storage import organisation as organisations
from storage.database import Connection, Database, open_database
from tickets.organisation import Organisation

SITE = Site(zone="Asia/Omsk", language="en")
SAMPLE = (Path(gateway.__file__).parent / "sample" / "organisation.toml").read_text(encoding="utf-8")

BASE = """
[[centre]]
code = "msk"
name = "Москва"
zone = "Europe/Moscow"

[[centre]]
code = "nsk"
name = "Новосибирск"
zone = "Asia/Novosibirsk"

[[agreement]]
code = "gold"
name = "Gold"
respond = { critical = "30 min", high = "1 day" }

[[group]]
code = "desk"
name = "Первая линия"
centre = "msk"

[[group]]
code = "experts"
name = "Эксперты"
centre = "msk"

[[staff]]
login = "petrova"
name = "Анна Петрова"
email = "petrova@desk.example"
group = "desk"

[[staff]]
login = "ivanov"
name = "Иван Иванов"
email = "ivanov@desk.example"
group = "desk"
away = true

[[customer]]
code = "romashka"
name = "ООО «Ромашка»"
agreement = "gold"
domains = ["romashka.example"]

[[customer]]
code = "lutik"
name = "Лютик"
phones = ["8 495 000-12-34"]
"""


@pytest.fixture
async def database(laid_out_url: str) -> AsyncIterator[Database]:
    """A database with its tables."""
    opened = await open_database(laid_out_url)
    yield opened
    await opened.close()


Run = Callable[..., Awaitable[Changes]]


@pytest.fixture
def run(database: Database) -> Run:
    """Import texts in one transaction."""

    async def importing(*texts: str, replace: bool = False) -> Changes:
        bundle = bundle_of(*texts)
        return await database.write(lambda c: import_bundle(c, bundle, site=SITE, replace=replace))

    return importing


async def stored(database: Database) -> Organisation:
    return await database.read(organisations.load)


def bundle_of(*texts: str) -> Bundle:
    return Bundle.joined(
        parse(text, f"file{n}.csv" if text.startswith(("code", "login")) else f"file{n}.toml")
        for n, text in enumerate(texts, start=1)
    )


async def test_what_is_imported_is_what_the_router_sees(database: Database, run: Run) -> None:
    changes = await run(BASE)
    found = await stored(database)
    assert changes.after == found
    assert [member.login for member in found.groups["desk"].members] == ["petrova", "ivanov"]
    assert found.default_centre == "msk"
    assert found.by_domain == {"romashka.example": "romashka"}
    assert found.by_phone == {"+74950001234": "lutik"}
    assert found.agreements["gold"].targets["high"].respond == 480


async def test_importing_twice_changes_nothing_and_wakes_nobody(database: Database, run: Run) -> None:
    await run(SAMPLE)
    before = await stored(database)
    assert before.version == 1
    for replace in (False, True):
        again = await run(SAMPLE, replace=replace)
        assert not again
        assert again.lines() == ["0 added, 0 changed, 0 removed, 39 unchanged"]
        assert (await stored(database)) == before
    await run(SAMPLE.replace("Анна Соколова", "Анна Белова"))
    assert (await stored(database)).version == 2


async def test_customers_and_staff_keep_their_ids(database: Database, run: Run) -> None:
    await run(BASE)
    before = await stored(database)
    await run(BASE.replace("ООО «Ромашка»", "АО «Ромашка»").replace("Анна Петрова", "Анна Белова"), replace=True)
    after = await stored(database)
    assert after.customers["romashka"].name == "АО «Ромашка»"
    assert {c.code: c.id for c in after.customers.values()} == {c.code: c.id for c in before.customers.values()}
    assert {m.login: m.id for m in after.members.values()} == {m.login: m.id for m in before.members.values()}


async def test_what_a_file_leaves_out_stays_as_it_is(database: Database, run: Run) -> None:
    await run(BASE)
    changes = await run('[[customer]]\ncode = "romashka"\nvip = true', "login,line\nivanov,2\n")
    assert changes.lines() == [
        "~ staff ivanov: line: 1 → 2",
        "~ customer romashka: vip: no → yes",
        "= staff in no file, kept: petrova (--replace removes what is in no file)",
        "= customer in no file, kept: lutik (--replace removes what is in no file)",
        "0 added, 2 changed, 0 removed, 0 unchanged",
    ]
    found = await stored(database)
    assert found.customers["romashka"].domains == ("romashka.example",)
    assert found.by_staff_email["ivanov@desk.example"].away
    assert set(found.customers) == {"romashka", "lutik"}


async def test_replace_makes_the_files_everything_there_is_of_the_kinds_they_list(database: Database, run: Run) -> None:
    await run(BASE)
    changes = await run('[[customer]]\ncode = "romashka"\nname = "Ромашка"', replace=True)
    assert changes.lines() == [
        "~ customer romashka: name: ООО «Ромашка» → Ромашка; agreement: gold → none; domains: romashka.example → none",
        "- customer lutik: Лютик",
        "0 added, 1 changed, 1 removed, 0 unchanged",
    ]
    found = await stored(database)
    assert set(found.customers) == {"romashka"}
    assert set(found.centres) == {"msk", "nsk"}
    assert len(found.members) == 2


async def test_an_empty_list_with_replace_removes_a_kind(database: Database, run: Run) -> None:
    await run(BASE)
    assert (await run("customer = []", replace=True)).count("removed") == 2
    assert not (await stored(database)).customers


async def test_several_files_are_one_import(database: Database, run: Run) -> None:
    head, _, customers = BASE.partition("[[customer]]")
    changes = await run(f"[[customer]]{customers}", head)
    assert changes.count("added") == 9
    assert (await stored(database)).customers["romashka"].agreement == "gold"


async def test_every_change_is_told_in_words(run: Run) -> None:
    await run(BASE)
    changed = (
        BASE.replace('critical = "30 min", high = "1 day"', 'critical = "15 min", normal = "90 min"')
        .replace('domains = ["romashka.example"]', 'domains = ["romashka.example", "r.example"]\nlanguage = "en"')
        .replace('zone = "Asia/Novosibirsk"', 'zone = "Asia/Novosibirsk"\naddresses = ["nsk@desk.example"]')
    )
    assert (await run(changed)).lines() == [
        "~ centre nsk: addresses: none → nsk@desk.example",
        (
            "~ agreement gold: respond.critical: 30 min → 15 min; respond.high: 1 day → none; "
            "respond.normal: none → 1 h 30 min"
        ),
        "~ customer romashka: domains: romashka.example → romashka.example, r.example; language: none → en",
        "0 added, 3 changed, 0 removed, 6 unchanged",
    ]


async def test_changes_have_a_form_for_programs(run: Run) -> None:
    await run(BASE)
    document = (await run('[[customer]]\ncode = "lutik"\nvip = true')).as_json()
    assert document == {
        "changes": [
            {
                "kind": "customer",
                "code": "lutik",
                "name": "Лютик",
                "what": "changed",
                "fields": [{"key": "vip", "old": "no", "new": "yes"}],
            }
        ],
        "added": 0,
        "changed": 1,
        "removed": 0,
        "unchanged": 0,
        "kept": {"customer": ["romashka"]},
    }


async def test_the_order_of_a_whole_list_is_the_files_order(database: Database, run: Run) -> None:
    await run(BASE)
    blocks = BASE.strip().split("\n\n")
    blocks[0], blocks[1] = blocks[1], blocks[0]
    blocks[3], blocks[4] = blocks[4], blocks[3]
    blocks[5], blocks[6] = blocks[6], blocks[5]
    swapped = "\n\n".join(blocks)
    assert (await run(swapped)).lines() == [
        "~ centre: order: msk, nsk → nsk, msk",
        "~ group: order: desk, experts → experts, desk",
        "~ staff: order: petrova, ivanov → ivanov, petrova",
        "0 added, 0 changed, 0 removed, 9 unchanged",
    ]
    found = await stored(database)
    assert found.default_centre == "nsk"
    assert list(found.groups) == ["experts", "desk"]
    assert [member.login for member in found.groups["desk"].members] == ["ivanov", "petrova"]
    assert not await run(swapped)


async def test_an_entry_that_is_added_by_itself_comes_last(database: Database, run: Run) -> None:
    await run(BASE)
    await run("login,name,email,group\nadamov,Адам Адамов,adamov@desk.example,desk\n")
    assert [member.login for member in (await stored(database)).groups["desk"].members] == [
        "petrova",
        "ivanov",
        "adamov",
    ]


async def test_staff_who_change_groups_are_found_in_the_new_one(database: Database, run: Run) -> None:
    await run(BASE)
    changes = await run("login,group\npetrova,experts\n")
    assert changes.lines()[0] == "~ staff petrova: group: desk → experts"
    found = await stored(database)
    assert [member.login for member in found.groups["experts"].members] == ["petrova"]


async def test_new_entries_get_the_defaults_of_the_site(database: Database, run: Run) -> None:
    await run(BASE, '[[centre]]\ncode = "omsk"\nname = "Омск"')
    found = await stored(database)
    assert found.centres["omsk"].zone == "Asia/Omsk"
    assert {member.language for member in found.members.values()} == {"en"}
    assert found.customers["lutik"].language == ""


REFUSED = {
    "a claim of somebody stored": (
        '[[customer]]\ncode = "mak"\nname = "Мак"\nphones = ["+74950001234"]',
        False,
        (
            "file1.toml:4: customer mak: phones: +74950001234 is claimed by stored customer lutik too; "
            "leave it to one of them"
        ),
    ),
    "a claim of somebody stored, taken by an earlier customer": (
        '[[customer]]\ncode = "romashka"\nphones = ["+74950001234"]',
        False,
        (
            "file1.toml:3: customer romashka: phones: +74950001234 is claimed by stored customer lutik too; "
            "leave it to one of them"
        ),
    ),
    "a group that still has staff": (
        '[[group]]\ncode = "experts"\nname = "Эксперты"\ncentre = "msk"',
        True,
        'stored staff petrova: group: there is no group "desk"; known: experts',
    ),
    "a new entry without what it needs": (
        "login,line\nsidorov,2\n",
        False,
        "file1.csv:2: staff sidorov: name is missing; every staff has one",
    ),
    "a calendar the settings lack": (
        '[[agreement]]\ncode = "gold"\ncalendar = "night"',
        False,
        'file1.toml:3: agreement gold: calendar: the settings have no calendar "night"; known: 24x7, default',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_files_that_contradict_what_is_stored_change_nothing(case: str, database: Database, run: Run) -> None:
    text, replace, expected = REFUSED[case]
    await run(BASE)
    before = await stored(database)
    with pytest.raises(Refused) as refused:
        await run(text, replace=replace)
    assert refused.value.problems[0] == expected
    assert (await stored(database)) == before


async def test_a_phone_may_move_from_one_customer_to_another_in_one_import(database: Database, run: Run) -> None:
    await run(BASE)
    await run('[[customer]]\ncode = "lutik"\nphones = []\n[[customer]]\ncode = "romashka"\nphones = ["84950001234"]')
    assert (await stored(database)).by_phone == {"+74950001234": "romashka"}


async def test_an_import_that_fails_half_way_leaves_nothing(database: Database) -> None:
    def failing(connection: Connection) -> None:
        import_bundle(connection, bundle_of(BASE), site=SITE)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await database.write(failing)
    assert (await stored(database)) == Organisation()


async def test_imports_at_the_same_moment_take_turns(database: Database, run: Run) -> None:
    outcomes = await asyncio.gather(*(run(BASE) for _ in range(4)))
    assert sorted(changes.count("added") for changes in outcomes) == [0, 0, 0, 9]
    assert (await stored(database)).version == 1


async def test_calendars_of_the_settings_may_be_named(database: Database) -> None:
    text = '[[agreement]]\ncode = "night"\nname = "Ночное"\ncalendar = "night"'
    names = {"default", "24x7", "night"}
    await database.write(lambda c: import_bundle(c, bundle_of(text), site=SITE, calendars=names))
    assert (await stored(database)).agreements["night"].calendar == "night"


def test_the_sample_is_tidy() -> None:
    found = difference(Organisation(), parse(SAMPLE, "organisation.toml"), site=Site()).after
    assert {code: centre.zone for code, centre in found.centres.items()} == {
        "msk": "Europe/Moscow",
        "nsk": "Asia/Novosibirsk",
        "vvo": "Asia/Vladivostok",
    }
    assert found.default_centre == "msk"
    assert {group.centre for group in found.groups.values()} == set(found.centres)
    assert {member.line for member in found.members.values()} == {1, 2, 3}
    assert len(found.customers) == 12
    assert any(customer.vip for customer in found.customers.values())
    assert any(customer.language == "en" for customer in found.customers.values())
    names = [*found.by_address, *found.by_intake, *found.by_staff_email, *found.by_domain]
    assert all(name.endswith(".example") for name in names)
    again = difference(found, parse(export(found), "again.toml"), site=Site(), replace=True)
    assert not again
