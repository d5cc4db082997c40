"""Counting what happens, at next to no cost: plain integers, read only when somebody asks.

Parts of the program keep these and know nothing of who reads them; `gateway.metrics` puts them into words.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds, in seconds, that suit a request as well as a relay that takes its time."""

UNITS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Upper bounds for sizes of groups."""

Count = Counter[tuple[str, ...]]
"""How often something happened, by its labels; labels come from short closed lists, never from people."""


class Histogram:
    """How many values lay below each bound.

    >>> waits = Histogram((0.1, 1.0))
    >>> for seconds in (0.05, 0.1, 0.5, 7):
    ...     waits.add(seconds)
    >>> waits.cumulative(), waits.total
    ([(0.1, 2), (1.0, 3), (inf, 4)], 7.65)
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Take one value down."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[float, int]]:
        """Each bound with the number of values at or below it, infinity last."""
        below = 0
        found = []
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            below += count
            found.append((float(bound), below))
        return found


class Histograms:
    """One histogram for each set of labels."""

    __slots__ = ("bounds", "by")

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self.bounds = bounds
        self.by: dict[tuple[str, ...], Histogram] = {}

    def add(self, labels: tuple[str, ...], value: float) -> None:
        """Take one value down."""
        found = self.by.get(labels)
        if found is None:
            found = self.by[labels] = Histogram(self.bounds)
        found.add(value)
