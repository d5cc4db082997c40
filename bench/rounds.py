"""Alternating rounds, and the book their results are written into.

Two sides of a comparison are measured in turns, and who begins changes from round to round, so that a slow minute of
the machine hits both. What counts is the ratio inside a round; the median of the rounds is the result, and its spread
stands beside it.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Sample:
    """What one round of one side gave: its figure, and what else is worth keeping (latencies, processor time)."""

    value: float
    detail: Mapping[str, float] = field(default_factory=dict)


Measure = Callable[[], Sample]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that is measured: its name, unit, what was measured against what, and the marks to reach, if any."""

    name: str
    unit: str
    better: Literal["higher", "lower"]
    pair: str
    must: float | None = None
    goal: float | None = None

    def reaches(self, value: float, mark: float | None) -> bool:
        """Whether a value is as good as a mark; every value reaches no mark."""
        if mark is None:
            return True
        return value >= mark if self.better == "higher" else value <= mark

    def verdict(self, value: float) -> str:
        """The result in a word or two."""
        if self.must is None and self.goal is None:
            return "measured"
        if not self.reaches(value, self.must):
            return "MISSED"
        return "goal reached" if self.reaches(value, self.goal) else "must reached"


@dataclass(frozen=True, slots=True)
class Result:
    """A measured figure: the median over the rounds, least and greatest, and the medians of both sides."""

    figure: Figure
    value: float
    rounds: int
    spread: tuple[float, float]
    ours: Sample | None = None
    peer: Sample | None = None
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the mark that must be reached was."""
        return self.figure.reaches(self.value, self.figure.must)

    def as_json(self) -> dict[str, Any]:
        """The entry of `build/bench.json`."""
        entry: dict[str, Any] = {
            "value": _rounded(self.value),
            "unit": self.figure.unit,
            "better": self.figure.better,
            "rounds": self.rounds,
            "spread": [_rounded(bound) for bound in self.spread],
            "pair": self.figure.pair,
            "must": self.figure.must,
            "goal": self.figure.goal,
            "verdict": self.figure.verdict(self.value),
        }
        for side, sample in (("ours", self.ours), ("peer", self.peer)):
            if sample is not None:
                detail = {key: _rounded(value) for key, value in sample.detail.items()}
                entry[side] = {"value": _rounded(sample.value), **detail}
        if self.remarks:
            entry["remarks"] = list(self.remarks)
        return entry


def paired(figure: Figure, ours: Measure, peer: Measure, rounds: int = 5, remarks: tuple[str, ...] = ()) -> Result:
    """Measure both sides in turns; the value is the median of ours over peer, round by round."""
    our_samples: list[Sample] = []
    peer_samples: list[Sample] = []
    for number in range(rounds):
        sides = [(ours, our_samples), (peer, peer_samples)]
        for measure, samples in sides if number % 2 == 0 else reversed(sides):
            samples.append(measure())
        mine, theirs = our_samples[-1].value, peer_samples[-1].value
        _tell(f"{figure.name} round {number + 1}: {short(mine)} / {short(theirs)} = {mine / theirs:.3f}")
    ratios = [mine.value / theirs.value for mine, theirs in zip(our_samples, peer_samples, strict=True)]
    spread = (min(ratios), max(ratios))
    return Result(figure, statistics.median(ratios), rounds, spread, middle(our_samples), middle(peer_samples), remarks)


def single(figure: Figure, measure: Measure, rounds: int = 5, remarks: tuple[str, ...] = ()) -> Result:
    """Measure one absolute value; the value is the median."""
    samples: list[Sample] = []
    for number in range(rounds):
        samples.append(measure())
        _tell(f"{figure.name} round {number + 1}: {short(samples[-1].value)} {figure.unit}")
    values = [sample.value for sample in samples]
    spread = (min(values), max(values))
    return Result(figure, statistics.median(values), rounds, spread, middle(samples), None, remarks)


def middle(samples: list[Sample]) -> Sample:
    """The median of the values, and of each detail by itself."""
    keys = samples[0].detail.keys()
    detail = {key: statistics.median(sample.detail[key] for sample in samples) for key in keys}
    return Sample(statistics.median(sample.value for sample in samples), detail)


class Book:
    """`build/bench.json`: results of this run replace those of the same name, others stay."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results: list[Result] = []
        self.failures: dict[str, str] = {}

    def enter(self, result: Result) -> None:
        """Write a result at once: what follows may fail."""
        self.results.append(result)
        entries = json.loads(self.path.read_text()) if self.path.exists() else {}
        entries[result.figure.name] = result.as_json()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False) + "\n")

    def fail(self, name: str, why: str) -> None:
        """Remember that a figure could not be measured, and take an older result of it out of the book."""
        self.failures[name] = why
        _tell(f"{name}: {why}")
        if self.path.exists():
            entries = json.loads(self.path.read_text())
            if entries.pop(name, None) is not None:
                self.path.write_text(json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False) + "\n")

    @property
    def passed(self) -> bool:
        """Whether everything asked for was measured and reached what it must."""
        return not self.failures and all(result.passed for result in self.results)

    def table(self) -> str:
        """All results of this run for a person to read."""
        rows = [("figure", "ours", "peer", "result", "min..max", "must", "goal", "verdict")]
        for result in self.results:
            figure = result.figure
            rows.append(
                (
                    figure.name,
                    short(result.ours.value) if result.ours and result.peer else "",
                    short(result.peer.value) if result.peer else "",
                    f"{short(result.value)} {figure.unit}",
                    f"{short(result.spread[0])}..{short(result.spread[1])}",
                    short(figure.must),
                    short(figure.goal),
                    figure.verdict(result.value),
                )
            )
        rows += [(name, "", "", "", "", "", "", "NOT MEASURED: " + why) for name, why in self.failures.items()]
        widths = [max(len(row[column]) for row in rows) for column in range(7)]
        lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]) for row in rows]
        details = [line for result in self.results for line in _details(result)]
        return "\n".join([*lines, "", *details])


def short(value: float | None) -> str:
    """Three or four digits that matter; empty for none.

    >>> short(1234.5), short(12.345), short(0.8137), short(None)
    ('1,234', '12.3', '0.814', '')
    """
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _details(result: Result) -> list[str]:
    lines = []
    for side, sample in (("ours", result.ours), ("peer", result.peer)):
        if sample is not None and sample.detail:
            told = ", ".join(f"{key} {short(value)}" for key, value in sample.detail.items())
            lines.append(f"{result.figure.name} {side}: {told}")
    lines += [f"{result.figure.name}: {remark}" for remark in result.remarks]
    return lines


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
