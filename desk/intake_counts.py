"""What intake counts since the program began."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tickets.delivery import DeliveryState
from tickets.event import Event
from tickets.measure import Count, Histograms


class IntakeCounts:
    """What was taken in since the program began: by channel and outcome, how long it took, who was not acknowledged,
    what came back about mail of ours, how many loops were stopped."""

    __slots__ = ("inputs", "loops", "reports", "seconds", "suppressed")

    def __init__(self) -> None:
        self.inputs: Count = Count()
        self.seconds = Histograms()
        self.suppressed: Count = Count()
        self.reports: Count = Count()
        self.loops: Count = Count()

    def taken(self, channel: str, outcome: str, seconds: float) -> None:
        """One input came to its end."""
        self.inputs[channel, outcome] += 1
        self.seconds.add((channel,), seconds)

    def acknowledged(self, made: Mapping[str, Any]) -> None:
        """A new ticket: where its author is not told, count why."""
        for told, way in zip(made["notifications"], made["deliveries"], strict=False):
            if way["state"] == DeliveryState.SUPPRESSED and told["event"] == Event.RECEIVED:
                self.suppressed[(way["reason"],)] += 1
