"""Words people use when something burns, and when nothing does."""

from __future__ import annotations

import re

from tickets.priority import Level

CALM = ("не срочно", "несрочн*", "not urgent", "non-urgent", "no rush")
"""Urgency low; heard first, for most of them contain an urgent word."""

URGENT = (
    "срочн*",
    "авари*",
    "не работает у всех",
    "у всех не работает",
    "ничего не работает",
    "все не работает",
    "работа встала",
    "urgent*",
    "asap",
    "outage",
    "is down",
    "are down",
    "nothing works",
)
"""Urgency high. Whole words in comparison form; a star stands for any ending."""


STEMS = (
    *("срочн", "авари", "у всех", "ничего не", "все не", "работа встала"),
    *("urgent", "asap", "outage", "is down", "are down", "no rush", "nothing works"),
)
"""Each phrase above holds one of these: most messages hold none and are not looked at any closer."""


def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    endings = (re.escape(each[:-1]) + r"\w*" if each.endswith("*") else re.escape(each) + r"\b" for each in phrases)
    return re.compile(rf"\b(?:{'|'.join(endings)})")


_CALM, _URGENT = _pattern(CALM), _pattern(URGENT)


def urgency_of(opening: str) -> tuple[Level, str] | None:
    """The urgency a message speaks of and the words that say so; None when it speaks of none.

    `opening` is subject and first lines in comparison form.

    >>> urgency_of("срочно! не печатает")
    (<Level.HIGH: 'high'>, 'срочно')
    >>> urgency_of("новая мышь, совсем не срочно")
    (<Level.LOW: 'low'>, 'не срочно')
    >>> urgency_of("бессрочный договор") is None
    True
    """
    for stem in STEMS:
        if stem in opening:
            break
    else:
        return None
    if found := _CALM.search(opening):
        return Level.LOW, found[0][:40]
    if found := _URGENT.search(opening):
        return Level.HIGH, found[0][:40]
    return None
