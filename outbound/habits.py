"""How a worker works: the figures its loops go by."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from outbound.schedule import RetryPolicy


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How the worker works.

    `slots` deliveries of one provider are under way at once; `timeout` bounds one try and must be shorter than
    `lease`. `resend` are the channels on which a try of unknown outcome is simply made again, `uncertain` times at the
    most: a mail bears the same Message-ID and does little harm twice.
    """

    owner: str = "node"
    slots: int = 32
    lease: timedelta = timedelta(seconds=60)
    timeout: timedelta = timedelta(seconds=45)
    poll: timedelta = timedelta(seconds=1)
    reap_every: timedelta = timedelta(seconds=10)
    resend: frozenset[str] = frozenset({"email"})
    uncertain: int = 10
    retry: RetryPolicy = field(default_factory=RetryPolicy)
