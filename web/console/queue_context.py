"""What the page of the queue says around its rows: views with their counts, chips, menus, the title."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup, escape

from desk.queue import PAGE, QueuePage
from desk.queue_filter import FIELDS, NONE, QueueFilter
from desk.queue_row import GROUPS, QueueRow
from desk.saved_views import SavedView
from desk.visitor import Visitor
from storage.queue import MOST_COUNTED, Order
from tickets.organisation import Organisation
from tickets.priority import Priority
from tickets.role import Right
from tickets.status import Status

Row = dict[str, Any]

BUILT_IN: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("open", ()),
    ("mine", (("assignee", "me"),)),
    ("nobody", (("assignee", "none"),)),
    ("snoozed", (("snoozed", "yes"),)),
)
"""Views everybody has: the key of their words, and their filter."""

CHANNELS = ("email", "sms", "telegram", "max", "call", "web", "api")


@dataclass(slots=True)
class ViewLink:
    """A view at the side: `words` is a key of ours, or `name` what somebody called it."""

    filter: QueueFilter
    href: str
    words: str = ""
    name: str = ""
    current: bool = False
    count: int = -1

    @property
    def told(self) -> str:
        """The count as it is shown; empty where it is not counted."""
        return "" if self.count < 0 else f"{MOST_COUNTED}+" if self.count > MOST_COUNTED else str(self.count)


@dataclass(slots=True)
class Sidebar:
    """Views in their three parts."""

    built_in: list[ViewLink]
    saved: list[ViewLink]
    centres: list[ViewLink]
    view: SavedView | None

    @property
    def all(self) -> list[ViewLink]:
        """Every link, in order."""
        return [*self.built_in, *self.saved, *self.centres]


def sidebar(asked: QueueFilter, chosen: str, saved: Sequence[SavedView], organisation: Organisation) -> Sidebar:
    """The views, and which of them the filter is. `chosen` is the key of the saved one the address names."""
    built_in = [
        ViewLink(QueueFilter.read(pairs), QueueFilter.read(pairs).address(), words=f"queue.view.{name}")
        for name, pairs in BUILT_IN
    ]
    own = [ViewLink(one.filter, one.filter.address(view=one.id.hex), name=one.name) for one in saved]
    centres = []
    if len(organisation.centres) > 1:
        for centre in organisation.centres.values():
            meant = QueueFilter.read([("centre", centre.code)])
            centres.append(ViewLink(meant, meant.address(), name=centre.name))
    view = next((one for one in saved if one.id.hex == chosen), None)
    if view is not None:
        own[list(saved).index(view)].current = True
    else:
        for link in (*built_in, *own, *centres):
            if link.filter.same_as(asked):
                link.current = True
                break
    return Sidebar(built_in, own, centres, view)


def context(
    page: QueuePage,
    asked: QueueFilter,
    side: Sidebar,
    visitor: Visitor,
    *,
    after: str,
    choices: Choices,
) -> Row:
    """Everything the template is told."""
    organisation = page.organisation
    view = side.view
    extra = {"view": view.id.hex} if view is not None else {}
    return {
        "page": page,
        "asked": asked,
        "groups": grouped(page.rows, page),
        "side": side,
        "view": view,
        "title_words": "" if view else next((link.words for link in side.all if link.current and link.words), ""),
        "title_name": view.name if view else next((link.name for link in side.all if link.current and link.name), ""),
        "changed": asked.narrows and (view is None or not view.filter.same_as(asked)),
        "chips": chips(asked, extra),
        "orders": orders(asked, extra) if page.totals is not None else [],
        "names": names(organisation),
        "fields": FIELDS,
        "statuses": list(Status),
        "priorities": list(Priority),
        "channels": CHANNELS,
        "tags": page.tags,
        "types": sorted(set(asked.values.get("type", ()))),
        "customer_options": choices.customers(organisation),
        "back_query": f"?{urlencode({'back': asked.address(**extra)})}",
        "next_page": asked.address(after=page.more, **extra) if page.more else "",
        "first_page": asked.address(**extra) if after else "",
        "here_address": asked.address(**extra),
        "fresh_address": asked.address("/queue/fresh", at=page.at.isoformat(), **extra),
        "misread": list(asked.misread()),
        "report": page.report,
        "away": page.away,
        "size_of_page": PAGE,
        "may_tick": visitor.may(Right.TICKETS_WRITE),
        "many": visitor.may(Right.TICKETS_BULK),
        "members": sorted(organisation.members.values(), key=lambda member: member.name),
        "search_text": asked.one("q"),
    }


def grouped(rows: Sequence[QueueRow], page: QueuePage) -> list[Row]:
    """Rows by group in the order they came, with how many there are of each in the whole list."""
    if page.totals is None:
        return [{"part": "", "rows": list(rows), "n": None}] if rows else []
    of = {part: getattr(page.totals, part) for part in GROUPS if part != "done"}
    found: list[Row] = []
    for row in rows:
        if not found or found[-1]["part"] != row.part:
            found.append({"part": row.part, "rows": [], "n": of.get(row.part)})
        found[-1]["rows"].append(row)
    order = [GROUPS.index(group["part"]) for group in found]
    if order != sorted(order):
        # sorted by something else: groups would only repeat themselves
        return [{"part": "", "rows": list(rows), "n": None}]
    return found


def chips(asked: QueueFilter, extra: dict[str, str]) -> list[Row]:
    """A chip for each value, with the address without it."""
    found = []
    for name, values in asked.values.items():
        if name == "order":
            continue
        found += [
            {"field": name, "value": value, "remove": asked.without(name, value).address(**extra)} for value in values
        ]
    return found


def orders(asked: QueueFilter, extra: dict[str, str]) -> list[Row]:
    """Every order, with its address."""
    return [
        {"order": order, "href": asked.having("order", order).address(**extra), "current": order is asked.order}
        for order in Order
    ]


def names(organisation: Organisation) -> dict[str, dict[str, str]]:
    """What codes are called, by field."""
    return {
        "centre": {code: centre.name for code, centre in organisation.centres.items()},
        "customer": {code: customer.name for code, customer in organisation.customers.items()},
        "group": {code: group.name for code, group in organisation.groups.items()},
        "assignee": {member.login: member.name for member in organisation.members.values()},
        NONE: {},
    }


class Choices:
    """What the filter menu offers of an organisation, drawn once for each state of it: there may be hundreds."""

    def __init__(self) -> None:
        self._drawn_of: Organisation | None = None
        self._customers = Markup()

    def customers(self, organisation: Organisation) -> Markup:
        """The customers as options of a field."""
        if self._drawn_of is not organisation:
            some = sorted(organisation.customers.values(), key=lambda customer: customer.name.casefold())
            drawn = [f'<option value="{escape(customer.code)}">{escape(customer.name)}</option>' for customer in some]
            self._customers = Markup("".join(drawn))  # noqa: S704 - escaped one by one
            self._drawn_of = organisation
        return self._customers


def ticked_of(values: Sequence[str]) -> list[tuple[str, int]]:
    """`NUMBER:VERSION` of each ticked row; what is none is left out."""
    found = []
    for value in values:
        number, _, version = value.rpartition(":")
        if number and len(number) <= 24 and version.isascii() and version.isdigit() and len(version) < 10:
            found.append((number.upper(), int(version)))
    return found
