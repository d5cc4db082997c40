"""Routing rules: ordered, from the settings, each a set of conditions and what follows when all of them hold.

A rule looks like this in the settings::

    [[rules]]
    name = "Printers of the northern branch"
    when = { customer = "north", text_contains = ["принтер", "мфу"] }
    then = { category = "printing", group = "nsk-hardware" }

Patterns are plain phrases, never regular expressions: what an operator types must not be able to stall the intake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any
from unicodedata import normalize

from router.probe import Probe, fold_text, parents, unicode_domain
from tickets.address import fold
from tickets.priority import Level

LINES = range(1, 10)
"""Support lines a rule may name."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """All that are given must hold; of a list any one is enough. None at all always hold.

    `intake` and `sender` are folded mailboxes (`sender` also phone numbers), `domain` the sender's mail domain and
    those below it. `subject_contains` are folded phrases sought in the subject, `text_contains` in subject and text.
    """

    channel: frozenset[str] = frozenset()
    intake: frozenset[str] = frozenset()
    sender: frozenset[str] = frozenset()
    domain: frozenset[str] = frozenset()
    customer: frozenset[str] = frozenset()
    subject_contains: tuple[str, ...] = ()
    text_contains: tuple[str, ...] = ()
    vip: bool | None = None

    def held(self, probe: Probe) -> str | None:
        """None when a condition fails, else the phrase that was found ("" where none was sought)."""
        if (
            (self.channel and probe.channel not in self.channel)
            or (self.intake and self.intake.isdisjoint(probe.intake))
            or (self.sender and probe.sender not in self.sender)
            or (self.customer and probe.customer not in self.customer)
            or (self.vip is not None and probe.vip is not self.vip)
            or (self.domain and not any(parent in self.domain for parent in parents(probe.domain)))
        ):
            return None
        found = ""
        if self.subject_contains:
            subject = probe.folded_subject
            for found in self.subject_contains:
                if found in subject:
                    break
            else:
                return None
        if self.text_contains:
            subject, text = probe.folded_subject, probe.folded_text
            for found in self.text_contains:
                if found in text or found in subject:
                    break
            else:
                return None
        return found


@dataclass(frozen=True, slots=True)
class Assignments:
    """What a rule says about a ticket; None where it says nothing."""

    customer: str | None = None
    type: str | None = None
    category: str | None = None
    impact: Level | None = None
    urgency: Level | None = None
    centre: str | None = None
    group: str | None = None
    line: int | None = None

    def given(self) -> dict[str, str]:
        """Field to value, as text, of what the rule does say."""
        pairs = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: str(value) for name, value in pairs if value is not None}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `position` counts from 1, `name` is what people read in the reasons."""

    name: str
    when: Conditions
    then: Assignments
    position: int = 0


def parse_rule(data: Mapping[str, Any], position: int) -> Rule:
    """Read one rule of the settings; `position` counts from 1.

    Raises:
        ValueError: in one line, the key that is wrong, what was expected there and how to mend it.
    """
    place = f"rules[{position}]"
    if not isinstance(data, Mapping):
        raise ValueError(f"{place}: expected a table with name, when and then, got {data!r:.60}; write it as [[rules]]")
    _known(data, ("name", "when", "then"), place)
    name = data.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f'{place}.name: expected a short text that people will read in reasons; add name = "…"')
    when, then = data.get("when"), data.get("then")
    if not isinstance(when, Mapping):
        raise ValueError(
            f"{place}.when: expected a table of conditions, got {_shown(when)}; write when = {{}} to hold always"
        )
    if not isinstance(then, Mapping) or not then:
        raise ValueError(
            f"{place}.then: expected a table of what to set, got {_shown(then)}; "
            'write for example then = { category = "printing" }'
        )
    _known(when, tuple(_CONDITIONS), f"{place}.when")
    _known(then, tuple(_ASSIGNMENTS), f"{place}.then")
    conditions = Conditions(**{key: _CONDITIONS[key](value, f"{place}.when.{key}") for key, value in when.items()})
    assignments = Assignments(**{key: _ASSIGNMENTS[key](value, f"{place}.then.{key}") for key, value in then.items()})
    if assignments.customer is not None and (conditions.customer or conditions.vip is not None):
        asked = "customer" if conditions.customer else "vip"
        raise ValueError(
            f"{place}.when.{asked}: expected nothing about the customer in a rule that sets then.customer; "
            "recognise the customer by sender, domain, intake or text, or drop then.customer"
        )
    return Rule(" ".join(name.split()), conditions, assignments, position)


def _known(data: Mapping[str, Any], keys: tuple[str, ...], place: str) -> None:
    for key in data:
        if key not in keys:
            near = get_close_matches(str(key), keys, 1, 0.5)
            mend = f"did you mean {near[0]}?" if near else "remove it or use one of these"
            raise ValueError(f"{place}.{key}: unknown key, expected one of {', '.join(keys)}; {mend}")


def _shown(value: object) -> str:
    return "nothing" if value is None else f"{value!r:.60}"


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f'{place}: expected a text, got {_shown(value)}; write {place.rpartition(".")[2]} = "…"')
    return value.strip()


def _texts(value: Any, place: str) -> list[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    if not values or not all(isinstance(each, str) and each.strip() for each in values):
        raise ValueError(
            f"{place}: expected a text or a list of texts, got {_shown(value)}; "
            f'write {place.rpartition(".")[2]} = ["…"] or remove the key'
        )
    return [each.strip() for each in values]


def _names(value: Any, place: str) -> frozenset[str]:
    return frozenset(_texts(value, place))


def _addresses(value: Any, place: str) -> frozenset[str]:
    for each in (folded := [fold(text) for text in _texts(value, place)]):
        if "@" not in each[1:-1] and not each.startswith("+"):
            raise ValueError(
                f"{place}: expected a mailbox such as help@example.ru or a number such as +74951234567, got {each!r}; "
                "for a whole domain use the key domain"
            )
    return frozenset(folded)


def _domains(value: Any, place: str) -> frozenset[str]:
    for each in (folded := [unicode_domain(fold(text)) for text in _texts(value, place)]):
        if "@" in each or "." not in each.strip("."):
            raise ValueError(
                f"{place}: expected a mail domain such as example.ru, got {each!r}; "
                "write what follows the @, for one mailbox use the key sender"
            )
    return frozenset(folded)


def _phrases(value: Any, place: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(fold_text(normalize("NFC", text)) for text in _texts(value, place)))


def _flag(value: Any, place: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{place}: expected true or false, got {_shown(value)}; write it without quotes")
    return value


def _level(value: Any, place: str) -> Level:
    try:
        return Level(value)
    except ValueError:
        raise ValueError(f"{place}: expected high, medium or low, got {_shown(value)}; choose one of them") from None


def _line(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in LINES:
        raise ValueError(
            f"{place}: expected a support line from {LINES[0]} to {LINES[-1]}, got {_shown(value)}; "
            "write the number without quotes"
        )
    return value


_CONDITIONS: dict[str, Callable[[Any, str], Any]] = {
    "channel": _names,
    "intake": _addresses,
    "sender": _addresses,
    "domain": _domains,
    "customer": _names,
    "subject_contains": _phrases,
    "text_contains": _phrases,
    "vip": _flag,
}

_ASSIGNMENTS: dict[str, Callable[[Any, str], Any]] = {
    "customer": _text,
    "type": _text,
    "category": _text,
    "impact": _level,
    "urgency": _level,
    "centre": _text,
    "group": _text,
    "line": _line,
}
