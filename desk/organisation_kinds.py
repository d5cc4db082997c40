"""The kinds of entries an organisation is written in, and how a snapshot of it is taken apart and put together.

Between files, changes and the database an organisation is `Values`: for each kind the entries by code, each a plain
dict with every key of `KINDS`. Targets are dicts of working minutes by priority, lists are tuples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from desk import organisation_values as read
from tickets.organisation import Agreement, Centre, Customer, Group, Member, Organisation, Target, index
from tickets.priority import Priority

Entry = dict[str, Any]
Values = dict[str, dict[str, Entry]]
Ids = Mapping[tuple[str, str], str]
"""Kind and code to the id (32 hexadecimal digits) of customers and staff."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an entry: its reader, its form in a table of texts, and what holds where it is left out.

    `site` names the attribute of `desk.site.Site` that is the default instead.
    """

    read: read.Reader
    form: Literal["text", "number", "flag", "list", "table"] = "text"
    required: bool = False
    default: Any = ""
    site: str = ""


def _list(reader: read.Reader, example: str) -> Key:
    return Key(read.list_of(reader, example), "list", default=())


_CODE = Key(read.code(80), required=True)
_NAME = Key(read.name, required=True)
_FLAG = Key(read.flag, "flag", default=False)
_TARGETS = Key(read.targets, "table", default={})
_MAILBOXES = _list(read.mailbox, "support@example.ru")

KINDS: dict[str, dict[str, Key]] = {
    "centre": {
        "code": Key(read.code(40), required=True),
        "name": _NAME,
        "zone": Key(read.zone, site="zone"),
        "addresses": _MAILBOXES,
        "calendar": Key(read.code(40), default="default"),
        "default": _FLAG,
    },
    "agreement": {
        "code": _CODE,
        "name": _NAME,
        "calendar": Key(read.or_nothing(read.code(40))),
        "respond": _TARGETS,
        "resolve": _TARGETS,
    },
    "group": {
        "code": _CODE,
        "name": _NAME,
        "centre": Key(read.code(40), required=True),
    },
    "staff": {
        "login": _CODE,
        "name": _NAME,
        "email": Key(read.mailbox, required=True),
        "group": Key(read.code(80), required=True),
        "line": Key(read.line, "number", default=1),
        "language": Key(read.language, site="language"),
        "lead": _FLAG,
        "away": _FLAG,
    },
    "customer": {
        "code": _CODE,
        "name": _NAME,
        "centre": Key(read.or_nothing(read.code(40))),
        "agreement": Key(read.or_nothing(read.code(80))),
        "group": Key(read.or_nothing(read.code(80))),
        "domains": _list(read.domain, "example.ru"),
        "addresses": _MAILBOXES,
        "phones": _list(read.phone, "+7 495 000-12-34"),
        "language": Key(read.or_nothing(read.language)),
        "vip": _FLAG,
    },
}
"""Every key of every kind, kinds in the order they are written in: what is named comes before what names it."""

REFERENCES = (
    ("group", "centre", "centre"),
    ("staff", "group", "group"),
    ("customer", "centre", "centre"),
    ("customer", "agreement", "agreement"),
    ("customer", "group", "group"),
)
"""Kind, its key, and the kind whose code the key holds."""


def code_key(kind: str) -> str:
    """The key entries of a kind are known by."""
    return "login" if kind == "staff" else "code"


def values_of(organisation: Organisation) -> Values:
    """Take a snapshot apart."""
    return {
        "centre": {
            each.code: {
                "code": each.code,
                "name": each.name,
                "zone": each.zone,
                "addresses": each.addresses,
                "calendar": each.calendar,
                "default": each.default,
            }
            for each in organisation.centres.values()
        },
        "agreement": {
            each.code: {
                "code": each.code,
                "name": each.name,
                "calendar": each.calendar,
                "respond": _promised(each, "respond"),
                "resolve": _promised(each, "resolve"),
            }
            for each in organisation.agreements.values()
        },
        "group": {
            each.code: {"code": each.code, "name": each.name, "centre": each.centre}
            for each in organisation.groups.values()
        },
        "staff": {
            each.login: {key: getattr(each, key) for key in KINDS["staff"]}
            for group in organisation.groups.values()
            for each in group.members
        },
        "customer": {
            each.code: {key: getattr(each, key) for key in KINDS["customer"]}
            for each in organisation.customers.values()
        },
    }


def ids_of(organisation: Organisation) -> dict[tuple[str, str], str]:
    """The ids of a snapshot's customers and staff."""
    found = {("customer", each.code): each.id for each in organisation.customers.values()}
    return found | {("staff", each.login): each.id for each in organisation.members.values()}


def organisation_of(values: Values, ids: Ids, version: int) -> Organisation:
    """Put a snapshot together; `ids` has one for each customer and each of the staff."""
    members: dict[str, list[Member]] = {}
    for login, entry in values["staff"].items():
        members.setdefault(entry["group"], []).append(Member(id=ids["staff", login], **entry))
    return index(
        version,
        [Centre(**entry) for entry in values["centre"].values()],
        [_agreement(entry) for entry in values["agreement"].values()],
        [Customer(id=ids["customer", code], **entry) for code, entry in values["customer"].items()],
        [Group(**entry, members=tuple(members.get(code, ()))) for code, entry in values["group"].items()],
    )


def _promised(agreement: Agreement, what: str) -> dict[str, int]:
    found = {each.value: getattr(agreement.targets.get(each.value, Target(0, 0)), what) for each in Priority}
    return {priority: minutes for priority, minutes in found.items() if minutes > 0}


def _agreement(entry: Entry) -> Agreement:
    respond, resolve = entry["respond"], entry["resolve"]
    return Agreement(
        code=entry["code"],
        name=entry["name"],
        calendar=entry["calendar"],
        targets={
            each.value: Target(respond.get(each.value, 0), resolve.get(each.value, 0))
            for each in Priority
            if each.value in respond or each.value in resolve
        },
    )
