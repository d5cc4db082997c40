"""What the worker counts and tells of each try, once it is recorded."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tickets.delivery import DeliveryState
from tickets.measure import Count, Histograms
from tickets.trace import Trail, untold

Row = dict[str, Any]

_OVER = {DeliveryState.FAILED: "failed", DeliveryState.UNKNOWN: "unknown"}


class WorkerCounts:
    """Tries since the program began: by provider and outcome, how long they took, what became of the deliveries."""

    __slots__ = ("attempts", "ended", "retries", "seconds", "trail")

    def __init__(self, trail: Trail = untold) -> None:
        self.attempts: Count = Count()
        self.seconds = Histograms()
        self.retries: Count = Count()
        self.ended: Count = Count()
        self.trail = trail

    def recorded(self, provider: str, results: list[Row]) -> None:
        """These tries are over, and on disk so."""
        for result in results:
            outcome, state = str(result["outcome"]), DeliveryState(result["state"])
            self.attempts[provider, outcome] += 1
            self.seconds.add((provider,), result["seconds"])
            if state is DeliveryState.QUEUED:
                self.retries[(provider,)] += 1
            elif state in _OVER:
                self.ended[provider, _OVER[state]] += 1
            self.trail(
                "delivery_tried",
                result["trace"],
                delivery=result["id"].hex,
                provider=provider,
                number=result["number"],
                outcome=outcome,
                code=result["code"][:40],
                state=str(state),
                ms=round(result["seconds"] * 1000, 1),
            )

    def without_text(self, provider: str) -> None:
        """A delivery failed before its first try."""
        self.ended[provider, _OVER[DeliveryState.FAILED]] += 1


def traced(context: Row) -> dict[str, str]:
    """What a delivery's envelope keeps of its trace: the key of the message it is about, else of the first one."""
    first = context["first"]
    key: UUID | None = context["event"]["message_id"] or (first["id"] if first else None)
    return {"trace": key.hex} if key is not None else {}


def trace_of(delivery: Row) -> str:
    """The trace of a delivery, as its envelope keeps it; its own key where that is older than traces."""
    found: str = (delivery["envelope"] or {}).get("trace", "")
    return found or delivery["id"].hex
