"""Where the time comes from: whoever needs it is handed a clock, and tests hand one that they set."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """This instant: aware, in UTC."""
        ...
