"""Alternating rounds and the book of results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.rounds import Book, Figure, Sample, paired, single

HIGHER = Figure("speed", "ratio", "higher", "ours of theirs", 0.6, 0.8)
LOWER = Figure("growth", "ratio", "lower", "large of small", 1.3, 1.3)


def test_sides_take_turns_and_the_beginner_changes() -> None:
    order: list[str] = []

    def ours() -> Sample:
        order.append("ours")
        return Sample(3.0, {"p50_ms": 1.0})

    def peer() -> Sample:
        order.append("peer")
        return Sample(4.0)

    result = paired(HIGHER, ours, peer, rounds=3)
    assert order == ["ours", "peer", "peer", "ours", "ours", "peer"]
    assert result.value == 0.75
    assert result.ours == Sample(3.0, {"p50_ms": 1.0})


def test_the_result_is_the_median_of_the_ratios_and_not_the_ratio_of_medians() -> None:
    mine = iter([10.0, 10.0, 40.0])
    theirs = iter([10.0, 40.0, 40.0])
    result = paired(HIGHER, lambda: Sample(next(mine)), lambda: Sample(next(theirs)), rounds=3)
    assert result.value == 1.0
    assert result.spread == (0.25, 1.0)


@pytest.mark.parametrize(
    "figure, value, verdict, passed",
    [
        (HIGHER, 0.59, "MISSED", False),
        (HIGHER, 0.6, "must reached", True),
        (HIGHER, 0.8, "goal reached", True),
        (LOWER, 1.31, "MISSED", False),
        (LOWER, 1.3, "goal reached", True),
        (Figure("plain", "s", "lower", "absolute"), 7.0, "measured", True),
    ],
)
def test_verdicts(figure: Figure, value: float, verdict: str, passed: bool) -> None:
    result = single(figure, lambda: Sample(value), rounds=1)
    assert (figure.verdict(result.value), result.passed) == (verdict, passed)


def test_the_book_keeps_other_figures_and_drops_what_failed(tmp_path: Path) -> None:
    path = tmp_path / "build" / "bench.json"
    first = Book(path)
    first.enter(single(HIGHER, lambda: Sample(0.7), rounds=2))
    first.enter(single(LOWER, lambda: Sample(1.1), rounds=2))
    assert json.loads(path.read_text())["speed"] == {
        "value": 0.7,
        "unit": "ratio",
        "better": "higher",
        "rounds": 2,
        "spread": [0.7, 0.7],
        "pair": "ours of theirs",
        "must": 0.6,
        "goal": 0.8,
        "verdict": "must reached",
        "ours": {"value": 0.7},
    }
    second = Book(path)
    second.fail("speed", "the server ended")
    assert set(json.loads(path.read_text())) == {"growth"}
    assert not second.passed
    assert "NOT MEASURED: the server ended" in second.table()
