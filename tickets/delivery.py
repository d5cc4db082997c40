"""The states of a delivery, drawn once. Notification 1-n Delivery 1-n Attempt.

```
            claim                    accepted            report          report
 queued ------------> sending -----------------> sent -----------> delivered -----> read
  |  ^                 |  |  |                    |  \\________________________________^
  |  |     retry       |  |  | lost in a crash    | report
  |  +-----------------+  |  +-----> unknown      +--------> failed
  |  |                    |            |  |  |                 ^
  |  +--------------------|------------+  |  +--> sent,        |
  |     resend            +---------------+-----> delivered    |
  |                       permanent, or out of tries ----------+
  +--> expired | suppressed                        failed --> queued  (replayed by a person)
```
"""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache


class DeliveryState(StrEnum):
    """Where one delivery stands."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    UNKNOWN = "unknown"


S = DeliveryState

ARCS: dict[DeliveryState, frozenset[DeliveryState]] = {
    S.QUEUED: frozenset({S.SENDING, S.EXPIRED, S.SUPPRESSED}),
    S.SENDING: frozenset({S.SENT, S.QUEUED, S.FAILED, S.UNKNOWN}),
    S.SENT: frozenset({S.DELIVERED, S.READ, S.FAILED}),
    S.DELIVERED: frozenset({S.READ}),
    S.READ: frozenset(),
    S.UNKNOWN: frozenset({S.SENT, S.DELIVERED, S.FAILED, S.QUEUED}),
    S.FAILED: frozenset({S.QUEUED}),
    S.EXPIRED: frozenset({S.QUEUED}),
    S.SUPPRESSED: frozenset(),
}
"""Legal arcs. `failed` and `expired` return to `queued` only when a person replays a dead letter."""

DEAD = frozenset({S.FAILED, S.EXPIRED})
"""Dead letters: over, and the recipient did not get it."""


class IllegalArc(ValueError):
    """A delivery was about to move along an arc that does not exist."""

    def __init__(self, old: DeliveryState, new: DeliveryState) -> None:
        super().__init__(f"a delivery that is {old} cannot become {new}")


def check_arc(old: DeliveryState, new: DeliveryState) -> None:
    """Refuse an illegal arc.

    Raises:
        IllegalArc: `ARCS` has no way from `old` to `new`.
    """
    if new not in ARCS[old]:
        raise IllegalArc(old, new)


class Outcome(StrEnum):
    """How one attempt ended; an attempt without an outcome is in flight."""

    ACCEPTED = "accepted"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"


_ORDER = (S.READ, S.DELIVERED, S.SENT, S.SENDING, S.QUEUED, S.UNKNOWN, S.FAILED, S.EXPIRED, S.SUPPRESSED)


@lru_cache(maxsize=1024)
def notification_state(*deliveries: str) -> DeliveryState:
    """The state of a notification: the best any of its deliveries reached.

    >>> str(notification_state("failed", "sent"))
    'sent'

    Raises:
        ValueError: one is no state.
    """
    return min(map(DeliveryState, deliveries), key=_ORDER.index, default=S.SUPPRESSED)
