"""What an import changes, and in which words it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from desk.organisation_kinds import KINDS, Entry, Values
from desk.organisation_values import term
from tickets.organisation import Organisation

_SIGNS = {"added": "+", "changed": "~", "removed": "-"}
_SHOWN_CODES = 10


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One key of an entry, in words. The key `order` is the place among the entries of its kind."""

    key: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.key}: {self.old} → {self.new}"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that is added, changed or removed; a change of order alone is told of the whole kind (`code` "")."""

    kind: str
    code: str
    name: str
    what: Literal["added", "changed", "removed"]
    fields: tuple[FieldChange, ...] = ()

    def __str__(self) -> str:
        called = f"{self.kind} {self.code}".strip()
        told = f": {'; '.join(str(each) for each in self.fields)}" if self.fields else f": {self.name}"
        return f"{_SIGNS[self.what]} {called}{told}"


@dataclass(frozen=True, slots=True)
class Changes:
    """The outcome of an import. `unchanged` counts entries the files list and that are so already.

    `kept` are entries of listed kinds that no file lists and that stay nevertheless, by kind. `after` is the
    organisation as it then is; its version is the old one until it is stored.
    """

    changes: tuple[Change, ...]
    unchanged: int
    kept: Mapping[str, tuple[str, ...]]
    after: Organisation = field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds in which anything changes."""
        return frozenset(each.kind for each in self.changes)

    def count(self, what: str) -> int:
        """How many entries are `added`, `changed` or `removed`."""
        return sum(each.what == what and bool(each.code) for each in self.changes)

    def lines(self) -> list[str]:
        """The changes one a line, then what stays though no file lists it, then the sum."""
        lines = [str(each) for each in self.changes]
        for kind, codes in self.kept.items():
            more = f" and {len(codes) - _SHOWN_CODES} more" if len(codes) > _SHOWN_CODES else ""
            names = f"{', '.join(codes[:_SHOWN_CODES])}{more}"
            lines.append(f"= {kind} in no file, kept: {names} (--replace removes what is in no file)")
        counted = (f"{self.count(what)} {what}" for what in _SIGNS)
        return [*lines, f"{', '.join(counted)}, {self.unchanged} unchanged"]

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "changes": [
                {
                    "kind": each.kind,
                    "code": each.code,
                    "name": each.name,
                    "what": each.what,
                    "fields": [{"key": f.key, "old": f.old, "new": f.new} for f in each.fields],
                }
                for each in self.changes
            ],
            **{what: self.count(what) for what in _SIGNS},
            "unchanged": self.unchanged,
            "kept": {kind: list(codes) for kind, codes in self.kept.items()},
        }


def compare(old: Values, new: Values) -> tuple[Change, ...]:
    """The changes that lead from one to the other."""
    changes: list[Change] = []
    for kind in KINDS:
        before, after = old[kind], new[kind]
        for code, entry in after.items():
            if code not in before:
                changes.append(Change(kind, code, entry["name"], "added"))
            elif fields := tuple(_fields(before[code], entry)):
                changes.append(Change(kind, code, entry["name"], "changed", fields))
        changes += [Change(kind, code, entry["name"], "removed") for code, entry in before.items() if code not in after]
        if moved := _order(kind, before, after):
            changes.append(Change(kind, "", "", "changed", moved))
    return tuple(changes)


def _fields(old: Entry, new: Entry) -> list[FieldChange]:
    found = []
    for key, value in new.items():
        if isinstance(value, Mapping):
            days = new.get("calendar") != "24x7"
            for inner in dict.fromkeys([*old[key], *value]):
                if old[key].get(inner) != value.get(inner):
                    told = [term(each[inner], days=days) if inner in each else "none" for each in (old[key], value)]
                    found.append(FieldChange(f"{key}.{inner}", *told))
        elif old[key] != value:
            found.append(FieldChange(key, _words(old[key]), _words(value)))
    return found


def _order(kind: str, before: Mapping[str, Entry], after: Mapping[str, Entry]) -> tuple[FieldChange, ...]:
    """How entries that are in both have changed places; those of customers and agreements have none."""
    if kind in {"customer", "agreement"}:
        return ()
    old, new = ([code for code in one if code in other] for one, other in ((before, after), (after, before)))
    if kind == "staff":
        # staff have their place in their group; who moves to another group is told of as such
        new = [code for code in new if before[code]["group"] == after[code]["group"]]
        place = {group: number for number, group in enumerate(dict.fromkeys(after[code]["group"] for code in new))}
        stayed = set(new)
        old = sorted((code for code in old if code in stayed), key=lambda code: place[before[code]["group"]])
    if old == new:
        return ()
    while old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return (FieldChange("order", ", ".join(old), ", ".join(new)),)


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value) or "none"
