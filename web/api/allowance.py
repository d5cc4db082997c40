"""How many requests a token may make: so many in any minute, spent at once or spread, refilled steadily (GCRA).

The generic cell rate algorithm (ITU-T I.371, annex A) keeps one number for each token: the moment at which its
allowance will be full again.
"""

from __future__ import annotations

import math

from web.api.problem import Problem

MINUTE = 60.0


class Allowance:
    """What one token has left; times are seconds of a clock that only goes forward."""

    __slots__ = ("_each", "_full_at", "per_minute")

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._each = MINUTE / per_minute
        self._full_at = 0.0

    def take(self, now: float) -> None:
        """Count one request.

        Raises:
            Problem: 429, with `Retry-After` and the RateLimit fields (draft-ietf-httpapi-ratelimit-headers).
        """
        full_at = max(self._full_at, now) + self._each
        # a billionth for the rounding of sums
        if full_at - now > MINUTE + 1e-9:
            raise self._refusal(full_at - now - MINUTE)
        self._full_at = full_at

    def left(self, now: float) -> int:
        """Requests that may be made now."""
        return int((MINUTE - max(self._full_at - now, 0.0)) / self._each + 1e-6)

    def _refusal(self, wait: float) -> Problem:
        seconds = str(max(math.ceil(wait), 1))
        return Problem(
            429,
            "Too many requests",
            f"this token may make {self.per_minute} requests a minute; wait as long as Retry-After says",
            headers={
                "Retry-After": seconds,
                "RateLimit-Policy": f'"token";q={self.per_minute};w=60',
                "RateLimit": f'"token";r=0;t={seconds}',
            },
        )
