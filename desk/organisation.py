"""The service organisation kept in files: import, what an import would change, export.

An import is an update. An entry is known by its code (staff by login) and keeps its id; keys that a file leaves out
stay as they are, a new entry gets their defaults. A kind that no file lists is not touched, and an entry that no file
lists is kept. With `replace` the files are everything there is of the kinds they list: keys that are left out go back
to their defaults, entries that are left out are removed.

Centres, groups and staff have an order, which breaks ties. When files list all entries of such a kind, it is the
files' order; otherwise new entries come last.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator

from desk.organisation_changes import Changes, compare
from desk.organisation_file import Bundle, Listed, Refused, parse
from desk.organisation_kinds import KINDS, REFERENCES, Entry, Values, ids_of, organisation_of, values_of
from desk.organisation_toml import export
from desk.organisation_values import near
from desk.site import Site
from storage import organisation as organisations
from storage.database import Connection
from tickets.key import new_key
from tickets.organisation import Organisation
from tickets.priority import Priority

__all__ = ["CALENDARS", "Bundle", "Changes", "Refused", "difference", "export", "import_bundle", "parse"]

CALENDARS = frozenset({"default", "24x7"})
"""Calendars every installation has."""

_TABLES = {
    "centre": "centres",
    "agreement": "agreements",
    "group": "teams",
    "staff": "members",
    "customer": "customers",
}


def import_bundle(
    connection: Connection,
    bundle: Bundle,
    *,
    site: Site,
    calendars: Collection[str] = CALENDARS,
    replace: bool = False,
) -> Changes:
    """Make the stored organisation what the files say, in the caller's transaction.

    `calendars` are the names the settings know. An import that changes nothing writes nothing and leaves the version.

    Raises:
        Refused: the files contradict each other or what is stored; nothing was written.
    """
    organisations.lock(connection)
    old = organisations.load(connection)
    changes = difference(old, bundle, site=site, calendars=calendars, replace=replace)
    if not changes:
        return changes
    rows = organisations.rows(changes.after)
    tables = {_TABLES[kind] for kind in changes.kinds}
    if "group" in changes.kinds:
        # the places of staff are counted through the groups
        tables.add("members")
    version = organisations.save(connection, {name: rows[name] for name in rows if name in tables})
    return dataclasses.replace(changes, after=dataclasses.replace(changes.after, version=version))


def difference(
    old: Organisation,
    bundle: Bundle,
    *,
    site: Site,
    calendars: Collection[str] = CALENDARS,
    replace: bool = False,
) -> Changes:
    """What an import of the files would change.

    Raises:
        Refused: the files contradict each other or what is there.
    """
    before = values_of(old)
    values, problems = _merged(before, bundle, site, replace)
    problems += [problem for check in (_references, _claims) for problem in check(values, bundle)]
    problems += _sense(values, bundle, calendars)
    if problems:
        raise Refused(dict.fromkeys(problems))
    ids = ids_of(old)
    for kind in ("customer", "staff"):
        for code in values[kind]:
            if (kind, code) not in ids:
                ids[kind, code] = new_key().hex
    after = organisation_of(values, ids, old.version)
    changes = compare(before, values_of(after))
    met = sum(bool(each.code) and each.what != "removed" for each in changes)
    unchanged = sum(len(listed) for listed in bundle.entries.values()) - met
    kept = {
        kind: codes
        for kind in KINDS
        if (listed := bundle.entries.get(kind)) is not None
        and (codes := tuple(code for code in values[kind] if code not in listed))
    }
    return Changes(changes, unchanged, kept, after)


def _merged(before: Values, bundle: Bundle, site: Site, replace: bool) -> tuple[Values, list[str]]:
    values: Values = {}
    problems: list[str] = []
    for kind, keys in KINDS.items():
        listed = bundle.entries.get(kind)
        if listed is None:
            values[kind] = before[kind]
            continue
        stored = {} if replace else before[kind]
        order = list(listed) if stored.keys() <= listed.keys() else list({**stored, **listed})
        values[kind] = {}
        for code in order:
            if code not in listed:
                values[kind][code] = stored[code]
                continue
            given = listed[code].values
            defaults = {name: getattr(site, key.site) if key.site else key.default for name, key in keys.items()}
            entry: Entry = {**defaults, **stored.get(code, {}), **given}
            values[kind][code] = entry
            problems += [
                f"{listed[code].at()}: {name} is missing; every {kind} has one"
                for name, key in keys.items()
                if key.required and not entry[name]
            ]
    return values, problems


def _place(bundle: Bundle, kind: str, code: str, key: str = "") -> str:
    listed: Listed | None = bundle.entries.get(kind, {}).get(code)
    if listed is not None:
        return listed.at(key)
    return f"stored {kind} {code}" + (f": {key}" if key else "")


def _references(values: Values, bundle: Bundle) -> Iterator[str]:
    for kind, key, target in REFERENCES:
        known = values[target]
        for code, entry in values[kind].items():
            named = entry[key]
            if named and named not in known:
                mend = near(named, known) if known else f"there is none at all yet: list a [[{target}]] as well"
                yield f'{_place(bundle, kind, code, key)}: there is no {target} "{named}"; {mend}'


def _claims(values: Values, bundle: Bundle) -> Iterator[str]:
    """Whatever names its owner must name one only."""
    mailboxes = [("centre", code, "addresses", each) for code, e in values["centre"].items() for each in e["addresses"]]
    mailboxes += [("staff", login, "email", e["email"]) for login, e in values["staff"].items() if e["email"]]
    customers = values["customer"].items()
    mailboxes += [("customer", code, "addresses", each) for code, e in customers for each in e["addresses"]]
    yield from _twice(mailboxes, bundle)
    for key in ("domains", "phones"):
        yield from _twice([("customer", code, key, each) for code, e in customers for each in e[key]], bundle)


def _twice(claims: list[tuple[str, str, str, str]], bundle: Bundle) -> Iterator[str]:
    owners: dict[str, tuple[str, str, str]] = {}
    for kind, code, key, value in claims:
        earlier = owners.setdefault(value, (kind, code, key))
        later = (kind, code, key)
        if earlier == later:
            continue
        if code not in bundle.entries.get(kind, {}):
            # the mend is made in a file, so the one that stands in a file is told of
            earlier, later = later, earlier
        other = _place(bundle, *earlier[:2])
        yield f"{_place(bundle, *later)}: {value} is claimed by {other} too; leave it to one of them"


def _sense(values: Values, bundle: Bundle, calendars: Collection[str]) -> list[str]:
    problems = []
    for kind in ("centre", "agreement"):
        for code, entry in values[kind].items():
            named = entry["calendar"]
            if named and named not in calendars:
                place = _place(bundle, kind, code, "calendar")
                problems.append(f'{place}: the settings have no calendar "{named}"; {near(named, calendars)}')
    defaults = [code for code, entry in values["centre"].items() if entry["default"]]
    if len(defaults) > 1:
        defaults.sort(key=lambda code: code in bundle.entries.get("centre", {}))
        first, last = _place(bundle, "centre", defaults[0]), _place(bundle, "centre", defaults[-1], "default")
        problems.append(f"{last}: {first} is the default already; write default = false at one of them")
    for code, entry in values["agreement"].items():
        for priority in Priority:
            respond, resolve = entry["respond"].get(priority.value), entry["resolve"].get(priority.value)
            if respond and resolve and respond > resolve:
                place = _place(bundle, "agreement", code, f"resolve.{priority.value}")
                problems.append(f"{place}: is sooner than respond.{priority.value}; nobody resolves before responding")
    return problems
