"""The program's clock. Logic never asks for the time: it is handed `now`, and only this module knows where from."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """This instant: aware, in UTC."""
        return datetime.now(UTC)
