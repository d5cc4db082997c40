"""Routing tried on a table of cases, so that rules can be changed without fear.

A case is a mapping::

    {"name": "A printer of the northern branch",
     "message": {"from": "anna@north.example", "to": "help@example.ru", "subject": "Принтер"},
     "expect": {"centre": "nsk", "category": "printing"}}

`message` knows `channel` ("email"), `from` or `phone`, `to` (one or a list), `subject`, `text`, `known_customer`,
`verified`, what a caller may state (`customer`, `centre`, `group`, `assignee`, `type`, `category`, `impact`,
`urgency`), `load` (open tickets by member id) and `at` (ISO 8601 with offset, for deadlines). `expect` names fields of
a decision; "" or None stand for "nothing", deadlines are ISO 8601 and may be in any zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any

from router.decide import Router
from tickets.address import AddressKind, fold
from tickets.organisation import Organisation
from tickets.priority import Level
from tickets.reason import Reason
from tickets.routing import Decision, Facts

_STATED = ("customer", "centre", "group", "assignee", "type", "category")
_LEVELS = ("impact", "urgency")
_MESSAGE = (
    *("channel", "from", "phone", "to", "subject", "text", "known_customer", "verified", "load", "at"),
    *_STATED,
    *_LEVELS,
)
_EXPECT = tuple(name for name in Decision.__struct_fields__ if name != "reasons")
_INSTANTS = ("respond_by", "resolve_by")


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that came out otherwise than expected, and why it came out so."""

    field: str
    expected: str
    actual: str
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case: `position` counts from 1, no differences means that it holds."""

    position: int
    name: str
    differences: tuple[Difference, ...]
    decision: Decision

    @property
    def passed(self) -> bool:
        """Whether everything came out as expected."""
        return not self.differences


def run_cases(
    router: Router, organisation: Organisation, cases: Iterable[Mapping[str, Any]], now: datetime
) -> list[CaseResult]:
    """Route every case; `now` is the instant of cases without an `at` of their own.

    Raises:
        ValueError: a case that cannot be read; in one line, where, what was expected and how to mend it.
    """
    return [_run(router, organisation, case, position, now) for position, case in enumerate(cases, 1)]


def _run(
    router: Router, organisation: Organisation, case: Mapping[str, Any], position: int, now: datetime
) -> CaseResult:
    place = f"cases[{position}]"
    if not isinstance(case, Mapping):
        raise ValueError(f"{place}: expected a table with name, message and expect, got {case!r:.60}")
    _known(case, ("name", "message", "expect"), place)
    message, expect = case.get("message", {}), case.get("expect", {})
    if not isinstance(message, Mapping):
        raise ValueError(f'{place}.message: expected a table such as {{"from": "a@example.ru"}}, got {message!r:.60}')
    if not isinstance(expect, Mapping) or not expect:
        raise ValueError(f'{place}.expect: expected a table such as {{"centre": "msk"}}, got {expect!r:.60}')
    _known(message, _MESSAGE, f"{place}.message")
    _known(expect, _EXPECT, f"{place}.expect")
    at = _instant(message["at"], f"{place}.message.at") if "at" in message else now
    decision = router.decide(_facts(message, organisation, f"{place}.message"), at)
    reasons = {decided.field: decided.reason for decided in decision.reasons}
    differences = []
    for name, value in expect.items():
        expected, actual = _expected(name, value, f"{place}.expect.{name}"), _actual(getattr(decision, name))
        if expected != actual:
            differences.append(Difference(name, expected, actual, reasons.get(name)))
    return CaseResult(position, str(case.get("name") or place), tuple(differences), decision)


def _facts(message: Mapping[str, Any], organisation: Organisation, place: str) -> Facts:
    def text(name: str, otherwise: str = "") -> str:
        value = message.get(name, otherwise)
        if not isinstance(value, str):
            raise ValueError(f"{place}.{name}: expected a text, got {value!r:.60}; put it in quotes")
        return value

    def level(name: str) -> Level | None:
        try:
            return Level(message[name]) if message.get(name) else None
        except ValueError:
            raise ValueError(f"{place}.{name}: expected high, medium or low, got {message[name]!r:.60}") from None

    to = message.get("to", ())
    mailboxes = (to,) if isinstance(to, str) else tuple(to) if isinstance(to, (list, tuple)) else (None,)
    if not all(isinstance(each, str) for each in mailboxes):
        raise ValueError(f"{place}.to: expected a mailbox or a list of mailboxes, got {to!r:.60}; put each in quotes")
    load = message.get("load", {})
    if not isinstance(load, Mapping) or not all(isinstance(count, int) for count in load.values()):
        raise ValueError(f'{place}.load: expected open tickets by member id such as {{"42": 3}}, got {load!r:.60}')
    verified = message.get("verified", True)
    if not isinstance(verified, bool):
        raise ValueError(f"{place}.verified: expected true or false, got {verified!r:.60}; write it without quotes")
    phone = text("phone")
    return Facts(
        channel=text("channel", "email"),
        sender_kind=(AddressKind.PHONE if phone else AddressKind.EMAIL).value,
        sender_value=fold(phone or text("from")),
        intake=tuple(fold(str(each)) for each in mailboxes),
        subject=text("subject"),
        text=text("text"),
        organisation=organisation,
        known_customer=text("known_customer"),
        impact=level("impact"),
        urgency=level("urgency"),
        load=dict(load),
        verified=verified,
        **{name: text(name) for name in _STATED},
    )


def _known(data: Mapping[str, Any], keys: tuple[str, ...], place: str) -> None:
    for key in data:
        if key not in keys:
            near = get_close_matches(str(key), keys, 1, 0.5)
            mend = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{place}.{key}: unknown key, expected one of {', '.join(keys)}{mend}")


def _instant(value: object, place: str) -> datetime:
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError(
            f"{place}: expected an instant with its offset such as 2026-11-23T11:00+03:00, got {value!r:.60}"
        )
    return at.astimezone(UTC)


def _expected(name: str, value: object, place: str) -> str:
    if name in _INSTANTS and value:
        return _instant(value, place).isoformat()
    return _actual(value)


def _actual(value: object) -> str:
    if value is None:
        return ""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
