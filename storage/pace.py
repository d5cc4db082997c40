"""How units that wait are shared out between groups that are under way at the same time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Pace:
    """Keeps `lanes` groups under way, each with its part of all there is to do.

    Left to themselves groups clot: who was answered together comes again together, so that one group has everybody and
    goes to the server while nobody is left to be decided meanwhile, and who was late pays for a transaction alone.
    """

    lanes: int
    under_way: int = 0

    def share(self, waiting: int) -> int:
        """How many of those who wait the next group takes.

        >>> Pace(lanes=2).share(32), Pace(lanes=2, under_way=16).share(16), Pace(lanes=2, under_way=31).share(1)
        (16, 16, 1)
        """
        return min(waiting, self._part(waiting))

    def worthwhile(self, waiting: int) -> bool:
        """Whether they are worth a transaction now: nobody else is under way, or they are half of a group's part.

        >>> Pace(lanes=2).worthwhile(1), Pace(lanes=2, under_way=31).worthwhile(1)
        (True, False)
        >>> Pace(lanes=2, under_way=31).worthwhile(11)
        True
        """
        return waiting > 0 and (not self.under_way or 2 * waiting >= self._part(waiting))

    def _part(self, waiting: int) -> int:
        return -(-(self.under_way + waiting) // self.lanes)
