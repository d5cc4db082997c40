"""No regular expression of ours takes a time that explodes: each is shown its own matches, pumped up and spoilt."""

from __future__ import annotations

import importlib
import pkgutil
import re
import signal
from collections.abc import Iterator
from types import FrameType, ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import channels
import desk
import outbound
import router
import tickets

PACKAGES = (channels, desk, outbound, router, tickets)
PUMPED = 60
"""Repetitions: two ways to read each would make 2^60."""


class Exploded(BaseException):
    """A search took two seconds of processor time."""


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def patterns() -> dict[str, re.Pattern[Any]]:
    found: dict[re.Pattern[Any], str] = {}
    for module in modules():
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                found.setdefault(value, f"{module.__name__}.{name}")
    return {name: pattern for pattern, name in found.items()}


PATTERNS = {name: pattern for name, pattern in patterns().items() if pattern.pattern != "[\ud800-\udfff]"}
"""All but the class of surrogates, which no text to be generated holds."""


def exploded(signum: int, frame: FrameType | None) -> None:
    raise Exploded


def searched(pattern: re.Pattern[Any], text: Any) -> None:
    before = signal.signal(signal.SIGVTALRM, exploded)
    signal.setitimer(signal.ITIMER_VIRTUAL, 2.0)
    try:
        pattern.search(text)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("name", PATTERNS)
@settings(
    max_examples=25,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_no_pattern_explodes(name: str, data: st.DataObject) -> None:
    pattern = PATTERNS[name]
    matching = data.draw(st.from_regex(pattern))
    begin = data.draw(st.integers(0, max(0, len(matching) - 1)))
    end = begin + data.draw(st.sampled_from([1, 2, 3, 4, 8, 16]))
    spoilt = "\x00\ufffe" if isinstance(matching, str) else b"\x00\xff"
    searched(pattern, matching[:begin] + matching[begin:end] * PUMPED + spoilt)
    searched(pattern, matching[:begin] + matching[begin:end] * PUMPED + matching[end:-1] + spoilt)
